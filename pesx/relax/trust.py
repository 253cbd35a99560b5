"""How far the relaxers without line search trust a step: the rule that both L-BFGS methods share.

A step is kept unless the energy rises or is not a number. After a step that was kept the next may be twice as long, after
one that was not only a quarter as long, and after two in a row the history that led there is forgotten.
"""

import torch

from pesx.state import Evaluation
from pesx.typing import Energies, Mask, PerReplica

FORGET_AFTER = 2
"""Steps refused in a row after which the history is forgotten: the quarter of a step along it was no better."""

_GROW = 2.0
"""A few steps lead from the shortest cap that helped to the longest, and too long a one costs one evaluation."""

_SHRINK = 0.25
"""A step that raises the energy is usually too long by a factor of two or more."""

_ROUNDING = 8.0
"""Units of rounding of the energy: what a sum of many terms loses."""


def is_kept(now: Evaluation, energy: Energies, max_rise: float) -> Mask:
    """Return whether a step is kept.

    Args:
        now: The evaluation after the step.
        energy: Before the step, eV; infinite keeps any step that ends in numbers.
        max_rise: Rise of the energy taken as noise, eV; eight units of rounding of the energy are allowed beside it.
    """
    rounding = _ROUNDING * torch.finfo(now.energy.dtype).eps
    is_finite = torch.isfinite(now.forces.abs().amax((1, 2))) & torch.isfinite(now.energy)
    return is_finite & (now.energy <= energy + (max_rise + rounding * now.energy.abs()))


def next_cap(cap: PerReplica, length: PerReplica, kept: Mask, *, max_step: float) -> PerReplica:
    """Return the largest displacement of an atom allowed to the next step, angstrom.

    Args:
        cap: What was allowed to the last step, angstrom.
        length: Largest displacement of an atom in the last step, angstrom.
        kept: Whether that step was kept.
        max_step: Never more than this, angstrom.
    """
    return torch.where(kept, (_GROW * cap).clamp(max=max_step), _SHRINK * length)


def shortening(length: PerReplica, cap: PerReplica) -> PerReplica:
    """Return the factor, at most 1, that brings steps of this length down to the cap."""
    return torch.where(length > cap, cap / length, 1.0)
