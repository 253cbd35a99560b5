"""``pesx export``: the minima of a run in the formats of other programs."""

from argparse import Namespace
from pathlib import Path

from pesx.cli.streams import say
from pesx.landscape.export import export
from pesx.settings import read_settings

_NAMES = {
    "extxyz": "minima.extxyz",
    "sdf": "minima.sdf",
    "ase-db": "minima.db",
    "csv": "minima.csv",
    "pathsample": "pathsample",
    "graphml": "landscape.graphml",
}
"""Where each format goes inside the run folder."""


def run(arguments: Namespace) -> int:
    """Write the file, and return the exit code."""
    folder = Path(arguments.run)
    out = Path(arguments.out) if arguments.out else folder / _NAMES.get(arguments.format, "minima")
    n_minima = export(folder, arguments.format, out, mirror=_mirror(folder))
    say(f"Wrote {n_minima} minima to {out}.")
    if arguments.format == "pathsample":
        say(f"What its columns hold, and what is missing, is in {out / 'units.txt'}.")
    return 0


def _mirror(folder: Path) -> str:
    """Return what the run made of mirror images; a folder without its settings counts as having kept them apart."""
    return read_settings(folder).mirror if (folder / "config.toml").is_file() else "distinct"
