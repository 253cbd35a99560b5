from dataclasses import replace

import numpy as np
import pytest

from pesx.errors import ConfigError, InputError
from pesx.training.bias import BiasSettings, weigh
from pesx.training.dataset import Dataset
from pesx.training.evaluate import predictions


@pytest.fixture
def biased(toy_data, toy_model):
    """Forces of the model itself, but frame k of each molecule is off by k/10 eV/angstrom in every component."""
    molecules = []
    for molecule, predicted in zip(toy_data.molecules, predictions(toy_model, toy_data), strict=True):
        off = 0.1 * np.arange(len(molecule))[:, None, None]
        molecules.append(replace(molecule, level="cheap", forces=(predicted.forces + off).astype(np.float32)))
    return Dataset(tuple(molecules))


def test_the_bias_is_the_mean_error_of_the_forces(biased, toy_model):
    found = weigh(toy_model, biased, BiasSettings())
    for bias in found.biases:
        np.testing.assert_allclose(bias, np.broadcast_to(0.1 * np.arange(len(bias))[:, None], bias.shape), atol=1e-5)
    assert found.gamma == pytest.approx(0.2, abs=1e-4)


@pytest.mark.parametrize("per_atom", [False, True])
def test_weights_fall_by_e_in_gamma_and_are_one_on_average(biased, toy_model, per_atom):
    found = weigh(toy_model, biased, BiasSettings(per_atom=per_atom))
    weights = [molecule.force_weight for molecule in found.data.molecules]
    for weight in weights:
        np.testing.assert_allclose(weight[2] / weight[0], np.exp(-0.2 / found.gamma), rtol=1e-3)
    every = np.concatenate([weight.ravel() if per_atom else weight[:, 0] for weight in weights])
    assert every.mean() == pytest.approx(1, rel=1e-5)
    assert found.effective_share == pytest.approx(every.sum() ** 2 / np.square(every).sum() / len(every), rel=1e-5)


def test_one_bad_atom_weighs_little_alone(biased, toy_model):
    water, other = biased.molecules
    forces = water.forces.copy()
    forces[0, 1] += 5.0
    spoiled = Dataset((replace(water, forces=forces), other))
    alone = weigh(toy_model, spoiled, BiasSettings(per_atom=True)).data.molecules[0].force_weight
    frame = weigh(toy_model, spoiled, BiasSettings()).data.molecules[0].force_weight
    assert alone[0, 1] < 1e-6 < 1.0 < alone[0, 0]
    assert len(set(frame[0].tolist())) == 1
    assert frame[0, 0] < 0.1


def test_alike_biases_give_alike_weights(biased, toy_model):
    same = Dataset(tuple(molecule.take(np.array([2, 2, 2])) for molecule in biased.molecules))
    found = weigh(toy_model, same, BiasSettings())
    assert found.effective_share == pytest.approx(1, rel=1e-4)


def test_a_large_quantile_brings_the_weights_together(biased, toy_model):
    shares = [weigh(toy_model, biased, BiasSettings(quantile=quantile)).effective_share for quantile in (0.2, 0.5, 1.0)]
    assert shares == sorted(shares)


def test_frames_without_forces_pull_nothing_and_do_not_disturb(biased, toy_model):
    water, other = biased.molecules
    forces = water.forces.copy()
    forces[4] = np.nan
    found = weigh(toy_model, Dataset((replace(water, forces=forces), other)), BiasSettings())
    weight = found.data.molecules[0].force_weight
    assert np.isfinite(weight).all()
    assert (weight[4] == 0).all()


def test_mistakes_are_named(biased, toy_model):
    with pytest.raises(ConfigError, match="quantile"):
        BiasSettings(quantile=0.0)
    nitrogen = replace(biased.molecules[0], numbers=np.array([1, 7, 1]))
    with pytest.raises(InputError, match="7"):
        weigh(toy_model, Dataset((nitrogen,)), BiasSettings())


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("per_atom", [False, True])
def test_a_share_is_reached_whatever_the_biases(biased, toy_model, share, per_atom):
    found = weigh(toy_model, biased, BiasSettings(effective_share=share, per_atom=per_atom))
    weights = np.concatenate([one.force_weight.ravel() for one in found.data.molecules]).astype(np.float64)
    if not per_atom:
        weights = np.concatenate([one.force_weight[:, 0] for one in found.data.molecules]).astype(np.float64)
    assert weights.sum() ** 2 / np.square(weights).sum() / len(weights) == pytest.approx(share, abs=1e-4)
    assert weights.mean() == pytest.approx(1.0, abs=1e-5)
    assert found.effective_share == pytest.approx(share, abs=1e-6)


def test_a_share_is_reached_where_no_quantile_reaches_it(biased, toy_model):
    """An error that all frames have in common hides how they differ."""
    shifted = Dataset(tuple(replace(one, forces=one.forces + np.float32(3.0)) for one in biased.molecules))
    assert weigh(toy_model, shifted, BiasSettings(quantile=0.01)).effective_share > 0.99
    hidden, plain = (weigh(toy_model, data, BiasSettings(effective_share=0.5)) for data in (shifted, biased))
    assert hidden.gamma == pytest.approx(plain.gamma, rel=1e-3)
    for one, other in zip(hidden.data.molecules, plain.data.molecules, strict=True):
        np.testing.assert_allclose(one.force_weight, other.force_weight, rtol=1e-3)


def test_a_share_is_a_fraction():
    with pytest.raises(ConfigError, match="effective_share"):
        BiasSettings(effective_share=1.0)
