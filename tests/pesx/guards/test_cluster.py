import pytest
import torch

from pesx.errors import ConfigError
from pesx.guards.cluster import ClusterGuard
from pesx.outcome import Outcome


def test_chains_are_whole_until_a_link_is_too_long():
    chain = torch.zeros(4, 5, 3, dtype=torch.float64)
    chain[..., 0] = torch.arange(5.0) * 1.9
    chain[1, 4, 0] += 0.2
    chain[2, 2:, 1] += 50.0
    chain[3, 0, 0] = torch.nan
    guard = ClusterGuard(2.0)
    expected = [Outcome.CONVERGED, Outcome.FRAGMENTED, Outcome.FRAGMENTED, Outcome.NON_FINITE]
    assert guard.outcome(chain).tolist() == [int(outcome) for outcome in expected]
    assert guard.keys(chain) == [""] * 4


@pytest.mark.parametrize("n_atoms", [1, 2, 3, 38])
def test_the_longest_chain_is_followed_to_its_end(n_atoms):
    chain = torch.zeros(1, n_atoms, 3)
    chain[..., 2] = torch.arange(n_atoms)
    guard = ClusterGuard(1.5)
    assert guard.outcome(chain).tolist() == [int(Outcome.CONVERGED)]


def test_a_bond_needs_a_length():
    with pytest.raises(ConfigError, match="bond_length above 0, came 0"):
        ClusterGuard(0.0)
