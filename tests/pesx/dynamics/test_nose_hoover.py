"""Statistical tests are at a level of 1e-3 or stricter, with seeds that were not chosen."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy.stats import kstest

from pesx.dynamics.motion import kinetic_energy, thermal_velocities
from pesx.dynamics.nose_hoover import ChainedMotion, NoseHoover
from pesx.dynamics.rigid import Rigid
from pesx.errors import ConfigError
from pesx.streams import Streams
from pesx.testing import check_stepper
from pesx.typing import Positions, Tensor

KT = 0.03


def started(integrator: NoseHoover, positions: Positions) -> ChainedMotion:
    n = len(positions)
    kTs = torch.full((n,), KT, dtype=torch.float64)  # noqa: N806
    velocities = thermal_velocities(positions, integrator.masses, kTs, Streams(1, range(n), [0] * n))
    return replace(integrator.init(positions), velocities=velocities, kT=kTs)


def conserved(integrator: NoseHoover, solid: Any, *, n_steps: int) -> Tensor:
    state, found = started(integrator, solid.replicas(4)), []
    for _ in range(n_steps):
        now = solid.potential(state.positions)
        found.append(integrator.conserved(integrator.complete(state, now), now))
        state = integrator.step(state, now)
    return torch.stack(found)


def test_the_energy_with_the_thermostats_is_kept_to_the_square_of_the_time_step(solid: Any) -> None:
    spread = [
        float(conserved(NoseHoover(solid.masses, dt, relaxation=40.0), solid, n_steps=int(160 / dt)).std(dim=0).mean())
        for dt in (0.4, 0.8)
    ]
    assert spread[1] < 0.02 * 21 * KT
    assert spread[1] / spread[0] == pytest.approx(4.0, rel=0.2)


@pytest.fixture(scope="module")
def samples(solid: Any) -> list[ChainedMotion]:
    integrator = NoseHoover(solid.masses, 0.5, relaxation=40.0)
    state, found = started(integrator, solid.replicas(64)), []
    for step in range(1, 1401):
        state = integrator.step(state, solid.potential(state.positions))
        if step >= 400 and step % 200 == 0:
            found.append(integrator.complete(state, solid.potential(state.positions)))
    return found


def test_temperatures_are_distributed_as_chi_square_with_3n_6_degrees(solid: Any, samples: list[ChainedMotion]) -> None:
    doubled = torch.cat([2 * kinetic_energy(state.velocities, solid.masses) / KT for state in samples])
    assert kstest(doubled.numpy(), "chi2", args=(21,)).pvalue > 1e-3


def test_every_element_has_its_share_of_the_kinetic_energy(solid: Any, samples: list[ChainedMotion]) -> None:
    ratios = torch.cat(
        [
            (solid.masses * state.velocities.square().sum(dim=2)) / KT
            - Rigid.of(state.positions, solid.masses).shares()
            for state in samples
        ]
    )
    for mass in solid.masses.unique():
        # Samples of one replica are not independent for sure; replicas are.
        own = ratios[:, solid.masses == mass].mean(dim=1).reshape(len(samples), -1).mean(dim=0)
        assert abs(float(own.mean())) < 4 * float(own.std()) / len(own) ** 0.5


def test_nothing_drifts_or_turns(solid: Any, samples: list[ChainedMotion]) -> None:
    momenta = solid.masses[:, None] * samples[-1].velocities
    assert momenta.sum(dim=1).abs().max() < 1e-9
    assert torch.linalg.cross(samples[-1].positions, momenta).sum(dim=1).abs().max() < 1e-6


def test_turned_round_it_goes_back_where_it_came_from(solid: Any) -> None:
    integrator = NoseHoover(solid.masses, 0.5, relaxation=40.0)
    state = start = started(integrator, solid.replicas(2))
    for _ in range(100):
        state = integrator.step(state, solid.potential(state.positions))
    there = integrator.complete(state, solid.potential(state.positions))
    back = replace(there, velocities=-there.velocities, rate=-there.rate)
    for _ in range(100):
        back = integrator.step(back, solid.potential(back.positions))
    assert torch.allclose(back.positions, start.positions, rtol=0, atol=1e-8)


def test_it_is_a_stepper_whose_rows_are_alone(solid: Any) -> None:
    positions = solid.replicas(4) + 0.05 * torch.randn(4, 9, 3, generator=torch.Generator().manual_seed(0)).double()

    class Warm(NoseHoover):
        def init(self, positions: Positions) -> ChainedMotion:
            still = super().init(positions)
            return replace(still, kT=torch.full_like(still.kT, KT))

    check_stepper(Warm(solid.masses, 0.5), solid.potential, positions, goes_down=False).raise_if_wrong()


@pytest.mark.parametrize("wrong", [{"relaxation": 0.0}, {"n_thermostats": 0}, {"timestep": -1.0}])
def test_settings_out_of_range_are_refused(solid: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        NoseHoover(**{"masses": solid.masses, "timestep": 0.5, **wrong})
