"""A sample of minima relaxed with the level of theory that the model was trained on; part of ``verify_minima.py``."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pesx import Molecule
from pesx.engines import make_engine
from pesx.engines.workers import Failed
from pesx.errors import EngineError
from pesx.landscape.records import Verifications
from pesx.verification.compare import Comparison
from pesx.verification.relaxation import Relaxation, relax_each
from pesx.verification.verify import summarise

Tensor = torch.Tensor


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
    reference = make_engine(engine.name)
    comparison = Comparison(molecule)
    found: dict[int, Verifications] = {}
    for row, end in relax_each(molecule, positions, reference, settings=Relaxation(), n_workers=engine.workers):
        if isinstance(end, Failed):
            raise EngineError(f"Structure {row} has no result: {end.reason}")
        found[row] = comparison.judge(row, reference.level, positions[row : row + 1], end)
    names = [name for name in Verifications.__dataclass_fields__ if name != "positions"]
    rows = [found[row] for row in range(len(positions))]
    verified = Verifications(
        **{name: np.concatenate([getattr(one, name) for one in rows]) for name in names},
        positions=torch.cat([one.positions for one in rows]),
    )
    summary = summarise(verified, energy.numpy(), reference.level)
    return {
        "level": reference.level,
        "structures": len(verified),
        "not_converged": summary.not_converged,
        "changed_chemistry": summary.changed_chemistry,
        "within_0.3_all_atoms": summary.all_atoms.count,
        "within_0.3_heavy_atoms": summary.heavy_atoms.count,
        "share_within_0.3_all_atoms": summary.all_atoms.share,
        "share_within_0.3_heavy_atoms": summary.heavy_atoms.share,
        "median_rmsd_all_atoms": summary.median_rmsd,
        "median_rmsd_heavy_atoms": summary.median_heavy_rmsd,
        "error_minima_kept_kcal": summary.error_kept,
        "error_minima_stayed_kcal": summary.error_stayed,
        "error_single_points_kcal": summary.error_unrelaxed,
        "evaluations": summary.n_evaluations,
        "rmsd_all_atoms": _listed(verified.rmsd.tolist()),
        "rmsd_heavy_atoms": _listed(verified.heavy_rmsd.tolist()),
        "energy_model": _listed(energy.tolist()),
        "energy_relaxed": _listed(verified.energy.tolist()),
        "energy_single_point": _listed(verified.unrelaxed_energy.tolist()),
    }


def _listed(values: list[float]) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 6) for value in values]
