"""Write the structures of labelled frames, to be labelled at another level too.

python workflows/ala_gly_model/structures.py workflows/ala_gly_model/accurate.toml --out accurate.extxyz
pesx label --frames accurate.extxyz --engine gfn2 --out accurate_gfn2.db
"""

import argparse
from pathlib import Path

import ase.io

from pesx.errors import PesxError
from pesx.training.sources.data_file import read_data_file
from pesx.training.sources.extxyz import structures


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="data file, TOML")
    parser.add_argument("--out", type=Path, required=True, help="extxyz file")
    given = parser.parse_args()
    try:
        found = structures(read_data_file(given.data))
    except (OSError, PesxError) as error:
        raise SystemExit(f"structures.py: {error}") from error
    ase.io.write(given.out, found, format="extxyz")
    print(f"{len(found)} structures in {given.out}")


if __name__ == "__main__":
    main()
