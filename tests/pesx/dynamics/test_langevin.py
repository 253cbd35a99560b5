"""Statistical tests are at a level of 1e-3 or stricter, with seeds that were not chosen."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import cumulative_trapezoid
from scipy.stats import kstest

from pesx.dynamics.langevin import Langevin
from pesx.dynamics.motion import Motion, kinetic_energy, thermal_velocities
from pesx.dynamics.noise import Noise
from pesx.dynamics.rigid import Rigid
from pesx.errors import ConfigError
from pesx.state import take_rows
from pesx.streams import Streams
from pesx.testing import check_stepper
from pesx.typing import Positions, Tensor

KT = 0.03


def started(integrator: Langevin, positions: Positions) -> Motion:
    n = len(positions)
    kTs = torch.full((n,), KT, dtype=torch.float64)  # noqa: N806
    streams = Streams(1, range(n), [0] * n)
    velocities = thermal_velocities(positions, integrator.masses, kTs, streams, is_free=integrator.is_free)
    return replace(integrator.init(positions), velocities=velocities, kT=kTs)


def sampled(
    integrator: Langevin, potential: Any, positions: Positions, *, skip: int, n: int, every: int
) -> list[Motion]:
    state, found = started(integrator, positions), []
    for step in range(skip + n * every):
        now = potential(state.positions)
        state = integrator.step(state, now)
        if step >= skip and (step - skip) % every == 0:
            found.append(integrator.complete(state, potential(state.positions)))
    return found


def test_positions_in_a_harmonic_well_have_the_exact_variance_at_a_long_time_step(well: Any) -> None:
    mass, stiffness, dt = 1.0, 1.0, 1.2  # omega dt = 1.2, near the limit of 2
    integrator = Langevin(torch.tensor([mass]).double(), dt, 0.5, Noise(5), is_free=False)
    start = torch.zeros(400, 1, 3, dtype=torch.float64)
    found = sampled(integrator, well(stiffness), start, skip=100, n=25, every=12)
    positions = torch.stack([state.positions for state in found])
    ratio = float(positions.square().mean()) * stiffness / KT
    assert ratio == pytest.approx(1.0, abs=4 * (2 / positions.numel()) ** 0.5)
    # The velocities have not, by (omega dt)^2 / 4; so the test above would notice another splitting.
    kinetic = float(torch.stack([state.velocities for state in found]).square().mean()) * mass / KT
    assert kinetic == pytest.approx(1 - (dt**2 * stiffness / mass) / 4, rel=0.05)


@pytest.fixture(scope="module")
def samples(solid: Any) -> list[Motion]:
    integrator = Langevin(solid.masses, 0.5, 0.05, Noise(2))
    return sampled(integrator, solid.potential, solid.replicas(64), skip=200, n=6, every=100)


def test_temperatures_are_distributed_as_chi_square_with_3n_6_degrees(solid: Any, samples: list[Motion]) -> None:
    doubled = torch.cat([2 * kinetic_energy(state.velocities, solid.masses) / KT for state in samples])
    assert kstest(doubled.numpy(), "chi2", args=(21,)).pvalue > 1e-3


def test_every_element_has_its_share_of_the_kinetic_energy(solid: Any, samples: list[Motion]) -> None:
    ratios = torch.cat(
        [
            (solid.masses * state.velocities.square().sum(dim=2)) / KT
            - Rigid.of(state.positions, solid.masses).shares()
            for state in samples
        ]
    )
    for mass in solid.masses.unique():
        own = ratios[:, solid.masses == mass].mean(dim=1)
        assert abs(float(own.mean())) < 4 * float(own.std()) / len(own) ** 0.5


def test_nothing_drifts_or_turns(solid: Any, samples: list[Motion]) -> None:
    momenta = solid.masses[:, None] * samples[-1].velocities
    assert momenta.sum(dim=1).abs().max() < 1e-9
    assert torch.linalg.cross(samples[-1].positions, momenta).sum(dim=1).abs().max() < 1e-6


def test_distances_of_two_atoms_are_those_of_free_rotation(springs: Any) -> None:
    # The canonical density of the distance of two atoms in space is r^2 exp(-V/kT); without the rotation it left out, dynamics
    # without angular momentum would give exp(-V/kT).
    length, stiffness = 1.0, 1.5
    potential = springs(torch.tensor([[0, 1]]), torch.tensor([length]).double(), stiffness)
    integrator = Langevin(torch.tensor([100.0, 1500.0]).double(), 1.0, 0.05, Noise(9))
    start = torch.tensor([[[0.0, 0, 0], [0, 0, length]]], dtype=torch.float64).expand(256, -1, -1).clone()
    found = sampled(integrator, potential, start, skip=200, n=6, every=100)
    distances = torch.cat([(state.positions[:, 0] - state.positions[:, 1]).norm(dim=1) for state in found]).numpy()

    def p_value(power: int) -> float:
        grid = np.linspace(0.05, 2.5, 4000)
        density = grid**power * np.exp(-0.5 * stiffness * (grid - length) ** 2 / KT)
        cumulated = cumulative_trapezoid(density, grid, initial=0.0)
        return float(kstest(distances, lambda r: np.interp(r, grid, cumulated / cumulated[-1])).pvalue)

    assert p_value(2) > 1e-3
    assert p_value(0) < 1e-6


def test_it_is_a_stepper_whose_rows_are_alone(solid: Any) -> None:
    positions = solid.replicas(4) + 0.05 * torch.randn(4, 9, 3, generator=torch.Generator().manual_seed(0)).double()

    class Warm(Langevin):
        def init(self, positions: Positions) -> Motion:
            still = super().init(positions)
            return replace(still, kT=torch.full_like(still.kT, KT))

    integrator = Warm(solid.masses, 0.5, 0.01, Noise(1))
    check_stepper(integrator, solid.potential, positions, goes_down=False).raise_if_wrong()


def test_a_replica_that_leaves_does_not_change_the_others(solid: Any) -> None:
    integrator = Langevin(solid.masses, 0.5, 0.05, Noise(2))

    def advanced(state: Motion, n_steps: int) -> Motion:
        for _ in range(n_steps):
            state = integrator.step(state, solid.potential(state.positions))
        return state

    whole = advanced(started(integrator, solid.replicas(5)), 50)
    left = advanced(started(integrator, solid.replicas(5)), 20)
    left = advanced(take_rows(left, torch.tensor([0, 3])), 30)
    assert torch.equal(left.positions, whole.positions[[0, 3]])
    assert torch.equal(left.velocities, whole.velocities[[0, 3]])


def test_without_friction_it_is_velocity_verlet(solid: Any) -> None:
    integrator = Langevin(solid.masses, 0.5, 0.0, Noise(2))
    state = replace(started(integrator, solid.replicas(2)), kT=torch.zeros(2, dtype=torch.float64))
    energies: list[Tensor] = []
    for _ in range(200):
        now = solid.potential(state.positions)
        at = integrator.complete(state, now)
        energies.append(now.energy + kinetic_energy(at.velocities, solid.masses))
        state = integrator.step(state, now)
    spread = torch.stack(energies).std(dim=0).max()
    assert spread < 2e-3 * 21 * KT


def test_negative_friction_is_refused(solid: Any) -> None:
    with pytest.raises(ConfigError, match="friction"):
        Langevin(solid.masses, 0.5, -1.0, Noise(0))
