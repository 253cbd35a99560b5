"""Draw frames of N-methylacetamide to train on from QM-22, and put the others aside for tests, in the units of pesx.

    python workflows/small_molecules/prepare.py DATA/n_methylacetamide/N-methylacetamide.zip --out nma

The frames are those of Nandi et al. 2019, doi:10.1063/1.5119348 (https://github.com/jmbowma/QM-22). Frames that occur twice
count once, so that no structure is on both sides.
"""

import argparse
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator

from pesx.training.dataset import MoleculeFrames
from pesx.training.sources.data_file import read_file
from pesx.training.sources.settings import FileSettings


def distinct(molecule: MoleculeFrames) -> MoleculeFrames:
    """Return the frames without repetition, in their order."""
    _, first = np.unique(molecule.positions, axis=0, return_index=True)
    return molecule.take(np.sort(first))


def cut(molecule: MoleculeFrames, n_train: int, *, seed: int) -> dict[str, MoleculeFrames]:
    """Return frames drawn at random as ``train``, and all the others as ``test``."""
    if not 0 < n_train < len(molecule):
        raise SystemExit(f"Expected --n-train from 1 to {len(molecule) - 1}, came {n_train}.")
    order = np.random.default_rng(seed).permutation(len(molecule))
    return {"train": molecule.take(order[:n_train]), "test": molecule.take(np.sort(order[n_train:]))}


def as_atoms(molecule: MoleculeFrames) -> list[ase.Atoms]:
    """Return frames with energies in eV and forces in eV/angstrom."""
    frames = []
    for positions, energy, forces in zip(molecule.positions, molecule.energy, molecule.forces, strict=True):
        atoms = ase.Atoms(molecule.numbers, positions=positions)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        frames.append(atoms)
    return frames


def main(words: list[str] | None = None) -> None:
    """Write ``train.extxyz`` and ``test.extxyz``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="N-methylacetamide.zip of QM-22, or the xyz file in it")
    parser.add_argument("--out", type=Path, required=True, help="folder of the two files")
    parser.add_argument("--n-train", type=int, default=1000, help="frames to train on, validation among them (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (0)")
    given = parser.parse_args(words)
    (molecule,) = read_file(FileSettings(given.data, format="qm22", level="B3LYP/cc-pVDZ")).molecules
    given.out.mkdir(parents=True, exist_ok=True)
    for name, some in cut(distinct(molecule), given.n_train, seed=given.seed).items():
        ase.io.write(given.out / f"{name}.extxyz", as_atoms(some), format="extxyz")
        print(f"{len(some)} frames in {given.out / f'{name}.extxyz'}")


if __name__ == "__main__":
    main()
