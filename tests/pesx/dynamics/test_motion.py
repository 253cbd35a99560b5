from typing import Any

import torch
from scipy.stats import kstest

from pesx.dynamics.motion import Motion, kicked, kinetic_energy, thermal_velocities
from pesx.streams import Streams


def test_kinetic_energies_of_thermal_velocities_are_chi_square_with_3n_6_degrees(solid: Any) -> None:
    n = 500
    kT = torch.full((n,), 0.03, dtype=torch.float64)  # noqa: N806
    streams = Streams(4, range(n), [0] * n)
    velocities = thermal_velocities(solid.replicas(n), solid.masses, kT, streams)
    doubled = 2 * kinetic_energy(velocities, solid.masses) / kT
    assert kstest(doubled.numpy(), "chi2", args=(21,)).pvalue > 1e-3
    assert (solid.masses[:, None] * velocities).sum(dim=1).abs().max() < 1e-10


def test_velocities_of_a_replica_do_not_depend_on_the_batch(solid: Any) -> None:
    kT = torch.full((5,), 0.03, dtype=torch.float64)  # noqa: N806
    whole = thermal_velocities(solid.replicas(5), solid.masses, kT, Streams(4, range(5), [0] * 5))
    alone = thermal_velocities(solid.replicas(1), solid.masses, kT[:1], Streams(4, [3], [0]))
    assert torch.equal(whole[3:4], alone)


def test_forces_in_float32_are_summed_in_float64() -> None:
    velocities = torch.ones(1, 1, 3, dtype=torch.float64)
    forces = torch.full((1, 1, 3), 1e-9, dtype=torch.float32)
    after = kicked(velocities, forces, torch.ones(1, dtype=torch.float64), 1.0)
    assert after.dtype == torch.float64
    assert ((after - 1) > 0.9e-9).all()


def test_replicas_at_rest_are_numbered() -> None:
    motion = Motion.at_rest(torch.zeros(3, 2, 3, dtype=torch.float64))
    assert motion.replica.tolist() == [0, 1, 2]
    assert not motion.velocities.any()
