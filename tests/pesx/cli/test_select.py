import pytest
from ase import Atoms
from ase.io import read, write

from pesx.chemistry.read import read_molecule


@pytest.fixture
def frames(tmp_path):
    residue = read_molecule("CC(=O)NCC(=O)NC")
    images = [Atoms(residue.numbers.numpy(), factor * residue.positions.numpy()) for factor in (1.0, 1.03, 0.98)]
    write(tmp_path / "minima.extxyz", images)
    return tmp_path / "minima.extxyz"


def test_chosen_structures_are_written_for_pesx_label(pesx, frames, tmp_path):
    out = tmp_path / "chosen.extxyz"
    answer = pesx("select", frames, "--choose", "4", "--between", "1", "--out", out)
    assert answer.code == 0, answer.err
    assert "C5H10N2O2: 4 of 5 structures" in answer.err
    assert [image.info["source"] for image in read(out, ":")].count("between") >= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--choose", "0", "--out", "a.extxyz"], "n_chosen"),
        (["--choose", "2", "--out", "a.db"], "--out"),
        (["--choose", "2"], "--out"),
    ],
)
def test_wrong_calls(pesx, frames, arguments, words):
    answer = pesx("select", frames, *arguments)
    assert answer.code == 2
    assert words in answer.message
