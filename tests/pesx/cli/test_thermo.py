import json
import sqlite3
from math import log

import numpy as np
import pytest
import torch

from pesx.landscape.records import Quenches, StoredMinima
from pesx.landscape.schema import FILE_NAME
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.settings import ExploreSettings, write_settings
from pesx.units import BOLTZMANN


def thermo(pesx, folder, *flags):
    answer = pesx("thermo", folder, "--json", *flags)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def forget(folder, *, minima=""):
    with sqlite3.connect(folder / FILE_NAME) as raw:
        raw.execute(f"UPDATE minima SET log_product = NULL {minima}")
    raw.close()


def test_lj7_against_the_closed_form(pesx, finished):
    """Shares by energies, orders and products of frequencies.

    The run kept mirror images apart and stopped at four minima. So orders are those of rotations: D5, C3, C3, C2; but the
    last is chiral, and its twin is missing, for which it counts too.
    """
    found = thermo(pesx, finished, "--temperature", "0.1", "0.2")
    with RunStore.read(finished) as store:
        minima = store.minima()
    order = {-16.5054: 10, -15.9350: 3, -15.5932: 3, -15.5331: 2 / 2}
    orders = np.array([order[energy] for energy in minima.energy.numpy().round(4).tolist()])
    for row, kt in enumerate((0.1, 0.2)):
        weight = np.exp(-minima.energy.numpy() / kt - 0.5 * minima.log_product.numpy()) / orders
        share = {int(group["name"]): group["population"][row] for group in found["groups"]}
        assert [share[number] for number in range(4)] == pytest.approx((weight / weight.sum()).tolist(), rel=1e-6)
        for group in found["groups"]:
            ratio = group["population"][row] / max(other["population"][row] for other in found["groups"])
            assert group["free_energy"][row] == pytest.approx(-kt * log(ratio), abs=1e-9)
    assert (found["energy_unit"], found["temperature_unit"], found["statistics"]) == ("epsilon", "epsilon", "classical")
    assert found["heat_capacity"][0] > found["n_modes"] == 15
    assert "counted twice, because the mirror image was not found: 1 minimum" in found["notes"]


def test_mirror_images_merged_or_distinct_give_the_same(pesx, finished, lj7):
    distinct = thermo(pesx, finished, "--temperature", "0.1", "0.2")
    settings = (lj7 / "config.toml").read_text()
    (lj7 / "config.toml").write_text(settings.replace('mirror = "distinct"', 'mirror = "merge"'))
    merged = thermo(pesx, lj7, "--temperature", "0.1", "0.2")
    assert (merged["mirror"], distinct["mirror"]) == ("merge", "distinct")
    assert sorted(group["order"] for group in merged["groups"]) == [2, 6, 6, 20]
    for one, other in zip(distinct["groups"], merged["groups"], strict=True):
        assert one["population"] == pytest.approx(other["population"], rel=1e-9)
    assert distinct["heat_capacity"] == pytest.approx(merged["heat_capacity"], rel=1e-9)


def test_a_range_and_the_text(pesx, finished):
    answer = pesx("thermo", finished, "--from", "0.001", "--to", "0.2", "--steps", "5", "-n", "2")
    assert answer.code == 0
    lines = [line.split() for line in answer.out.splitlines()]
    assert lines[1][0] == "0.001"
    assert float(lines[1][2]) == pytest.approx(15.0, abs=1e-4)  # equipartition
    assert "and 2 more" in answer.out
    assert "no translation" in answer.out


def test_what_is_missing_is_computed_and_stored_once(pesx, lj7):
    before = thermo(pesx, lj7, "--temperature", "0.1")
    forget(lj7)
    stored_only = pesx("thermo", lj7, "--temperature", "0.1", "--stored")
    assert stored_only.code == 2
    assert "Expected minima with frequencies; came 4 minima without" in stored_only.message
    again = thermo(pesx, lj7, "--temperature", "0.1")
    for one, other in zip(before["groups"], again["groups"], strict=True):
        assert one["population"] == pytest.approx(other["population"], rel=1e-5)
    with RunStore.read(lj7) as store:
        assert len(store.vibrations("minima")) == 4
        assert not store.minima().log_product.isnan().any()
    assert pesx("thermo", lj7, "--temperature", "0.1", "--stored").code == 0


def test_minima_left_out_are_told(pesx, lj7):
    forget(lj7, minima="WHERE id = 2")
    found = thermo(pesx, lj7, "--temperature", "0.1", "--stored")
    assert found["n_minima"] == 3
    assert "left out: 1 minimum without frequencies" in found["notes"]


def test_window_and_groups(pesx, finished):
    found = thermo(pesx, finished, "--temperature", "0.2", "--window", "0.7")
    assert found["n_minima"] == 2
    assert "not counted: 2 minima above 0.7" in found["notes"]
    found = thermo(pesx, finished, "--temperature", "0.2", "--groups", "chemistry")
    assert [(group["name"], len(group["minima"])) for group in found["groups"]] == [("none", 4)]
    assert found["groups"][0]["population"] == pytest.approx([1.0])
    found = thermo(pesx, finished, "--temperature", "0.2", "--groups", "basin")
    assert len(found["groups"]) == 4  # nothing joins them


def nitrogen(folder, *energies):
    """A run of N2 on a harmonic spring, with as many minima as energies; mirror images merged."""
    molecule = Molecule(torch.tensor([7, 7]), torch.tensor([[0.0, 0, 0], [1.1, 0, 0]]), bonds=torch.tensor([[0, 1]]))
    n = len(energies)
    nothing = torch.full((n,), torch.nan, dtype=torch.float64)
    positions = molecule.positions.repeat(n, 1, 1)
    with RunStore.create(folder, molecule, {"level": "spring"}) as store, store.transaction():
        energy, count = torch.tensor(energies).double(), torch.arange(n)
        store.add_minima(StoredMinima(positions, energy, nothing, nothing, nothing, count, count, [""] * n))
        names = ("walker", "hop", "outcome", "energy", "n_evaluations", "started_from", "is_accepted")
        zero = np.zeros(n, dtype=int)
        store.add_quenches(Quenches(**dict.fromkeys(names, zero), move=np.array(["seed"] * n), minimum=np.arange(n)))
    write_settings(ExploreSettings("N#N", potential="spring_for_thermo:spring", precision="float64"), folder)
    return folder


_SPRING = """
import torch

from pesx.state import Evaluation

STIFFNESS = 143.0


def spring(positions):
    bond = positions[:, 1] - positions[:, 0]
    length = bond.norm(dim=1)
    pull = STIFFNESS * (length - 1.1)[:, None] * bond / length[:, None]
    return Evaluation(0.5 * STIFFNESS * (length - 1.1) ** 2, torch.stack((pull, -pull), dim=1))
"""


@pytest.fixture
def spring(tmp_path, monkeypatch):
    (tmp_path / "spring_for_thermo.py").write_text(_SPRING)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("spring")
@pytest.mark.parametrize("flags", [(), ("--quasi-rrho",)])
def test_one_minimum_of_a_linear_molecule_in_si(pesx, tmp_path, flags):
    """N2 at 1000 K: two rotations at k/2 each, and an Einstein oscillator of about 2330 cm-1."""
    found = thermo(pesx, nitrogen(tmp_path / "run", -3.0), "--temperature", "1000", *flags)
    wavenumber = np.sqrt(143.0 * 1.602176634e-19 * 1e20 / (7.0034 * 1.66053906660e-27)) / (2e2 * np.pi * 2.99792458e8)
    assert wavenumber == pytest.approx(2357, abs=10)
    x = 1.438776877 * wavenumber / 1000.0
    einstein = x**2 * np.exp(-x) / (1 - np.exp(-x)) ** 2
    assert found["heat_capacity"] == pytest.approx([1.987204 * (1.0 + einstein)], rel=1e-3)
    kelvin = BOLTZMANN / 0.0433641  # kcal/mol
    mean = kelvin * (1000.0 + 1.438776877 * wavenumber * (0.5 + 1 / (np.exp(x) - 1)))
    assert found["energy"] == pytest.approx([mean], rel=1e-3)
    assert (found["n_modes"], found["has_rotation"], found["energy_unit"]) == (1, True, "kcal/mol")
    assert found["groups"][0]["population"] == pytest.approx([1.0])


@pytest.mark.usefixtures("spring")
def test_two_levels_in_kelvin(pesx, tmp_path):
    found = thermo(pesx, nitrogen(tmp_path / "run", 0.0, 0.05), "--temperature", "400")
    shares = [group["population"][0] for group in found["groups"]]
    assert shares[1] / shares[0] == pytest.approx(np.exp(-0.05 / (BOLTZMANN * 400)), rel=1e-4)
    assert found["groups"][1]["free_energy"][0] == pytest.approx(0.05 / 0.0433641, rel=1e-4)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "Expected --temperature, or a range"),
        (["--temperature", "0"], "--temperature above 0; came 0"),
        (["--temperature", "-5"], "--temperature above 0; came -5"),
        (["--temperature", "nan"], "--temperature above 0; came nan"),
        (["--from", "-1", "--to", "1"], "--from above 0"),
        (["--from", "0.1"], "both --from and --to"),
        (["--from", "0.2", "--to", "0.1"], "--to above --from"),
        (["--from", "0.1", "--to", "inf"], "--to above --from"),
        (["--from", "0.1", "--to", "0.2", "--steps", "1"], "--steps from 2"),
        (["--temperature", "0.1", "--from", "0.1", "--to", "0.2"], "came both"),
        (["--temperature", "0.1", "--quasi-rrho"], "reduced units"),
        (["--temperature", "0.1", "--groups", "colour"], "groups by chemistry or basin"),
        (["--temperature", "0.1", "-n", "0"], "-n of at least 1"),
        (["--temperature", "0.1", "--window", "1eV"], "--window without a unit"),
        (["--temperature", "warm"], "temperature"),
    ],
)
def test_what_does_not_fit(pesx, finished, flags, words):
    answer = pesx("thermo", finished, *flags)
    assert answer.code == 2
    assert words in answer.message


def test_an_empty_run_and_none(pesx, tmp_path):
    answer = pesx("thermo", tmp_path, "--temperature", "300")
    assert answer.code == 2
    assert "Expected a run folder" in answer.message
    answer = pesx("thermo", nitrogen(tmp_path / "run"), "--temperature", "300")
    assert answer.code == 2
    assert "Expected minima in" in answer.message


@pytest.mark.usefixtures("spring")
def test_a_model_of_another_hash(pesx, tmp_path):
    folder = nitrogen(tmp_path / "run", 0.0)
    with RunStore.resume(folder) as store, store.transaction():
        store.save_meta({"model": "0123456789abcdef"})
    answer = pesx("thermo", folder, "--temperature", "300")
    assert answer.code == 2
    assert "model that the run was made with" in answer.message
