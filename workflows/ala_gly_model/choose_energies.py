"""Choose the geometries whose energies are worth a larger basis: minima, transition states, what lies between, some thermal.

python workflows/ala_gly_model/choose_energies.py ACCURATE.npz RUN --thermal 20 --out chosen.extxyz

Minima and the structures between them are all taken, of the thermal frames the first: they are in the order in which farthest
points chose them.
"""

import argparse
from pathlib import Path

import ase.io
import numpy as np
from numpy.typing import NDArray

from pesx.errors import InputError, PesxError
from pesx.landscape.store import RunStore


def rows(source: NDArray[np.str_], n_thermal: int) -> NDArray[np.int64]:
    """Return which frames to take.

    Args:
        source: Of each frame: given, between or thermal.
        n_thermal: How many of the thermal ones.
    """
    is_thermal = source == "thermal"
    return np.concatenate([np.flatnonzero(~is_thermal), np.flatnonzero(is_thermal)[:n_thermal]])


def transition_states(run: Path, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the transition states of a run, (K, N, 3), angstrom.

    Raises:
        InputError: They are of another molecule.
    """
    with RunStore.read(run) as store:
        if store.molecule.numbers.tolist() != numbers.tolist():
            raise InputError(
                f"Expected a run of the molecule of the labels, atoms in their order; {run} is of another."
            )
        return store.transition_states().positions.numpy()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("accurate", type=Path, help="labels with forces, of pack.py")
    parser.add_argument("run", type=Path, nargs="?", help="of the same molecule; its transition states are added")
    parser.add_argument("--thermal", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        with np.load(arguments.accurate) as labels:
            numbers, taken = labels["z"], rows(labels["source"], arguments.thermal)
            positions, source = labels["R"][taken], labels["source"][taken].tolist()
        if arguments.run is not None:
            saddles = transition_states(arguments.run, numbers)
            positions = np.concatenate([positions, saddles])
            source += ["saddle"] * len(saddles)
    except (OSError, PesxError) as error:
        raise SystemExit(f"choose_energies.py: {error}") from error
    name = arguments.accurate.stem
    frames = [
        ase.Atoms(numbers, place, info={"name": name, "source": kind})
        for place, kind in zip(positions, source, strict=True)
    ]
    ase.io.write(arguments.out, frames, format="extxyz")
    print(f"{arguments.out}: {len(frames)} structures")


if __name__ == "__main__":
    main()
