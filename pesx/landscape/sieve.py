"""From the end of a quench to a verdict: is it the molecule, is it low enough, is it known, is it a minimum?"""

from dataclasses import dataclass, replace

import torch

from pesx.config import require
from pesx.landscape.archive import MinimaArchive
from pesx.outcome import Outcome
from pesx.protocols import Guard
from pesx.state import Minima
from pesx.typing import Index


@dataclass(frozen=True)
class Sieve:
    """Settings of the verdict, and the rules of the molecule.

    Attributes:
        guard: Knows when a structure is no longer the molecule.
        energy_window: Minima higher than this above the lowest are recorded, not stored, eV.
        rough_energy: Energies of roughly relaxed structures are good to this, eV.
        rough_distance: And their positions to this RMSD, angstrom.
        deepest_fall: A minimum this far below the lowest of at least :attr:`n_trusted` others is a hole in the potential, eV.
        n_trusted: See above.
    """

    guard: Guard
    energy_window: float
    rough_energy: float = 2e-3
    rough_distance: float = 0.1
    deepest_fall: float = torch.inf
    n_trusted: int = 20

    def __post_init__(self) -> None:
        require(
            self,
            above_zero=["energy_window", "rough_energy", "rough_distance", "deepest_fall"],
            at_least_zero=["n_trusted"],
        )

    def judge(self, minima: Minima, archive: MinimaArchive, *, margin: float = 0.0) -> Minima:
        """Return the minima with outcomes that tell which are of the molecule and inside the energy window.

        Args:
            minima: Ends of quenches; only those that converged are looked at.
            archive: For the lowest energy so far.
            margin: Kept beyond the window while energies are not final, eV.
        """
        outcome = minima.outcome.clone()
        converged = outcome == Outcome.CONVERGED
        if converged.any():
            outcome[converged] = self.guard.outcome(minima.positions[converged]).to(outcome)
        is_fine = outcome == Outcome.CONVERGED
        if len(archive):
            height = minima.energy - archive.lowest
            outcome[is_fine & (height > self.energy_window + margin)] = Outcome.OUTSIDE_WINDOW
            if len(archive) >= self.n_trusted:
                outcome[is_fine & (height < -self.deepest_fall)] = Outcome.SUSPICIOUS_ENERGY
        return replace(minima, outcome=outcome)

    def recognise(self, minima: Minima, archive: MinimaArchive, *, is_rough: bool) -> Index:
        """Return which stored minimum each converged row is, -1 for none."""
        known = torch.full_like(minima.outcome, -1)
        rows = (minima.outcome == Outcome.CONVERGED).nonzero()[:, 0]
        if len(rows) and len(archive):
            positions, energy = minima.positions[rows], minima.energy[rows]
            tolerances = {"energy_tolerance": self.rough_energy, "distance_tolerance": self.rough_distance}
            keys = self.guard.keys(positions)
            known[rows] = archive.match(positions, energy, keys, **(tolerances if is_rough else {}))
        return known
