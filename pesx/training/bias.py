"""How far cheap labels are from what an accurate model expects, and how much each of them is to count.

A model that was trained on the few accurate frames predicts the forces of the cheap ones. The discrepancy B is the estimate of
the bias of a cheap label, and w = exp(-B / gamma) / Z its weight. Far from the accurate frames B holds the model's own error as
well, so what neither is sure of counts less, too. Bukharin et al. 2023, ICML, arXiv:2306.03109 (ASTEROID).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pesx.config import require
from pesx.so3krates.model import So3krates
from pesx.training.dataset import Dataset
from pesx.training.evaluate import predicted_forces


@dataclass(frozen=True)
class BiasSettings:
    """How weights follow from biases.

    Attributes:
        quantile: Of the biases, which is taken for gamma: near 0 only the best labels count, at 1 nearly all alike.
        per_atom: Whether each atom of a frame has a weight of its own.
    """

    quantile: float = 0.5
    per_atom: bool = False

    def __post_init__(self) -> None:
        require(self, fractions=("quantile",))


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
        np.abs(predicted - molecule.forces).mean(axis=2)
        for predicted, molecule in zip(predicted_forces(model, cheap), cheap.molecules, strict=True)
    )
    judged = biases if settings.per_atom else tuple(bias.mean(axis=1, keepdims=True) for bias in biases)
    every = np.concatenate([bias.ravel() for bias in judged])
    every = every[np.isfinite(every)]
    gamma = float(np.quantile(every, settings.quantile))
    raw = np.exp(-every / gamma)
    weights = [np.nan_to_num(np.exp(-bias / gamma) / raw.mean()) for bias in judged]
    data = Dataset(
        tuple(
            replace(molecule, force_weight=np.broadcast_to(weight, molecule.forces.shape[:2]).astype(np.float32))
            for molecule, weight in zip(cheap.molecules, weights, strict=True)
        )
    )
    return Weighted(data, biases, gamma, float(raw.sum() ** 2 / np.square(raw).sum() / len(raw)))
