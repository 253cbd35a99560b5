import numpy as np
import pytest

from pesx.errors import MoleculeError
from pesx.labelling.geometries import embed, noisy
from pesx.labelling.peptides import peptide_smiles
from pesx.labelling.template import Template, make_template


@pytest.fixture(scope="module")
def alanine() -> Template:
    return make_template("ala", peptide_smiles("Ala"))


def test_composition(alanine: Template) -> None:
    assert sorted(alanine.numbers.tolist()) == [1] * 12 + [6] * 6 + [7] * 2 + [8] * 2
    assert alanine.masses.sum() == pytest.approx(144.17, abs=0.01)
    assert (alanine.charge, alanine.multiplicity) == (0, 1)
    oxide = make_template("radical anion", "[O-][CH2]")
    assert (oxide.charge, oxide.multiplicity) == (-1, 2)


def test_torsions_are_four_backbone_bonds_and_three_methyls(alanine: Template) -> None:
    assert [torsion.is_amide for torsion in alanine.torsions].count(True) == 2
    assert len(alanine.torsions) == 7


def test_rings_and_double_bonds_do_not_turn() -> None:
    assert make_template("cyclohexane", "C1CCCCC1").torsions == ()
    assert len(make_template("butene", "CC=CC").torsions) == 2


def test_turning_sets_torsions_and_keeps_bonds_and_handedness(alanine: Template) -> None:
    rng = np.random.default_rng(0)
    positions = embed(alanine, rng)
    angles = rng.uniform(-179, 179, len(alanine.torsions))
    angles[1] = np.nan
    turned = alanine.turned(positions, angles)
    measured = alanine.measured(turned)
    np.testing.assert_allclose(np.delete(measured, 1), np.delete(angles, 1), atol=1e-6)
    assert measured[1] == pytest.approx(alanine.measured(positions)[1], abs=1e-6)
    for bond in alanine.mol.GetBonds():
        pair = [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
        before, after = (np.linalg.norm(np.subtract(*at[pair])) for at in (positions, turned))
        assert after == pytest.approx(before, abs=1e-9)


def test_held_torsions_stay_while_the_rest_relaxes(alanine: Template) -> None:
    positions = embed(alanine, np.random.default_rng(1))
    hold = np.full(len(alanine.torsions), np.nan)
    hold[2:4] = 60.0, -100.0
    relaxed = alanine.relaxed(alanine.turned(positions, hold), 500, hold=hold)
    np.testing.assert_allclose(alanine.measured(relaxed)[2:4], hold[2:4], atol=4.0)
    energy = alanine.classical(positions)
    assert energy(relaxed)[0] < energy(alanine.turned(positions, hold))[0]


@pytest.mark.parametrize("smiles", ["C[C@H](NC(C)=O)C(=O)NC", "C[B](C)C"])
def test_classical_forces_are_minus_the_gradient_wherever_one_jumps(smiles: str) -> None:
    template = make_template("any", smiles)
    rng = np.random.default_rng(2)
    start = embed(template, rng)
    evaluate = template.classical(start)
    for _ in range(3):
        at = noisy(start, rng)
        _, forces = evaluate(at)
        direction = rng.standard_normal(at.shape)
        rise = evaluate(at + 1e-5 * direction)[0] - evaluate(at - 1e-5 * direction)[0]
        assert (forces * direction).sum() == pytest.approx(-rise / 2e-5, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("smiles", ["C(", "CC(C)(C)(C)C"])
def test_rejects_what_is_no_smiles(smiles: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MoleculeError, match="RDKit cannot read"):
        make_template("wrong", smiles)
    assert capfd.readouterr() == ("", "")
