from dataclasses import replace
from math import log, pi

import numpy as np
import pytest
from scipy import constants as si

from pesx.errors import ConfigError, InputError
from pesx.landscape.network import StationaryPoints
from pesx.thermodynamics.wells import Harmonic, Scale, Wells, thermal
from pesx.units import BOLTZMANN

ROOM = 298.15 * BOLTZMANN
EV = Scale.of("eV")
ALL = [
    Harmonic(),
    Harmonic("quantum"),
    Harmonic("quantum", has_rotation=True),
    Harmonic("classical", has_rotation=True),
    Harmonic("none"),
]


def wells_of(wavenumbers, energy=0.0, scale=EV):
    """Return one well with oscillators of these wavenumbers, cm^-1, and the moments of inertia of water."""
    quanta = EV.wavenumber * np.array([wavenumbers], dtype=float)
    return Wells(
        energy=np.array([energy]),
        log_multiplicity=np.zeros(1),
        n_modes=quanta.shape[1],
        log_quanta=np.log(quanta).sum(axis=1),
        scale=scale,
        quanta=quanta,
        moments=np.array([[0.61, 1.15, 1.77]]),
    )


def test_quantum_of_a_unit_eigenvalue_in_si():
    omega = np.sqrt(si.e / si.angstrom**2 / si.atomic_mass)
    assert EV.frequency == pytest.approx(omega, rel=1e-8)
    assert EV.quantum == pytest.approx(si.hbar * omega / si.e, rel=1e-8)
    assert EV.wavenumber == pytest.approx(si.h * si.c * 100 / si.e, rel=1e-9)


def test_other_units_of_energy_mean_the_same():
    kcal = Scale.of("kcal/mol")
    ratio = 1e3 * si.calorie / si.N_A / si.e
    assert kcal.wavenumber * ratio == pytest.approx(EV.wavenumber, rel=1e-8)
    # An eigenvalue of x kcal/mol is one of x * ratio eV.
    assert kcal.quantum * ratio == pytest.approx(EV.quantum * ratio**0.5, rel=1e-8)
    assert kcal.frequency == pytest.approx(EV.frequency * ratio**0.5, rel=1e-8)


def test_classical_oscillators_have_kT_each():
    found = thermal(wells_of([100.0, 900.0, 3000.0], energy=-1.0), ROOM)
    assert found.energy == pytest.approx(-1.0 + 3 * ROOM)
    assert found.heat_capacity == pytest.approx(3.0)


def test_quantum_oscillators_are_classical_when_hot_and_at_rest_when_cold():
    wells = wells_of([100.0, 900.0, 3000.0])
    hot, classical = thermal(wells, 1e3, Harmonic("quantum")), thermal(wells, 1e3)
    for name in ("log_partition", "energy", "heat_capacity"):
        assert getattr(hot, name) == pytest.approx(getattr(classical, name), rel=1e-6)
    cold = thermal(wells, 1e-6, Harmonic("quantum"))
    assert cold.energy == pytest.approx(0.5 * 4000.0 * EV.wavenumber)
    assert cold.heat_capacity == pytest.approx(0.0)
    assert cold.log_partition == pytest.approx(-cold.energy / 1e-6)


@pytest.mark.parametrize("harmonic", [*ALL, Harmonic("quasi-rrho"), Harmonic("quasi-rrho", has_rotation=True)])
def test_slopes_are_derivatives(harmonic):
    wells, step = wells_of([40.0, 120.0, 900.0], energy=0.2), 1e-5 * ROOM
    here = thermal(wells, ROOM, harmonic)
    low, high = (thermal(wells, ROOM + sign * step, harmonic) for sign in (-1, 1))
    slope = ROOM**2 * (high.log_partition - low.log_partition) / (2 * step)
    assert here.slope == pytest.approx(slope, rel=1e-6)
    assert here.heat_capacity == pytest.approx((high.energy - low.energy) / (2 * step), rel=1e-6, abs=1e-9)
    if harmonic.statistics != "quasi-rrho":
        assert np.array_equal(here.slope, here.energy)


@pytest.mark.parametrize("wavenumber", [10.0, 50.0, 100.0, 400.0])
def test_entropy_of_soft_modes_in_si(wavenumber):
    found = thermal(wells_of([wavenumber]), ROOM, Harmonic("quasi-rrho"))
    entropy = found.log_partition + found.energy / ROOM
    x = si.h * si.c * 100 * wavenumber / (si.k * 298.15)
    oscillator = x / np.expm1(x) - np.log1p(-np.exp(-x))
    inertia = si.h / (8 * pi**2 * si.c * 100 * wavenumber)
    inertia = inertia * 1e-44 / (inertia + 1e-44)
    rotor = 0.5 + 0.5 * log(8 * pi**3 * inertia * si.k * 298.15 / si.h**2)
    share = 1 / (1 + (100.0 / wavenumber) ** 4)
    assert entropy == pytest.approx(share * oscillator + (1 - share) * rotor, rel=1e-6)
    assert found.energy == pytest.approx(thermal(wells_of([wavenumber]), ROOM, Harmonic("quantum")).energy)


def test_softest_modes_do_not_diverge():
    def entropy(wavenumber, harmonic):
        found = thermal(wells_of([wavenumber]), ROOM, harmonic)
        return float((found.log_partition + found.energy / ROOM)[0])

    soft = [entropy(wavenumber, Harmonic("quasi-rrho")) for wavenumber in (1e-6, 1e-9)]
    assert soft[0] == pytest.approx(soft[1], abs=1e-3)
    assert entropy(1e-6, Harmonic("quantum")) - entropy(1e-3, Harmonic("quantum")) == pytest.approx(log(1e3))
    stiff = [entropy(2000.0, Harmonic(statistics)) for statistics in ("quasi-rrho", "quantum")]
    assert stiff[0] == pytest.approx(stiff[1], abs=1e-4)


def test_rotation_of_nitrogen():
    """The symmetry number comes from the multiplicity: q = kT / (2 hc 1.9982 cm^-1)."""
    inertia = si.h / (8 * pi**2 * si.c * 199.82) / (si.atomic_mass * si.angstrom**2)
    wells = replace(wells_of([]), moments=np.array([[0.0, inertia, inertia]]), log_multiplicity=np.array([-log(2.0)]))
    found = thermal(wells, ROOM, Harmonic(has_rotation=True))
    assert np.exp(found.log_partition) == pytest.approx(si.k * 298.15 / (2 * si.h * si.c * 199.82), rel=1e-6)
    assert found.energy == pytest.approx(ROOM)


def test_rotation_of_water_in_si():
    moments = np.array([0.61, 1.15, 1.77]) * si.atomic_mass * si.angstrom**2
    known = pi**0.5 * np.prod((8 * pi**2 * moments * si.k * 298.15 / si.h**2) ** 0.5)
    found = thermal(wells_of([]), ROOM, Harmonic(has_rotation=True))
    assert np.exp(found.log_partition) == pytest.approx(known, rel=1e-6)
    assert found.heat_capacity == pytest.approx(1.5)


def test_a_single_atom_does_not_rotate():
    atom = replace(wells_of([]), moments=np.zeros((1, 3)))
    assert thermal(atom, ROOM, Harmonic(has_rotation=True)).log_partition == pytest.approx(0.0)


def test_products_of_frequencies_say_the_same_as_frequencies():
    eigenvalues = np.array([[0.3, 2.0, 40.0], [0.1, 3.0, 30.0]])
    points = StationaryPoints.of([0.0, 0.1], log_product=np.log(eigenvalues).sum(axis=1), order=[1, 2])
    product = Wells.of(points, n_modes=3)
    known = Wells.of(StationaryPoints.of([0.0, 0.1], order=[1, 2]), n_modes=3).with_eigenvalues(eigenvalues)
    assert known.quanta == pytest.approx(EV.quantum * eigenvalues**0.5)
    assert thermal(product, ROOM).log_partition == pytest.approx(thermal(known, ROOM).log_partition)


def test_moments_come_from_the_properties_of_points():
    columns = {"inertia_1": [0.6], "inertia_2": [1.1], "inertia_3": [1.7]}
    points = StationaryPoints.of([0.0], properties=columns)
    assert Wells.of(points, n_modes=3).moments.tolist() == [[0.6, 1.1, 1.7]]
    assert Wells.of(StationaryPoints.of([0.0]), n_modes=3).moments is None


@pytest.mark.parametrize(
    ("harmonic", "what"),
    [
        (Harmonic(), "products of frequencies"),
        (Harmonic("quantum"), "frequencies"),
        (Harmonic("quasi-rrho"), "frequencies"),
        (Harmonic("none", has_rotation=True), "moments of inertia"),
    ],
)
def test_what_is_missing_is_told(harmonic, what):
    wells = Wells.of(StationaryPoints.of([0.0, 1.0], log_product=[1.0, np.nan]), n_modes=3)
    with pytest.raises(InputError, match=f"the {what} of all 2"):
        thermal(wells, ROOM, harmonic)


def test_reduced_units_have_no_hbar():
    reduced = Scale.of("epsilon")
    assert thermal(wells_of([100.0], scale=reduced), 0.3).heat_capacity == pytest.approx(1.0)
    with pytest.raises(InputError, match="no hbar"):
        thermal(wells_of([100.0], scale=reduced), 0.3, Harmonic("quantum"))


def test_wrong_settings_are_told():
    with pytest.raises(ConfigError, match="statistics"):
        Harmonic("bose")
    with pytest.raises(ConfigError, match="cutoff"):
        Harmonic(cutoff=0.0)
    with pytest.raises(InputError, match="thermal energy above 0"):
        thermal(wells_of([100.0]), 0.0)
    with pytest.raises(InputError, match="positive eigenvalues"):
        wells_of([100.0]).with_eigenvalues(np.array([[-1.0]]))
    with pytest.raises(InputError, match="moments of shape"):
        replace(wells_of([100.0]), moments=np.zeros((2, 3)))
