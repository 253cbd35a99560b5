"""Write the structures of the cheap level, to be labelled by another cheap method.

python workflows/asteroid/structures.py workflows/asteroid/ethanol.toml --data DATA --out ethanol.extxyz
pesx label --frames ethanol.extxyz --engine gfn2 --out DATA/ethanol_gfn2.db
"""

import argparse
from pathlib import Path

import ase.io
from comparison import read_comparison

from pesx.training.sources.extxyz import structures


def main(words: list[str] | None = None) -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", type=Path, help="TOML file of a comparison")
    parser.add_argument("--data", type=Path, required=True, help="folder from which its paths start")
    parser.add_argument("--out", type=Path, required=True, help="extxyz file")
    given = parser.parse_args(words)
    found = structures(read_comparison(given.comparison).cheap.read(given.data))
    ase.io.write(given.out, found, format="extxyz")
    print(f"{len(found)} structures in {given.out}")


if __name__ == "__main__":
    main()
