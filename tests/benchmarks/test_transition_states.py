import math
from importlib import import_module
from pathlib import Path

import pytest
import torch
from ase import Atoms

from pesx.potentials.lennard_jones import LennardJones

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return import_module("transition_states")


def test_it_writes_the_file_of_its_name(script):
    assert script.parse(["runs/ala3-1"]).out == FOLDER / "results" / "transition_states.json"


def test_a_minimum_has_no_negative_mode_and_a_flat_square_has_some(script):
    corners = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    assert script.negative_modes(LennardJones(), corners * 2 ** (1 / 6) / math.sqrt(8)) == 0
    flat = torch.tensor([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=torch.float64) * 1.1
    assert script.negative_modes(LennardJones(), flat) > 0


def test_evaluations_are_counted_once_for_energy_and_forces(script):
    calculator = script.Counted(LennardJones())
    atoms = Atoms("Ar2", [[0, 0, 0], [0, 0, 1.2]])
    atoms.calc = calculator
    now = LennardJones()(torch.from_numpy(atoms.get_positions())[None])
    assert atoms.get_potential_energy() == pytest.approx(float(now.energy))
    assert atoms.get_forces()[1, 2] == pytest.approx(float(now.forces[0, 1, 2]))
    assert calculator.n_evaluations == 1
    atoms.rattle(0.01, seed=0)
    atoms.get_forces()
    assert calculator.n_evaluations == 2
