import torch

from pesx.identity.surface import SurfaceIdentity


def test_only_the_place_on_the_surface_counts() -> None:
    here = torch.tensor([[[1.0, 2.0, 0.0]]])
    above, beside = here + torch.tensor([0.0, 0.0, 5.0]), here + torch.tensor([0.3, 0.4, 0.0])
    identity = SurfaceIdentity()
    assert torch.equal(identity.fingerprint(here), identity.fingerprint(above))
    assert identity.distance(here, above).tolist() == [0.0]
    assert torch.allclose(identity.distance(here, beside), torch.tensor([0.5]))


def test_turning_a_point_about_the_origin_makes_another_point() -> None:
    here, turned = torch.tensor([[[1.0, 0.0, 0.0]]]), torch.tensor([[[0.0, 1.0, 0.0]]])
    assert float(SurfaceIdentity().distance(here, turned)) > 1.0


def test_points_are_aligned_as_they_are() -> None:
    here, there = torch.tensor([[[1.0, 0.0, 0.0]]]), torch.tensor([[[0.0, 1.0, 0.0]]])
    assert torch.equal(SurfaceIdentity().aligned(here, there), here)
