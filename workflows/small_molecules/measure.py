"""Errors of a model on labelled frames, nothing removed from them.

    python workflows/small_molecules/measure.py ethanol/model.safetensors DATA/ethanol/pbe_svp_test.xyz

The card of a model gives energy errors after the mean error was removed; here they are those of total energies.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.checkpoint import load as load_model
from pesx.training.dataset import load
from pesx.training.sources.extxyz import ExtxyzFrames


def errors(model_file: str | Path | None, frames_file: str | Path) -> dict[str, float | int]:
    """Return mean absolute and root mean square errors of total energies (meV) and force components (meV/angstrom)."""
    model, _ = load_model(model_file)
    off_energy, off_forces = [], []
    for molecule in load(ExtxyzFrames(frames_file, level="that of the frames")).molecules:
        potential = LearnedPotential(
            model, torch.from_numpy(molecule.numbers), charge=molecule.charge, multiplicity=molecule.multiplicity
        )
        found = potential(torch.from_numpy(molecule.positions))
        off_energy.append(found.energy.numpy() - molecule.energy)
        off_forces.append((found.forces.numpy() - molecule.forces).ravel())
    energy, forces = (1e3 * np.concatenate(off).astype(np.float64) for off in (off_energy, off_forces))
    return {
        "n_frames": len(energy),
        "force_mae": float(np.abs(forces).mean()),
        "force_rmse": float(np.sqrt(np.square(forces).mean())),
        "energy_mae": float(np.abs(energy).mean()),
        "energy_rmse": float(np.sqrt(np.square(energy).mean())),
        "energy_offset": float(energy.mean()),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="model file")
    parser.add_argument("frames", help="extxyz file with energies (eV) and forces (eV/angstrom)")
    given = parser.parse_args()
    print(json.dumps(errors(given.model, given.frames), indent=1))
