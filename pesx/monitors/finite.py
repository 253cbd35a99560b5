"""Numbers that are none."""

from dataclasses import dataclass

import torch

from pesx.monitors.cause import Cause
from pesx.monitors.definition import Finding, Signs
from pesx.monitors.view import View


@dataclass(frozen=True, eq=False)
class NonFinite:
    """A NaN or infinite position, velocity or energy; told at once."""

    cause = Cause.NON_FINITE
    persistence = 0.0
    n_things = 1

    def signs(self, view: View) -> Signs:
        """Return where anything is NaN or infinite."""
        return Signs(~view.is_finite[:, None], view.is_finite[:, None])

    def find(self, view: View, row: int, thing: int) -> Finding:  # noqa: ARG002
        """Return the atoms whose positions are not finite, all if it is not the positions, and words."""
        wrong = (~torch.isfinite(view.positions[row]).all(dim=-1)).nonzero()[:, 0].tolist()
        what = f"Positions of {len(wrong)} atoms are" if wrong else "Velocities or the energy are"
        return Finding(tuple(wrong), torch.nan, f"{what} NaN or infinite.")


__all__ = ["NonFinite"]
