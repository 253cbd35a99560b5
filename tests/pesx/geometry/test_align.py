import pytest
import torch

from pesx.geometry.align import centre, kabsch, rmsd, superpose


def rotations(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(n, 3, 3, dtype=torch.float64, generator=generator))
    return q * torch.linalg.det(q)[:, None, None]


def structures(n, n_atoms, seed=1):
    return torch.randn(n, n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_atoms", [3, 4, 20])
def test_the_rotation_is_recovered(n_atoms):
    target, turn = structures(6, n_atoms), rotations(6)
    mobile = centre(target) @ turn + 5.0
    torch.testing.assert_close(kabsch(mobile, target), turn)
    torch.testing.assert_close(superpose(mobile, target), target)


def test_a_mirror_image_is_never_reached():
    target = structures(6, 8)
    assert (torch.linalg.det(kabsch(-target, target)) > 0).all()
    assert (rmsd(superpose(-target, target), target) > 0.1).all()


def test_no_small_rotation_fits_better():
    mobile, target = structures(4, 7, seed=2), structures(4, 7, seed=3)
    moved = superpose(mobile, target)
    least = rmsd(moved, target)
    origin = target.mean(dim=1, keepdim=True)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        spin = torch.zeros(3, 3, dtype=torch.float64)
        spin[0, 1], spin[0, 2], spin[1, 2] = 0.02 * torch.randn(3, dtype=torch.float64, generator=generator)
        turned = (moved - origin) @ torch.linalg.matrix_exp(spin - spin.T) + origin
        assert (rmsd(turned, target) >= least).all()


def test_collinear_atoms_fit():
    line = torch.tensor([[[0.0, 0, 0], [0, 0, 1], [0, 0, 3]]], dtype=torch.float64)
    torch.testing.assert_close(superpose(line @ rotations(1), line), line)


def test_a_row_that_is_not_finite_leaves_the_others_alone():
    mobile, target = structures(3, 5, seed=4), structures(3, 5, seed=5)
    spoiled = mobile.clone()
    spoiled[1, 0, 0] = torch.nan
    moved = superpose(spoiled, target)
    assert moved[1].isnan().all()
    assert torch.equal(moved[[0, 2]], superpose(mobile, target)[[0, 2]])
