"""Stability as others have published it, so that numbers can be compared.

- *Bond deviation*: the first time a bond differs from its mean length by more than 0.5 angstrom
  (doi:10.48550/arXiv.2210.07237).
- *Explosion*: the first time the temperature is more than 10,000 K above the first, or 100 times the one before (mlipaudit).
- *Hydrogen drift*: the first time from which on, to the end, some hydrogen is more than 2.5 angstrom from every heavy atom
  (mlipaudit).
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pesx.molecule import Molecule
from pesx.monitors import Frame

Array = NDArray[Any]

BOND_DEVIATION = 0.5
HYDROGEN_DRIFT = 2.5
EXPLOSION = 10_000.0
JUMP = 100.0


@dataclass(frozen=True)
class Published:
    """Times at which published criteria fail, ps; None where they do not.

    Attributes:
        bond_deviation: See the module.
        explosion: None too where no temperature is known.
        hydrogen_drift: See the module.
        has_temperature: Whether explosions could be seen.
    """

    bond_deviation: float | None
    explosion: float | None
    hydrogen_drift: float | None
    has_temperature: bool

    def as_json(self) -> dict[str, Any]:
        """Return plain numbers."""
        return asdict(self)


class PublishedScores:
    """The published criteria over a stream of frames.

    Args:
        molecule: With bonds.
        lengths: Mean length of each bond, angstrom; those of the reference geometry where None.
    """

    def __init__(self, molecule: Molecule, lengths: torch.Tensor | None = None) -> None:
        self._bonds = molecule.bonds
        at = molecule.positions[None]
        self._lengths = bond_lengths(at, molecule.bonds)[0] if lengths is None else lengths
        heavy = (molecule.numbers > 1).nonzero()[:, 0]
        is_bonded_hydrogen = [
            (h, x) for i, j in molecule.bonds.tolist() for h, x in ((i, j), (j, i)) if molecule.numbers[h] == 1
        ]
        self._own = torch.tensor([(h, x) for h, x in is_bonded_hydrogen if molecule.numbers[x] > 1]).reshape(-1, 2)
        self._heavy = heavy
        self._bond_deviation: float | None = None
        self._explosion: float | None = None
        self._away_since = torch.full((len(self._own),), torch.inf, dtype=torch.float64)
        self._first: float | None = None
        self._before = float("nan")

    def add(self, frame: Frame) -> None:
        """Take frames."""
        time = frame.time.to(torch.float64)
        if self._bond_deviation is None and len(self._bonds):
            apart = (bond_lengths(frame.positions, self._bonds) - self._lengths.to(frame.positions)).abs().amax(dim=1)
            self._bond_deviation = _first(time, ~(apart <= BOND_DEVIATION))
        self._add_hydrogens(frame, time)
        if frame.temperature is not None and self._explosion is None:
            now = frame.temperature.to(torch.float64)
            self._first = float(now[0]) if self._first is None else self._first
            before = torch.cat([torch.tensor([self._before], dtype=torch.float64), now[:-1]])
            self._explosion = _first(time, (now > self._first + EXPLOSION) | (now > JUMP * before) | now.isnan())
            self._before = float(now[-1])

    def _add_hydrogens(self, frame: Frame, time: torch.Tensor) -> None:
        if not len(self._own):
            return
        is_away = ~(bond_lengths(frame.positions, self._own) <= HYDROGEN_DRIFT)
        for column in is_away.any(dim=0).nonzero()[:, 0].tolist():
            rows = is_away[:, column].nonzero()[:, 0]
            x = frame.positions[rows]
            nearest = torch.cdist(x[:, self._own[column, :1]], x[:, self._heavy]).amin(dim=(1, 2))
            is_away[rows, column] = ~(nearest <= HYDROGEN_DRIFT)
        last_near = torch.where(is_away, -1, torch.arange(len(time))[:, None]).amax(dim=0)
        began = torch.where(last_near + 1 < len(time), time[(last_near + 1).clamp(max=len(time) - 1)], torch.inf)
        self._away_since = torch.where(last_near >= 0, began, torch.minimum(self._away_since, time[0]))

    def scores(self) -> Published:
        """Return the times so far."""
        since = float(self._away_since.min()) if len(self._own) else float("inf")
        return Published(
            self._bond_deviation,
            self._explosion,
            since if np.isfinite(since) else None,
            has_temperature=self._first is not None,
        )


def bond_lengths(positions: torch.Tensor, bonds: torch.Tensor) -> torch.Tensor:
    """Return the lengths of bonds in each frame, angstrom."""
    lengths: torch.Tensor = torch.linalg.vector_norm(positions[:, bonds[:, 0]] - positions[:, bonds[:, 1]], dim=-1)
    return lengths


def _first(time: torch.Tensor, where: torch.Tensor) -> float | None:
    rows = where.nonzero()
    return float(time[rows[0, 0]]) if len(rows) else None


__all__ = ["Published", "PublishedScores", "bond_lengths"]
