"""What can be asked for on the command line. Nothing heavy is imported here, so that ``--help`` answers at once."""

import argparse
import difflib
import re
from collections.abc import Sequence
from typing import NoReturn

from pesx.errors import ConfigError

_EXAMPLE = """\
first steps:
  pesx explore --molecule ala3.xyz --n-minima 100       minima of a peptide, with the model that comes with pesx
  pesx explore --molecule LJ13 --potential lennard-jones --n-minima 1000
  pesx minima runs/ala3-1                               what was found
  pesx export runs/ala3-1 --format sdf                  for other programs
"""

_NO_VALUE = re.compile(r"argument (--[\w-]+): expected one argument")
_EXIT_CODES = "exit codes: 0 done, 1 failed, 2 wrong call, 130 stopped by Ctrl-C"


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one sentence, like every other."""

    def error(self, message: str) -> NoReturn:
        if found := _NO_VALUE.match(message):
            # A value such as -5s looks like a flag.
            raise ConfigError(
                f"Expected a value after {found[1]}; came none. One that begins with a minus sign is written with =, "
                f"as in {found[1]}=-5. See {self.prog} --help."
            )
        raise ConfigError(f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.")


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what was asked for; ``command`` names the module that does it.

    Flags of ``explore`` that were not given are absent, so that they do not hide what a file of settings says.

    Raises:
        ConfigError: A command or a flag is unknown, or a value is missing or of the wrong kind.
    """
    parser = _Parser(
        prog="pesx",
        description="Explore potential-energy surfaces: find the minima of a molecule or a cluster.",
        epilog=f"{_EXAMPLE}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    made = {
        "explore": _explore(commands),
        "minima": _minima(commands),
        "export": _export(commands),
        "plot": _plot(commands),
        "verify": _verify(commands),
        "novelty": _novelty(commands),
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


_Commands = argparse._SubParsersAction  # what add_subparsers returns has no public name


def _command(
    commands: "_Commands[_Parser]", name: str, text: str, *, epilog: str = "", is_sparse: bool = False
) -> _Parser:
    return commands.add_parser(
        name,
        help=text,
        description=text[:1].upper() + text[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS if is_sparse else None,
        allow_abbrev=False,
    )


def _explore(commands: "_Commands[_Parser]") -> _Parser:
    epilog = "Ctrl-C ends a run in good order; --resume goes on from there. Progress goes to stderr, data to stdout."
    parser = _command(commands, "explore", "find minima of a molecule or a cluster", epilog=epilog, is_sparse=True)
    what = parser.add_argument_group("what to find")
    what.add_argument("--molecule", metavar="FILE|SMILES|LJ13", help="structure file, SMILES, or LJ and a number")
    what.add_argument("--n-minima", type=_whole, metavar="N", help="distinct minima to stop at (100)")
    what.add_argument(
        "--energy-window",
        metavar="E",
        help="height above the lowest minimum up to which minima count, such as 10kcal/mol, 0.4eV, 50kJ/mol or inf "
        "(20kcal/mol); a plain number for potentials in reduced units (inf)",
    )
    what.add_argument("--mirror", metavar="distinct|merge", help="whether mirror images are two minima (distinct)")
    what.add_argument("--amides", metavar="keep|allow", help="whether amides must stay cis or trans (allow)")
    what.add_argument("--charge", type=_whole, metavar="Q", help="total charge, e")
    what.add_argument("--multiplicity", type=_whole, metavar="M", help="spin multiplicity, 2S+1")

    how = parser.add_argument_group("how")
    how.add_argument("--method", metavar="mixed|basin-hopping|minima-hopping", help="how to explore (mixed)")
    how.add_argument(
        "--potential",
        metavar="NAME",
        help="so3krates, lennard-jones, muller-brown, gfn2, gfn1, or module:attribute of your own (so3krates)",
    )
    how.add_argument("--model", metavar="FILE", help="model file for so3krates (the one in the package)")
    how.add_argument("--replicas", type=_whole, metavar="N", help="replicas in one batch (to suit the machine)")
    how.add_argument("--ladder", type=float, metavar="X", help="highest over lowest temperature of basin hopping (1)")
    how.add_argument("--seed", type=_whole, metavar="N", help="of everything random (0)")
    how.add_argument("--device", metavar="NAME", help="auto, cpu, and for so3krates cuda, ... (auto)")
    how.add_argument("--precision", metavar="auto|float32|float64", help="of rough quenches (auto)")
    how.add_argument("--workers", type=_whole, metavar="N", help="processes, for potentials that are engines (1)")

    limits = parser.add_argument_group("when to stop")
    limits.add_argument("--max-evaluations", type=_whole, metavar="N", help="force evaluations, over all replicas")
    limits.add_argument("--max-quenches", type=_whole, metavar="N", help="quenches")
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
        help="go on with the run in --out; only limits, --workers and --device may be changed, and stay changed",
    )
    where.add_argument("--config", metavar="FILE.toml", help="the same settings from a file, as in RUN/config.toml")
    where.add_argument("--json", action="store_true", default=False, help="print the result to stdout as JSON")
    return parser


def _minima(commands: "_Commands[_Parser]") -> _Parser:
    parser = _command(commands, "minima", "list the minima of a run, also while it goes on")
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--window", metavar="E", help="height above the lowest, such as 5kcal/mol (that of the run)")
    parser.add_argument("-n", type=_whole, dest="n", metavar="N", help="only the N lowest")
    parser.add_argument(
        "--uncertainty", action="store_true", help="add that of each height above the lowest; needs a calibrated model"
    )
    parser.add_argument(
        "--model", metavar="FILE", help="with --uncertainty: the model of the run, calibrated (that of the run)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _export(commands: "_Commands[_Parser]") -> _Parser:
    parser = _command(commands, "export", "write the minima of a run for other programs")
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--format", required=True, metavar="extxyz|sdf|ase-db|csv|pathsample|graphml", help="what to write"
    )
    parser.add_argument("--out", metavar="PATH", help="where to (inside RUN)")
    return parser


def _plot(commands: "_Commands[_Parser]") -> _Parser:
    epilog = (
        "examples:\n"
        "  pesx plot disconnectivity runs/ala3-1 -o graph.pdf --color radius_of_gyration\n"
        "  pesx plot disconnectivity PATHSAMPLE/ -o graph.svg --lowest 200 --unit kcal/mol\n"
        "the numbers go into a CSV file of the same name\n"
    )
    parser = _command(commands, "plot", "draw the disconnectivity graph of a run, also while it goes on", epilog=epilog)
    parser.add_argument("figure", metavar="disconnectivity", help="which figure")
    parser.add_argument("run", metavar="RUN", help="run folder, folder of PATHSAMPLE, or GraphML file")
    parser.add_argument("-o", dest="out", required=True, metavar="FILE", help="figure file: pdf, svg or png")
    what = parser.add_argument_group("what to draw")
    what.add_argument("--lowest", type=_whole, metavar="K", help="only the K lowest minima (all)")
    what.add_argument("--component-of", type=_whole, metavar="I", help="only what is connected to minimum I (all)")
    what.add_argument("--min-barrier", metavar="E", help="only minima with a barrier of E or more to a lower one (0)")
    what.add_argument("--basins", action="store_true", help="only the bottoms of monotonic-sequence basins")
    what.add_argument("--max-height", metavar="E", help="where the axis ends above the lowest minimum (to suit)")
    what.add_argument("--levels", type=_whole, metavar="N", help="about N levels, 0 for exact joins (to suit)")
    how = parser.add_argument_group("how it looks")
    how.add_argument("--color", metavar="PROPERTY", help="colour minima by energy, visits, chemistry, ...")
    how.add_argument("--mark", metavar="PROPERTY", help="mark minima for which this is neither 0 nor empty")
    how.add_argument("--properties", metavar="FILE.csv", help="more properties; its column minimum has the numbers")
    how.add_argument("--absolute", action="store_true", help="energies as they are, not above the lowest minimum")
    how.add_argument("--unit", default="", metavar="NAME", help="unit of energies of a PATHSAMPLE folder")
    how.add_argument("--width", default="column", metavar="column|double", help="of the figure (column)")
    how.add_argument("--title", default="", metavar="TEXT", help="above the figure")
    return parser


def _verify(commands: "_Commands[_Parser]") -> _Parser:
    epilog = (
        "examples:\n"
        "  pesx verify runs/ala3-1 --engine gfn2 --sample 100 --workers 2\n"
        "  pesx verify runs/ala3-1 --engine pyscf --level b3lyp-d4/def2-svp --lowest 10\n"
        "what was stopped goes on when the same command is given again\n"
    )
    parser = _command(commands, "verify", "relax minima of a run with a reference engine", epilog=epilog)
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--engine", default="gfn2", metavar="NAME", help="gfn2, gfn1, pyscf or module:attribute (gfn2)")
    parser.add_argument("--level", metavar="TEXT", help="level of theory, such as b3lyp-d4/def2-svp for pyscf")
    which = parser.add_argument_group("which minima (all)")
    which.add_argument("--minima", metavar="3,17,20", help="these numbers")
    which.add_argument("--new", action="store_true", help="those that pesx novelty found new")
    which.add_argument("--known", action="store_true", help="those that pesx novelty found known")
    which.add_argument("--sample", type=_whole, metavar="N", help="N of them at random")
    which.add_argument("--lowest", type=_whole, metavar="N", help="the N lowest of them")
    which.add_argument("--seed", type=_whole, default=0, metavar="S", help="of the sample (0)")
    how = parser.add_argument_group("how")
    how.add_argument("--fmax", type=float, default=0.005, metavar="F", help="converged below, eV/angstrom (0.005)")
    how.add_argument("--max-steps", type=_whole, default=500, metavar="N", help="calls of the engine for each (500)")
    how.add_argument("--again", action="store_true", help="also those that are done at this level")
    how.add_argument("--workers", type=_whole, default=1, metavar="N", help="processes (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _novelty(commands: "_Commands[_Parser]") -> _Parser:
    epilog = (
        "example:\n"
        "  pesx novelty runs/ala3-1 --data labels.db --data simulated.db\n"
        "the table goes into RUN/novelty.csv; frames quenched before are not quenched again\n"
    )
    parser = _command(commands, "novelty", "tell which minima of a run the training data do not imply", epilog=epilog)
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--data",
        required=True,
        action="append",
        metavar="LABELS.db",
        help="what the model was trained on: of pesx label, an extxyz file, or a data file in TOML; repeatable",
    )
    parser.add_argument("--level", metavar="TEXT", help="level of theory of the labels in extxyz files")
    parser.add_argument("--model", metavar="FILE", help="the model of the run, if its file has moved or is calibrated")
    parser.add_argument("--frames", type=_whole, metavar="N", help="only N of the frames, at random (all)")
    parser.add_argument("--seed", type=_whole, default=0, metavar="S", help="of the choice of frames (0)")
    parser.add_argument("--verified-at", metavar="TEXT", help="level of the verifications to use (that of the run)")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, ... (auto)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _select(commands: "_Commands[_Parser]") -> _Parser:
    epilog = (
        "example:\n"
        "  pesx select RUN/minima.extxyz --between 3 --thermal 5 --choose 300 --out chosen.extxyz\n"
        "which pesx label can then label, at several levels of theory if need be\n"
    )
    parser = _command(commands, "select", "choose structures that are worth an accurate label", epilog=epilog)
    parser.add_argument(
        "files", nargs="+", metavar="FILE.extxyz", help="minima of a search, frames of trajectories, ..."
    )
    parser.add_argument("--choose", type=_whole, required=True, metavar="N", help="structures of each molecule")
    parser.add_argument("--out", required=True, metavar="CHOSEN.extxyz", help="the structures, for pesx label")
    parser.add_argument("--between", type=_whole, default=0, metavar="K", help="add K structures between near ones (0)")
    parser.add_argument("--thermal", type=_whole, default=0, metavar="K", help="add K of a trajectory from each (0)")
    parser.add_argument("--temperature", type=float, default=500.0, metavar="T", help="of trajectories, K (500)")
    parser.add_argument(
        "--force-limit", type=float, default=30.0, metavar="F", help="largest force of a structure, eV/angstrom (30)"
    )
    parser.add_argument("--model", metavar="FILE", help="model that tells structures apart (the one in the package)")
    parser.add_argument("--seed", type=_whole, default=0, metavar="N", help="of trajectories (0)")
    return parser


def _label(commands: "_Commands[_Parser]") -> _Parser:
    epilog = "A run that was stopped goes on when the same command is given again."
    parser = _command(commands, "label", "label structures with a reference engine", epilog=epilog)
    parser.add_argument("plan", nargs="?", metavar="PLAN.toml", help="molecules, sources of structures, and engine")
    parser.add_argument("--frames", metavar="FILE.extxyz", help="label these structures instead of those of a plan")
    parser.add_argument("--engine", metavar="NAME", help="with --frames: gfn2, gfn1, pyscf or module:attribute (gfn2)")
    parser.add_argument("--level", metavar="TEXT", help="with --frames: level of theory, such as b3lyp-d4/def2-svp")
    parser.add_argument("--force-limit", type=float, metavar="F", help="with --frames: largest force, eV/angstrom (30)")
    parser.add_argument("--energies-only", action="store_true", help="with --frames: store energies without forces")
    parser.add_argument("--out", required=True, metavar="LABELS.db", help="file of the labels")
    parser.add_argument("--workers", type=_whole, default=1, metavar="N", help="worker processes (1)")
    parser.add_argument("--threads", type=_whole, default=1, metavar="N", help="threads of each worker (1)")
    return parser


def _train(commands: "_Commands[_Parser]") -> _Parser:
    parser = _command(commands, "train", "train a model on labelled structures")
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
        help="train in stages: scratch, pretrain-finetune, asteroid, asteroid-unlabelled, delta or multi-head",
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
    parser.add_argument("--threads", type=_whole, metavar="N", help="processor threads (those of the settings)")
    return parser


def _model(commands: "_Commands[_Parser]") -> _Parser:
    epilog = (
        "examples:\n"
        "  pesx model import so3lr params.pkl --out so3lr.safetensors    weights of SO3LR, from its package\n"
        "  pesx model info so3lr.safetensors --json\n"
        "  pesx model export so3lr.safetensors --out so3lr.pt2 --dtype float64 --device cpu    runs without pesx\n"
        "  pesx model calibrate model.safetensors --data labels.db --held-out unseen.db --test other.db \\\n"
        "      --out model2.safetensors    the model with an uncertainty\n"
    )
    text = "import, export or calibrate a model, or say what is in a model file"
    parser = _command(commands, "model", text, epilog=epilog)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    bring = _command(actions, "import", "turn the parameters of another program into a model file")
    bring.add_argument("kind", metavar="so3lr", help="what the parameters are of")
    bring.add_argument("path", metavar="PATH", help="params.pkl of the SO3LR package, its folder, or an npz file")
    bring.add_argument("--out", required=True, metavar="FILE.safetensors", help="the model file")
    bring.add_argument("--json", action="store_true", help="print what is in it as JSON")
    info = _command(actions, "info", "say what is in a model file")
    info.add_argument("file", metavar="FILE", help="the model file")
    info.add_argument("--json", action="store_true", help="print JSON")
    export = _command(actions, "export", "write energies and forces as a program that torch runs without pesx")
    export.add_argument("file", metavar="FILE", help="the model file")
    export.add_argument("--out", required=True, metavar="FILE.pt2", help="the program")
    export.add_argument("--dtype", choices=["float32", "float64"], default="float32", help="precision (float32)")
    export.add_argument(
        "--device", default="cpu", metavar="DEVICE", help="where the program is to run: cpu, cuda (cpu)"
    )
    export.add_argument("--json", action="store_true", help="print what the program takes and gives as JSON")
    _calibrate(actions)
    return parser


def _calibrate(actions: "_Commands[_Parser]") -> None:
    calibrate = _command(actions, "calibrate", "give a model an uncertainty of its energies; energies stay as they are")
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


def _plugins(commands: "_Commands[_Parser]") -> _Parser:
    parser = _command(commands, "plugins", "print the potentials, engines, methods and moves that are known")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _whole(text: str) -> int:
    """Read a whole number; 4e5 is one too."""
    try:
        value = float(text)
        if value == int(value):
            return int(text) if text.lstrip("+-").isdigit() else int(value)
    except (ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(f"expected a whole number; came {text!r}")
