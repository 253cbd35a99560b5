"""Is it still the same minimum? Structures before and after a relaxation at another level of theory."""

from dataclasses import replace

import numpy as np
import torch

from pesx.chemistry.symmetry import heavy_automorphisms
from pesx.geometry.align import rmsd, superpose
from pesx.guards.molecular import MolecularGuard
from pesx.identity.molecular import Mirror, MolecularIdentity
from pesx.landscape.records import Array, Verifications
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.typing import Index, PerReplica, Positions
from pesx.units import KCAL_PER_MOL
from pesx.verification.relaxation import Relaxed

STAYED = 0.3
"""RMSD up to which a minimum is taken to have stayed where it was, angstrom: a third of what tells conformers apart."""


class Comparison:
    """Compares structures of one molecule before and after a relaxation.

    Args:
        molecule: With bonds.
        mirror: Whether mirror images are the same minimum.
    """

    def __init__(self, molecule: Molecule, mirror: Mirror = "distinct") -> None:
        self.molecule = molecule
        self.mirror = mirror
        # Amides may be any, as long as they are those of the start.
        self._guard = MolecularGuard(molecule, amides="allow")
        self._identity = MolecularIdentity(molecule, mirror=mirror)

    def chemistry(self, starts: Positions, ends: Positions) -> Index:
        """Return CONVERGED where bonds are those of the molecule and handedness and amides those of the start.

        Elsewhere the code of the first violation.
        """
        code = self._guard.outcome(ends)
        pairs = zip(self._guard.keys(starts), self._guard.keys(ends), strict=True)
        for row, (before, after) in enumerate(pairs):
            if code[row] == Outcome.CONVERGED and before != after:
                # A key is centres|amides, and |double bonds where there are any.
                before_rest, after_rest = (key.split("|")[::2] for key in (before, after))
                code[row] = int(Outcome.AMIDE_FLIPPED if before_rest == after_rest else Outcome.CENTRE_INVERTED)
        return code

    def distance(self, starts: Positions, ends: Positions) -> PerReplica:
        """Return the least RMSD of all atoms over the exchanges that the bond graph allows, angstrom."""
        return self._identity.distance(starts, ends)

    def heavy_distance(self, starts: Positions, ends: Positions) -> PerReplica:
        """Return the least RMSD of the heavy atoms over the symmetry of their bond graph, angstrom."""
        heavy = (self.molecule.numbers > 1).nonzero()[:, 0]
        images = [starts, -starts] if self.mirror == "merge" else [starts]
        moved = [
            superpose(image[:, order[heavy]], ends[:, heavy])
            for image in images
            for order in heavy_automorphisms(self.molecule)
        ]
        return torch.stack([rmsd(one, ends[:, heavy]) for one in moved]).amin(dim=0)

    def judge(self, number: int, level: str, start: Positions, relaxed: Relaxed) -> Verifications:
        """Return one row of the table of verifications.

        Args:
            number: Of the minimum.
            level: Of the engine.
            start: The minimum, angstrom, (1, N, 3).
            relaxed: Where the engine took it.
        """
        end = torch.from_numpy(relaxed.positions)[None]
        outcome, moved, moved_heavy = int(relaxed.outcome), torch.nan, torch.nan
        if outcome == Outcome.CONVERGED:
            outcome = int(self.chemistry(start, end)[0])
        if outcome == Outcome.CONVERGED:
            moved, moved_heavy = float(self.distance(start, end)), float(self.heavy_distance(start, end))
        return Verifications(
            minimum=np.array([number]),
            level=np.array([level], dtype=object),
            outcome=np.array([outcome]),
            unrelaxed_energy=np.array([relaxed.unrelaxed_energy]),
            energy=np.array([relaxed.energy]),
            rmsd=np.array([moved]),
            heavy_rmsd=np.array([moved_heavy]),
            n_evaluations=np.array([relaxed.n_evaluations]),
            positions=end,
        )


def stayed(verified: Verifications, *, heavy: bool = False) -> Array:
    """Return which minima survived: converged, of the same chemistry, and within 0.3 angstrom of where they were.

    Args:
        verified: Rows of the table.
        heavy: Judge by the RMSD of heavy atoms instead of that of all atoms.
    """
    moved = verified.heavy_rmsd if heavy else verified.rmsd
    survives: Array = (verified.outcome == int(Outcome.CONVERGED)) & (moved <= STAYED)
    return survives


def relative_error(energy: Array, reference: Array, rows: Array) -> float | None:
    """Return the mean absolute difference of two sets of energies (eV) after its mean is removed, kcal/mol.

    Args:
        energy: eV.
        reference: eV.
        rows: Which to take, a mask; those where either is NaN are left out.

    Returns:
        None where fewer than two are left.
    """
    gap = (energy - reference)[rows]
    gap = gap[np.isfinite(gap)]
    if len(gap) < 2:
        return None
    return float(np.abs(gap - gap.mean()).mean() / KCAL_PER_MOL)


def rows_of(verified: Verifications, rows: Array) -> Verifications:
    """Return some rows, by numbers or by a mask."""
    names = (
        "minimum",
        "level",
        "outcome",
        "unrelaxed_energy",
        "energy",
        "rmsd",
        "heavy_rmsd",
        "n_evaluations",
    )
    columns = {name: getattr(verified, name)[rows] for name in names}
    return replace(verified, **columns, positions=verified.positions[torch.from_numpy(rows)])


__all__ = ["STAYED", "Comparison", "relative_error", "rows_of", "stayed"]
