from pathlib import Path

import pytest

_SPRINGS = """
import torch
from pesx.state import Evaluation

class Springs:
    def __init__(self, molecule):
        self.i, self.j = torch.combinations(torch.arange(molecule.n_atoms), 2).unbind(dim=1)
        self.lengths = (molecule.positions[self.i] - molecule.positions[self.j]).norm(dim=1)

    def __call__(self, positions):
        arms = positions[:, self.i] - positions[:, self.j]
        distances = arms.square().sum(dim=2).sqrt()
        stretch = distances - self.lengths.to(positions)
        pull = (2.0 * stretch / distances)[..., None] * arms
        forces = torch.zeros_like(positions).index_add(1, self.i, -pull).index_add(1, self.j, pull)
        return Evaluation(stretch.square().sum(dim=1).to(positions), forces)
"""


@pytest.fixture
def springs(tmp_path: Path) -> Path:
    """A folder with a module ``springs``, whose ``Springs`` are a potential: every pair of atoms likes its first distance."""
    (tmp_path / "springs.py").write_text(_SPRINGS)
    return tmp_path
