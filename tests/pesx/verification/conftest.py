import pytest
import torch

from pesx.molecule import Molecule


def peroxide(torsion: float) -> torch.Tensor:
    """H2O2 with this torsion, radian; angstrom."""
    angle = torch.tensor(torsion, dtype=torch.float64)
    x, radius = -0.16, 0.95
    first = torch.tensor([x, radius, 0.0], dtype=torch.float64)
    last = torch.stack([torch.tensor(1.45 - x).double(), radius * angle.cos(), radius * angle.sin()])
    oxygens = torch.tensor([[0.0, 0.0, 0.0], [1.45, 0.0, 0.0]], dtype=torch.float64)
    return torch.cat([first[None], oxygens, last[None]])


@pytest.fixture
def peroxides():
    """Hydrogen peroxide, and three of its structures: two that are mirror images, and a flat one."""
    starts = torch.stack([peroxide(angle) for angle in (1.9, -1.9, 3.1)])
    molecule = Molecule(
        torch.tensor([1, 8, 8, 1]), starts[0], bonds=torch.tensor([[0, 1], [1, 2], [2, 3]]), name="HOOH"
    )
    return molecule, starts
