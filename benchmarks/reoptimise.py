"""A sample of minima relaxed with the level of theory that the model was trained on; part of ``verify_minima.py``."""

from dataclasses import dataclass
from typing import Any

import torch

from pesx import Molecule, Outcome
from pesx.chemistry.symmetry import heavy_automorphisms
from pesx.engines import make_engine
from pesx.geometry.align import rmsd, superpose
from pesx.guards import MolecularGuard
from pesx.identity import MolecularIdentity
from pesx.potentials.ase import AsePotential
from pesx.relax.model_hessian import ModelHessian
from pesx.relax.preconditioned import PreconditionedLbfgs
from pesx.relax.quench import Convergence, quench
from pesx.units import KCAL_PER_MOL

Tensor = torch.Tensor

FMAX = 0.005  # eV/angstrom
STAYED = 0.3  # angstrom
MOST_STEPS = 500


@dataclass(frozen=True)
class EngineChoice:
    """Name of an engine and how many processes of it to use."""

    name: str
    workers: int


def reoptimise(molecule: Molecule, positions: Tensor, energy: Tensor, *, engine: EngineChoice) -> dict[str, Any]:
    """Relax structures with an engine and compare with where they came from.

    Args:
        molecule: What they are structures of.
        positions: Minima of the model, angstrom.
        energy: Energies of the model there, eV.
        engine: What relaxes them.

    Returns:
        Counts, RMSD in angstrom, errors of relative energies in kcal/mol.
    """
    charges = {"charge": molecule.charge, "multiplicity": molecule.multiplicity}
    relaxer = PreconditionedLbfgs(ModelHessian(molecule))
    reference = make_engine(engine.name)
    with AsePotential(reference, molecule.numbers, n_workers=engine.workers, **charges) as potential:
        single = potential(positions).energy
        ends = quench(relaxer, potential, positions, convergence=Convergence(fmax=FMAX, max_steps=MOST_STEPS))
    converged = ends.outcome == Outcome.CONVERGED
    kept = converged.clone()
    kept[converged] = has_same_chemistry(molecule, positions[converged], ends.positions[converged])
    nothing = torch.full_like(energy, torch.nan)
    all_atoms, heavy = nothing.clone(), nothing.clone()
    all_atoms[kept] = MolecularIdentity(molecule).distance(positions[kept], ends.positions[kept])
    heavy[kept] = heavy_rmsd(molecule, positions[kept], ends.positions[kept])
    stayed = kept & (all_atoms <= STAYED)
    n = len(positions)
    return {
        "level": reference.level,
        "structures": n,
        "not_converged": int((~converged).sum()),
        "changed_chemistry": int((converged & ~kept).sum()),
        "within_0.3_all_atoms": int(stayed.sum()),
        "within_0.3_heavy_atoms": int((heavy <= STAYED).sum()),
        "share_within_0.3_all_atoms": int(stayed.sum()) / n,
        "share_within_0.3_heavy_atoms": int((heavy <= STAYED).sum()) / n,
        "median_rmsd_all_atoms": _median(all_atoms),
        "median_rmsd_heavy_atoms": _median(heavy),
        "error_minima_kept_kcal": relative_error(energy, ends.energy, kept),
        "error_minima_stayed_kcal": relative_error(energy, ends.energy, stayed),
        "error_single_points_kcal": relative_error(energy, single, single.isfinite()),
        "evaluations": int(ends.n_evaluations.sum()),
        "rmsd_all_atoms": _listed(all_atoms),
        "rmsd_heavy_atoms": _listed(heavy),
        "energy_model": _listed(energy),
        "energy_relaxed": _listed(ends.energy),
        "energy_single_point": _listed(single),
    }


def has_same_chemistry(molecule: Molecule, a: Tensor, b: Tensor) -> Tensor:
    """Whether bonds are those of the molecule at the end, and handedness and amides those of the start."""
    guard = MolecularGuard(molecule, amides="allow")
    is_same = [before == after for before, after in zip(guard.keys(a), guard.keys(b), strict=True)]
    return (guard.outcome(b) == Outcome.CONVERGED) & torch.tensor(is_same, dtype=torch.bool)


def heavy_rmsd(molecule: Molecule, a: Tensor, b: Tensor) -> Tensor:
    """Return the least RMSD of the heavy atoms over the symmetry of their bond graph, angstrom."""
    heavy = (molecule.numbers > 1).nonzero()[:, 0]
    trials = [superpose(a[:, order[heavy]], b[:, heavy]) for order in heavy_automorphisms(molecule)]
    return torch.stack([rmsd(moved, b[:, heavy]) for moved in trials]).amin(dim=0)


def relative_error(energy: Tensor, reference: Tensor, rows: Tensor) -> float | None:
    """Return the mean absolute difference of two sets of energies (eV) after its mean is removed, kcal/mol."""
    if int(rows.sum()) < 2:
        return None
    gap = (energy - reference)[rows]
    return float((gap - gap.mean()).abs().mean() / KCAL_PER_MOL)


def _median(values: Tensor) -> float | None:
    median = float(values.nanmedian())
    return None if median != median else median


def _listed(values: Tensor) -> list[float | None]:
    return [round(value, 6) if value == value else None for value in values.tolist()]
