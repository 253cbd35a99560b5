"""What can be asked for of a finished run: what joins its minima, how it looks and moves, what is new and what survives."""

import argparse

from pesx.cli.parsing import Commands, Parser, add_workers, command, whole


def connect(commands: "Commands[Parser]") -> Parser:
    """Add ``pesx connect``."""
    epilog = (
        "examples:\n"
        "  pesx connect runs/ala3-1 --window 8kcal/mol\n"
        "  pesx connect runs/LJ7-1 --around 100\n"
        "what was stopped goes on when the same command is given again\n"
    )
    parser = command(commands, "connect", "find the transition states that join the minima of a run", epilog=epilog)
    parser.add_argument("run", metavar="RUN", help="run folder")
    which = parser.add_argument_group("which pairs of minima")
    which.add_argument("--window", metavar="E", help="only minima up to E above the lowest, such as 8kcal/mol (all)")
    which.add_argument("--neighbours", type=whole, default=3, metavar="N", help="each with its N nearest (3)")
    which.add_argument(
        "--around",
        type=whole,
        metavar="N",
        help="N searches around each, without a pair (clusters of atoms 100, others 0)",
    )
    which.add_argument("--rounds", type=whole, default=20, metavar="N", help="most rounds for what is missing (20)")
    when = parser.add_argument_group("when to stop")
    when.add_argument("--max-evaluations", type=whole, metavar="N", help="force evaluations")
    when.add_argument("--max-time", metavar="T", help="such as 2h, 30min or 90s")
    how = parser.add_argument_group("how")
    how.add_argument("--bands", type=whole, default=8, metavar="N", help="bands at a time (8)")
    how.add_argument("--searches", type=whole, default=32, metavar="N", help="searches at a time (32)")
    how.add_argument("--seed", type=whole, default=0, metavar="N", help="of searches around minima (0)")
    how.add_argument("--model", metavar="FILE", help="the model of the run, if its file has moved")
    how.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, ... (that of the run)")
    add_workers(how, "evaluate on")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def plot(commands: "Commands[Parser]") -> Parser:
    """Add ``pesx plot``."""
    epilog = (
        "examples:\n"
        "  pesx plot disconnectivity runs/ala3-1 -o graph.pdf --color radius_of_gyration\n"
        "  pesx plot disconnectivity PATHSAMPLE/ -o graph.svg --lowest 200 --unit kcal/mol\n"
        "  pesx plot disconnectivity runs/ala3-1 -o free.pdf --temperature 300\n"
        "  pesx plot heat-capacity runs/LJ7-1 -o cv.pdf --from 0.01 --to 0.3\n"
        "  pesx plot populations runs/ala3-1 -o populations.pdf --groups chemistry\n"
        "the numbers go into a CSV file of the same name\n"
    )
    parser = command(commands, "plot", "draw a figure of a run, also while it goes on", epilog=epilog)
    parser.add_argument("figure", metavar="FIGURE", help="disconnectivity, heat-capacity or populations")
    parser.add_argument(
        "run", metavar="RUN", help="run folder; of disconnectivity also PATHSAMPLE folder or GraphML file"
    )
    parser.add_argument("-o", dest="out", required=True, metavar="FILE", help="figure file: pdf, svg or png")
    what = parser.add_argument_group("what to draw of disconnectivity")
    what.add_argument("--lowest", type=whole, metavar="K", help="only the K lowest minima (all)")
    what.add_argument("--component-of", type=whole, metavar="I", help="only what is connected to minimum I (all)")
    what.add_argument("--min-barrier", metavar="E", help="only minima with a barrier of E or more to a lower one (0)")
    what.add_argument("--basins", action="store_true", help="only the bottoms of monotonic-sequence basins")
    what.add_argument("--max-height", metavar="E", help="where the axis ends above the lowest minimum (to suit)")
    what.add_argument("--levels", type=whole, metavar="N", help="about N levels, 0 for exact joins (to suit)")
    _temperatures(parser.add_argument_group("temperatures (energies instead, or a usual range)"))
    _wells(parser.add_argument_group("how motion is counted at a temperature"))
    how = parser.add_argument_group("how it looks")
    how.add_argument("--groups", metavar="chemistry|basin", help="put the minima of populations together")
    how.add_argument("--color", metavar="PROPERTY", help="colour minima by energy, visits, chemistry, ...")
    how.add_argument("--mark", metavar="PROPERTY", help="mark minima for which this is neither 0 nor empty")
    how.add_argument("--properties", metavar="FILE.csv", help="more properties; its column minimum has the numbers")
    how.add_argument("--absolute", action="store_true", help="energies as they are, not above the lowest minimum")
    how.add_argument("--unit", default="", metavar="NAME", help="unit of energies of a PATHSAMPLE folder")
    how.add_argument("--width", default="column", metavar="column|double", help="of the figure (column)")
    how.add_argument("--title", default="", metavar="TEXT", help="above the figure")
    return parser


def thermo(commands: "Commands[Parser]") -> Parser:
    """Add ``pesx thermo``."""
    epilog = (
        "examples:\n"
        "  pesx thermo runs/ala3-1 --temperature 300 400\n"
        "  pesx thermo runs/LJ7-1 --from 0.02 --to 0.3 --steps 50 --json\n"
        "vibrations that the run has not stored are computed from its potential, and stored\n"
    )
    text = "tell populations, free energies and heat capacity of a run at temperatures"
    parser = command(commands, "thermo", text, epilog=epilog)
    parser.add_argument("run", metavar="RUN", help="run folder")
    _temperatures(parser.add_argument_group("temperatures"))
    _wells(parser.add_argument_group("how motion is counted"))
    parser.add_argument("--groups", metavar="chemistry|basin", help="put minima together")
    parser.add_argument("-n", type=whole, default=20, metavar="N", help="list the N largest populations (20)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def rates(commands: "Commands[Parser]") -> Parser:
    """Add ``pesx rates``."""
    epilog = (
        "examples:\n"
        "  pesx rates runs/ala3-1 --from 0,4 --to 7 --temperature 300\n"
        "  pesx rates runs/ala3-1 --from radius_of_gyration=:3.4 --to radius_of_gyration=4: --temperature 300\n"
    )
    parser = command(commands, "rates", "tell how fast one group of minima goes over into another", epilog=epilog)
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--from", dest="start", required=True, metavar="A", help="minima: 0,4, NAME=LOW:HIGH or NAME=VALUE"
    )
    parser.add_argument("--to", dest="target", required=True, metavar="B", help="minima, in the same way")
    parser.add_argument(
        "--temperature", required=True, type=float, nargs="+", metavar="T", help="K, or k times it in reduced units"
    )
    _wells(parser.add_argument_group("how motion is counted"))
    parser.add_argument("--properties", metavar="FILE.csv", help="more properties; its column minimum has the numbers")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _temperatures(group: argparse._ArgumentGroup) -> None:
    """Add temperatures, one by one or from one to another."""
    group.add_argument("--temperature", type=float, nargs="+", metavar="T", help="K, or k times it in reduced units")
    group.add_argument("--from", dest="lowest_temperature", type=float, metavar="T", help="the lowest of a range")
    group.add_argument("--to", dest="highest_temperature", type=float, metavar="T", help="the highest")
    group.add_argument("--steps", type=whole, metavar="N", help="temperatures in the range (100)")


def _wells(group: argparse._ArgumentGroup) -> None:
    """Add how minima become harmonic wells."""
    group.add_argument("--quasi-rrho", action="store_true", help="soft modes with the entropy of free rotors")
    group.add_argument("--window", metavar="E", help="only minima up to E above the lowest, such as 8kcal/mol (all)")
    group.add_argument("--stored", action="store_true", help="compute no vibrations; leave out minima without")
    group.add_argument("--model", metavar="FILE", help="the model of the run, if its file has moved")
    group.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, ... (that of the run)")


def verify(commands: "Commands[Parser]") -> Parser:
    """Add ``pesx verify``."""
    epilog = (
        "examples:\n"
        "  pesx verify runs/ala3-1 --engine gfn2 --sample 100 --workers 2\n"
        "  pesx verify runs/ala3-1 --engine pyscf --level b3lyp-d4/def2-svp --lowest 10\n"
        "what was stopped goes on when the same command is given again\n"
    )
    parser = command(commands, "verify", "relax minima of a run with a reference engine", epilog=epilog)
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--engine", default="gfn2", metavar="NAME", help="gfn2, gfn1, pyscf or module:attribute (gfn2)")
    parser.add_argument("--level", metavar="TEXT", help="level of theory, such as b3lyp-d4/def2-svp for pyscf")
    which = parser.add_argument_group("which minima (all)")
    which.add_argument("--minima", metavar="3,17,20", help="these numbers")
    which.add_argument("--new", action="store_true", help="those that pesx novelty found new")
    which.add_argument("--known", action="store_true", help="those that pesx novelty found known")
    which.add_argument("--sample", type=whole, metavar="N", help="N of them at random")
    which.add_argument("--lowest", type=whole, metavar="N", help="the N lowest of them")
    which.add_argument("--seed", type=whole, default=0, metavar="S", help="of the sample (0)")
    how = parser.add_argument_group("how")
    how.add_argument("--fmax", type=float, default=0.005, metavar="F", help="converged below, eV/angstrom (0.005)")
    how.add_argument("--max-steps", type=whole, default=500, metavar="N", help="calls of the engine for each (500)")
    how.add_argument("--again", action="store_true", help="also those that are done at this level")
    how.add_argument("--workers", type=whole, default=1, metavar="N", help="processes (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def novelty(commands: "Commands[Parser]") -> Parser:
    """Add ``pesx novelty``."""
    epilog = (
        "example:\n"
        "  pesx novelty runs/ala3-1 --data labels.db --data simulated.db\n"
        "the table goes into RUN/novelty.csv; frames quenched before are not quenched again\n"
    )
    parser = command(commands, "novelty", "tell which minima of a run the training data do not imply", epilog=epilog)
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
    parser.add_argument("--frames", type=whole, metavar="N", help="only N of the frames, at random (all)")
    parser.add_argument("--seed", type=whole, default=0, metavar="S", help="of the choice of frames (0)")
    parser.add_argument("--verified-at", metavar="TEXT", help="level of the verifications to use (that of the run)")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, ... (auto)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def report(commands: "Commands[Parser]") -> Parser:
    """Add ``pesx report``."""
    epilog = (
        "examples:\n"
        "  pesx report runs/ala3-1\n"
        "  pesx report runs/ala3-1 -o ala3.html --data labels.db\n"
        "the file opens without a network; pesx connect, verify and novelty add to it\n"
    )
    parser = command(commands, "report", "write one HTML file about a run, also while it goes on", epilog=epilog)
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("-o", dest="out", metavar="FILE.html", help="the file (RUN/report.html)")
    parser.add_argument(
        "--data",
        action="append",
        metavar="LABELS.db",
        help="show the frames that the model was trained on in the maps of phi and psi: of pesx label, an extxyz file, or a "
        "data file in TOML; repeatable",
    )
    parser.add_argument("--level", metavar="TEXT", help="level of theory of the labels in extxyz files")
    return parser
