from argparse import Namespace

import numpy as np
import pytest

from pesx.cli.harmonic import harmonic_of, open_harmonic, temperatures

QUIET = {"window": None, "quasi_rrho": False, "stored": False, "model": None, "device": None}


@pytest.fixture
def run(finished):
    return open_harmonic(Namespace(run=finished, **QUIET), needs_transition_states=True)


def asked(**given):
    nothing = dict.fromkeys(("temperature", "lowest_temperature", "highest_temperature", "steps"))
    return Namespace(**{**nothing, **given})


def test_the_wells_of_a_run(run):
    assert (len(run.network.minima), run.mirror, run.is_reduced) == (4, "distinct", True)
    assert sorted(run.network.minima.order.tolist()) == [2, 3, 3, 10]  # rotations, since mirror images are distinct
    assert run.wells.minima.n_modes == 15
    assert run.temperature_text(0.1) == "kT = 0.1 epsilon"
    assert (run.energy_scale, run.energy_unit) == (1.0, "epsilon")


def test_temperatures_are_sorted_each_once(run):
    assert temperatures(asked(temperature=[0.3, 0.1, 0.3]), run, is_needed=True).tolist() == [0.1, 0.3]
    found = temperatures(asked(lowest_temperature=0.1, highest_temperature=0.2, steps=3), run, is_needed=True)
    assert found == pytest.approx([0.1, 0.15, 0.2])


def test_a_usual_range_goes_up_to_half_the_gap(run):
    found = temperatures(asked(), run, is_needed=False)
    energy = np.sort(run.network.minima.energy)
    assert len(found) == 100
    assert found[-1] == pytest.approx(0.5 * (energy[1] - energy[0]))


def test_motion_is_classical_without_hbar():
    assert harmonic_of(is_reduced=True, is_quasi_rrho=False).statistics == "classical"
    quantum = harmonic_of(is_reduced=False, is_quasi_rrho=False)
    assert (quantum.statistics, quantum.has_rotation) == ("quantum", True)
    assert harmonic_of(is_reduced=False, is_quasi_rrho=True).statistics == "quasi-rrho"
