import pytest
import torch

from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.quench import quench
from pesx.relax.two_stage import TwoStage, molecular_stages, reduced_stages

WATER = Molecule(
    numbers=torch.tensor([8, 1, 1]),
    positions=torch.tensor([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]),
    bonds=torch.tensor([[0, 1], [0, 2]]),
)


@pytest.mark.parametrize("stages", [molecular_stages(WATER), reduced_stages(500.0)])
def test_the_polish_goes_on_where_the_rough_stage_ends(stages: TwoStage):
    assert stages.polish_convergence.fmax < stages.rough_convergence.fmax


def test_both_stages_take_three_atoms_to_their_triangle():
    stages, potential = reduced_stages(500.0), LennardJones()
    start = torch.tensor([[[0.0, 0.0, 0.0], [1.3, 0.0, 0.0], [0.2, 1.2, 0.1]]])
    rough = quench(stages.rough, potential, start, convergence=stages.rough_convergence)
    fine = quench(stages.polish, potential, rough.positions, convergence=stages.polish_convergence)
    assert fine.outcome.item() == Outcome.CONVERGED
    assert fine.fmax.item() <= 1e-7
    assert fine.energy.item() == pytest.approx(-3.0, abs=1e-10)
