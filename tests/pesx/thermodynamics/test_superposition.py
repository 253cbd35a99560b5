from math import log, pi

import numpy as np
import pytest
from scipy.integrate import quad

from pesx.errors import InputError
from pesx.landscape.network import Network, StationaryPoints
from pesx.thermodynamics.rates import Rates
from pesx.thermodynamics.superposition import free_energies, free_energy_network, superposition
from pesx.thermodynamics.wells import Harmonic, Scale, Wells

EV = Scale.of("eV")


def levels(energy, degeneracy):
    """Return wells without motion: levels."""
    energy = np.array(energy, dtype=float)
    return Wells(energy, np.log(degeneracy), 0, np.zeros(len(energy)), EV)


def random_wells(n=6, n_modes=5, seed=0):
    rng = np.random.default_rng(seed)
    points = StationaryPoints.of(rng.uniform(0, 0.2, n), order=rng.integers(1, 4, n))
    return Wells.of(points, n_modes=n_modes).with_eigenvalues(rng.uniform(0.01, 2.0, (n, n_modes)))


def small_network(unit="eV"):
    """Three minima in a row, two ways between the first two, and one from the first onto itself."""
    return Network.build(
        StationaryPoints.of([0.0, 0.1, 0.05], log_product=[3.0, 2.0, 1.0], order=[2, 1, 1], number=[7, 8, 9]),
        StationaryPoints.of([0.4, 0.5, 0.3, 0.2], log_product=[2.5, 1.0, 0.0, 2.0], order=[1, 2, 1, 1]),
        first=[0, 0, 1, 0],
        second=[1, 1, 2, 0],
        unit=unit,
    )


def test_one_minimum_has_the_heat_capacity_of_its_oscillators():
    points = StationaryPoints.of([-3.0], log_product=[12.0])
    found = superposition(Wells.of(points, n_modes=33, unit="epsilon"), np.array([0.1, 0.3]))
    assert found.heat_capacity == pytest.approx([33.0, 33.0])
    assert found.energy == pytest.approx(-3.0 + 33 * np.array([0.1, 0.3]))
    assert found.population.tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize("degeneracy", [1.0, 3.0, 40.0])
def test_two_levels_have_the_schottky_anomaly(degeneracy):
    kt = np.linspace(0.05, 2.0, 400)
    found = superposition(levels([0.0, 1.0], [1.0, degeneracy]), kt)
    boltzmann = degeneracy * np.exp(-1 / kt)
    assert found.population[:, 1] == pytest.approx(boltzmann / (1 + boltzmann))
    assert found.heat_capacity == pytest.approx(boltzmann / kt**2 / (1 + boltzmann) ** 2)
    if degeneracy == 1.0:
        assert kt[found.heat_capacity.argmax()] == pytest.approx(0.4168, abs=5e-3)
        assert found.heat_capacity.max() == pytest.approx(0.4392, abs=1e-4)


def test_entropy_goes_from_that_of_the_lowest_to_that_of_all():
    wells = levels([0.0, 0.1, 0.3], [2.0, 1.0, 5.0])
    found = superposition(wells, np.array([1e-3, 1e4]))
    assert found.entropy == pytest.approx([log(2.0), log(8.0)], abs=1e-6)


@pytest.mark.parametrize("statistics", ["classical", "quantum"])
def test_energies_and_entropies_are_derivatives_of_the_free_energy(statistics):
    wells, harmonic = random_wells(), Harmonic(statistics)
    kt, step = np.linspace(0.01, 0.1, 7), 1e-6
    here = superposition(wells, kt, harmonic)
    low, high = (superposition(wells, kt + sign * step, harmonic) for sign in (-1, 1))
    assert here.entropy == pytest.approx(-(high.free_energy - low.free_energy) / (2 * step), rel=1e-6)
    assert here.heat_capacity == pytest.approx((high.energy - low.energy) / (2 * step), rel=1e-6)
    assert here.heat_capacity == pytest.approx(kt * (high.entropy - low.entropy) / (2 * step), rel=1e-6)


def test_heat_capacity_with_soft_modes_is_the_derivative_of_the_energy():
    wells, harmonic = random_wells(), Harmonic("quasi-rrho")
    low, here, high = superposition(wells, np.array([0.025 - 1e-6, 0.025, 0.025 + 1e-6]), harmonic).energy
    found = superposition(wells, np.array([0.025]), harmonic)
    assert found.energy[0] == pytest.approx(here)
    assert found.heat_capacity[0] == pytest.approx((high - low) / 2e-6, rel=1e-5)


def test_nothing_overflows_where_weights_span_hundreds_of_decades():
    wells = levels([-3000.0, -2999.0, 500.0], [1.0, 1e300, 1.0])
    found = superposition(wells, np.array([1e-4, 1e-3, 1.0]))
    assert found.population.sum(axis=1) == pytest.approx([1.0, 1.0, 1.0])
    assert found.population[:, 0] == pytest.approx([1.0, 1.0, 0.0])
    assert np.isfinite(found.heat_capacity).all()


def test_butane_like_torsion():
    """Gauche and anti of V = a (1 + cos 3 phi) / 2 + b (1 - cos(phi - pi)) / 2, against the integral over each well."""
    a, b, mass = 0.14, 0.05, 10.0

    def height(phi):
        return 0.5 * a * (1 + np.cos(3 * phi)) + 0.5 * b * (1 + np.cos(phi))

    grid = np.linspace(0.2, 2.0, 200001)
    gauche = grid[height(grid).argmin()]
    at = np.array([pi, gauche])
    curvature = (-4.5 * a * np.cos(3 * at) - 0.5 * b * np.cos(at)) / mass
    energy, log_product = height(at), np.log(curvature)
    merged = StationaryPoints.of(energy, log_product=log_product, order=[4, 2])
    distinct = StationaryPoints.of(energy[[0, 1, 1]], log_product=log_product[[0, 1, 1]], order=[2, 2, 2])
    kt = np.array([0.002, 0.005])
    one, two = (superposition(Wells.of(points, n_modes=1), kt).population for points in (merged, distinct))
    assert one[:, 1] == pytest.approx(two[:, 1] + two[:, 2])
    assert one[:, 1] / one[:, 0] == pytest.approx(
        2 * np.exp(-(energy[1] - energy[0]) / kt) * (curvature[0] / curvature[1]) ** 0.5
    )
    top = grid[(grid > gauche)][height(grid[grid > gauche]).argmax()]
    for thermal_energy, share in zip(kt, one, strict=True):
        parts = [
            quad(lambda phi: np.exp(-height(phi) / thermal_energy), *limits)[0]  # noqa: B023
            for limits in ((top, 2 * pi - top), (0.0, top))
        ]
        assert share[1] / share[0] == pytest.approx(2 * parts[1] / parts[0], rel=0.01)


def test_free_energies_give_populations():
    wells, kt = random_wells(), 0.05
    weights = np.exp(-free_energies(wells, kt) / kt)
    assert weights / weights.sum() == pytest.approx(superposition(wells, np.array([kt])).population[0])


def test_free_energy_network_adds_up_ways():
    network, kt = small_network(), 0.03
    found = free_energy_network(network, kt, n_modes=3)
    assert found.minima.energy == pytest.approx(free_energies(Wells.of(network.minima, n_modes=3), kt))
    assert np.stack((found.first, found.second)).tolist() == [[0, 1], [1, 2]]
    ways = free_energies(Wells.of(network.transition_states, n_modes=2), kt)
    assert found.transition_states.energy == pytest.approx([-kt * np.log(np.exp(-ways[:2] / kt).sum()), ways[2]])
    # A rate constant is the attempt frequency times the Boltzmann factor of the free energies.
    rates = Rates.of(network, kt, n_modes=3).matrix()
    attempt = log(kt / (2 * pi * EV.quantum) * EV.frequency)
    height = found.transition_states.energy - found.minima.energy[found.first]
    assert rates[found.first, found.second] == pytest.approx(attempt - height / kt)


def test_groups_of_minima_have_their_common_free_energy():
    network, kt = small_network(), 0.03
    single = free_energy_network(network, kt, n_modes=3)
    grouped = free_energy_network(network, kt, n_modes=3, groups=np.array([0, 1, 1]))
    together = -kt * np.log(np.exp(-single.minima.energy[1:] / kt).sum())
    assert grouped.minima.energy == pytest.approx([single.minima.energy[0], together])
    assert grouped.transition_states.energy == pytest.approx(single.transition_states.energy[:1])
    assert grouped.minima.number.tolist() == [7, 9]
    whole = free_energy_network(network, kt, n_modes=3, groups=np.zeros(3, dtype=int))
    everything = superposition(Wells.of(network.minima, n_modes=3), np.array([kt]))
    assert whole.minima.energy == pytest.approx(everything.free_energy)
    assert len(whole.transition_states) == 0


def test_a_barrier_that_vanishes_is_zero():
    network = small_network("epsilon")
    hot = free_energy_network(network, 20.0, n_modes=3)
    higher = np.maximum(hot.minima.energy[hot.first], hot.minima.energy[hot.second])
    assert (hot.transition_states.energy >= higher).all()
    assert len(hot.transition_states) == 2


def test_wrong_input_is_told():
    with pytest.raises(InputError, match="at least one minimum"):
        superposition(levels([], []), np.array([1.0]))
    for groups in ([0, 2, 2], [0, 1], [-1, 0, 1]):
        with pytest.raises(InputError, match="number of a group"):
            free_energy_network(small_network(), 0.03, n_modes=3, groups=np.array(groups))
