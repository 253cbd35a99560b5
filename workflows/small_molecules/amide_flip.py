"""The two minima of N-methylacetamide and the barriers between them, on a model, against labelled frames.

    python workflows/small_molecules/amide_flip.py nma/model/model.safetensors nma/train.extxyz nma/test.extxyz

The minima are relaxed from the lowest labelled frame of each kind. From each of them the amide is turned in steps, all else
relaxed, and from the highest structures on the way saddles are sought: Newton steps with the sign of one mode turned. A saddle
counts if it has one negative mode and relaxing from both its sides leads to cis and to trans. With ``--engine-level`` PySCF
computes the stationary points again, which takes minutes.
"""

import argparse
import json
from typing import Any

import numpy as np
import torch

from pesx.engines.make import make_engine
from pesx.geometry.align import rmsd, superpose
from pesx.geometry.torsion import torsion_angles
from pesx.potentials.learned import LearnedPotential
from pesx.protocols import Potential
from pesx.relax.modes import hessian, modes
from pesx.so3krates.checkpoint import load as load_model
from pesx.state import Evaluation, fmax
from pesx.training.dataset import Dataset, MoleculeFrames, load, merge
from pesx.training.sources.extxyz import ExtxyzFrames
from pesx.units import KCAL_PER_MOL

Tensor = torch.Tensor

OMEGA = torch.tensor([[3, 4, 7, 8]])  # C-N-C-C of the frames' order of atoms
CIS_BELOW, TRANS_ABOVE = 40.0, 140.0  # degree
MIDDLE = (60.0, 120.0)  # degree
LARGEST_FORCE, ROUGH_FORCE = 1e-4, 0.01  # eV/angstrom
MOST_STEPS = 100
LONGEST_STEP, SMALLEST_CURVATURE = 0.1, 0.02  # angstrom, eV/angstrom^2
ASIDE = 0.1  # angstrom
SAME_ENERGY = 1e-4  # eV
TURN, STIFFNESS = 10.0, 20.0  # degree, eV


class Held:
    """A potential with a restraint that pulls the amide torsion to an angle.

    Args:
        potential: What is restrained.
        angle: Degree.
    """

    def __init__(self, potential: Potential, angle: float) -> None:
        self._potential = potential
        self._angle = np.deg2rad(angle)

    def __call__(self, positions: Tensor) -> Evaluation:
        """Return energies (eV) with the restraint k (1 - cos(omega - angle)), and forces (eV/angstrom)."""
        found = self._potential(positions)
        with torch.enable_grad():
            moved = positions.detach().requires_grad_()
            pull = STIFFNESS * (1.0 - torch.cos(torsion_angles(moved, OMEGA)[:, 0] - self._angle))
            (slope,) = torch.autograd.grad(pull.sum(), moved)
        return Evaluation(found.energy + pull.detach(), found.forces - slope)


def omega(positions: Tensor) -> Tensor:
    """Return the size of the amide torsion, degree: 0 for cis, 180 for trans."""
    return torsion_angles(positions, OMEGA)[:, 0].abs().rad2deg()


def stationary(potential: Potential, start: Tensor, *, is_saddle: bool, enough: float = LARGEST_FORCE) -> Tensor | None:
    """Return the minimum or saddle that Newton steps from a structure lead to; None if they do not arrive."""
    at = start.clone()
    for _ in range(MOST_STEPS):
        forces = potential(at[None]).forces
        if fmax(forces) < enough:
            return at
        values, vectors = torch.linalg.eigh(hessian(potential, at[None])[0])
        along = vectors.T @ forces.flatten() / values.abs().clamp(min=SMALLEST_CURVATURE)
        if is_saddle:
            along[0] = -along[0]
        along = along * (LONGEST_STEP / along.norm()).clamp(max=1.0)
        at = at + (vectors @ along).view_as(at)
    return None


def connects(potential: LearnedPotential, saddle: Tensor) -> bool:
    """Return whether the saddle has one negative mode and lies between cis and trans."""
    found = modes(potential, saddle[None])
    if int(found.n_negative[0]) != 1:
        return False
    sides = [stationary(potential, saddle + sign * ASIDE * found.direction[0], is_saddle=False) for sign in (-1, 1)]
    if any(side is None for side in sides):
        return False
    low, high = sorted(float(omega(side[None])[0]) for side in sides)
    return low < CIS_BELOW and high > TRANS_ABOVE


def tops(potential: LearnedPotential, minimum: Tensor) -> list[Tensor]:
    """Return the highest structures met when the amide is turned by half a turn, either way."""
    found = []
    for sense in (TURN, -TURN):
        at, way = minimum, []
        for number in range(1, round(180.0 / TURN)):
            angle = float(torsion_angles(minimum[None], OMEGA).rad2deg()) + number * sense
            relaxed = stationary(Held(potential, angle), at, is_saddle=False, enough=ROUGH_FORCE)
            if relaxed is None:
                break
            at = relaxed
            way.append(at)
        found.append(max(way, key=lambda point: energy_of(potential, point)))
    return found


def saddles(potential: LearnedPotential, starts: list[Tensor]) -> list[Tensor]:
    """Return the saddles of the flip, lowest first, each energy once."""
    found: dict[int, Tensor] = {}
    for start in starts:
        saddle = stationary(potential, start, is_saddle=True)
        if saddle is not None:
            found.setdefault(round(energy_of(potential, saddle) / SAME_ENERGY), saddle)
    return [found[key] for key in sorted(found) if connects(potential, found[key])]


def energy_of(potential: LearnedPotential, positions: Tensor) -> float:
    """Return the energy of a structure, eV."""
    return float(potential(positions[None]).energy[0])


def nearest(structure: Tensor, frames: Tensor) -> tuple[int, float]:
    """Return the frame with the least RMSD (angstrom) to a structure or its mirror image."""
    apart = torch.stack([rmsd(superpose(frames, image), image) for image in (structure[None], -structure[None])])
    least = apart.amin(dim=0)
    return int(least.argmin()), float(least.min())


def report(potential: LearnedPotential, data: MoleculeFrames, held_out: MoleculeFrames, level: str | None) -> Any:
    """Return what the model says about the flip, and what the frames say, in kcal/mol, angstrom and degree."""
    frames = torch.from_numpy(data.positions).double()
    energy, angle = torch.from_numpy(data.energy), omega(frames)
    lowest = {
        "trans": int(energy.where(angle > TRANS_ABOVE, torch.inf).argmin()),
        "cis": int(energy.where(angle < CIS_BELOW, torch.inf).argmin()),
    }
    points: dict[str, Tensor] = {}
    for name, row in lowest.items():
        minimum = stationary(potential, frames[row], is_saddle=False)
        if minimum is None:
            raise SystemExit(f"Expected a {name} minimum of the model, but relaxing the lowest frame does not end.")
        points[name] = minimum
    flips = saddles(potential, [top for minimum in points.values() for top in tops(potential, minimum)])
    points |= {f"saddle {number}": saddle for number, saddle in enumerate(flips, 1)}
    zero, data_zero = energy_of(potential, points["trans"]), float(energy[lowest["trans"]])
    table = {name: _point(potential, point, (frames, energy), zero, data_zero) for name, point in points.items()}
    if level is not None:
        _add_engine(table, points, data, level)
    return {"points": table, "held-out frames in the middle of the flip": _middle_errors(potential, held_out)}


def _point(
    potential: LearnedPotential, point: Tensor, data: tuple[Tensor, Tensor], zero: float, data_zero: float
) -> dict[str, float]:
    frames, energy = data
    row, apart = nearest(point, frames)
    return {
        "omega": float(omega(point[None])[0]),
        "lowest_curvature": float(modes(potential, point[None]).lowest[0]),
        "energy": (energy_of(potential, point) - zero) / KCAL_PER_MOL,
        "nearest_frame_rmsd": apart,
        "nearest_frame_energy": (float(energy[row]) - data_zero) / KCAL_PER_MOL,
        "model_at_nearest_frame": (energy_of(potential, frames[row]) - zero) / KCAL_PER_MOL,
    }


def _add_engine(
    table: dict[str, dict[str, float]], points: dict[str, Tensor], data: MoleculeFrames, level: str
) -> None:
    """Add energies (kcal/mol above trans) and the largest force left (eV/angstrom) at a level of theory."""
    evaluate = make_engine("pyscf", level).bind(data.numbers)
    labels = {name: evaluate(point.numpy()) for name, point in points.items()}
    for name, (energy, forces) in labels.items():
        table[name]["engine_energy"] = (energy - labels["trans"][0]) / KCAL_PER_MOL
        table[name]["engine_fmax"] = float(np.linalg.norm(forces, axis=-1).max())


def _middle_errors(potential: LearnedPotential, held_out: MoleculeFrames) -> dict[str, float | int]:
    angle = omega(torch.from_numpy(held_out.positions).double()).numpy()
    some = held_out.take((angle > MIDDLE[0]) & (angle < MIDDLE[1]))
    found = potential(torch.from_numpy(some.positions))
    return {
        "n_frames": len(some),
        "force_mae": float(1e3 * np.abs(found.forces.numpy() - some.forces).mean()),
        "energy_mae": float(1e3 * np.abs(found.energy.numpy() - some.energy).mean()),
    }


def _one_molecule(data: Dataset) -> MoleculeFrames:
    if len(data.molecules) != 1:
        raise SystemExit(f"Expected frames of one molecule, came {len(data.molecules)}.")
    return data.molecules[0]


def main(words: list[str] | None = None) -> None:
    """Print the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="model file")
    parser.add_argument("train", help="frames that the model was trained on")
    parser.add_argument("test", help="frames that it has not seen")
    parser.add_argument(
        "--engine-level", metavar="LEVEL", help="compute the points again with PySCF, such as b3lyp5/cc-pvdz"
    )
    given = parser.parse_args(words)
    train, test = (load(ExtxyzFrames(path, level="that of the frames")) for path in (given.train, given.test))
    data, held_out = _one_molecule(merge([train, test])), _one_molecule(test)
    potential = LearnedPotential(load_model(given.model)[0], torch.from_numpy(data.numbers))
    print(json.dumps(report(potential, data, held_out, given.engine_level), indent=1))


if __name__ == "__main__":
    main()
