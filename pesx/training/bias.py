"""How far cheap labels are from what an accurate model expects, and how much each of them is to count.

A model that was trained on the few accurate frames predicts the forces of the cheap ones. The discrepancy B is the estimate of
the bias of a cheap label, and w = exp(-B / gamma) / Z its weight. Far from the accurate frames B holds the model's own error as
well, so what neither is sure of counts less, too. Bukharin et al. 2023, ICML, arXiv:2306.03109 (ASTEROID).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pesx.config import require
from pesx.errors import ConfigError
from pesx.so3krates.model import So3krates
from pesx.training.dataset import Dataset
from pesx.training.evaluate import predictions


@dataclass(frozen=True)
class BiasSettings:
    """How weights follow from biases.

    Attributes:
        quantile: Of the biases, which is taken for gamma: near 0 only the best labels count, at 1 nearly all alike.
        effective_share: Wanted effective sample size, as part of the number of weights; gamma is what gives it. 0 for the
            quantile. Where biases differ little from each other, as those of whole frames do when the model that judges them
            is itself far from right, no quantile gives weights that differ.
        per_atom: Whether each atom of a frame has a weight of its own.
    """

    quantile: float = 0.5
    effective_share: float = 0.0
    per_atom: bool = False

    def __post_init__(self) -> None:
        require(self, fractions=("quantile",))
        if not 0 <= self.effective_share < 1:
            raise ConfigError(
                f"Expected bias.effective_share from 0 to below 1, came {self.effective_share!r}. Give a fraction."
            )


@dataclass(frozen=True)
class Weighted:
    """Cheap frames with their weights.

    Attributes:
        data: The frames; forces weigh on average 1.
        biases: Estimated bias of the forces on each atom, eV/angstrom, (K, N) for each molecule.
        gamma: Bias at which a weight has fallen by 1/e, eV/angstrom.
        effective_share: Effective sample size (sum w)^2 / sum w^2, as part of the number of weights.
    """

    data: Dataset
    biases: tuple[NDArray[np.float64], ...]
    gamma: float
    effective_share: float

    def as_table(self) -> dict[str, Any]:
        """Return what a model card says of the weights."""
        frames = np.concatenate([bias.mean(axis=1) for bias in self.biases])
        low, middle, high = np.quantile(frames, (0.05, 0.5, 0.95)).tolist()
        return {
            "gamma_eV_per_angstrom": self.gamma,
            "effective_share": self.effective_share,
            "bias_of_frames_eV_per_angstrom": {"5 %": low, "median": middle, "95 %": high},
        }


def weigh(model: So3krates, cheap: Dataset, settings: BiasSettings) -> Weighted:
    """Estimate the bias of cheap forces with an accurate model, and weigh them by it.

    Args:
        model: Trained on the accurate frames; its first head answers.
        cheap: Frames with forces.
        settings: How weights follow.

    Raises:
        InputError: The model does not know an element, a charge or a spin.
    """
    biases = tuple(
        np.abs(predicted.forces - molecule.forces).mean(axis=2)
        for predicted, molecule in zip(predictions(model, cheap), cheap.molecules, strict=True)
    )
    return weigh_by(biases, cheap, settings)


def weigh_by(biases: Sequence[NDArray[np.float64]], cheap: Dataset, settings: BiasSettings) -> Weighted:
    """Weigh frames by estimates of the bias of their forces.

    Args:
        biases: Of the forces on each atom, eV/angstrom, (K, N) for each molecule; NaN for frames without forces.
        cheap: The frames.
        settings: How weights follow.
    """
    judged = biases if settings.per_atom else tuple(bias.mean(axis=1, keepdims=True) for bias in biases)
    every = np.concatenate([bias.ravel() for bias in judged])
    every = every[np.isfinite(every)]
    wanted = settings.effective_share
    gamma = gamma_of_share(every, wanted) if wanted else float(np.quantile(every, settings.quantile))
    least = every.min()
    mean = _raw(every, least, gamma).mean()
    weights = [np.nan_to_num(_raw(bias, least, gamma) / mean) for bias in judged]
    data = Dataset(
        tuple(
            replace(molecule, force_weight=np.broadcast_to(weight, molecule.forces.shape[:2]).astype(np.float32))
            for molecule, weight in zip(cheap.molecules, weights, strict=True)
        )
    )
    return Weighted(data, tuple(biases), gamma, effective_share(every, gamma))


def effective_share(biases: NDArray[np.float64], gamma: float) -> float:
    """Return (sum w)^2 / (n sum w^2) for w = exp(-B / gamma)."""
    raw = _raw(biases, biases.min(), gamma)
    return float(raw.sum() ** 2 / np.square(raw).sum() / len(raw))


def gamma_of_share(biases: NDArray[np.float64], share: float) -> float:
    """Return the gamma that gives an effective share, which grows with gamma; the nearest there is where none does.

    Args:
        biases: Estimates, eV/angstrom.
        share: Wanted, above 0 and below 1.
    """
    spread = float(np.ptp(biases)) or float(biases.min()) or 1.0
    low, high = np.log(spread * 1e-6), np.log(spread * 1e6)
    for _ in range(60):
        middle = 0.5 * (low + high)
        is_below = effective_share(biases, float(np.exp(middle))) < share
        low, high = (middle, high) if is_below else (low, middle)
    return float(np.exp(high))


def _raw(biases: NDArray[np.float64], least: float, gamma: float) -> NDArray[np.float64]:
    # The least bias drops out of the weights; without it a small gamma would leave nothing but zeros.
    raw: NDArray[np.float64] = np.exp(-(biases - least) / gamma)
    return raw
