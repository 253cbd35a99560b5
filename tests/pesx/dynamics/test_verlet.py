from dataclasses import replace
from math import acos, cos
from typing import Any

import pytest
import torch

from pesx.dynamics.motion import Motion, thermal_velocities
from pesx.dynamics.verlet import VelocityVerlet
from pesx.errors import ConfigError
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.quench import quench
from pesx.state import Evaluation
from pesx.streams import Streams
from pesx.testing import check_stepper
from pesx.typing import Positions, Tensor


def started(integrator: VelocityVerlet, positions: Positions, kT: float) -> Motion:  # noqa: N803
    n = len(positions)
    kTs = torch.full((n,), kT, dtype=torch.float64)  # noqa: N806
    velocities = thermal_velocities(positions, integrator.masses, kTs, Streams(1, range(n), [0] * n))
    return replace(integrator.init(positions), velocities=velocities)


def energies(integrator: VelocityVerlet, potential: Any, state: Motion, n_steps: int) -> tuple[Tensor, Motion]:
    """Return total energies in every step, and the last state."""
    found = []
    for _ in range(n_steps):
        now = potential(state.positions)
        found.append(integrator.conserved(integrator.complete(state, now), now))
        state = integrator.step(state, now)
    return torch.stack(found), state


def slopes(values: Tensor) -> Tensor:
    """Return the least-squares slope per row of time."""
    time = torch.arange(len(values), dtype=torch.float64)
    time = time - time.mean()
    return (time[:, None] * (values - values.mean(dim=0))).sum(dim=0) / time.square().sum()


def test_a_harmonic_oscillator_has_the_period_of_the_discrete_equation(well: Any) -> None:
    # x(t + dt) + x(t - dt) = (2 - (omega dt)^2) x(t) is solved by x0 cos(n theta), theta = acos(1 - (omega dt)^2 / 2).
    mass, stiffness, dt = 4.0, 0.9, 0.5
    integrator = VelocityVerlet(torch.tensor([mass], dtype=torch.float64), dt, is_free=False)
    state = integrator.init(torch.full((1, 1, 3), 0.3, dtype=torch.float64))
    theta = acos(1 - 0.5 * stiffness / mass * dt**2)
    for step in range(1, 200):
        state = integrator.step(state, well(stiffness)(state.positions))
        assert (state.positions - 0.3 * cos(step * theta)).abs().max() < 1e-11
    assert theta / dt == pytest.approx((stiffness / mass) ** 0.5, rel=3e-3)


def test_the_energy_error_scales_with_the_square_of_the_time_step(solid: Any) -> None:
    spread = []
    for dt in (0.4, 0.8):
        integrator = VelocityVerlet(solid.masses, dt)
        values, _ = energies(integrator, solid.potential, started(integrator, solid.replicas(4), 0.03), int(160 / dt))
        spread.append(float(values.std(dim=0).mean()))
    assert spread[1] / spread[0] == pytest.approx(4.0, rel=0.15)


def test_forces_in_float32_do_not_make_the_energy_drift(solid: Any) -> None:
    dt, n_steps = 0.5, 4000
    integrator = VelocityVerlet(solid.masses, dt)

    def rounded(positions: Positions) -> Evaluation:
        return solid.potential(positions.float())

    start = started(integrator, solid.replicas(4), 0.03)
    values, end = energies(integrator, rounded, start, n_steps)
    drift = slopes(values) / dt * 1e3 / len(solid.masses)  # eV per step -> eV per ps and atom
    assert drift.abs().max() < 1e-5  # 0.01 meV per atom and ps
    momenta = solid.masses[:, None] * integrator.complete(end, rounded(end.positions)).velocities
    assert momenta.sum(dim=1).abs().max() < 1e-9
    assert torch.linalg.cross(end.positions, momenta).sum(dim=1).abs().max() < 1e-6
    centre = (solid.masses[:, None] * end.positions).sum(dim=1) / solid.masses.sum()
    began = (solid.masses[:, None] * start.positions).sum(dim=1) / solid.masses.sum()
    assert (centre - began).abs().max() < 1e-9


def test_a_lennard_jones_cluster_keeps_its_energy() -> None:
    seven = torch.randn(1, 7, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    positions = quench(Lbfgs(stiffness=500.0), LennardJones(), seven).positions
    spread = []
    for dt in (0.002, 0.004):
        integrator = VelocityVerlet(torch.ones(7, dtype=torch.float64), dt)
        values, _ = energies(integrator, LennardJones(), started(integrator, positions, 0.1), int(2 / dt))
        spread.append(float((values - values[0]).abs().max()))
    assert spread[1] < 1e-3
    assert spread[1] / spread[0] == pytest.approx(4.0, rel=0.2)


def test_turned_round_it_goes_back_where_it_came_from(solid: Any) -> None:
    integrator = VelocityVerlet(solid.masses, 0.8)
    start = started(integrator, solid.replicas(2), 0.03)
    state = start
    for _ in range(100):
        state = integrator.step(state, solid.potential(state.positions))
    there = integrator.complete(state, solid.potential(state.positions))
    back = replace(there, velocities=-there.velocities)
    for _ in range(100):
        back = integrator.step(back, solid.potential(back.positions))
    assert torch.allclose(back.positions, start.positions, rtol=0, atol=1e-9)


def test_it_is_a_stepper_whose_rows_are_alone(solid: Any) -> None:
    positions = solid.replicas(4) + 0.05 * torch.randn(4, 9, 3, generator=torch.Generator().manual_seed(0)).double()
    check_stepper(VelocityVerlet(solid.masses, 0.5), solid.potential, positions, goes_down=False).raise_if_wrong()


def test_completing_twice_is_completing_once(solid: Any) -> None:
    integrator = VelocityVerlet(solid.masses, 0.5)
    state = started(integrator, solid.replicas(2), 0.03)
    state = integrator.step(state, solid.potential(state.positions))
    now = solid.potential(state.positions)
    once = integrator.complete(state, now)
    assert torch.allclose(integrator.complete(once, now).velocities, once.velocities, rtol=0, atol=1e-15)
    assert torch.equal(integrator.step(once, now).positions.isfinite(), torch.ones(2, 9, 3, dtype=torch.bool))


def test_a_time_step_of_nothing_is_refused(solid: Any) -> None:
    with pytest.raises(ConfigError, match="timestep"):
        VelocityVerlet(solid.masses, 0.0)
