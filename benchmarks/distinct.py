"""How many distinct minima there are among structures, by the rules of the archive; part of ``against_ase.py``."""

from collections import Counter
from dataclasses import replace
from typing import Any

import torch

from pesx import Molecule, Outcome
from pesx.explore.presets import molecule_parts
from pesx.guards.molecular import Amides
from pesx.protocols import Potential
from pesx.relax.quench import quench
from pesx.settings import DEFAULT_WINDOW


def count(ends: torch.Tensor, potential: Potential, molecule: Molecule, *, amides: Amides) -> dict[str, Any]:
    """Count the distinct minima among structures by the rules of the archive.

    Args:
        ends: Of quenches, angstrom.
        potential: Bound to the molecule.
        molecule: With bonds.
        amides: Whether an amide may have turned.
    """
    if not len(ends):
        return {"candidates": 0, "distinct": 0, "distinct_any_energy": 0, "outcomes": {}}
    parts, archive = molecule_parts(potential, molecule, amides=amides, n_seeds=0)
    convergence = replace(parts.stages.relaxation.polish_convergence, max_steps=1000)
    minima = quench(parts.stages.relaxation.polish, potential, ends.double(), convergence=convergence)
    minima = parts.sieve.judge(minima, archive)
    archive.add(minima, parts.sieve.guard.keys(minima.positions))
    outcomes = Counter(Outcome(code).name.lower() for code in minima.outcome.tolist())
    if not len(archive):
        return {"candidates": len(ends), "distinct": 0, "distinct_any_energy": 0, "outcomes": dict(outcomes)}
    is_minimum = parts.stages.modes(archive.positions).n_negative == 0
    energy = archive.energies[is_minimum]
    outcomes["distinct_with_negative_mode"] = int((~is_minimum).sum())
    return {
        "candidates": len(ends),
        "distinct": int((energy <= energy.min() + DEFAULT_WINDOW).sum()) if len(energy) else 0,
        "distinct_any_energy": len(energy),
        "lowest": float(energy.min()) if len(energy) else None,
        "outcomes": dict(outcomes),
    }
