"""Does a search find minima that the training data never saw, and are they real?

    python workflows/beyond_training_data/experiment.py workflows/beyond_training_data/ala3.toml --out RUNS/ala3

A model learns frames of trajectories from one minimum, and is then searched. What is finished is not done again: a stopped
experiment goes on with the same command.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figure import draw
from trajectories import Trajectories, write_frames

from pesx import read_molecule
from pesx.analysis.novelty import TABLE, read_new
from pesx.cli import main as pesx
from pesx.config import from_table, read_toml, require, to_table, to_toml
from pesx.engines import make_engine
from pesx.errors import PesxError, WrongFolderError
from pesx.files import write_whole
from pesx.training.trainer import MODEL

SETTINGS, CALIBRATED, FIGURE = "settings.json", "calibrated.safetensors", "figure.pdf"


@dataclass(frozen=True)
class Samples:
    """How many minima are relaxed at the reference level.

    Attributes:
        n_new: Of the new ones, at random.
        n_known: Of the known ones, at random.
        seed: Of the samples.
    """

    n_new: int
    n_known: int
    seed: int = 0

    def __post_init__(self) -> None:
        require(self, at_least_one=("n_new", "n_known"), at_least_zero=("seed",))


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes:
        molecule: Structure file, from the folder of the settings, or SMILES.
        engine: The reference, as for ``pesx label``.
        trajectories: The data.
        samples: What is relaxed at the end.
        explore: Settings of the search, as in a run's config.toml, but for molecule and model.
        training: Settings of the training, as for ``pesx train``.
        start: Model to begin the training with; none for a model that has seen nothing else.
    """

    molecule: str
    engine: str
    trajectories: Trajectories
    samples: Samples
    explore: Mapping[str, Any]
    training: Mapping[str, Any]
    start: str | None = None


def read_experiment(path: Path) -> Experiment:
    """Read a TOML file; paths in it start from its folder.

    Raises:
        ConfigError: The file is not TOML, a key is unknown or missing, or a value is out of range.
    """
    table = read_toml(path)
    open_tables = {name: table.pop(name, {}) for name in ("explore", "training")}
    for name in ("molecule", "start"):
        if name in table and (path.parent / table[name]).is_file():
            table[name] = str(path.parent / table[name])
    parts = {"trajectories": Trajectories, "samples": Samples}
    made = {name: from_table(kind, table.pop(name, {}), where=f"{name}.") for name, kind in parts.items()}
    return Experiment(**table, **made, **open_tables)


def main(words: Sequence[str] | None = None) -> int:
    """Do what is left of the experiment, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path, help="TOML file")
    parser.add_argument("--out", type=Path, required=True, help="folder of everything that is made")
    parser.add_argument("--workers", type=int, default=1, help="processes of the engine (1)")
    given = parser.parse_args(words)
    try:
        experiment = read_experiment(given.settings)
        claim(experiment, given.out)
        return conduct(experiment, given.out, n_workers=given.workers)
    except PesxError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2


def claim(experiment: Experiment, out: Path) -> None:
    """Make the folder one of these settings.

    Raises:
        WrongFolderError: It was begun with others.
    """
    table = {name: dict(value) if isinstance(value, Mapping) else value for name, value in vars(experiment).items()}
    table |= {name: to_table(table[name]) for name in ("trajectories", "samples")}
    table |= {name: Path(table[name]).name for name in ("molecule", "start") if table[name]}
    text = json.dumps(table, indent=1, sort_keys=True) + "\n"
    path = out / SETTINGS
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    if path.read_text(encoding="utf-8") != text:
        raise WrongFolderError(f"Expected the settings that {out} was begun with, came others. Give another --out.")


def conduct(experiment: Experiment, out: Path, *, n_workers: int) -> int:
    """Make data, model, run and verification, then table and figure; return the exit code of what failed, or 0."""
    engine = make_engine(experiment.engine)
    data, held_out = write_frames(
        read_molecule(experiment.molecule), engine, experiment.trajectories, out, n_workers=n_workers
    )
    run = out / "run"
    novelty = ["novelty", run, "--data", data, "--model", out / CALIBRATED]
    for command in (*_model(experiment, out, data, held_out), *_search(experiment, out), novelty):
        if code := pesx([str(word) for word in command]):
            return code
    kinds = set(read_new(run).values())
    sizes = {True: ("--new", experiment.samples.n_new), False: ("--known", experiment.samples.n_known)}
    for flag, size in (sizes[kind] for kind in sorted(kinds)):
        sample = ["--sample", size, "--seed", experiment.samples.seed, "--workers", n_workers]
        if code := pesx([str(word) for word in ("verify", run, "--engine", experiment.engine, flag, *sample)]):
            return code
    code = pesx([str(word) for word in (*novelty, "--verified-at", engine.level)])
    if not code:
        draw(run / TABLE, out / FIGURE)
        print(f"Wrote {out / FIGURE}.", file=sys.stderr)
    return code


def _model(experiment: Experiment, out: Path, data: Path, held_out: Path) -> list[list[Any]]:
    """Return the commands that train and calibrate; none for what is there."""
    commands: list[list[Any]] = []
    model = out / "model"
    if not (model / MODEL).exists():
        settings = out / "training.toml"
        write_whole(settings, to_toml(dict(experiment.training), heading="Settings of the training."))
        start = ["--start", experiment.start] if experiment.start else []
        resume = ["--resume"] if model.exists() else []
        commands.append(["train", settings, "--data", data, "--test", held_out, "--out", model, *start, *resume])
    if not (out / CALIBRATED).exists():
        sets = ["--data", data, "--held-out", held_out]
        commands.append(["model", "calibrate", model / MODEL, *sets, "--out", out / CALIBRATED])
    return commands


def _search(experiment: Experiment, out: Path) -> list[list[Any]]:
    """Return the command that explores or goes on with it."""
    if (out / "run").exists():
        return [["explore", "--out", out / "run", "--resume"]]
    table = {**experiment.explore, "molecule": experiment.molecule, "model": str(out / CALIBRATED)}
    settings = out / "explore.toml"
    write_whole(settings, to_toml(table, heading="Settings of the search."))
    return [["explore", "--config", settings, "--out", out / "run"]]


if __name__ == "__main__":
    sys.exit(main())
