from itertools import permutations, product
from math import sqrt

import pytest
import torch

from pesx.errors import ConfigError
from pesx.geometry.align import rmsd, superpose
from pesx.identity.cluster import ClusterIdentity


def numbers_of(kind, n):
    return torch.tensor([18 if kind == "one" or atom % 3 else 36 for atom in range(n)])


def icosahedron():
    golden = (1 + 5**0.5) / 2
    points = [(0.0, 0.0, 0.0)]
    for a, b in product((-1, 1), (-golden, golden)):
        points += [(0, a, b), (a, b, 0), (b, 0, a)]
    return torch.tensor(points, dtype=torch.float64) * 0.56


def random_clusters(n, n_atoms, seed=0):
    generator = torch.Generator().manual_seed(seed)
    grid = torch.cartesian_prod(*[torch.arange(4.0)] * 3).double() * 1.1
    noise = 0.2 * torch.randn(n, n_atoms, 3, dtype=torch.float64, generator=generator)
    return torch.stack([grid[torch.randperm(64, generator=generator)[:n_atoms]] for _ in range(n)]) + noise


def copies(structures, numbers, seed=1):
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(len(structures), 3, 3, dtype=torch.float64, generator=generator))
    out = structures.clone()
    for row in out:
        for element in numbers.unique():
            atoms = (numbers == element).nonzero()[:, 0]
            row[atoms] = row[atoms[torch.randperm(len(atoms), generator=generator)]]
    return out @ (q * torch.linalg.det(q)[:, None, None]) - 2.0


@pytest.mark.parametrize("n_atoms", [1, 2, 3, 4, 5, 6, 7, 13, 38])
@pytest.mark.parametrize("kind", ["one", "two"])
@pytest.mark.parametrize("mirror", ["distinct", "merge"])
def test_rotated_and_renumbered_copies_are_recognised(n_atoms, kind, mirror):
    numbers = numbers_of(kind, n_atoms)
    identity = ClusterIdentity(numbers, mirror)
    structures = random_clusters(8, n_atoms)
    same = copies(structures, numbers)
    assert (identity.distance(same, structures) < 1e-6).all()
    torch.testing.assert_close(identity.superpose(same, structures)[0], structures)
    torch.testing.assert_close(identity.fingerprint(same), identity.fingerprint(structures))


@pytest.mark.parametrize("n_atoms", [5, 6, 13, 38])
@pytest.mark.parametrize("kind", ["one", "two"])
def test_mirror_images_follow_the_policy(n_atoms, kind):
    numbers = numbers_of(kind, n_atoms)
    structures = random_clusters(8, n_atoms)
    image = -copies(structures, numbers)
    assert (ClusterIdentity(numbers, "distinct").distance(image, structures) > 0.02).all()
    merge = ClusterIdentity(numbers, "merge")
    assert (merge.distance(image, structures) < 1e-6).all()
    torch.testing.assert_close(merge.fingerprint(image), merge.fingerprint(structures))


def test_a_symmetric_cluster_is_its_own_mirror_image():
    numbers = torch.full((13,), 18)
    cluster = icosahedron()[None]
    identity = ClusterIdentity(numbers, "distinct")
    assert identity.distance(-copies(cluster, numbers), cluster) < 1e-6


@pytest.mark.parametrize("n_atoms", [4, 13, 38])
def test_slightly_distorted_copies_are_as_near_as_the_distortion(n_atoms):
    numbers = numbers_of("one", n_atoms)
    structures = torch.cat(
        [random_clusters(8, n_atoms), icosahedron()[None]] if n_atoms == 13 else [random_clusters(8, n_atoms)]
    )
    noise = torch.randn(structures.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    near = structures + 0.02 * noise
    expected = rmsd(superpose(near, structures), structures)
    distance = ClusterIdentity(numbers).distance(copies(near, numbers), structures)
    assert (distance <= expected + 1e-9).all()


def test_small_clusters_agree_with_brute_force():
    numbers = torch.tensor([18, 18, 36, 18])
    a, b = random_clusters(6, 4, seed=5), random_clusters(6, 4, seed=6)
    trials = [rmsd(superpose(a[:, [*rest[:2], 2, rest[2]]], b), b) for rest in permutations((0, 1, 3))]
    torch.testing.assert_close(ClusterIdentity(numbers).distance(a, b), torch.stack(trials).amin(dim=0))


@pytest.mark.parametrize("kind", ["one", "two"])
def test_fingerprints_bound_the_distance(kind):
    numbers = numbers_of(kind, 13)
    identity = ClusterIdentity(numbers)
    a, b = random_clusters(10, 13, seed=7), random_clusters(10, 13, seed=8)
    for other in (b, a + 0.1 * b):
        gap = (identity.fingerprint(a) - identity.fingerprint(other)).square().mean(dim=1).sqrt()
        assert (gap <= sqrt(26 / 12) * identity.distance(a, other) + 1e-9).all()
        assert (gap > 1e-3).all()


def test_equal_distances_in_another_arrangement_are_told_apart():
    # The classical homometric pair on a line: both have distances 1 to 17 but 14 and 15.
    marks = torch.tensor([[0, 1, 4, 10, 12, 17], [0, 1, 8, 11, 13, 17]], dtype=torch.float64)
    line = torch.stack([marks, torch.zeros_like(marks), torch.zeros_like(marks)], dim=-1)
    first, second = ClusterIdentity(torch.full((6,), 18)).fingerprint(line)
    torch.testing.assert_close(first[:15], second[:15])
    assert (first[15:] - second[15:]).abs().max() > 0.05


def test_rows_stand_alone():
    numbers = numbers_of("one", 13)
    identity = ClusterIdentity(numbers)
    structures = random_clusters(4, 13)
    spoiled = copies(structures, numbers)
    spoiled[1, 0, 0] = torch.inf
    assert identity.distance(spoiled, structures).isnan().tolist() == [False, True, False, False]
    assert identity.fingerprint(spoiled).isnan().any(dim=1).tolist() == [False, True, False, False]
    assert identity.distance(spoiled[:0], structures[:0]).shape == (0,)


def test_unknown_policies_are_refused():
    with pytest.raises(ConfigError, match="came 'both'"):
        ClusterIdentity(torch.tensor([18]), "both")


def test_aligned_copies_lie_on_their_targets():
    numbers = numbers_of("two", 7)
    structures = random_clusters(4, 7)
    identity = ClusterIdentity(numbers)
    torch.testing.assert_close(identity.aligned(copies(structures, numbers), structures), structures)
