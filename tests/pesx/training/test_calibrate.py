from dataclasses import replace

import numpy as np
import pytest
import torch

from pesx.errors import InputError
from pesx.so3krates.uncertainty import Uncertainty
from pesx.training.calibrate import calibrate, judge
from pesx.training.dataset import Dataset, without_labels
from pesx.training.frames import FrameTable
from pesx.training.step import energy_and_forces
from pesx.units import KCAL_PER_MOL

NOISE = 0.02
"""eV."""


@pytest.fixture
def data(make_frames):
    return Dataset((make_frames([1, 8, 1], 40, 0), make_frames([6, 1, 1, 1, 1], 40, 1)))


@pytest.fixture
def relabelled(toy_model, make_table):
    """Frames whose labels are the predictions less what weights drawn from a Gaussian would change."""

    def make(dataset, spread, uncertainty=None, seed=0):
        table = make_table(dataset)
        graph = table.batch(np.arange(len(table))).graph
        with torch.no_grad():
            energy, features = toy_model.interaction_energies(graph).double(), toy_model.readout_features(graph)
        if uncertainty is not None:
            drawn = torch.randn(len(uncertainty.factor), generator=torch.manual_seed(seed), dtype=torch.float64)
            energy = energy - uncertainty.alpha * features @ (uncertainty.factor.mT @ drawn)
        noise = spread * np.random.default_rng(seed).normal(size=len(energy))
        parts = np.split(energy.numpy() + noise, np.cumsum([len(one) for one in dataset.molecules])[:-1])
        return Dataset(
            tuple(
                replace(one, energy=part - 10.0 * len(one.numbers))
                for one, part in zip(dataset.molecules, parts, strict=True)
            )
        )

    return make


@pytest.fixture
def make_table(toy_references):
    return lambda dataset: FrameTable(dataset, toy_references, cutoff=3.0)


def test_alpha_makes_the_mean_squared_ratio_of_error_and_uncertainty_one(toy_model, data, relabelled, make_table):
    held_out = relabelled(data, NOISE)
    found = calibrate(toy_model, without_labels(data), held_out)
    assert found.level == "toy"
    table = make_table(held_out)
    batch = table.batch(np.arange(len(table)))
    with torch.no_grad():
        off = toy_model.interaction_energies(batch.graph).double() - batch.energy
        features = toy_model.readout_features(batch.graph)
    ratios = []
    for index in range(2):
        rows = torch.as_tensor(table.molecule == index)
        ratios.append((off[rows] - off[rows].mean()) / found.sigma(features[rows] - features[rows].mean(0)))
    assert float(torch.cat(ratios).square().mean()) == pytest.approx(1.0, abs=1e-3)


def test_errors_of_the_kind_that_is_assumed_are_covered_and_ranked(toy_model, make_frames, relabelled):
    # Few frames to learn from, so that the uncertainty differs much between the others.
    seen = Dataset((make_frames([1, 8, 1], 12, 2),))
    unseen = Dataset((make_frames([1, 8, 1], 60, 3),))
    known = calibrate(toy_model, seen, relabelled(unseen, NOISE)).with_alpha(0.5)
    draws = [judge(toy_model, known, relabelled(unseen, 0.0, known, seed)) for seed in range(30)]
    assert np.mean([one.within_one_sigma for one in draws]) == pytest.approx(0.683, abs=0.05)
    assert np.mean([one.within_two_sigma for one in draws]) == pytest.approx(0.954, abs=0.03)
    assert np.mean([one.rank_correlation for one in draws]) > 0.1
    assert draws[0].n_frames == 60
    assert draws[0].n_molecules == 1


def test_a_constant_offset_of_a_molecule_is_no_error(toy_model, data, relabelled):
    right = relabelled(data, NOISE)
    first, second = right.molecules
    off = Dataset((replace(first, energy=first.energy + 3.0), second))
    known = calibrate(toy_model, data, right)
    assert judge(toy_model, known, off).energy_rmse == pytest.approx(
        judge(toy_model, known, right).energy_rmse, rel=1e-3
    )
    assert judge(toy_model, known, right).energy_rmse == pytest.approx(NOISE / KCAL_PER_MOL, rel=0.2)


def test_one_sigma_for_all_gains_nothing(toy_model, data, relabelled):
    held_out = relabelled(data, NOISE)
    found = judge(toy_model, calibrate(toy_model, data, held_out), held_out)
    # These errors do not depend on the structure.
    assert found.log_likelihood_gain < 0
    assert abs(found.rank_correlation) < 0.3
    assert {type(value) for value in found.as_table().values()} == {int, float}


def test_frames_without_energies_and_single_frames_do_not_count(toy_model, data, relabelled, make_frames):
    held_out = relabelled(data, NOISE)
    known = calibrate(toy_model, data, held_out)
    energy = held_out.molecules[0].energy.copy()
    energy[5:] = np.nan
    fewer = Dataset((replace(held_out.molecules[0], energy=energy), make_frames([8, 8], 1, 4)))
    found = judge(toy_model, known, fewer)
    assert (found.n_frames, found.n_molecules) == (5, 1)
    with pytest.raises(InputError, match="two held-out frames"):
        calibrate(toy_model, data, without_labels(held_out))


def test_another_level_of_theory_is_refused(toy_model, data):
    other = Dataset(tuple(replace(one, level="other") for one in data.molecules))
    with pytest.raises(InputError, match="one level of theory, came 'toy', 'other'"):
        calibrate(toy_model, data, other)
    with pytest.raises(InputError, match="'other'"):
        calibrate(toy_model, other, other)
    with pytest.raises(InputError, match="'toy', 'other'"):
        judge(toy_model, Uncertainty.of(torch.eye(25), ridge=1.0, level="toy"), other)


def test_energies_are_left_as_they_are(toy_model, data, relabelled, make_table):
    graph = make_table(data).batch(np.arange(5)).graph
    before = energy_and_forces(toy_model, graph, create_graph=False)
    calibrate(toy_model, data, relabelled(data, NOISE))
    after = energy_and_forces(toy_model, graph, create_graph=False)
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
