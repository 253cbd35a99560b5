"""The uncertainty of a trained model: what it was trained on says where it may err, held-out frames say by how much."""

from dataclasses import asdict, dataclass
from math import log, pi
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from pesx.errors import InputError
from pesx.so3krates.model import So3krates
from pesx.so3krates.uncertainty import Uncertainty
from pesx.training.dataset import Dataset, MoleculeFrames
from pesx.training.evaluate import BATCH_FRAMES, BATCH_PAIRS
from pesx.training.frames import FrameTable
from pesx.training.reference import references_of
from pesx.typing import Float, Tensor
from pesx.units import KCAL_PER_MOL

RIDGES = tuple(10.0**power for power in range(-10, 1))
"""Ridges that are tried, in units of the mean eigenvalue of the covariance; a smaller one would drown in rounding."""


@dataclass(frozen=True)
class Calibration:
    """How an uncertainty compares with the errors of frames that were not trained on.

    Energies are those above the mean of the frames of a molecule, because differences between structures are what matters;
    errors and uncertainties are of these.

    Attributes:
        n_frames: How many frames.
        n_molecules: Of how many molecules.
        energy_rmse: Root mean square error, kcal/mol.
        sigma_rms: Root mean square uncertainty, kcal/mol.
        rank_correlation: Spearman's, of uncertainty and absolute error: 1 where it ranks perfectly, 0 where it says nothing.
        within_one_sigma: Part of the errors below the uncertainty; 0.683 for Gaussian errors.
        within_two_sigma: Part of the errors below twice the uncertainty; 0.954 for Gaussian errors.
        log_likelihood_gain: Mean log-likelihood of an error less that with the one sigma, for all frames, that suits these
            frames best; above 0 where it is better to know the uncertainty of each frame than their errors on average.
    """

    n_frames: int
    n_molecules: int
    energy_rmse: float
    sigma_rms: float
    rank_correlation: float
    within_one_sigma: float
    within_two_sigma: float
    log_likelihood_gain: float

    def as_table(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}


def calibrate(model: So3krates, data: Dataset, held_out: Dataset) -> Uncertainty:
    """Return the uncertainty of a model; the alpha and the ridge are those under which the held-out errors are likeliest.

    Args:
        model: With its reference energies set.
        data: Frames that the model was trained on; their labels are not used.
        held_out: Labelled frames that it was not trained on.

    Raises:
        InputError: There are several levels of theory, the model does not know one or an element, or no molecule has two
            frames with energies.
    """
    level = _level((*data.molecules, *held_out.molecules))
    covariance = _covariance(model, data, level)
    found = _errors(model, held_out, level)
    mean = float(covariance.diagonal().mean())
    tried = [_fitted(Uncertainty.of(covariance, ridge=relative * mean, level=level), found) for relative in RIDGES]
    return max(tried, key=lambda one: _log_likelihood(one.sigma(found.features).numpy(), found.energy))


def judge(model: So3krates, uncertainty: Uncertainty, dataset: Dataset) -> Calibration:
    """Compare an uncertainty with the errors of labelled frames.

    Raises:
        InputError: As for :func:`calibrate`.
    """
    found = _errors(model, dataset, _level(dataset.molecules, uncertainty.level))
    sigma = uncertainty.sigma(found.features).numpy()
    off = np.abs(found.energy)
    constant = np.full_like(sigma, _rms(off))
    return Calibration(
        n_frames=len(off),
        n_molecules=found.n_molecules,
        energy_rmse=_rms(off) / KCAL_PER_MOL,
        sigma_rms=_rms(sigma) / KCAL_PER_MOL,
        rank_correlation=float(spearmanr(sigma, off).statistic),
        within_one_sigma=float((off < sigma).mean()),
        within_two_sigma=float((off < 2 * sigma).mean()),
        log_likelihood_gain=_log_likelihood(sigma, off) - _log_likelihood(constant, off),
    )


@dataclass(frozen=True)
class _Errors:
    """Features and errors of frames, each less the mean of its molecule."""

    features: Float[Tensor, "K F"]
    energy: NDArray[np.float64]
    n_molecules: int


def _level(molecules: tuple[MoleculeFrames, ...], level: str | None = None) -> str:
    levels = list(dict.fromkeys([*([] if level is None else [level]), *(molecule.level for molecule in molecules)]))
    if len(levels) > 1:
        raise InputError(
            f"Expected frames of one level of theory, came {', '.join(map(repr, levels))}. An uncertainty is of one; leave the "
            "others out."
        )
    return levels[0]


def _table(model: So3krates, dataset: Dataset) -> FrameTable:
    for molecule in dataset.molecules:
        model.check_electrons(molecule.charge, molecule.multiplicity)
    return FrameTable(dataset, references_of(model, dataset), cutoff=model.settings.cutoff)


def _covariance(model: So3krates, dataset: Dataset, level: str) -> Float[Tensor, "F F"]:
    table, head = _table(model, dataset), model.level_index(level)
    total = torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for chosen in table.packed(np.arange(len(table)), batch_frames=BATCH_FRAMES, batch_pairs=BATCH_PAIRS):
            features = model.readout_features(table.batch(chosen).graph, head)
            total = total + features.mT @ features
    return total


def _errors(model: So3krates, dataset: Dataset, level: str) -> _Errors:
    dataset = Dataset(tuple(molecule.take(molecule.has_energy) for molecule in dataset.molecules))
    kept = tuple(molecule for molecule in dataset.molecules if len(molecule) > 1)
    if not kept:
        raise InputError(
            "Expected at least two held-out frames of one molecule with energies, found none: differences are what is judged. "
            "Give more labels."
        )
    table, head = _table(model, Dataset(kept)), model.level_index(level)
    features, off = [], []
    with torch.no_grad():
        for chosen in table.packed(np.arange(len(table)), batch_frames=BATCH_FRAMES, batch_pairs=BATCH_PAIRS):
            batch = table.batch(chosen)
            features.append(model.readout_features(batch.graph, head))
            off.append((model.interaction_energies(batch.graph, head) - batch.energy).double())
    every, energy = torch.cat(features), torch.cat(off)
    owner = torch.as_tensor(table.molecule)
    return _Errors(_centred(every, owner), _centred(energy[:, None], owner)[:, 0].numpy(), len(kept))


def _centred(values: Float[Tensor, "K F"], owner: Tensor) -> Float[Tensor, "K F"]:
    out = values.clone()
    for index in range(int(owner.max()) + 1):
        out[owner == index] -= values[owner == index].mean(dim=0)
    return out


def _fitted(uncertainty: Uncertainty, found: _Errors) -> Uncertainty:
    """Set the alpha under which the errors are likeliest, which has a closed form."""
    return uncertainty.with_alpha(_rms(found.energy / uncertainty.sigma(found.features).numpy()))


def _log_likelihood(sigma: NDArray[np.float64], off: NDArray[np.float64]) -> float:
    return float(-np.mean(0.5 * np.square(off / sigma) + np.log(sigma)) - 0.5 * log(2 * pi))


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


__all__ = ["Calibration", "calibrate", "judge"]
