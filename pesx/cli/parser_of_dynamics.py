"""What can be asked for of dynamics: to run it, and to audit what came of it."""

from pesx.cli.parsing import Commands, Parser, add_workers, command, whole


def md(commands: "Commands[Parser]") -> Parser:
    """Add ``pesx md``."""
    epilog = (
        "examples:\n"
        "  pesx md --molecule ala3.xyz --temperature 300 500 --replicas 32 --time 50ps --out RUN\n"
        "  pesx md --molecule ala3.xyz --start minima.extxyz --replicas 8 --h-mass 2 --timestep 1fs --time 1ns --out RUN\n"
        "  pesx md --resume --out RUN --time 100ps\n"
        "Ctrl-C ends a run at the next frame; --resume goes on from there\n"
    )
    parser = command(commands, "md", "run molecular dynamics of many replicas at once", epilog=epilog, is_sparse=True)
    what = parser.add_argument_group("what")
    what.add_argument("--molecule", metavar="FILE|SMILES", help="structure file, or SMILES; relaxed first")
    what.add_argument(
        "--start", metavar="FILE", help="minima to start from, dealt to the replicas (the molecule, relaxed)"
    )
    what.add_argument("--temperature", type=float, nargs="+", metavar="T", help="K; several for replicas at each (300)")
    what.add_argument("--replicas", type=whole, metavar="N", help="replicas at each temperature (1)")
    what.add_argument("--time", metavar="T", help="of each replica, such as 50ps or 1ns (10ps)")
    what.add_argument("--charge", type=whole, metavar="Q", help="total charge, e")
    what.add_argument("--multiplicity", type=whole, metavar="M", help="spin multiplicity, 2S+1")

    how = parser.add_argument_group("how")
    how.add_argument("--integrator", metavar="langevin|verlet|nose-hoover", help="(langevin)")
    how.add_argument("--timestep", metavar="T", help="such as 0.5fs (0.5fs)")
    how.add_argument("--friction", metavar="R", help="of langevin, such as 1/ps (1/ps)")
    how.add_argument("--relaxation", metavar="T", help="time scale of nose-hoover (100fs)")
    how.add_argument(
        "--h-mass", type=float, metavar="M", help="of hydrogens, u, taken from their neighbours (their own)"
    )
    how.add_argument("--potential", metavar="NAME", help="so3krates, gfn2, gfn1, or module:attribute (so3krates)")
    how.add_argument("--model", metavar="FILE", help="model file for so3krates (the one in the package)")
    how.add_argument("--seed", type=whole, metavar="N", help="of velocities and noise (0)")
    how.add_argument("--device", metavar="NAME", help="auto, cpu, and for so3krates cuda, ... (auto)")
    how.add_argument("--precision", metavar="auto|float32|float64", help="of forces; all else is float64 (auto)")
    add_workers(how, "evaluate on")

    watched = parser.add_argument_group("what ends a replica")
    watched.add_argument("--amides", metavar="keep|allow", help="whether an amide that turns over does (keep)")
    watched.add_argument(
        "--uncertainty", metavar="E", help="record where that of the energy is beyond E, such as 0.1eV"
    )

    where = parser.add_argument_group("where")
    where.add_argument("--out", metavar="RUN", help="run folder")
    where.add_argument("--every", metavar="T", help="between frames (100fs)")
    where.add_argument("--format", metavar="dcd|xtc|hdf5|extxyz", help="of the trajectories (dcd)")
    where.add_argument("--checkpoint", metavar="T", help="wall time between checkpoints (30s)")
    where.add_argument(
        "--resume",
        action="store_true",
        default=False,
        help="go on with the run in --out; only --time, --checkpoint, --workers, --ray and --device may be changed",
    )
    where.add_argument("--config", metavar="FILE.toml", help="the same settings from a file, as in RUN/config.toml")
    where.add_argument("--json", action="store_true", default=False, help="print the result to stdout as JSON")
    return parser


def audit(commands: "Commands[Parser]") -> Parser:
    """Add ``pesx audit``."""
    epilog = (
        "examples:\n"
        "  pesx audit RUN --out audit\n"
        "  pesx audit a.dcd b.dcd --topology molecule.pdb --temperature 300 --interval 10fs\n"
        "  pesx audit RUN --reference xtb.extxyz --model model.safetensors\n"
        "  pesx audit --smoothness --molecule ala3.xyz --model model.safetensors\n"
    )
    parser = command(commands, "audit", "tell when, how often and why trajectories leave chemistry", epilog=epilog)
    parser.add_argument(
        "trajectories", nargs="*", metavar="TRAJECTORY", help="DCD, XTC, HDF5, PDB, extxyz, ... or a folder of pesx md"
    )
    what = parser.add_argument_group("what is in them")
    what.add_argument("--topology", metavar="FILE", help="PDB or molecule file (that of the folder)")
    what.add_argument("--molecule", metavar="FILE", help="the same, under the name that other commands have for it")
    what.add_argument("--charge", type=whole, default=0, metavar="Q", help="total charge, e (0)")
    what.add_argument("--multiplicity", type=whole, default=1, metavar="M", help="spin multiplicity, 2S+1 (1)")
    what.add_argument("--temperature", type=float, nargs="+", default=[], metavar="T", help="K; one, or one per file")
    what.add_argument("--interval", metavar="T", help="between frames, such as 10fs (what the file says)")
    how = parser.add_argument_group("what counts as a failure")
    how.add_argument("--persistence", default="100fs", metavar="T", help="how long it must last (100fs)")
    how.add_argument(
        "--amides", default="keep", metavar="keep|allow", help="whether amides must stay as they are (keep)"
    )
    how.add_argument("--drift", type=float, metavar="D", help="of the total energy, meV per atom and ps (not judged)")
    how.add_argument("--to-the-end", action="store_true", help="go on behind the first failure")
    beside = parser.add_argument_group("what to compare with")
    beside.add_argument("--reference", metavar="TRAJECTORY", help="of the same molecule")
    beside.add_argument("--model", metavar="FILE", help="model file, for harmonic frequencies and --smoothness")
    beside.add_argument("--potential", metavar="NAME", help="so3krates, gfn2, gfn1, or module:attribute, for the same")
    beside.add_argument("--smoothness", action="store_true", help="test the surface of the model itself")
    beside.add_argument("--run", metavar="RUN", help="exploration with it, whose holes --smoothness counts")
    parser.add_argument("--out", metavar="FOLDER", help="for audit.json and figures")
    parser.add_argument("--figures", default="pdf", metavar="pdf|svg|png", help="format of figures (pdf)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
