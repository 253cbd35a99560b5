import pytest
import torch

from pesx.analysis.published import PublishedScores
from pesx.chemistry import molecule_from_smiles
from pesx.monitors import Frame


@pytest.fixture(scope="module")
def ethane():
    return molecule_from_smiles("CC")


def scores(molecule, x, temperature=None, chunk=100, lengths=None):
    found = PublishedScores(molecule, lengths)
    time = 0.01 * torch.arange(len(x), dtype=torch.float64)
    for start in range(0, len(x), chunk):
        rows = slice(start, start + chunk)
        found.add(Frame(x[rows], time[rows], temperature=None if temperature is None else temperature[rows]))
    return found.scores()


def still(molecule, n=30):
    return molecule.positions.repeat(n, 1, 1)


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_bond_deviation(chunk, ethane):
    x = still(ethane)
    x[12:, 2] += 0.51 * (x[12:, 2] - x[12:, 0]) / 1.09
    assert scores(ethane, x, chunk=chunk).bond_deviation == pytest.approx(0.12)
    assert scores(ethane, still(ethane), chunk=chunk).bond_deviation is None


def test_bond_deviation_from_the_lengths_of_a_reference(ethane):
    lengths = torch.full((len(ethane.bonds),), 2.2, dtype=torch.float64)
    assert scores(ethane, still(ethane), lengths=lengths).bond_deviation == 0.0


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_hydrogen_drift_is_to_the_end(chunk, ethane):
    x = still(ethane)
    x[5:9, 2] += 10.0
    assert scores(ethane, x, chunk=chunk).hydrogen_drift is None
    x[20:, 3] += 10.0
    assert scores(ethane, x, chunk=chunk).hydrogen_drift == pytest.approx(0.2)


def test_a_hydrogen_at_another_atom_does_not_drift(ethane):
    x = still(ethane)
    x[5:, 2] = x[5:, 1] + torch.tensor([0.0, 0.0, 2.0], dtype=torch.float64)
    assert scores(ethane, x).hydrogen_drift is None


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_explosion(chunk, ethane):
    temperature = torch.full((30,), 300.0)
    assert scores(ethane, still(ethane), temperature, chunk=chunk).explosion is None
    temperature[14] = 10_301.0
    assert scores(ethane, still(ethane), temperature, chunk=chunk).explosion == pytest.approx(0.14)
    cold = torch.full((30,), 1.0)
    cold[21] = 101.0
    assert scores(ethane, still(ethane), cold, chunk=chunk).explosion == pytest.approx(0.21)
    assert not scores(ethane, still(ethane)).has_temperature
