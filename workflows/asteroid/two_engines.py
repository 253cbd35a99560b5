"""Do weights from biases help where cheap labels are of unequal quality? Two engines, mixed, and nobody says which is which.

    python workflows/asteroid/two_engines.py workflows/asteroid/two_engines.toml --data DATA --out RUNS

A comparison that was stopped goes on with the same command. What is finished is not trained again.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from cells import ERRORS, draw
from comparison import HOW, Frames
from mixture import good_alone, is_bad, labelled, mixed
from separation import write_report

from pesx.config import from_table, read_toml, require, to_table
from pesx.errors import ConfigError, PesxError, WrongFolderError
from pesx.so3krates import checkpoint
from pesx.training.bias import BiasSettings, weigh
from pesx.training.dataset import Dataset
from pesx.training.evaluate import predictions
from pesx.training.recipes import Labels, RecipeSettings, recipe_settings, train_by_recipe
from pesx.training.trainer import MODEL

SCRATCH, UNIFORM, ORACLE = "scratch", "pretrain-finetune", "good engine alone"
"""What weightings are compared with: no cheap frames, all of them alike, and those of the good engine alone."""

RESULT, WEIGHTS, SETTINGS = "result.json", "weights.npz", "settings.json"


@dataclass(frozen=True)
class Engines:
    """Names of two engines, as for ``pesx label``.

    Attributes:
        good: The one nearer to the accurate level.
        bad: The other.
    """

    good: str
    bad: str


@dataclass(frozen=True)
class TwoEngines:
    """What is compared.

    Attributes:
        size: Number of accurate frames, those that choose the weights among them.
        seeds: Each of the draw of the accurate frames and of every training.
        bad_shares: Parts of the cheap frames that the bad engine has labelled.
        engines: Which label the structures.
        accurate: Frames to draw from.
        test: Frames at the accurate level, whose errors are compared.
        structures: Of the cheap frames; their own labels are not looked at.
        weightings: Settings of the weights, by the name they have in the table.
        training: Settings of every recipe, apart from the seed.
    """

    size: int
    seeds: tuple[int, ...]
    bad_shares: tuple[float, ...]
    engines: Engines
    accurate: Frames
    test: Frames
    structures: Frames
    training: RecipeSettings
    weightings: Mapping[str, BiasSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self, at_least_one=("size",))
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ConfigError(f"Expected seeds of at least 0, each once; came {list(self.seeds)}. Correct them.")
        if not self.bad_shares or not all(0 < share < 1 for share in self.bad_shares):
            raise ConfigError(f"Expected bad_shares between 0 and 1; came {list(self.bad_shares)}. Correct them.")
        if clash := {SCRATCH, UNIFORM, ORACLE} & set(self.weightings):
            raise ConfigError(f"Expected other names of weightings than {', '.join(clash)}. Rename them.")

    def cells(self) -> list["Cell"]:
        """Return all trainings; those of one mixture and seed come together."""
        ways = (SCRATCH, UNIFORM, *self.weightings, ORACLE)
        return [Cell(way, share, seed) for share in self.bad_shares for seed in self.seeds for way in ways]


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        way: ``scratch``, ``pretrain-finetune``, the name of a weighting, or ``good engine alone``.
        bad_share: Of the mixture.
        seed: Of the draw and of the training.
    """

    way: str
    bad_share: float
    seed: int

    def __str__(self) -> str:
        return f"{100 * self.bad_share:.0f} % bad labels, {self.way}, seed {self.seed}"

    def folder(self, out: Path) -> Path:
        """Return where it is trained; ``scratch`` has nothing to do with the mixture, so all share it."""
        if self.way == SCRATCH:
            return out / SCRATCH / str(self.seed)
        return (
            out / f"mixed-{100 * self.bad_share:.0f}" / self.way.replace(", ", "-").replace(" ", "-") / str(self.seed)
        )


@dataclass(frozen=True)
class Data:
    """Frames of all cells; both engines have labelled all structures and all accurate frames.

    Attributes:
        accurate: To draw from.
        test: Frames whose errors are compared.
        good: All structures with the labels of the good engine.
        bad: The same with those of the bad one.
        force_errors: Mean absolute force error of each accurate frame, eV/angstrom, by engine, the good one first.
    """

    accurate: Dataset
    test: Dataset
    good: Dataset
    bad: Dataset
    force_errors: dict[str, np.ndarray[Any, Any]]


def read_settings(path: str | Path) -> TwoEngines:
    """Read a TOML file; ``[training]`` holds the settings of a recipe.

    Raises:
        ConfigError: The file is not TOML, a key is unknown or missing, or a value is out of range.
    """
    table = read_toml(path)
    training = recipe_settings(table.pop("training", {}), where="training.")
    return from_table(TwoEngines, {**table, "training": training})


def main(words: Sequence[str] | None = None) -> int:
    """Label and train what is not there, write table and figure, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path, help="TOML file that says what is compared")
    parser.add_argument("--data", type=Path, required=True, help="folder from which its paths start")
    parser.add_argument("--out", type=Path, required=True, help="folder of labels, trainings, table and figure")
    parser.add_argument("--report", action="store_true", help="table and figure of what is there, without any training")
    given = parser.parse_args(words)
    try:
        settings = read_settings(given.settings)
        claim(settings, given.out)
        data = read_data(settings, given.data, given.out)
        for cell in settings.cells():
            if not given.report and not (cell.folder(given.out) / RESULT).exists():
                result = train(settings, data, cell, given.out)
                print(f"{cell}: {result['force_mae']:.1f} meV/Å", file=sys.stderr, flush=True)
        print(report(settings, data, given.out))
    except PesxError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


def claim(settings: TwoEngines, out: Path) -> None:
    """Make the folder one of these settings; seeds, mixtures and weightings may be added later.

    Raises:
        WrongFolderError: It was begun with others.
    """
    table = {
        name: value for name, value in to_table(settings).items() if name not in ("seeds", "bad_shares", "weightings")
    }
    table["training"]["training"] = {
        name: value for name, value in table["training"]["training"].items() if name not in HOW
    }
    text = json.dumps(table, indent=1, sort_keys=True) + "\n"
    path = out / SETTINGS
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if path.read_text(encoding="utf-8") != text:
        raise WrongFolderError(f"Expected the settings that {out} was begun with, came others. Give another --out.")


def read_data(settings: TwoEngines, folder: Path, out: Path) -> Data:
    """Return all frames; what the engines have not labelled yet they label now.

    Raises:
        PesxError: A file is missing or cannot be used, or an engine refuses a structure.
    """
    accurate, test, structures = (one.read(folder) for one in (settings.accurate, settings.test, settings.structures))
    found, errors = {}, {}
    for role in ("good", "bad"):
        engine = getattr(settings.engines, role)
        found[role] = labelled(structures, engine, out / "labels" / f"{role}.npz")
        beside = labelled(accurate, engine, out / "labels" / f"{role}_of_accurate.npz")
        errors[engine] = np.concatenate(
            [
                np.abs(one.forces - other.forces).mean(axis=(1, 2))
                for one, other in zip(beside.molecules, accurate.molecules, strict=True)
            ]
        )
    return Data(accurate, test, found["good"], found["bad"], errors)


def train(settings: TwoEngines, data: Data, cell: Cell, out: Path) -> dict[str, Any]:
    """Run what is left of a training, and write and return its result.

    Raises:
        PesxError: Frames, settings or what the folder holds cannot be used.
    """
    folder, bias = cell.folder(out), settings.weightings.get(cell.way)
    recipe = "asteroid" if bias else SCRATCH if cell.way == SCRATCH else UNIFORM
    cheap = good_alone(data.good, cell.bad_share) if cell.way == ORACLE else mixed(data.good, data.bad, cell.bad_share)
    training = replace(settings.training.training, seed=cell.seed)
    # What judges the cheap frames is what scratch makes.
    judge = replace(cell, way=SCRATCH).folder(out) / f"1-{SCRATCH}"
    model = train_by_recipe(
        recipe,
        replace(settings.training, training=training, bias=bias or BiasSettings()),
        Labels(draw(data.accurate, settings.size, seed=cell.seed), cheap),
        folder,
        resume=True,
        tests={"test": data.test},
        elsewhere={"bias": judge},
    )
    card = checkpoint.load(model)[1]
    result: dict[str, Any] = {
        "way": cell.way,
        "bad_share": None if cell.way == SCRATCH else cell.bad_share,
        "seed": cell.seed,
    }
    result |= {name: card["errors"]["test"][0][name] for name in ERRORS}
    result |= _of_stages(card["recipe"]["stages"], folder, data.test)
    if bias:
        result["bias"] = card["recipe"]["bias"]
        _write_weights(folder / WEIGHTS, judge / MODEL, cheap, bias=bias, bad=is_bad(len(cheap), cell.bad_share))
    path = folder / RESULT
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def _of_stages(stages: Sequence[str], folder: Path, test: Dataset) -> dict[str, Any]:
    """Return steps of the stages, and the error of the pretrained model before it saw an accurate frame, meV/angstrom."""
    found: dict[str, Any] = {"stages": {}}
    for stage in stages:
        path = folder / stage / MODEL
        if not path.exists():
            continue  # it lies with scratch
        model, card = checkpoint.load(path)
        found["stages"][stage] = {name: card["run"][name] for name in ("step", "best_step", "how")}
        if stage.endswith("pretrain"):
            off = [
                np.abs(predicted.forces - one.forces)
                for predicted, one in zip(predictions(model, test), test.molecules, strict=True)
            ]
            found["pretrained_force_mae"] = 1e3 * float(np.concatenate([one.ravel() for one in off]).mean())
    return found


def _write_weights(path: Path, judge: Path, cheap: Dataset, *, bias: BiasSettings, bad: np.ndarray[Any, Any]) -> None:
    """Write bias, weight and origin of every cheap frame, as the recipe found and did not know them."""
    weighted = weigh(checkpoint.load(judge)[0], cheap, bias)
    np.savez_compressed(
        path,
        bias=np.concatenate([one.mean(axis=1) for one in weighted.biases]),
        weight=np.concatenate([one.force_weight.mean(axis=1) for one in weighted.data.molecules]),
        is_bad=bad,
    )


def report(settings: TwoEngines, data: Data, out: Path) -> str:
    """Write the results of all finished trainings, ``table.md`` and the figure, and return the table."""
    finished = [cell for cell in settings.cells() if (cell.folder(out) / RESULT).exists()]
    paths = dict.fromkeys(cell.folder(out) for cell in finished)
    results = [json.loads((path / RESULT).read_text(encoding="utf-8")) for path in paths]
    weights = {
        (cell.way, cell.bad_share, cell.seed): dict(np.load(cell.folder(out) / WEIGHTS))
        for cell in finished
        if cell.way in settings.weightings
    }
    return write_report(out, results, weights, reference=UNIFORM, force_errors=data.force_errors)


if __name__ == "__main__":
    sys.exit(main())
