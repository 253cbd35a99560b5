from dataclasses import replace
from math import exp, pi

import numpy as np
import pytest

from pesx.errors import InputError
from pesx.landscape.network import Network, StationaryPoints, moment_columns
from pesx.landscape.store import RunStore
from pesx.landscape.symmetry import with_point_groups
from pesx.thermodynamics.graph_transformation import passage
from pesx.thermodynamics.harmonic_network import HarmonicNetwork
from pesx.thermodynamics.vibrations import Vibrations
from pesx.thermodynamics.wells import Harmonic
from pesx.units import BOLTZMANN

MODES = 6
"""Of four atoms that are not on a line."""


def bent(n):
    return moment_columns(np.tile([1.0, 2.0, 3.0], (n, 1)))


def row_of_three(unit="eV"):
    """Three minima in a row, numbered as in a run; nothing is known of their vibrations."""
    minima = StationaryPoints.of([0.0, 0.1, 0.05], number=[4, 5, 6], order=[2, 1, 1], properties=bent(3))
    states = StationaryPoints.of([0.4, 0.3], number=[7, 8], properties=bent(2))
    return Network.build(minima, states, first=[0, 1], second=[1, 2], unit=unit)


def vibrations(minima=(4, 5, 6), states=(7, 8), seed=0, unsound=()):
    rng = np.random.default_rng(seed)
    known = {
        "minima": {number: np.sort(rng.uniform(0.1, 2.0, MODES)) for number in minima},
        "transition_states": {number: np.sort(rng.uniform(0.1, 2.0, MODES - 1)) for number in states},
    }
    return Vibrations(known, {"minima": frozenset(unsound), "transition_states": frozenset()})


def made(found, network=None, **harmonic):
    return HarmonicNetwork.of(network or row_of_three(), found, n_atoms=4, harmonic=Harmonic(**harmonic))


def test_all_is_known():
    wells = made(vibrations(), statistics="quantum", has_rotation=True)
    assert wells.left_out == ()
    assert (wells.minima.n_modes, wells.transition_states.n_modes) == (6, 5)
    assert wells.superposition(np.array([0.025])).population.sum() == pytest.approx(1.0)
    free = wells.free_energies(0.025)
    assert np.exp(-(free - free[0]) / 0.025) == pytest.approx(
        (lambda p: p / p[0])(wells.superposition(np.array([0.025])).population[0])
    )


def test_products_will_do_where_motion_is_classical():
    network = row_of_three()
    points = replace(network.minima, log_product=np.array([1.0, 2.0, np.nan]))
    found = made(vibrations(minima=(6,), states=()), replace(network, minima=points))
    assert found.network.minima.number.tolist() == [4, 5, 6]
    assert np.isfinite(found.minima.log_quanta).all()
    assert found.left_out == ("2 transition states without frequencies, or with another number of negative modes",)
    with pytest.raises(InputError, match="Expected minima with frequencies; came 3 minima without"):
        made(vibrations(minima=(), states=()), replace(network, minima=points), statistics="quantum")


def test_what_is_not_known_is_left_out_and_told():
    found = made(vibrations(minima=(4, 6), unsound=(5,)), statistics="quantum")
    assert found.network.minima.number.tolist() == [4, 6]
    assert len(found.network.transition_states) == 0
    assert found.left_out == (
        "1 minimum whose Hessian has a mode that is not positive",
        "2 transition states that lead to a minimum left out",
    )
    assert made(vibrations(minima=(4, 6)), statistics="quantum").left_out[0] == "1 minimum without frequencies"


def test_another_number_of_modes_is_left_out():
    some = vibrations()
    some.eigenvalues["minima"][5] = np.ones(MODES + 1)  # a linear structure
    found = made(some, statistics="quantum")
    assert found.network.minima.number.tolist() == [4, 6]
    assert found.left_out[0] == "1 minimum with another number of modes than 6"


def test_energies_alone_need_nothing():
    found = made(Vibrations(), statistics="none")
    share = found.superposition(np.array([0.1])).population[0]
    assert share / share[0] == pytest.approx([1.0, 2 * exp(-1.0), 2 * exp(-0.5)])


def test_temperatures_are_kelvin_or_energies():
    assert made(vibrations()).thermal_energy(np.array([300.0])) == pytest.approx([300 * BOLTZMANN])
    reduced = made(vibrations(), row_of_three(unit="epsilon"))
    assert reduced.thermal_energy(np.array([0.3])) == pytest.approx([0.3])
    assert (made(vibrations()).temperature_unit, reduced.temperature_unit) == ("K", "epsilon")


def test_no_minima_is_told():
    nothing = Network.build(StationaryPoints.of([]), StationaryPoints.of([]), first=[], second=[])
    with pytest.raises(InputError, match="at least one minimum"):
        made(Vibrations(), nothing)


def lj6(folder):
    with RunStore.read(folder) as store:
        minima, states = store.minima(), store.transition_states()
        network = with_point_groups(
            Network.of(store), (minima.positions, states.positions), store.molecule.numbers, mirror="merge"
        )
        return HarmonicNetwork.of(network, Vibrations.of(store), n_atoms=6)


def test_two_states_have_the_rate_of_vineyard(lj6_folder):
    """LJ6: over each transition state, ratio of orders times ratio of frequencies times the Boltzmann factor."""
    wells, kt = lj6(lj6_folder), 0.1
    network = wells.network
    assert sorted(network.minima.order.tolist()) == [4, 48]  # C2v and Oh
    upper = int(np.argmax(network.minima.energy))
    expected = 0.0
    for row in np.flatnonzero(network.first != network.second):
        state, minimum = network.transition_states.take(np.array([row])), network.minima.take(np.array([upper]))
        attempts = exp(0.5 * (minimum.log_product[0] - state.log_product[0])) / (2 * pi)
        ways = minimum.order[0] / state.order[0]
        expected += ways * attempts * exp(-(state.energy[0] - minimum.energy[0]) / kt)
    rates = wells.rates(kt)
    found = passage(rates.matrix(), rates.log_population, np.array([upper]), np.array([1 - upper]))
    assert exp(found.log_rate) == pytest.approx(expected)
    assert exp(found.log_time) == pytest.approx(1 / expected)


def test_free_energies_become_energies_when_cold(lj6_folder):
    """In reduced units, which have no hbar, the graph must not depend on one."""
    wells = lj6(lj6_folder)
    energies = wells.network.lowest_per_pair()
    for kt, tolerance in ((1e-2, 0.2), (1e-4, 2e-3)):
        free = wells.free_energy_network(kt)
        barrier = free.transition_states.energy.min() - free.minima.energy.min()
        exact = energies.transition_states.energy.min() - energies.minima.energy.min()
        assert barrier == pytest.approx(exact, abs=tolerance)


def test_heat_capacity_of_a_cold_cluster_is_that_of_equipartition(lj6_folder):
    found = lj6(lj6_folder).superposition(np.array([1e-3, 0.3]))
    assert found.heat_capacity[0] == pytest.approx(12.0)  # 3N - 6 oscillators with their kinetic energy
    assert found.heat_capacity[1] > 12.1
