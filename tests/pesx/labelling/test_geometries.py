import numpy as np
import pytest
from rdkit import Chem

from pesx.labelling import geometries
from pesx.labelling.peptides import peptide_smiles
from pesx.labelling.template import Template, make_template

MAKERS = [geometries.embedded, geometries.scanned, geometries.distorted, geometries.conformer]


@pytest.fixture(scope="module")
def dialanine() -> Template:
    return make_template("ala2", peptide_smiles("Ala-Ala"))


def _handedness(template: Template, positions: np.ndarray) -> list[str]:
    mol = template.conformer(positions)
    Chem.AssignStereochemistryFrom3D(mol)
    return [label for _, label in Chem.FindMolChiralCenters(mol, useLegacyImplementation=False)]


@pytest.mark.parametrize("make", MAKERS)
def test_residues_stay_l(make, dialanine: Template) -> None:
    rng = np.random.default_rng(3)
    for _ in range(12):
        assert _handedness(dialanine, make(dialanine, rng)) == ["S", "S"]


@pytest.mark.parametrize("make", MAKERS)
def test_everything_follows_from_the_seed(make, dialanine: Template) -> None:
    first, again, other = (make(dialanine, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def _amides(template: Template, positions: np.ndarray) -> np.ndarray:
    measured = np.abs(template.measured(positions))
    return measured[[torsion.is_amide for torsion in template.torsions]]


@pytest.mark.parametrize(("make", "least"), [(geometries.scanned, 0.07), (geometries.embedded, 0.02)])
def test_amides_are_mostly_trans_and_sometimes_cis(make, least: float, dialanine: Template) -> None:
    rng = np.random.default_rng(7)
    angles = np.concatenate([_amides(dialanine, make(dialanine, rng)) for _ in range(60)])
    assert (angles > 140).mean() > 0.6
    assert least < (angles < 40).mean() < 0.3


def test_scans_reach_the_barrier_between_cis_and_trans(dialanine: Template) -> None:
    rng = np.random.default_rng(8)
    angles = np.concatenate([_amides(dialanine, geometries.scanned(dialanine, rng)) for _ in range(60)])
    assert ((angles > 50) & (angles < 130)).sum() >= 1


def test_scans_cover_the_ramachandran_map() -> None:
    alanine = make_template("ala", peptide_smiles("Ala"))
    rng = np.random.default_rng(9)
    backbone = [
        index
        for index, torsion in enumerate(alanine.torsions)
        if not torsion.is_amide and all(alanine.numbers[atom] != 1 for atom in torsion.atoms)
    ]
    assert len(backbone) == 2
    angles = np.array([alanine.measured(geometries.scanned(alanine, rng))[backbone] for _ in range(150)])
    cells = {tuple(cell) for cell in np.floor((angles + 180) / 60).astype(int) % 6}
    assert len(cells) >= 30  # of 36; 150 uniform draws miss 0.5 of them on average


def test_contacts_reach_far_below_those_of_conformers(dialanine: Template) -> None:
    rng = np.random.default_rng(10)
    relaxed = [geometries.contact_ratio(dialanine, geometries.conformer(dialanine, rng)) for _ in range(10)]
    pressed = [
        geometries.contact_ratio(dialanine, geometries.touching(dialanine, geometries.conformer(dialanine, rng), rng))
        for _ in range(20)
    ]
    assert np.mean(pressed) < np.mean(relaxed) - 0.1
    assert min(relaxed) > 0.8
    assert min(pressed) < 0.65
    assert min(pressed) > 0.45


def test_stretching_reaches_both_sides(dialanine: Template) -> None:
    rng = np.random.default_rng(11)
    start = geometries.conformer(dialanine, rng)
    pairs = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in dialanine.mol.GetBonds()]).T

    def lengths(positions: np.ndarray) -> np.ndarray:
        return np.linalg.norm(positions[pairs[0]] - positions[pairs[1]], axis=1)

    ratios = np.array([lengths(geometries.stretched(dialanine, start, rng)) / lengths(start) for _ in range(60)])
    assert ratios.min() < 0.9
    assert ratios.max() > 1.15
    assert ((ratios > 0.7) & (ratios < 1.6)).all()


@pytest.mark.parametrize("smiles", ["C", "c1ccccc1", "O", "C1CC1"])
def test_any_molecule_can_be_sampled(smiles: str) -> None:
    template = make_template(smiles, smiles)
    rng = np.random.default_rng(12)
    for make in MAKERS:
        for _ in range(6):
            positions = make(template, rng)
            assert positions.shape == (len(template.numbers), 3)
            assert np.isfinite(positions).all()
