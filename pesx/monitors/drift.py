"""Energy drift where the total energy should be conserved: the slope of a straight line through it."""

from dataclasses import dataclass

import torch

from pesx.monitors.cause import Cause
from pesx.monitors.definition import Finding, Signs
from pesx.monitors.view import View
from pesx.typing import Float, Mask, PerReplica, Tensor

DRIFT_AFTER = 1.0
"""ps; over less, the slope is that of single vibrations."""


@dataclass(frozen=True)
class Line:
    """Sums for the least-squares line of the energy of each replica over time.

    Attributes:
        first_time: ps.
        first_energy: eV; NaN before the first one came.
        sums: Number of energies, and sums of t, E, t^2 and t E, from the first time (ps) and energy (eV).
    """

    first_time: PerReplica
    first_energy: PerReplica
    sums: Float[Tensor, "B 5"]


@dataclass(frozen=True, eq=False)
class Drift:
    """A drift larger than the limit over a picosecond or more; told at once.

    Attributes:
        limit: meV per atom and ps.
    """

    limit: float

    cause = Cause.ENERGY_DRIFT
    persistence = 0.0
    n_things = 1

    def signs(self, view: View) -> Signs:
        """Return where the drift is beyond the limit; never where it is unknown."""
        return Signs((view.drift.abs() > self.limit)[:, None], (view.drift.abs() <= self.limit)[:, None])

    def find(self, view: View, row: int, thing: int) -> Finding:  # noqa: ARG002
        """Return the drift and words."""
        drift = float(view.drift[row])
        return Finding((), drift, f"The total energy drifts by {drift:.3g} meV per atom and ps.")


def no_line(n_replicas: int, device: torch.device) -> Line:
    """Return the sums before the first energy."""
    unknown = torch.full((n_replicas,), torch.nan, dtype=torch.float64, device=device)
    return Line(unknown, unknown.clone(), torch.zeros(n_replicas, 5, dtype=torch.float64, device=device))


def extend(line: Line, time: Float[Tensor, "T B"], energy: Float[Tensor, "T B"]) -> tuple[Line, Float[Tensor, "T B"]]:
    """Take energies into account, and return the slope after each, eV/ps; NaN over less than a picosecond.

    Energies that are NaN or infinite are left out.
    """
    is_known: Mask = torch.isfinite(energy)
    first = is_known.to(torch.int8).argmax(dim=0, keepdim=True)
    is_first = torch.isnan(line.first_energy) & is_known.any(dim=0)
    first_time = torch.where(is_first, time.gather(0, first)[0], line.first_time)
    first_energy = torch.where(is_first, energy.gather(0, first)[0], line.first_energy)
    t = torch.where(is_known, time - first_time, 0.0)
    e = torch.where(is_known, energy - first_energy, 0.0)
    terms = torch.stack([is_known.to(t.dtype), t, e, t * t, t * e], dim=-1)
    sums = torch.cat([line.sums[None], terms]).cumsum(dim=0)[1:]
    n, st, se, stt, ste = sums.unbind(dim=-1)
    slope = (n * ste - st * se) / (n * stt - st * st)
    slope = torch.where(time - first_time >= DRIFT_AFTER, slope, torch.nan)
    return Line(first_time, first_energy, sums[-1]), slope


__all__ = ["DRIFT_AFTER", "Drift", "Line", "extend", "no_line"]
