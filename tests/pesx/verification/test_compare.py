from dataclasses import replace

import numpy as np
import pytest
import torch

from pesx import read_molecule
from pesx.chemistry.embed import embed
from pesx.chemistry.perceive import perceive
from pesx.geometry.torsion import rotate_about_bond
from pesx.landscape.records import Verifications
from pesx.outcome import Outcome
from pesx.units import KCAL_PER_MOL
from pesx.verification.compare import Comparison, relative_error, rows_of, stayed
from pesx.verification.relaxation import Relaxed


@pytest.fixture(scope="module")
def alanine():
    return read_molecule("CC(=O)N[C@@H](C)C(=O)NC")


def relaxed(positions, outcome=Outcome.CONVERGED):
    return Relaxed(outcome, -1.0, -2.0, positions.numpy(), 7)


def test_the_heavy_rmsd_knows_which_atoms_are_alike():
    molecule = read_molecule("CC(C)O")
    compare = Comparison(molecule)
    start = molecule.positions[None]
    swapped = start.clone()
    ends = [0, 2]  # the two methyl carbons, which symmetry exchanges
    swapped[:, ends] = start[:, ends[::-1]]
    assert float(compare.heavy_distance(start, start + 3)) == pytest.approx(0, abs=1e-6)
    assert float(compare.heavy_distance(start, swapped)) == pytest.approx(0, abs=0.05)


def test_mirror_images_are_one_if_the_run_says_so():
    molecule = read_molecule("OCCO")
    start = embed(molecule, 1, 0)
    for mirror, is_near in (("merge", True), ("distinct", False)):
        compare = Comparison(molecule, mirror)
        assert (float(compare.distance(start, -start)) < 1e-6) == is_near
        assert (float(compare.heavy_distance(start, -start)) < 1e-6) == is_near


def test_chemistry_is_that_of_the_start(alanine):
    start = alanine.positions[None]
    topology = perceive(alanine)
    rotor = topology.amide_rotors
    flipped = rotate_about_bond(start, rotor.bonds[0], rotor.moving[0], torch.full((1,), torch.pi).double())
    torn = start.clone()
    torn[:, -1] += 5.0
    compare = Comparison(alanine)
    ends = torch.cat([start, flipped, -start, torn])
    codes = compare.chemistry(start.expand(4, -1, -1), ends).tolist()
    assert codes[:3] == [Outcome.CONVERGED, Outcome.AMIDE_FLIPPED, Outcome.CENTRE_INVERTED]
    assert codes[3] in (Outcome.BOND_CHANGED, Outcome.FRAGMENTED)
    assert int(compare.chemistry(flipped, flipped)[0]) == Outcome.CONVERGED


def test_the_verdict_is_a_row_of_the_table(alanine):
    compare, start = Comparison(alanine), alanine.positions[None]
    near = compare.judge(4, "GFN2-xTB", start, relaxed(start[0] + 0.01))
    assert (near.minimum.tolist(), near.level.tolist(), near.n_evaluations.tolist()) == ([4], ["GFN2-xTB"], [7])
    assert near.rmsd[0] == pytest.approx(0, abs=1e-6)
    for end in (relaxed(start[0], Outcome.OUT_OF_STEPS), relaxed(-start[0])):
        row = compare.judge(4, "GFN2-xTB", start, end)
        assert row.outcome[0] != Outcome.CONVERGED
        assert np.isnan([row.rmsd[0], row.heavy_rmsd[0]]).all()
    assert stayed(near).tolist() == [True]
    assert stayed(replace(near, rmsd=np.array([0.31]), heavy_rmsd=np.array([0.2]))).tolist() == [False]
    assert stayed(replace(near, rmsd=np.array([0.31]), heavy_rmsd=np.array([0.2])), heavy=True).tolist() == [True]


def test_relative_errors_have_no_zero():
    energy = np.array([0.0, 1.0, 2.0, 9.0])
    rows = np.array([True, True, True, False])
    assert relative_error(energy, energy + 5, rows) == pytest.approx(0, abs=1e-6)
    reference = energy + np.array([0.0, 0.0, 0.3, 0.0])
    assert relative_error(energy, reference, rows) * KCAL_PER_MOL == pytest.approx((0.1 + 0.1 + 0.2) / 3)
    assert relative_error(energy, np.array([0.0, np.nan, 2.0, 1.0]), rows) == pytest.approx(0, abs=1e-6)
    assert relative_error(energy, energy, rows & False) is None


def test_rows_of_a_table():
    column = np.arange(3.0)
    table = Verifications(column.astype(int), column.astype(str), *[column] * 6, torch.zeros(3, 2, 3))
    some = rows_of(table, np.array([True, False, True]))
    assert some.minimum.tolist() == [0, 2]
    assert some.positions.shape == (2, 2, 3)
