from dataclasses import replace
from math import log, pi

import numpy as np
import pytest
from scipy import constants as si

from pesx.errors import InputError
from pesx.landscape.network import Network, StationaryPoints
from pesx.thermodynamics.rates import Rates, log_rates
from pesx.thermodynamics.wells import Harmonic, Scale, Wells
from pesx.units import BOLTZMANN

ROOM = 298.15 * BOLTZMANN
ENDS = np.array([[0], [1]])


def wells_of(energy, eigenvalues, order=None):
    points = StationaryPoints.of(energy, order=order)
    eigenvalues = np.array(eigenvalues, dtype=float)
    return Wells.of(points, n_modes=eigenvalues.shape[1]).with_eigenvalues(eigenvalues)


def random_network(n_minima=8, n_states=30, seed=1):
    rng = np.random.default_rng(seed)
    return Network.build(
        StationaryPoints.of(
            rng.uniform(0, 0.3, n_minima), log_product=rng.normal(5, 2, n_minima), order=rng.integers(1, 7, n_minima)
        ),
        StationaryPoints.of(
            rng.uniform(0.3, 1.5, n_states), log_product=rng.normal(4, 2, n_states), order=rng.integers(1, 3, n_states)
        ),
        first=rng.integers(0, n_minima, n_states),
        second=rng.integers(0, n_minima, n_states),
    )


def test_two_states_in_si():
    """Vineyard's formula with the number of ways: twice from the first, four times from the second."""
    minima = wells_of([0.0, 0.1], [[0.5, 3.0, 20.0], [0.2, 4.0, 10.0]], order=[2, 4])
    state = wells_of([0.6], [[0.4, 15.0]])
    per_second = np.sqrt(si.e / si.angstrom**2 / si.atomic_mass) / (2 * pi)
    known = [
        2 * per_second * np.sqrt(0.5 * 3 * 20 / (0.4 * 15)) * np.exp(-0.6 * si.e / (si.k * 298.15)),
        4 * per_second * np.sqrt(0.2 * 4 * 10 / (0.4 * 15)) * np.exp(-0.5 * si.e / (si.k * 298.15)),
    ]
    assert np.exp(log_rates(minima, state, ENDS, ROOM)) == pytest.approx(np.array([known]), rel=1e-6)


def test_quantum_rates_in_si():
    minima = wells_of([0.0, 0.1], [[0.5, 3.0, 20.0], [0.2, 4.0, 10.0]])
    state = wells_of([0.6], [[0.4, 15.0]])
    unit = si.hbar * np.sqrt(si.e / si.angstrom**2 / si.atomic_mass)

    def partition(eigenvalues):
        x = unit * np.sqrt(np.array(eigenvalues)) / (si.k * 298.15)
        return np.prod(np.exp(-x / 2) / (1 - np.exp(-x)))

    ratio = partition([0.4, 15.0]) / partition([0.5, 3.0, 20.0])
    known = si.k * 298.15 / si.h * ratio * np.exp(-0.6 * si.e / (si.k * 298.15))
    found = log_rates(minima, state, ENDS, ROOM, harmonic=Harmonic("quantum"))
    assert np.exp(found[0, 0]) == pytest.approx(known, rel=1e-6)


def test_quantum_rates_are_classical_when_hot():
    minima = wells_of([0.0, 0.1], [[0.5, 3.0, 20.0], [0.2, 4.0, 10.0]])
    state = wells_of([0.6], [[0.4, 15.0]])
    quantum = log_rates(minima, state, ENDS, 100.0, harmonic=Harmonic("quantum"))
    assert quantum == pytest.approx(log_rates(minima, state, ENDS, 100.0), abs=1e-5)


def test_reduced_units():
    """A well of omega = 2 and 3 behind a saddle with omega = 4: k = (2 * 3 / 4) / 2 pi exp(-E / kT)."""
    points = StationaryPoints.of([0.0, 0.0], log_product=np.log([36.0, 36.0]))
    minima = Wells.of(points, n_modes=2, unit="epsilon")
    state = Wells.of(StationaryPoints.of([1.0], log_product=np.log([16.0])), n_modes=1, unit="epsilon")
    assert log_rates(minima, state, ENDS, 0.2) == pytest.approx(log(1.5 / (2 * pi)) - 5.0)


@pytest.mark.parametrize("statistics", ["classical", "none"])
def test_detailed_balance(statistics):
    found = Rates.of(random_network(), 0.03, n_modes=9, harmonic=Harmonic(statistics))
    flow = found.matrix() + found.log_population[:, None]
    assert np.isfinite(flow).any()
    is_way = np.isfinite(flow)
    assert np.array_equal(is_way, is_way.T)
    assert flow[is_way] == pytest.approx(flow.T[is_way], abs=1e-12)
    assert np.exp(found.log_population).sum() == pytest.approx(1.0)


def test_ways_between_two_minima_add_up_and_loops_do_not_count():
    network = random_network()
    found = Rates.of(network, 0.05, n_modes=9).matrix()
    known = np.zeros((8, 8))
    for row, (i, j) in enumerate(zip(network.first, network.second, strict=True)):
        for a, b in ((i, j), (j, i)):
            order = network.minima.order[a] / network.transition_states.order[row]
            logs = 0.5 * (network.minima.log_product[a] - network.transition_states.log_product[row])
            height = network.transition_states.energy[row] - network.minima.energy[a]
            known[a, b] += order * Scale.of("eV").frequency / (2 * pi) * np.exp(logs - height / 0.05)
    np.fill_diagonal(known, 0.0)
    assert (network.first == network.second).any()
    assert np.exp(found) == pytest.approx(known, rel=1e-9)


@pytest.mark.parametrize("mirror", ["distinct", "merge"])
def test_ways_of_butane_do_not_depend_on_the_mirror_policy(mirror):
    """From anti two ways lead to gauche, from gauche one to anti; twins counted twice would make it four or one.

    Orders of the point groups: anti C2h, gauche C2, the saddle between them C2, that between mirror images C2v.
    """
    heights = {"distinct": [0.0, 0.04, 0.04], "merge": [0.0, 0.04]}[mirror]
    order = {"distinct": [2, 2, 2], "merge": [4, 2]}[mirror]
    over = {"distinct": ([0.15, 0.15, 0.25], [2, 2, 2]), "merge": ([0.15, 0.25], [2, 4])}[mirror]
    first, second = {"distinct": ([0, 0, 1], [1, 2, 2]), "merge": ([0, 1], [1, 1])}[mirror]
    n, t = len(heights), len(first)
    network = Network.build(
        StationaryPoints.of(heights, order=order, log_product=np.zeros(n)),
        StationaryPoints.of(over[0], order=over[1], log_product=np.zeros(t)),
        first=first,
        second=second,
    )
    rates = np.exp(Rates.of(network, ROOM, n_modes=36).matrix())
    attempt = Scale.of("eV").frequency / (2 * pi)
    assert rates[0, 1:].sum() == pytest.approx(2 * attempt * np.exp(-0.15 / ROOM))
    assert rates[1:, 0] == pytest.approx(attempt * np.exp(-0.11 / ROOM))


def test_a_network_without_transition_states_has_no_rates():
    nothing = StationaryPoints.of([], log_product=[])
    network = Network.build(random_network().minima, nothing, first=[], second=[])
    found = Rates.of(network, 0.03, n_modes=9)
    assert len(found.log_rate) == 0
    assert np.isneginf(found.matrix()).all()


def test_numbers_of_modes_must_fit():
    minima = wells_of([0.0, 0.1], [[0.5, 3.0], [0.2, 4.0]])
    with pytest.raises(InputError, match="with 1 modes"):
        log_rates(minima, wells_of([0.6], [[0.4, 15.0]]), ENDS, ROOM)
    reduced = replace(wells_of([0.6], [[0.4]]), scale=Scale.of("epsilon"))
    with pytest.raises(InputError, match="units"):
        log_rates(minima, reduced, ENDS, ROOM)
