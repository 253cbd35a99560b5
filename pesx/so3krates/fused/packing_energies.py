"""From a model to the arrays the kernels read: what comes behind the network, readouts and interactions of atoms."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pesx.so3krates.electrostatics import damped_kernel
from pesx.so3krates.fused.kinds import Kinds
from pesx.so3krates.fused.padding import Real, array, pad
from pesx.so3krates.fused.weights import Shape
from pesx.so3krates.long_range import LongRange
from pesx.so3krates.model import So3krates
from pesx.typing import Tensor

Readout = tuple[nn.Linear, Real, Real]
"""Hidden layer; what its outputs are multiplied by, a row per element; the constant per element."""


def readouts(model: So3krates, shape: Shape, kinds: Kinds, level: int) -> dict[str, Any]:
    """Return the hidden layers of all readouts side by side, in the order of the columns of what they say."""
    parts: list[tuple[int, Readout | None]] = [
        (shape.energy_room, _energy(model, kinds, level)),
        (shape.charge_room, _charge(model, kinds)),
        (shape.ratio_room, _ratio(model, kinds)),
    ]
    hidden = np.zeros((shape.features, shape.readout_room))
    bias, out = np.zeros((1, shape.readout_room)), np.zeros((shape.n_elements, shape.readout_room))
    out_bias = np.zeros((shape.n_elements, len(parts)))
    starts = np.cumsum([0, *(room for room, _ in parts)])
    for which, (start, (_, readout)) in enumerate(zip(starts, parts, strict=False)):
        if readout is not None:
            linear, rows, constant = readout
            columns = slice(start, start + linear.out_features)
            hidden[:, columns], bias[:, columns] = array(linear.weight).T, array(linear.bias)
            out[:, columns], out_bias[:, which] = rows, constant
    return {
        "hidden": hidden,
        "hidden_back": pad(hidden.T, shape.features_room),
        "hidden_bias": bias,
        "out": out,
        "out_bias": out_bias,
        "readout_start": starts.astype(np.int64),
    }


def _energy(model: So3krates, kinds: Kinds, level: int) -> Readout:
    head = model.head(level)
    scale = array(head.scale)[kinds.place]
    shift = 0.0 if head.shift is None else array(head.shift)[kinds.place]
    return head.hidden, scale[:, None] * array(head.out.weight), scale * float(head.out.bias) + shift


def _charge(model: So3krates, kinds: Kinds) -> Readout | None:
    charges = None if model.long_range is None else model.long_range.charges
    if charges is None:
        return None
    rows = np.repeat(array(charges.out.weight), len(kinds.place), axis=0)
    return charges.hidden, rows, array(charges.bias)[kinds.place] + float(charges.out.bias)


def _ratio(model: So3krates, kinds: Kinds) -> Readout | None:
    """Return the ratio with keys and queries multiplied out: both are linear in what the hidden layer gives."""
    ratios = None if model.long_range is None else model.long_range.hirshfeld
    if ratios is None:
        return None
    query = array(ratios.query.weight)[kinds.place] / math.sqrt(ratios.key.out_features)
    constant = array(ratios.bias)[kinds.place] + query @ array(ratios.key.bias)
    return ratios.hidden, query @ array(ratios.key.weight), constant


def repulsion(model: So3krates, kinds: Kinds) -> dict[str, Any]:
    """Return the constants of the repulsion of nuclei; without it, none."""
    zbl = model.zbl
    numbers = np.array(model.settings.elements, dtype=float)[kinds.place]
    if zbl is None:
        return {"n_screening": 0, "screening": np.zeros((2, 1)), "inverse_length": 0.0 * numbers, "nuclei": numbers}

    def positive(parameter: nn.Parameter) -> Real:
        return array(nn.functional.softplus(parameter))

    shares = positive(zbl.weights) / positive(zbl.weights).sum()
    return {
        "n_screening": len(shares),
        "screening": np.stack([shares, positive(zbl.decays)]),
        "inverse_length": numbers ** positive(zbl.exponent) * positive(zbl.inverse_length),
        "nuclei": numbers,
    }


def long_range(model: So3krates, kinds: Kinds) -> dict[str, Any]:
    """Return the constants of electrostatics and dispersion."""
    settings = model.settings
    cutoff, damping = settings.long_range_cutoff, settings.electrostatic_damping
    value, slope = (0.0, 0.0) if cutoff is None else _at_cutoff(cutoff, damping)
    return {
        "total_charge": float(kinds.charge),
        "long_range_cutoff": math.inf if cutoff is None else float(cutoff),
        "electrostatic_damping": float(damping),
        "coulomb_at_cutoff": value,
        "coulomb_slope_at_cutoff": slope,
        "dispersion_damping": float(settings.dispersion_damping),
        "dispersion_switch": float(settings.dispersion_switch),
        **_free_atoms(model.long_range, kinds),
    }


def _at_cutoff(cutoff: float, damping: float) -> tuple[float, float]:
    """Return value and derivative of the damped Coulomb kernel at the cutoff."""
    at = torch.tensor(cutoff, dtype=torch.float64)
    answer: tuple[Tensor, ...] = torch.func.jvp(lambda d: damped_kernel(d, damping), (at,), (torch.ones_like(at),))
    return float(answer[0]), float(answer[1])


def _free_atoms(module: LongRange | None, kinds: Kinds) -> dict[str, NDArray[np.float64]]:
    dispersion = None if module is None else module.dispersion
    if dispersion is None:
        return {"polarisability": np.zeros(1), "c6": np.zeros(1)}
    c6 = array(dispersion.c6).reshape(dispersion.n_elements, -1)
    return {
        "polarisability": array(dispersion.polarisability)[kinds.place],
        "c6": c6[np.ix_(kinds.place, kinds.place)].flatten(),
    }


__all__ = ["long_range", "readouts", "repulsion"]
