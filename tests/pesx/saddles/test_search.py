import torch

from pesx.outcome import Outcome
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.quench import Convergence
from pesx.saddles.follow import Follow
from pesx.saddles.search import follow

ON_CLUSTER = Follow(fmax=1e-9, stiffness=100.0, displacement=1e-5, index_tolerance=1e-3)


def octahedra(n, seed):
    octahedron = torch.cat([torch.eye(3), -torch.eye(3)]).double() * 0.79
    return octahedron + 0.12 * torch.randn(n, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_limits_end_a_search():
    starts = octahedra(2, seed=3)
    found = follow(ON_CLUSTER, LennardJones(), ON_CLUSTER.init(starts), limits=Convergence(max_steps=3))
    assert found.outcome.tolist() == [Outcome.OUT_OF_STEPS] * 2
    assert found.n_evaluations.tolist() == [3, 3]
    found = follow(ON_CLUSTER, LennardJones(), ON_CLUSTER.init(starts), limits=Convergence(max_radius=0.1, max_steps=3))
    assert found.outcome.tolist() == [Outcome.RUNAWAY] * 2
