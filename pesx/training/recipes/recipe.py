"""What all recipes have in common: settings, labels, and a folder with a training for each stage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pesx.config import from_table, read_toml
from pesx.errors import ConfigError
from pesx.so3krates import checkpoint
from pesx.so3krates.model import So3krates
from pesx.training.bias import BiasSettings
from pesx.training.correction import CorrectionSettings
from pesx.training.dataset import Dataset
from pesx.training.settings import TrainingSettings
from pesx.training.trainer import MODEL, train

OF_RECIPES = ("stages", "bias", "correction")
"""Tables of a settings file that are no settings of a training."""


@dataclass(frozen=True)
class RecipeSettings:
    """Settings of a training in stages.

    Attributes:
        training: Of every stage.
        stages: What single stages change, by name.
        bias: How cheap labels are weighed.
        correction: How cheap labels are corrected.
    """

    training: TrainingSettings
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bias: BiasSettings = field(default_factory=BiasSettings)
    correction: CorrectionSettings = field(default_factory=CorrectionSettings)

    @property
    def is_staged(self) -> bool:
        """Whether there is anything in them that a training in one go does not know."""
        return bool(self.stages) or self.bias != BiasSettings() or self.correction != CorrectionSettings()

    def of(self, stage: str) -> TrainingSettings:
        """Return the settings of a stage."""
        return from_table(TrainingSettings, self.stages.get(stage, {}), where=f"stages.{stage}.", base=self.training)


def read_recipe_settings(path: str | Path) -> RecipeSettings:
    """Read settings from a TOML file: those of a training, with ``[stages.NAME]``, ``[bias]`` and ``[correction]`` besides.

    Raises:
        ConfigError: The file is not TOML, a key is unknown, or a value is out of range.
    """
    return recipe_settings(read_toml(path))


def recipe_settings(table: Mapping[str, Any], *, where: str = "") -> RecipeSettings:
    """Return settings from the values of such a file.

    Args:
        table: Values by name.
        where: Put before names in messages.

    Raises:
        ConfigError: A key is unknown, or a value is out of range.
    """
    stages, bias, correction = (table.get(name, {}) for name in OF_RECIPES)
    rest = {name: value for name, value in table.items() if name not in OF_RECIPES}
    training = from_table(TrainingSettings, rest, where=where)
    if not isinstance(stages, dict) or not all(isinstance(changes, dict) for changes in stages.values()):
        raise ConfigError(f"Expected tables [{where}stages.NAME], came {stages!r}. Write a table for each stage.")
    settings = RecipeSettings(
        training,
        stages,
        from_table(BiasSettings, bias, where=f"{where}bias."),
        from_table(CorrectionSettings, correction, where=f"{where}correction."),
    )
    for stage in stages:
        settings.of(stage)
    return settings


@dataclass(frozen=True)
class Labels:
    """What a recipe may use.

    Attributes:
        accurate: Few frames at the level that matters.
        cheap: Many frames of another level, or without labels; None if there are none.
        judges: Accurate frames that choose the weights of a training without labels; None for all accurate ones.
    """

    accurate: Dataset
    cheap: Dataset | None = None
    judges: Dataset | None = None

    def need_cheap(self, recipe: str) -> Dataset:
        """Return the cheap frames.

        Raises:
            ConfigError: There are none.
        """
        if self.cheap is None:
            raise ConfigError(f"Expected cheap frames for the recipe {recipe}, came none. Give them with --cheap.")
        return self.cheap


class Stages:
    """The trainings of one recipe, each in a folder of its own, each resumable.

    Args:
        settings: Of the recipe.
        folder: Where the folders of the stages go.
        resume: Whether stages may go on that were begun before.
        tests: Frames, by name, whose errors go into the cards of the stages at their level.
        elsewhere: Folders, by name of the stage, of stages that several recipes have in common. What was finished there is
            taken, what was begun goes on; it must be the same training.
        start: Model from which the first stage on cheap frames goes on; None for random weights.
    """

    def __init__(
        self,
        settings: RecipeSettings,
        folder: Path,
        *,
        resume: bool,
        tests: Mapping[str, Dataset] | None = None,
        elsewhere: Mapping[str, Path] | None = None,
        start: So3krates | None = None,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.start = start
        self._resume = resume
        self._tests = dict(tests or {})
        self._elsewhere = dict(elsewhere or {})
        self._latest: Path | None = None
        self.done: list[str] = []

    def train(self, name: str, data: Dataset, **further: Any) -> So3krates:
        """Run a stage, or what is left of it, and return its model.

        Args:
            name: Of the stage; its folder has the number before it.
            data: See :func:`pesx.training.trainer.train`, as for everything else.
            further: More for that function.

        Raises:
            WrongFolderError: A stage that lies elsewhere is another training.
        """
        own = f"{len(self.done) + 1}-{name}"
        self.done.append(own)
        folder, resume = self._elsewhere.get(name, self.folder / own), self._resume or name in self._elsewhere
        settings = further.pop("settings", self.settings.of(name))
        # A stage at another level than that of the tests has nothing to say of them.
        tests = {test: frames for test, frames in self._tests.items() if set(frames.levels) <= set(data.levels)}
        self._latest = train(settings, data, folder, resume=resume, tests=tests, **further)
        return checkpoint.load(self._latest)[0]

    def finish(self, recipe: str, facts: Mapping[str, Any]) -> Path:
        """Write the model of the last stage to the folder of the recipe.

        Args:
            recipe: Its name, for the card.
            facts: What else the card is to say.
        """
        model, card = checkpoint.load(self._latest)
        path = self.folder / MODEL
        self.folder.mkdir(parents=True, exist_ok=True)
        checkpoint.save(path, model, {**card, "recipe": {"name": recipe, "stages": self.done, **facts}})
        return path


class Recipe(Protocol):
    """A way from labels to a model."""

    def __call__(self, stages: Stages, labels: Labels) -> Mapping[str, Any]:
        """Run the stages, the last of which makes the model; return what its card is to say besides."""
        ...
