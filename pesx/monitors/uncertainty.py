"""An uncertainty beyond its calibrated range."""

from dataclasses import dataclass

from pesx.monitors.cause import Cause
from pesx.monitors.definition import Finding, Signs
from pesx.monitors.view import View


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """An uncertainty of the energy above the limit.

    Attributes:
        limit: eV.
        persistence: ps.
    """

    limit: float
    persistence: float

    cause = Cause.UNCERTAIN
    n_things = 1

    def signs(self, view: View) -> Signs:
        """Return where the uncertainty is above the limit; never where it is unknown."""
        return Signs((view.uncertainty > self.limit)[:, None], (view.uncertainty <= self.limit)[:, None])

    def find(self, view: View, row: int, thing: int) -> Finding:  # noqa: ARG002
        """Return the uncertainty and words."""
        value = float(view.uncertainty[row])
        return Finding((), value, f"The uncertainty of the energy is {value:.3g} eV, beyond {self.limit:.3g} eV.")


__all__ = ["Uncertainty"]
