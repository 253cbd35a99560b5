import pytest
import torch

from pesx.errors import ConfigError
from pesx.explore.escape import Escape, EscapeState
from pesx.explore.seeds import RandomSphere
from pesx.outcome import Outcome
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.quench import Convergence, quench
from pesx.streams import Streams
from pesx.typing import Positions, Tensor

N_ATOMS = 8
POTENTIAL = LennardJones()


@pytest.fixture(scope="module")
def minima() -> Positions:
    walkers = torch.arange(24)
    start = RandomSphere(N_ATOMS)(walkers, 0 * walkers, Streams(5, walkers.tolist(), [0] * 24))
    return quench(Lbfgs(stiffness=500.0), POTENTIAL, start, convergence=Convergence(fmax=1e-8)).positions


def launch(escape: Escape, minima: Positions, kinetic: float) -> EscapeState:
    streams = Streams(2, range(len(minima)), [0] * len(minima))
    energies = torch.full((len(minima),), kinetic, dtype=torch.float64)
    return escape.launch(minima, streams.normal(N_ATOMS, 3), energies)


def curvature(minima: Positions, direction: Positions) -> Tensor:
    flat = direction.flatten(1)
    return torch.einsum("bi,bij,bj->b", flat, POTENTIAL.hessian(minima), flat)


def test_softening_lowers_the_curvature_of_every_direction(minima: Positions) -> None:
    escape = Escape(n_soften=20, displacement=0.01)
    state = launch(escape, minima, 1.0)
    before = curvature(minima, state.direction)
    for _ in range(escape.n_soften):
        state = escape.step(state, POTENTIAL(state.positions))
    after = curvature(minima, state.direction)
    assert (after < before).all()
    assert float(after.mean()) < 0.5 * float(before.mean())


def test_the_direction_stays_a_unit_vector_without_rigid_motion(minima: Positions) -> None:
    escape = Escape(displacement=0.01)
    state = launch(escape, minima, 1.0)
    for _ in range(6):
        state = escape.step(state, POTENTIAL(state.positions))
    centred = minima - minima.mean(dim=1, keepdim=True)
    assert torch.allclose(state.direction.flatten(1).norm(dim=1), torch.ones(24, dtype=torch.float64))
    assert float(state.direction.mean(dim=1).abs().max()) < 1e-12
    assert float(torch.linalg.cross(centred, state.direction).sum(dim=1).abs().max()) < 1e-10


def test_dynamics_keeps_its_energy_and_the_error_falls_with_the_square_of_the_step(minima: Positions) -> None:
    drifts = []
    for courant in (0.2, 0.1):
        escape = Escape(displacement=0.01, courant=courant, n_minima=100, max_steps=400)
        state = launch(escape, minima, 0.5)
        for _ in range(escape.n_soften):
            state = escape.step(state, POTENTIAL(state.positions))
        totals = []
        for _ in range(int(20 / courant)):
            now, before = POTENTIAL(state.positions), state
            state = escape.step(state, now)
            middle = 0.5 * (before.velocities + state.velocities)
            totals.append(now.energy + 0.5 * middle.square().sum(dim=(1, 2)))
        energy = torch.stack(totals)
        drifts.append(float((energy - energy[0]).abs().amax(dim=0).median()))
    assert drifts[0] < 0.05
    assert 2.5 < drifts[0] / drifts[1] < 6.0


def share_that_left(minima: Positions, kinetic: float) -> float:
    escape = Escape(displacement=0.01, n_minima=3)
    state = launch(escape, minima, kinetic)
    while (state.outcome == Outcome.RUNNING).any():
        state = escape.step(state, POTENTIAL(state.positions))
    ends = quench(Lbfgs(stiffness=500.0), POTENTIAL, state.positions, convergence=Convergence(fmax=1e-8))
    changed = (ends.energy - POTENTIAL(minima).energy).abs() > 1e-5
    return float(changed.double().mean())


def test_only_enough_energy_leads_to_other_minima(minima: Positions) -> None:
    # The lowest barrier out of any of the eight minima of LJ8 is 0.05 and a typical one is 1 (well depths).
    assert share_that_left(minima, 0.02) == 0.0
    assert share_that_left(minima, 12.0) > 0.5


def test_a_finished_replica_waits_where_it_is(minima: Positions) -> None:
    escape = Escape(displacement=0.01, max_steps=5)
    state = launch(escape, minima, 1.0)
    for _ in range(escape.n_soften + 5):
        state = escape.step(state, POTENTIAL(state.positions))
    assert (state.outcome == Outcome.CONVERGED).all()
    assert torch.equal(escape.step(state, POTENTIAL(state.positions)).positions, state.positions)


@pytest.mark.parametrize("settings", [{"n_soften": 0}, {"courant": 2.0}, {"displacement": 0.0}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Escape(**settings)  # type: ignore[arg-type]
