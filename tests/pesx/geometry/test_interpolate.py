from math import pi

import pytest
import torch

from pesx.geometry.align import rmsd, superpose
from pesx.geometry.interpolate import by_distances, by_torsions, straight
from pesx.geometry.torsion import rotate_about_bond, torsion_angles

BONDS = torch.tensor([[1, 2]])
MOVING = torch.tensor([[False, False, True, True]])
QUADS = torch.tensor([[0, 1, 2, 3]])


def chain(*angles):
    """Four atoms in a zigzag with these torsions, degree."""
    flat = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.5, 0.0, 0.0], [2.0, 1.2, 0.0]], dtype=torch.float64)
    turns = torch.tensor(angles, dtype=torch.float64).deg2rad()
    return rotate_about_bond(flat.expand(len(angles), -1, -1), BONDS[0], MOVING[0], turns)


def turning(first, last, n_images=7):
    return by_torsions(first, last, n_images=n_images, bonds=BONDS, moving=MOVING, quads=QUADS)


def clusters(n, n_atoms=6):
    grid = torch.cartesian_prod(*[torch.arange(3.0)] * 3).double()
    generator = torch.Generator().manual_seed(3)
    return torch.stack([grid[torch.randperm(27, generator=generator)[:n_atoms]] for _ in range(n)])


def test_a_straight_path_is_even_and_ends_where_it_should():
    first, last = clusters(2), clusters(2) + 1.0
    path = straight(first, last, n_images=3)
    assert torch.equal(path[:, 0], first)
    torch.testing.assert_close(path[:, 1:] - path[:, :-1], ((last - first) / 4)[:, None].expand(-1, 4, -1, -1))


def test_torsions_turn_evenly_the_shortest_way_round():
    first, last = chain(170.0, 60.0), chain(-130.0, -60.0)
    path = turning(first, last)
    angles = torsion_angles(path.flatten(0, 1), QUADS).view(2, 9).rad2deg()
    wanted = torch.tensor([[170.0 + 7.5 * k for k in range(9)], [60.0 - 15.0 * k for k in range(9)]]).double()
    torch.testing.assert_close(torch.remainder(angles - wanted + 180, 360) - 180, torch.zeros(2, 9).double())


def test_bonds_keep_their_lengths_where_only_torsions_turn():
    path = turning(chain(180.0), chain(60.0))
    lengths = torch.linalg.vector_norm(path[0, :, 1:] - path[0, :, :-1], dim=2)
    torch.testing.assert_close(lengths, lengths[:1].expand_as(lengths))


def test_what_torsions_leave_is_mixed():
    first, last = chain(180.0), 1.1 * chain(60.0)
    lengths = torch.linalg.vector_norm(turning(first, last, n_images=1)[0, 1, 1:3].diff(dim=0), dim=1)
    torch.testing.assert_close(lengths, torch.tensor([1.5 * 1.05]).double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("way", [by_distances, turning])
def test_ends_are_those_given_but_for_where_they_lie_and_images_lie_on_each_other(way):
    first, last = chain(180.0, 20.0), superpose(chain(70.0, 100.0), chain(180.0, 20.0))
    path = way(first, last, n_images=5)
    assert path.shape == (2, 7, 4, 3)
    for end, given in ((path[:, 0], first), (path[:, -1], last)):
        torch.testing.assert_close(torch.cdist(end, end), torch.cdist(given, given))
    here, there = path[:, :-1].flatten(0, 1), path[:, 1:].flatten(0, 1)
    turned = rmsd(superpose(there, here), here)
    assert (rmsd(there, here) < 1.05 * turned + 1e-9).all()


def test_atoms_that_change_places_pass_around_each_other():
    first = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.9, 0.0], [0.5, 0.3, 0.9]]]).double()
    last = first[:, [1, 0, 2, 3]] + 0.01
    nearest = [
        torch.stack([torch.pdist(image).amin() for image in way(first, last, n_images=5)[0]]).amin()
        for way in (straight, by_distances)
    ]
    assert nearest[0] < 0.1
    assert nearest[1] > 0.5


def test_images_have_distances_between_those_of_the_ends():
    first, last = chain(180.0), superpose(chain(150.0), chain(180.0))
    path = by_distances(first, last, n_images=1)[0]
    wanted = 0.5 * (torch.pdist(path[0]) + torch.pdist(path[2]))
    torch.testing.assert_close(torch.pdist(path[1]), wanted, rtol=1e-2, atol=0)


@pytest.mark.parametrize("way", [straight, by_distances, turning])
def test_rows_stand_alone_beside_one_that_is_not_finite(way):
    first, last = chain(180.0, 50.0, 20.0), superpose(chain(80.0, 120.0, -60.0), chain(180.0, 50.0, 20.0))
    spoilt = first.clone()
    spoilt[1] = torch.nan
    whole = way(spoilt, last, n_images=4)
    for row in (0, 2):
        assert torch.equal(whole[row], way(first[row : row + 1], last[row : row + 1], n_images=4)[0])
    assert whole[1].isnan().any()


def test_half_a_turn_is_no_trouble():
    angles = torsion_angles(turning(chain(0.0), chain(180.0))[0], QUADS)[:, 0].abs()
    assert angles.diff().amin() > 0.9 * pi / 8


def test_a_torsion_turns_the_other_way_where_atoms_would_touch():
    """The ends of a chain pass each other where it is flat on one side; the shortest way leads through there."""
    first, last = chain(80.0, 80.0), chain(-80.0, 170.0)
    contacts = torch.zeros(4, 4).double()
    contacts[0, 3] = contacts[3, 0] = 3.0
    path = by_torsions(first, last, n_images=7, bonds=BONDS, moving=MOVING, quads=QUADS, contacts=contacts)
    angles = torsion_angles(path.flatten(0, 1), QUADS).view(2, 9).rad2deg()
    assert angles[0, 4].abs().item() == pytest.approx(180.0, abs=1e-6)
    assert torch.equal(path[1], turning(first, last)[1])
    contacts[0, 3] = contacts[3, 0] = 0.5
    near = by_torsions(first, last, n_images=7, bonds=BONDS, moving=MOVING, quads=QUADS, contacts=contacts)
    assert torch.equal(near, turning(first, last))
