"""One cell of a comparison: its frames, its training and its result."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from comparison import Cell, Comparison

from pesx.errors import InputError
from pesx.so3krates import checkpoint
from pesx.training.dataset import Dataset
from pesx.training.recipes import Labels, train_by_recipe
from pesx.training.trainer import MODEL

RESULT = "result.json"

ERRORS = ("force_mae", "force_rmse", "energy_mae", "energy_rmse", "energy_offset")
"""Of a test set, as in a model card: meV/angstrom, and kcal/mol after the mean error was removed."""


@dataclass(frozen=True)
class Place:
    """Where things are.

    Attributes:
        comparison: What is compared.
        data: Folder of the frames.
        out: Folder of the results.
    """

    comparison: Comparison
    data: Path
    out: Path

    def folder(self, cell: Cell) -> Path:
        """Return the folder of a cell."""
        return self.out / str(cell)

    def shared(self, cell: Cell) -> dict[str, Path]:
        """Return the folders of stages that a cell has in common with others, by name of the stage.

        Training on the cheap frames alone is the same for all numbers of accurate frames, and what judges the cheap frames is
        what ``scratch`` makes.
        """
        settings = self.comparison.training
        if cell.recipe in ("pretrain-finetune", "delta"):
            return {"pretrain": self.out / "shared" / f"pretrain-{cell.seed}"}
        if cell.recipe == "asteroid-unlabelled":
            return {"score": self.out / "shared" / f"score-{cell.seed}"}
        if cell.recipe == "asteroid" and settings.of("bias") == settings.of("scratch"):
            return {"bias": self.folder(replace(cell, recipe="scratch")) / "1-scratch"}
        return {}

    def unfinished(self, cell: Cell) -> set[Path]:
        """Return the folders of stages that the training of a cell will write to, and that of another could."""
        folders = set(self.shared(cell).values())
        if cell.recipe == "scratch":
            folders.add(self.folder(cell) / "1-scratch")
        return {folder for folder in folders if not (folder / MODEL).exists()}


@dataclass(frozen=True)
class Data:
    """What the cells are cut from."""

    accurate: Dataset
    test: Dataset
    cheap: Dataset
    samples: Dataset


def read_data(place: Place) -> Data:
    """Return the frames of a comparison.

    Raises:
        ConfigError: A setting of a file is missing.
        InputError: A file is missing or cannot be used, or accurate frames and those of the test differ in their level.
    """
    comparison = place.comparison
    accurate, test, cheap = (one.read(place.data) for one in (comparison.accurate, comparison.test, comparison.cheap))
    samples = cheap if comparison.samples is None else comparison.samples.read(place.data)
    if accurate.levels != test.levels or len(accurate.levels) > 1:
        raise InputError(
            f"Expected one level of theory for accurate and test frames, came {', '.join(accurate.levels)} and "
            f"{', '.join(test.levels)}. Correct `level`."
        )
    if max(comparison.sizes) > len(accurate):
        raise InputError(
            f"Expected at least {max(comparison.sizes)} accurate frames, came {len(accurate)}. Leave out the larger sizes."
        )
    return Data(accurate, test, cheap, samples)


def is_finished(place: Place, cell: Cell) -> bool:
    """Return whether the result of a cell is there."""
    return (place.folder(cell) / RESULT).exists()


def run_cell(place: Place, data: Data, cell: Cell) -> dict[str, Any]:
    """Train what is left of a cell, write its result into its folder and return it.

    Raises:
        PesxError: Frames, settings or what the folder holds cannot be used.
    """
    accurate = draw(data.accurate, cell.size, seed=cell.seed)
    # All sizes have these frames, so what they choose can be shared by all.
    judges = draw(data.accurate, min(place.comparison.sizes), seed=cell.seed)
    cheap = data.samples if cell.recipe == "asteroid-unlabelled" else data.cheap
    settings = place.comparison.training
    model = train_by_recipe(
        cell.recipe,
        replace(settings, training=replace(settings.training, seed=cell.seed)),
        Labels(accurate, cheap, judges),
        place.folder(cell),
        resume=True,
        tests={"test": data.test},
        elsewhere=place.shared(cell),
    )
    result = _result(place, cell, checkpoint.load(model)[1])
    path = place.folder(cell) / RESULT
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)
    return result


def _result(place: Place, cell: Cell, card: dict[str, Any]) -> dict[str, Any]:
    shared = place.shared(cell)
    level = card["level_of_theory"]
    folders = [shared.get(stage.partition("-")[2], place.folder(cell) / stage) for stage in card["recipe"]["stages"]]
    cards = [checkpoint.load(folder / MODEL)[1] for folder in folders]
    (errors, *_) = card["errors"]["test"]
    return {
        **asdict(cell),
        **{name: errors[name] for name in ERRORS},
        "n_test": errors["n_frames"],
        "n_training": sum(card["training_frames"][level].values()),
        "n_validation": sum(card["validation_frames"][level].values()),
        "stages": {
            stage: {"steps": one["run"]["step"], "best_step": one["run"]["best_step"], "seconds": one["run"]["elapsed"]}
            for stage, one in zip(card["recipe"]["stages"], cards, strict=True)
        },
        **({"bias": card["recipe"]["bias"]} if "bias" in card["recipe"] else {}),
        "model_sha256": card["hash"],
    }


def results(place: Place) -> list[dict[str, Any]]:
    """Return the results of all finished cells of the comparison, those of a recipe together."""
    cells = sorted(place.comparison.cells(), key=lambda cell: place.comparison.recipes.index(cell.recipe))
    paths = [place.folder(cell) / RESULT for cell in cells]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def draw(data: Dataset, size: int, *, seed: int) -> Dataset:
    """Draw frames at random; a larger draw with the same seed holds all frames of a smaller one.

    Frames with relative energies say something only together, so all of a molecule are drawn at once, and there can be fewer
    than wanted.

    Args:
        data: To draw from.
        size: How many.
        seed: Of the draw.

    Raises:
        InputError: All molecules with relative energies have more frames.
    """
    pieces = [
        (index, rows)
        for index, molecule in enumerate(data.molecules)
        for rows in ([np.arange(len(molecule))] if molecule.is_relative else np.arange(len(molecule))[:, None])
    ]
    order = np.random.default_rng(seed).permutation(len(pieces))
    total = np.cumsum([len(pieces[number][1]) for number in order])
    chosen = [pieces[number] for number in order[: int(np.searchsorted(total, size, side="right"))]]
    if not chosen:
        raise InputError(f"Expected molecules of at most {size} frames with relative energies, came larger ones.")
    rows = {index: np.concatenate([rows for of, rows in chosen if of == index]) for index, _ in chosen}
    return Dataset(tuple(data.molecules[index].take(np.sort(rows[index])) for index in sorted(rows)))
