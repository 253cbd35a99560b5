import pytest
import torch
from torch.func import jacrev

from pesx.geometry.internal import angle_rows, bonded_angles, bonded_torsions, torsion_rows
from pesx.geometry.torsion import torsion_angles
from pesx.typing import Tensor

CHAIN = torch.tensor([[0, 1], [1, 2], [2, 3], [2, 4]])


@pytest.fixture
def positions() -> Tensor:
    bent = torch.tensor([[0.0, 1, 0], [1, 0, 0], [2, 1, 0], [3, 0, 0.5], [2, 2, 1]], dtype=torch.float64)
    return bent + 0.25 * torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def angles_of(positions: Tensor, angles: Tensor) -> Tensor:
    i, j, k = (positions[angles[:, column]] for column in range(3))
    u, v = torch.nn.functional.normalize(i - j, dim=-1), torch.nn.functional.normalize(k - j, dim=-1)
    return torch.arccos((u * v).sum(dim=-1))


def test_terms_of_a_branched_chain() -> None:
    assert sorted(bonded_angles(CHAIN).tolist()) == [[0, 1, 2], [1, 2, 3], [1, 2, 4], [3, 2, 4]]
    assert sorted(bonded_torsions(CHAIN).tolist()) == [[0, 1, 2, 3], [0, 1, 2, 4]]
    assert bonded_torsions(torch.tensor([[0, 1], [1, 2], [0, 2]])).shape == (0, 4)


def test_angle_rows_are_the_derivatives(positions: Tensor) -> None:
    angles = bonded_angles(CHAIN)
    for row, geometry in zip(angle_rows(positions, angles), positions, strict=True):
        exact = jacrev(lambda x: angles_of(x, angles))(geometry)
        picked = torch.stack([exact[term, atoms] for term, atoms in enumerate(angles)])
        assert torch.allclose(row, picked, atol=1e-10)


def test_torsion_rows_are_the_derivatives(positions: Tensor) -> None:
    torsions = bonded_torsions(CHAIN)
    for row, geometry in zip(torsion_rows(positions, torsions), positions, strict=True):
        exact = jacrev(lambda x: torsion_angles(x[None], torsions)[0])(geometry)
        picked = torch.stack([exact[term, atoms] for term, atoms in enumerate(torsions)])
        assert torch.allclose(row, picked, atol=1e-9) or torch.allclose(row, -picked, atol=1e-9)


def test_straight_and_coincident_atoms_give_finite_rows() -> None:
    line = torch.arange(5.0, dtype=torch.float64)[None, :, None] * torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    for geometry in (line, torch.zeros_like(line)):
        assert torch.isfinite(angle_rows(geometry, bonded_angles(CHAIN))).all()
        assert torch.isfinite(torsion_rows(geometry, bonded_torsions(CHAIN))).all()


def test_rigid_motions_change_nothing(positions: Tensor) -> None:
    shift = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64)
    turn = torch.linalg.cross(shift.expand_as(positions), positions)
    for terms, rows in ((bonded_angles(CHAIN), angle_rows), (bonded_torsions(CHAIN), torsion_rows)):
        motion = rows(positions, terms)
        assert float((motion * shift).sum(dim=(2, 3)).abs().max()) < 1e-10
        assert float((motion * turn[:, terms]).sum(dim=(2, 3)).abs().max()) < 1e-10
