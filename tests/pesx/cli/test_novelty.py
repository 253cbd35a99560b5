import json

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from pesx.analysis.novelty import TABLE

_MODULE = """
import torch

from pesx.state import Evaluation

BONDS = {(0, 1): 0.96, (0, 2): 0.96, (1, 2): 1.52}


class Water:
    def __init__(self, molecule):
        pass

    def __call__(self, positions):
        with torch.enable_grad():
            x = positions.detach().double().requires_grad_()
            energy = sum(9.0 * ((x[:, i] - x[:, j]).norm(dim=-1) - d) ** 2 for (i, j), d in BONDS.items())
            (gradient,) = torch.autograd.grad(energy.sum(), x)
        return Evaluation(energy.detach(), -gradient.to(positions.dtype))
"""


@pytest.fixture
def explored(pesx, tmp_path, monkeypatch):
    """A run of water, which has one minimum."""
    (tmp_path / "water_for_tests.py").write_text(_MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ("--potential", "water_for_tests:Water", "--n-minima", "1", "--replicas", "4", "--out", tmp_path / "run")
    assert pesx("explore", "--molecule", "O", *words).code == 0
    return tmp_path / "run"


@pytest.fixture
def frames(tmp_path):
    """Three distorted waters, the oxygen last, with energies."""
    rng = np.random.default_rng(0)
    water = np.array([[0.96, 0.0, 0.0], [-0.24, 0.93, 0.0], [0.0, 0.0, 0.0]])
    images = []
    for _ in range(3):
        image = Atoms("HHO", water + rng.normal(0, 0.03, (3, 3)), info={"name": "water"})
        image.calc = SinglePointCalculator(image, energy=0.0, forces=np.zeros((3, 3)))
        images.append(image)
    ase.io.write(tmp_path / "frames.extxyz", images)
    return tmp_path / "frames.extxyz"


def test_the_data_imply_the_one_minimum_of_water(pesx, explored, frames):
    call = ("novelty", explored, "--data", frames, "--level", "springs")
    answer = pesx(*call, "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert (found["n_frames"], found["n_implied"], found["n_found"], found["n_new"]) == (3, 1, 1, 0)
    assert (explored / TABLE).read_text().splitlines()[1].split(",")[2:4] == ["no", "3"]
    text = pesx(*call, "--frames", "2").out
    assert "2, of which 2 ended in a minimum" in text
    assert "1 in the energy window" in text


def test_wrong_calls(pesx, explored, finished, frames, tmp_path):
    data = ("--data", frames, "--level", "springs")
    assert "--frames" in pesx("novelty", explored, *data, "--frames", "0").message
    assert "--level" in pesx("novelty", explored, "--data", frames).message
    assert "none.db" in pesx("novelty", explored, "--data", tmp_path / "none.db").message
    assert "with bonds" in pesx("novelty", finished, *data).message
    assert "at which minima were verified" in pesx("novelty", explored, *data, "--verified-at", "r2scan").message
    oxygen = Atoms("OO", [[0, 0, 0], [0, 0, 1.2]])
    oxygen.calc = SinglePointCalculator(oxygen, energy=0.0, forces=np.zeros((2, 3)))
    ase.io.write(tmp_path / "other.extxyz", oxygen)
    other = pesx("novelty", explored, "--data", tmp_path / "other.extxyz", "--level", "springs")
    assert other.code == 2
    assert "Expected frames of" in other.message
