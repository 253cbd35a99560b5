import math

import numpy as np
import pytest
import torch

from pesx.analysis.descriptors import backbone
from pesx.analysis.report.torsions import principal_components
from pesx.chemistry.perceive import perceive
from pesx.geometry.torsion import rotate_about_bond, torsion_angles


@pytest.fixture
def turned(peptide):
    """Makes structures whose psi is turned by these angles, degree."""
    (_, _, ca, c, _), *_ = backbone(peptide)
    rotors = perceive(peptide).torsions
    row = next(k for k, bond in enumerate(rotors.bonds.tolist()) if set(bond) == {ca, c})

    def make(*angles):
        starts = peptide.positions.expand(len(angles), -1, -1)
        turns = torch.deg2rad(torch.tensor(angles, dtype=torch.float64))
        return rotate_about_bond(starts, rotors.bonds[row], rotors.moving[row], turns), rotors.quads[row]

    return make


def test_two_families_lie_apart_on_the_first_component(material, turned):
    positions, _ = turned(0.0, 4.0, -4.0, 180.0, 176.0, 184.0)
    scores, shares = principal_components(material([0.0] * 6, positions=positions))
    assert scores.shape == (6, 2)
    assert shares[0] > 0.95 > 0.05 > shares[1]
    one, other = scores[:3, 0], scores[3:, 0]
    assert abs(one.mean() - other.mean()) > 10 * max(np.ptp(one), np.ptp(other))


def test_a_full_turn_makes_no_difference(material, turned):
    _, quad = turned(0.0)
    here = math.degrees(float(torsion_angles(turned(0.0)[0], quad[None])[0, 0]))
    # To 179 and to -179 degree, which are near, and to 0.
    positions, _ = turned(179 - here, -179 - here, -here)
    scores, _ = principal_components(material([0.0] * 3, positions=positions))
    near, far = np.linalg.norm(scores[0] - scores[1]), np.linalg.norm(scores[0] - scores[2])
    assert near < 0.05 < 1.9 < far


@pytest.mark.parametrize("n", [0, 2])
def test_too_few_have_none(material, n):
    scores, shares = principal_components(material([0.0] * n))
    assert scores.shape == (n, 0)
    assert shares.shape == (0,)


def test_no_variance_and_no_bonds_have_none(material, peptide):
    same = peptide.positions.expand(4, -1, -1)
    assert principal_components(material([0.0] * 4, positions=same))[0].shape == (4, 0)


def test_a_structure_without_torsions_does_not_spoil_the_others(material, turned):
    positions, _ = turned(0.0, 60.0, 120.0, 180.0, 240.0)
    positions[1] = 0.0
    scores, _ = principal_components(material([0.0] * 5, positions=positions))
    assert np.isnan(scores).any(axis=1).tolist() == [False, True, False, False, False]


def test_a_cluster_has_none(material, cluster):
    positions = cluster.positions.expand(4, -1, -1)
    made = material([0.0] * 4, molecule=cluster, positions=positions, unit="epsilon")
    assert principal_components(made)[0].shape == (4, 0)
