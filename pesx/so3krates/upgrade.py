"""Model files of older versions, made what a file of today would be: one function per version."""

from collections.abc import Callable
from typing import Any

VERSION = 2
"""Of the files written now; raised when an older pesx could no longer read a file rightly.

1: the short-range network. 2: bases and cutoff functions by name, charge and spin, norms, shifts, repulsion, long range.
"""

Settings = dict[str, Any]


def upgraded(settings: Settings, version: int) -> Settings:
    """Return the settings of a file as the present version would have written them.

    Args:
        settings: As they stand in the file.
        version: Of the file, from 1 to :data:`VERSION`.
    """
    for step in range(version, VERSION):
        settings = _STEPS[step](settings)
    return settings


def _from_1(settings: Settings) -> Settings:
    """Name what version 1 took for granted."""
    return {
        **settings,
        "radial_basis": "physnet",
        "cutoff_function": "polynomial",
        "charge_embedding": False,
        "spin_embedding": False,
        "residual_mlp_2": False,
        "layer_norm_2": False,
        "layer_norm_epsilon": 1e-5,
        "readout_features": None,
        "element_shift": False,
        "zbl": False,
        "electrostatics": False,
        "dispersion": False,
    }


_STEPS: dict[int, Callable[[Settings], Settings]] = {1: _from_1}

__all__ = ["VERSION", "upgraded"]
