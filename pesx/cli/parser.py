"""What can be asked for on the command line. Nothing heavy is imported here, so that ``--help`` answers at once."""

import argparse
import difflib
from collections.abc import Sequence
from typing import NoReturn

from pesx.cli import parser_of_dynamics, parser_of_runs
from pesx.cli.parsing import Commands, Parser, add_workers, command, whole
from pesx.errors import ConfigError

_EXAMPLE = """\
first steps:
  pesx explore --molecule ala3.xyz --n-minima 100       minima of a peptide, with the model that comes with pesx
  pesx explore --molecule LJ13 --potential lennard-jones --n-minima 1000
  pesx minima runs/ala3-1                               what was found
  pesx export runs/ala3-1 --format sdf                  for other programs
"""

_EXIT_CODES = "exit codes: 0 done, 1 failed, 2 wrong call, 130 stopped by Ctrl-C"


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what was asked for; ``command`` names the module that does it.

    Flags of ``explore`` that were not given are absent, so that they do not hide what a file of settings says.

    Raises:
        ConfigError: A command or a flag is unknown, or a value is missing or of the wrong kind.
    """
    parser = Parser(
        prog="pesx",
        description="Explore potential-energy surfaces: find the minima of a molecule or a cluster.",
        epilog=f"{_EXAMPLE}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    made = {
        "explore": _explore(commands),
        "minima": _minima(commands),
        "export": _export(commands),
        "connect": parser_of_runs.connect(commands),
        "plot": parser_of_runs.plot(commands),
        "thermo": parser_of_runs.thermo(commands),
        "rates": parser_of_runs.rates(commands),
        "verify": parser_of_runs.verify(commands),
        "novelty": parser_of_runs.novelty(commands),
        "report": parser_of_runs.report(commands),
        "md": parser_of_dynamics.md(commands),
        "audit": parser_of_dynamics.audit(commands),
        "select": _select(commands),
        "label": _label(commands),
        "train": _train(commands),
        "model": _model(commands),
        "plugins": _plugins(commands),
    }
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        _refuse(unknown[0], made.get(arguments.command, parser))
    if arguments.command is None and not arguments.version:
        parser.error(f"expected a command out of {', '.join(made)}; came none")
    return arguments


def _refuse(word: str, parser: argparse.ArgumentParser) -> NoReturn:
    """Say which argument is not known, and which one may have been meant."""
    flag = word.partition("=")[0]
    near = difflib.get_close_matches(flag, parser._option_string_actions, n=1)
    advice = f"Did you mean {near[0]}?" if near else f"See {parser.prog} --help."
    raise ConfigError(f"Expected only what {parser.prog} knows; came {word!r}. {advice}")


def _explore(commands: "Commands[Parser]") -> Parser:
    epilog = "Ctrl-C ends a run in good order; --resume goes on from there. Progress goes to stderr, data to stdout."
    parser = command(commands, "explore", "find minima of a molecule or a cluster", epilog=epilog, is_sparse=True)
    what = parser.add_argument_group("what to find")
    what.add_argument("--molecule", metavar="FILE|SMILES|LJ13", help="structure file, SMILES, or LJ and a number")
    what.add_argument("--n-minima", type=whole, metavar="N", help="distinct minima to stop at (100)")
    what.add_argument(
        "--energy-window",
        metavar="E",
        help="height above the lowest minimum up to which minima count, such as 10kcal/mol, 0.4eV, 50kJ/mol or inf "
        "(20kcal/mol); a plain number for potentials in reduced units (inf)",
    )
    what.add_argument("--mirror", metavar="distinct|merge", help="whether mirror images are two minima (distinct)")
    what.add_argument("--amides", metavar="keep|allow", help="whether amides must stay cis or trans (allow)")
    what.add_argument("--charge", type=whole, metavar="Q", help="total charge, e")
    what.add_argument("--multiplicity", type=whole, metavar="M", help="spin multiplicity, 2S+1")

    how = parser.add_argument_group("how")
    how.add_argument("--method", metavar="mixed|basin-hopping|minima-hopping", help="how to explore (mixed)")
    how.add_argument(
        "--potential",
        metavar="NAME",
        help="so3krates, lennard-jones, muller-brown, gfn2, gfn1, or module:attribute of your own (so3krates)",
    )
    how.add_argument("--model", metavar="FILE", help="model file for so3krates (the one in the package)")
    how.add_argument("--replicas", type=whole, metavar="N", help="replicas in one batch (to suit the machine)")
    how.add_argument("--ladder", type=float, metavar="X", help="highest over lowest temperature of basin hopping (1)")
    how.add_argument("--seed", type=whole, metavar="N", help="of everything random (0)")
    how.add_argument("--device", metavar="NAME", help="auto, cpu, and for so3krates cuda, ... (auto)")
    how.add_argument("--precision", metavar="auto|float32|float64", help="of rough quenches (auto)")
    add_workers(how, "spread the work over")

    limits = parser.add_argument_group("when to stop")
    limits.add_argument("--max-evaluations", type=whole, metavar="N", help="force evaluations, over all replicas")
    limits.add_argument("--max-quenches", type=whole, metavar="N", help="quenches")
    limits.add_argument("--max-time", metavar="T", help="such as 2h, 30min or 90s; a plain number is seconds")
    limits.add_argument(
        "--patience", type=float, metavar="X", help="quenches per minimum found without a new one (30); 0 for no end"
    )

    where = parser.add_argument_group("where")
    where.add_argument("--out", metavar="RUN", help="run folder (a new one in runs/)")
    where.add_argument(
        "--resume",
        action="store_true",
        default=False,
        help="go on with the run in --out; only limits, --workers, --ray and --device may be changed, and stay changed",
    )
    where.add_argument("--config", metavar="FILE.toml", help="the same settings from a file, as in RUN/config.toml")
    where.add_argument("--json", action="store_true", default=False, help="print the result to stdout as JSON")
    return parser


def _minima(commands: "Commands[Parser]") -> Parser:
    parser = command(commands, "minima", "list the minima of a run, also while it goes on")
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--window", metavar="E", help="height above the lowest, such as 5kcal/mol (that of the run)")
    parser.add_argument("-n", type=whole, dest="n", metavar="N", help="only the N lowest")
    parser.add_argument(
        "--uncertainty", action="store_true", help="add that of each height above the lowest; needs a calibrated model"
    )
    parser.add_argument(
        "--model", metavar="FILE", help="with --uncertainty: the model of the run, calibrated (that of the run)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _export(commands: "Commands[Parser]") -> Parser:
    parser = command(commands, "export", "write the minima of a run for other programs")
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--format", required=True, metavar="extxyz|sdf|ase-db|csv|pathsample|graphml", help="what to write"
    )
    parser.add_argument("--out", metavar="PATH", help="where to (inside RUN)")
    return parser


def _select(commands: "Commands[Parser]") -> Parser:
    epilog = (
        "example:\n"
        "  pesx select RUN/minima.extxyz --between 3 --thermal 5 --choose 300 --out chosen.extxyz\n"
        "which pesx label can then label, at several levels of theory if need be\n"
    )
    parser = command(commands, "select", "choose structures that are worth an accurate label", epilog=epilog)
    parser.add_argument(
        "files", nargs="+", metavar="FILE.extxyz", help="minima of a search, frames of trajectories, ..."
    )
    parser.add_argument("--choose", type=whole, required=True, metavar="N", help="structures of each molecule")
    parser.add_argument("--out", required=True, metavar="CHOSEN.extxyz", help="the structures, for pesx label")
    parser.add_argument("--between", type=whole, default=0, metavar="K", help="add K structures between near ones (0)")
    parser.add_argument("--thermal", type=whole, default=0, metavar="K", help="add K of a trajectory from each (0)")
    parser.add_argument("--temperature", type=float, default=500.0, metavar="T", help="of trajectories, K (500)")
    parser.add_argument(
        "--force-limit", type=float, default=30.0, metavar="F", help="largest force of a structure, eV/angstrom (30)"
    )
    parser.add_argument("--model", metavar="FILE", help="model that tells structures apart (the one in the package)")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of trajectories (0)")
    return parser


def _label(commands: "Commands[Parser]") -> Parser:
    epilog = "A run that was stopped goes on when the same command is given again."
    parser = command(commands, "label", "label structures with a reference engine", epilog=epilog)
    parser.add_argument("plan", nargs="?", metavar="PLAN.toml", help="molecules, sources of structures, and engine")
    parser.add_argument("--frames", metavar="FILE.extxyz", help="label these structures instead of those of a plan")
    parser.add_argument("--engine", metavar="NAME", help="with --frames: gfn2, gfn1, pyscf or module:attribute (gfn2)")
    parser.add_argument("--level", metavar="TEXT", help="with --frames: level of theory, such as b3lyp-d4/def2-svp")
    parser.add_argument("--force-limit", type=float, metavar="F", help="with --frames: largest force, eV/angstrom (30)")
    parser.add_argument("--energies-only", action="store_true", help="with --frames: store energies without forces")
    parser.add_argument("--out", required=True, metavar="LABELS.db", help="file of the labels")
    parser.add_argument(
        "--workers", type=whole, metavar="N", help="worker processes (1); with --ray, workers (one for each core)"
    )
    parser.add_argument("--threads", type=whole, default=1, metavar="N", help="threads of each worker (1)")
    parser.add_argument("--ray", metavar="auto|HOST:PORT", help="spread the work over a Ray cluster (this machine)")
    return parser


def _train(commands: "Commands[Parser]") -> Parser:
    parser = command(commands, "train", "train a model on labelled structures")
    parser.add_argument("settings", metavar="SETTINGS.toml", help="settings of network and training")
    parser.add_argument(
        "--data",
        required=True,
        action="append",
        metavar="LABELS.db",
        help="labels to train on: of pesx label, an extxyz file, or a data file in TOML; repeatable",
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help="train in stages: scratch, pretrain-finetune, asteroid, asteroid-unlabelled, delta, corrected or multi-head",
    )
    parser.add_argument(
        "--cheap", action="append", default=[], metavar="CHEAP.db", help="with --recipe: cheap labels; repeatable"
    )
    parser.add_argument("--cheap-level", metavar="TEXT", help="with --recipe: level of theory of cheap extxyz files")
    parser.add_argument("--start", metavar="MODEL", help="model file whose weights to begin with")
    parser.add_argument("--level", metavar="TEXT", help="level of theory of the labels in extxyz files")
    parser.add_argument("--target", metavar="TEXT", help="level of theory to answer with, if the labels have several")
    parser.add_argument(
        "--test", action="append", default=[], metavar="TEST.db", help="held-out labels for the model card; repeatable"
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the model and its checkpoints go")
    parser.add_argument("--resume", action="store_true", help="go on with the training in --out")
    parser.add_argument("--threads", type=whole, metavar="N", help="processor threads (those of the settings)")
    return parser


def _model(commands: "Commands[Parser]") -> Parser:
    epilog = (
        "examples:\n"
        "  pesx model import so3lr params.pkl --out so3lr.safetensors    weights of SO3LR, from its package\n"
        "  pesx model info so3lr.safetensors --json\n"
        "  pesx model export so3lr.safetensors --out so3lr.pt2 --dtype float64 --device cpu    runs without pesx\n"
        "  pesx model calibrate model.safetensors --data labels.db --held-out unseen.db --test other.db \\\n"
        "      --out model2.safetensors    the model with an uncertainty\n"
    )
    text = "import, export or calibrate a model, or say what is in a model file"
    parser = command(commands, "model", text, epilog=epilog)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    bring = command(actions, "import", "turn the parameters of another program into a model file")
    bring.add_argument("kind", metavar="so3lr", help="what the parameters are of")
    bring.add_argument("path", metavar="PATH", help="params.pkl of the SO3LR package, its folder, or an npz file")
    bring.add_argument("--out", required=True, metavar="FILE.safetensors", help="the model file")
    bring.add_argument("--json", action="store_true", help="print what is in it as JSON")
    info = command(actions, "info", "say what is in a model file")
    info.add_argument("file", metavar="FILE", help="the model file")
    info.add_argument("--json", action="store_true", help="print JSON")
    export = command(actions, "export", "write energies and forces as a program that torch runs without pesx")
    export.add_argument("file", metavar="FILE", help="the model file")
    export.add_argument("--out", required=True, metavar="FILE.pt2", help="the program")
    export.add_argument("--dtype", choices=["float32", "float64"], default="float32", help="precision (float32)")
    export.add_argument(
        "--device", default="cpu", metavar="DEVICE", help="where the program is to run: cpu, cuda (cpu)"
    )
    export.add_argument("--json", action="store_true", help="print what the program takes and gives as JSON")
    _calibrate(actions)
    return parser


def _calibrate(actions: "Commands[Parser]") -> None:
    calibrate = command(actions, "calibrate", "give a model an uncertainty of its energies; energies stay as they are")
    calibrate.add_argument("file", metavar="FILE", help="the model file")
    calibrate.add_argument(
        "--data", required=True, action="append", metavar="LABELS.db", help="what it was trained on; repeatable"
    )
    calibrate.add_argument(
        "--held-out",
        required=True,
        action="append",
        metavar="UNSEEN.db",
        help="labels it was not trained on, which set the scale; repeatable",
    )
    calibrate.add_argument(
        "--test", action="append", default=[], metavar="TEST.db", help="further labels to judge it by; repeatable"
    )
    calibrate.add_argument("--level", metavar="TEXT", help="level of theory of the labels in extxyz files")
    calibrate.add_argument(
        "--out", required=True, metavar="FILE.safetensors", help="the model file with an uncertainty"
    )
    calibrate.add_argument("--json", action="store_true", help="print how it compares with the errors as JSON")


def _plugins(commands: "Commands[Parser]") -> Parser:
    parser = command(commands, "plugins", "print the potentials, engines, methods and moves that are known")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
