import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pesx.labelling.between import between, interpolated, laid_upon, near_pairs
from pesx.labelling.geometries import embed
from pesx.labelling.template import make_template

WATER = np.array([[0.0, 0, 0], [0.97, 0, 0], [-0.24, 0.94, 0]])
TURN = Rotation.from_euler("xyz", [1.0, 2.0, 3.0]).as_matrix()


def _bond(positions):
    return np.linalg.norm(positions[..., 1, :] - positions[..., 0, :], axis=-1)


def test_a_turned_copy_is_laid_upon_the_original() -> None:
    np.testing.assert_allclose(laid_upon(WATER @ TURN.T + 4.0, WATER), WATER, atol=1e-12)


def test_a_stretch_is_halved_whatever_way_the_molecule_faces() -> None:
    path = interpolated(WATER, 1.4 * WATER @ TURN.T, n_between=3)
    np.testing.assert_allclose(_bond(path), 0.97 * np.array([1.1, 1.2, 1.3]), atol=1e-3)


def test_atoms_that_change_places_pass_around_each_other() -> None:
    bent = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [-1.0, 0.01, 0.0]])
    (middle,) = interpolated(bent, bent[[0, 2, 1]], n_between=1)
    distances = np.linalg.norm(middle[:, None] - middle[None], axis=-1)[np.triu_indices(3, 1)]
    assert distances.min() > 0.9


def test_a_half_turned_torsion_keeps_bonds_apart_and_whole() -> None:
    template = make_template("butane", "CCCC")
    start = template.relaxed(embed(template, np.random.default_rng(0)), 500)
    torsion = next(index for index, one in enumerate(template.torsions) if set(one.atoms) == {0, 1, 2, 3})
    angles = np.full(len(template.torsions), np.nan)
    ends = []
    for degrees in (60.0, 180.0):
        angles[torsion] = degrees
        ends.append(template.turned(start, angles))
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in template.mol.GetBonds()]
    for positions in interpolated(*ends, n_between=3):
        for i, j in bonds:
            at_rest = np.linalg.norm(ends[0][i] - ends[0][j])
            assert np.linalg.norm(positions[i] - positions[j]) == pytest.approx(at_rest, rel=0.12)
        assert 60.0 < abs(template.measured(positions)[torsion]) < 180.0


def test_near_pairs_join_all_by_the_least_motion() -> None:
    stretched = np.stack([factor * WATER for factor in (1.0, 1.3, 1.1, 1.2)])
    stretched[1] = stretched[1] @ TURN.T
    assert near_pairs(stretched) == [(0, 2), (1, 3), (2, 3)]
    assert near_pairs(np.stack([WATER, WATER])) == [(0, 1)]
    assert near_pairs(WATER[None]) == []


def test_every_pair_gets_its_structures() -> None:
    found = dict(between(np.stack([WATER, 1.2 * WATER, 1.1 * WATER]), n_between=2))
    assert sorted(found) == [(0, 2), (1, 2)]
    assert all(path.shape == (2, 3, 3) for path in found.values())
