import numpy as np
import pytest

from pesx.errors import InputError
from pesx.training.sources.plausible import near_changes, require_plausible
from pesx.training.sources.settings import FileSettings
from pesx.units import BOHR, HARTREE, KCAL_PER_MOL, KJ_PER_MOL

SETTINGS = FileSettings("a", energy_unit="eV", length_unit="angstrom", force_unit="eV/angstrom", gradients=False)


def look(water, *, lengths=1.0, energies=1.0, forces=1.0, numbers=None):
    frames = {
        "positions": water.positions * lengths,
        "energy": water.energy * energies,
        "forces": water.forces * forces,
    }
    numbers = water.numbers if numbers is None else np.array(numbers)
    require_plausible(numbers, frames, settings=SETTINGS, where="a, molecule 'water'")


def test_right_units_pass(water):
    look(water)


@pytest.mark.parametrize("factor", [BOHR, 1 / BOHR, 10.0, 0.1])
def test_a_wrong_unit_of_length(water, factor):
    with pytest.raises(InputError, match=r"'water': expected the nearest atoms.*length_unit = 'angstrom'"):
        look(water, lengths=factor)


def test_the_unit_that_would_fit_is_named(water):
    with pytest.raises(InputError, match=r"'bohr' would fit best"):
        look(water, lengths=1 / BOHR)


@pytest.mark.parametrize("factor", [1 / KCAL_PER_MOL, 1 / KJ_PER_MOL, HARTREE, KCAL_PER_MOL / KJ_PER_MOL])
def test_energies_below_what_the_electrons_can_bring(water, factor):
    with pytest.raises(InputError, match=r"expected energies above -\d.*energy_unit = 'eV'"):
        look(water, energies=factor, forces=factor)


@pytest.mark.parametrize("factor", [HARTREE, KCAL_PER_MOL, KJ_PER_MOL, KJ_PER_MOL / KCAL_PER_MOL, BOHR, 1 / BOHR])
def test_forces_in_units_that_the_energies_are_not_in(water, factor):
    with pytest.raises(InputError, match=r"they change by .* force_unit = 'eV/angstrom'; they do not go together"):
        look(water, forces=factor)


def test_gradients_taken_for_forces(water):
    with pytest.raises(InputError, match=r"change by -\d.*gradients = true would turn the forces"):
        look(water, forces=-1.0)


def test_few_frames_are_no_evidence(waters):
    look(waters(20), forces=-1.0)


def test_noble_gases_have_no_bonds(water):
    look(water, lengths=4.0, energies=0.0, numbers=[18, 18, 18])


def test_frames_with_one_label_are_compared_with_none(water):
    masked = np.ma.masked_array(water.forces, mask=np.zeros_like(water.forces, dtype=bool))
    masked[::2] = np.ma.masked
    frames = {"positions": water.positions, "energy": water.energy, "forces": -masked}
    require_plausible(water.numbers, frames, settings=SETTINGS, where="40 of 80 frames")


def test_change_of_the_energy_is_the_work_wherever_the_frames_lie(water):
    random = np.random.default_rng(0)
    turns = np.linalg.qr(random.normal(size=(len(water.positions), 3, 3)))[0]
    turns *= np.sign(np.linalg.det(turns))[:, None, None]
    positions = water.positions @ turns + random.normal(size=(len(turns), 1, 3))
    work, change = near_changes(positions, water.energy, water.forces @ turns)
    expected, _ = near_changes(water.positions, water.energy, water.forces)
    np.testing.assert_allclose(np.sort(work), np.sort(expected), atol=1e-9)
    assert np.corrcoef(work, change)[0, 1] > 0.99
    assert float(work @ change / (work @ work)) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("factor", "said"), [(1 / BOHR, "1.[6-9]|2"), (BOHR, "0.[45]")])
def test_one_frame_in_another_unit_of_length(water, factor, said):
    water.positions[7] *= factor
    with pytest.raises(InputError, match=rf"frame 7 of the molecule.* ({said}).* times as far.*\(1 of 80\)"):
        look(water)


def test_two_atoms_may_come_apart():
    distance = np.concatenate([np.full(60, 0.74), np.linspace(1.0, 3.0, 20)])
    positions = distance[:, None, None] * np.array([[0.0, 0, 0], [0, 0, 1], [0, 0, -1]])
    energy = np.where(distance < 1, -31.7, -27.2)
    require_plausible(
        np.array([1, 1]), {"positions": positions[:, :2], "energy": energy}, settings=SETTINGS, where="H2"
    )
    with pytest.raises(InputError, match=r"frame 6\d of the molecule"):
        require_plausible(
            np.array([1, 1, 1]), {"positions": positions, "energy": energy}, settings=SETTINGS, where="H3"
        )


@pytest.mark.parametrize("factor", [1 / HARTREE, KCAL_PER_MOL])
def test_some_energies_in_another_unit(water, factor):
    water.energy[[3, 50]] *= factor
    with pytest.raises(InputError, match=r"within 30 eV of their median, -20\d\d\.?\d* eV.* in frame 3 .*\(2 of 80\)"):
        look(water)
