"""What a comparison of recipes consists of, readable from TOML."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pesx.config import from_table, read_toml, to_table
from pesx.errors import ConfigError, InputError
from pesx.labelling.store import LabelStore
from pesx.training.dataset import Dataset, load, merge
from pesx.training.recipes import RECIPES, RecipeSettings, recipe_settings
from pesx.training.sources.data_file import read_data
from pesx.training.sources.settings import DataSettings, FileSettings

HOW = ("compile", "threads", "checkpoint_every_s")
"""Settings of a training that may change between the cells: how it runs."""


@dataclass(frozen=True)
class Frames:
    """Where labelled frames are.

    Attributes:
        files: As in a data file.
        database: File of ``pesx label``, beside or instead of these.
        level: Level of theory of files that do not say it.
    """

    files: tuple[FileSettings, ...] = ()
    database: str = ""
    level: str = ""

    def __post_init__(self) -> None:
        if not (self.files or self.database):
            raise ConfigError("Expected files or a database of frames; came neither. Name one.")

    def read(self, folder: Path) -> Dataset:
        """Return the frames; relative paths start from the folder."""
        found = [read_data(DataSettings(self.files, self.level), folder)] if self.files else []
        if self.database:
            path = folder / self.database
            if not path.is_file():
                raise InputError(f"Expected a file of labels at {path}; there is none. Make it with pesx label.")
            with LabelStore(path) as store:
                found.append(load(store))
        return merge(found)


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        recipes: Names out of :data:`pesx.training.recipes.RECIPES`.
        sizes: Numbers of accurate frames, those that choose the weights among them.
        seeds: Each of the draw of the accurate frames and of every training.
        accurate: Frames to draw from.
        test: Frames at the accurate level, whose errors are compared.
        cheap: Frames of the cheap level.
        training: Settings of every recipe, apart from the seed.
        samples: Structures for ``asteroid-unlabelled``; None for those of the cheap level.
    """

    recipes: tuple[str, ...]
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    accurate: Frames
    test: Frames
    cheap: Frames
    training: RecipeSettings
    samples: Frames | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.recipes if name not in RECIPES]
        if unknown:
            raise ConfigError(f"Expected recipes out of {', '.join(RECIPES)}; came {unknown[0]!r}. Correct it.")
        for name in ("recipes", "sizes", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ConfigError(f"Expected {name}, each once; came {list(values)}. Correct them.")
        if min(self.sizes) < 1 or min(self.seeds) < 0:
            raise ConfigError("Expected sizes of at least 1 and seeds of at least 0; came smaller ones. Correct them.")

    def cells(self) -> list["Cell"]:
        """Return all cells; those of one seed come together, so that a whole curve is there early."""
        return [Cell(recipe, size, seed) for seed in self.seeds for size in self.sizes for recipe in self.recipes]

    def fixed(self) -> dict[str, Any]:
        """Return what must not change while cells are added to a folder; recipes, sizes and seeds may."""
        training = to_table(self.training)
        training["training"] = {name: value for name, value in training["training"].items() if name not in HOW}
        frames = ("accurate", "test", "cheap", "samples")
        return {
            **{name: to_table(getattr(self, name)) for name in frames if getattr(self, name) is not None},
            **training,
            # They choose the weights of a training that all sizes have in common.
            "smallest size": min(self.sizes),
        }


@dataclass(frozen=True)
class Cell:
    """One training to compare.

    Attributes:
        recipe: Its name.
        size: Number of accurate frames.
        seed: Of their draw and of the training.
    """

    recipe: str
    size: int
    seed: int

    def __str__(self) -> str:
        return f"{self.recipe}/{self.size}/{self.seed}"


def read_comparison(path: str | Path) -> Comparison:
    """Read a comparison from TOML; ``[training]`` holds the settings of a recipe.

    Raises:
        ConfigError: The file is not TOML, a key is unknown or missing, or a value is out of range.
    """
    table = read_toml(path)
    training = recipe_settings(table.pop("training", {}), where="training.")
    return from_table(Comparison, {**table, "training": training})
