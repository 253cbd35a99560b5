"""Pack labels into small files that ``pesx train --data accurate.toml`` reads.

python workflows/ala_gly_model/pack.py ala.db gly.db --out workflows/ala_gly_model/accurate

Makes ``accurate/NAME.npz`` of each molecule and appends it to ``accurate.toml``, which names the level and the units. Labels of
``pesx label --energies-only`` have no forces in it.
"""

import argparse
from pathlib import Path

import numpy as np

from pesx.errors import PesxError
from pesx.labelling.store import LabelStore

ENTRY = """
[[files]]
path = "{path}"
name = "{name}"
level = "{level}"
energy_unit = "eV"
length_unit = "angstrom"
"""
FORCE_UNIT = 'force_unit = "eV/angstrom"\n'


def pack(database: Path, out: Path, suffix: str) -> list[str]:
    """Write the molecules of a database; return their entries for the data file."""
    entries = []
    with LabelStore(database) as store:
        for molecule in store.molecules():
            frames = store.frames(molecule.id)
            path = out / f"{molecule.name}{suffix}.npz"
            forces = np.ma.getdata(frames["forces"])
            has_forces = bool(np.isfinite(forces).all())
            # Positions to 1e-6 angstrom and forces to 1e-6 eV/angstrom: far below what a grid leaves.
            arrays = {"F": np.round(forces, 6).astype(np.float32)} if has_forces else {}
            np.savez_compressed(
                path,
                z=molecule.numbers,
                R=np.round(frames["positions"], 6),
                E=frames["energy"],
                source=frames["source"],
                **arrays,
            )
            entry = ENTRY.format(path=f"{out.name}/{path.name}", name=molecule.name, level=store.level)
            entries.append(entry + FORCE_UNIT * has_forces)
            print(f"{path}: {len(frames['energy'])} frames, {path.stat().st_size / 1024:.0f} KB")
    return entries


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("databases", type=Path, nargs="+", help="of pesx label")
    parser.add_argument("--out", type=Path, required=True, help="folder; the data file has its name")
    parser.add_argument("--suffix", default="", help="between the name of a molecule and .npz")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    try:
        entries = [entry for path in arguments.databases for entry in pack(path, arguments.out, arguments.suffix)]
    except (OSError, PesxError) as error:
        raise SystemExit(f"pack.py: {error}") from error
    data_file = arguments.out.with_suffix(".toml")
    is_first = not data_file.exists()
    with data_file.open("a", encoding="utf-8") as file:
        file.write("".join(entries)[int(is_first) :])


if __name__ == "__main__":
    main()
