"""What every relaxer must do; the files of their own hold what is particular."""

import pytest
import torch

from pesx.outcome import Outcome
from pesx.potentials.lennard_jones import LennardJones
from pesx.potentials.muller_brown import MullerBrown
from pesx.relax.fire import Fire
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.quench import Convergence, quench
from pesx.relax.staged import Staged
from pesx.state import Evaluation
from pesx.testing import check_stepper

RELAXERS = [Fire(), Lbfgs(memory=6), Staged(), Staged(switch=20.0)]
TIGHT = Convergence(fmax=1e-6, max_steps=3000)


def starts(n_atoms, n_replicas, seed=0):
    """Atoms spread evenly over a ball about as large as the cluster."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(n_replicas, n_atoms, 3, dtype=torch.float64, generator=generator)
    radii = torch.rand(n_replicas, n_atoms, 1, dtype=torch.float64, generator=generator) ** (1 / 3)
    return (0.2 + 0.6 * n_atoms ** (1 / 3)) * radii * directions / directions.norm(dim=-1, keepdim=True)


class Driven:
    """Lennard-Jones, but a marked row is told NaN from the third evaluation on."""

    def __init__(self, row):
        self.row, self.n_calls = row, 0

    def __call__(self, positions):
        now, self.n_calls = LennardJones()(positions), self.n_calls + 1
        if self.n_calls < 3:
            return now
        energy, forces = now.energy.clone(), now.forces.clone()
        energy[self.row], forces[self.row] = torch.nan, torch.nan
        return Evaluation(energy, forces)


def after(relaxer, potential, positions, n_steps):
    state = relaxer.init(positions)
    for _ in range(n_steps):
        state = relaxer.step(state, potential(state.positions))
    return state.positions


@pytest.mark.parametrize("relaxer", RELAXERS)
def test_it_keeps_the_contract_of_a_stepper(relaxer):
    check_stepper(relaxer, LennardJones(), starts(8, 5, seed=3), n_steps=40).raise_if_wrong()


@pytest.mark.parametrize("relaxer", RELAXERS)
def test_a_replica_moves_the_same_to_the_bit_alone_permuted_and_beside_nan(relaxer):
    positions = starts(8, 64)
    whole = after(relaxer, LennardJones(), positions, 40)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(after(relaxer, LennardJones(), positions[order], 40), whole[order])
    for row in (0, 31, 63):
        assert torch.equal(after(relaxer, LennardJones(), positions[row : row + 1], 40), whole[row : row + 1])
    beside = after(relaxer, Driven(17), positions, 40)
    others = torch.arange(64) != 17
    assert torch.equal(beside[others], whole[others])
    assert torch.isfinite(beside[17]).all()


@pytest.mark.parametrize("relaxer", RELAXERS)
@pytest.mark.parametrize(("n_atoms", "energies"), [(5, [-9.103852]), (6, [-12.712062, -12.302928])])
def test_random_starts_end_in_the_known_minima(relaxer, n_atoms, energies):
    found = quench(relaxer, LennardJones(), starts(n_atoms, 24), convergence=TIGHT)
    assert (found.outcome == Outcome.CONVERGED).all()
    assert (found.fmax <= TIGHT.fmax).all()
    # A start may lose an atom to infinity, where forces vanish as well.
    whole = (found.positions - found.positions.mean(1, keepdim=True)).norm(dim=-1).amax(1) < 3.0
    assert whole.sum() > 12
    gaps = (found.energy[whole, None] - torch.tensor(energies, dtype=torch.float64)).abs()
    assert (gaps.amin(1) < 1e-6).all()
    assert (gaps.amin(0) < 1e-6).all()


@pytest.mark.parametrize("relaxer", [Fire(), Lbfgs(), Staged()])
def test_all_three_minima_of_muller_brown_are_found(relaxer):
    near = torch.tensor([[-0.7, 1.2, 0.0], [0.5, 0.1, 0.0], [-0.1, 0.5, 0.0]], dtype=torch.float64)[:, None]
    found = quench(relaxer, MullerBrown(), near, convergence=Convergence(fmax=1e-6, max_steps=5000))
    assert (found.outcome == Outcome.CONVERGED).all()
    known = torch.tensor([-146.699517, -108.166724, -80.767818], dtype=torch.float64)
    torch.testing.assert_close(found.energy, known, rtol=0, atol=1e-6)


@pytest.mark.parametrize("relaxer", [Fire(), Lbfgs(), Staged()])
def test_it_works_in_float32(relaxer):
    found = quench(relaxer, LennardJones(), starts(7, 16).float(), convergence=Convergence(fmax=1e-2, max_steps=3000))
    assert found.positions.dtype == found.energy.dtype == torch.float64
    assert (found.outcome == Outcome.CONVERGED).all()
