from itertools import chain, permutations

import pytest
import torch

from pesx.geometry.assignment import pair_like_atoms, pair_small_groups


def structures(n, n_atoms, seed):
    return torch.randn(n, n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("groups", [[[0, 1], [4, 5]], [[1, 3, 5]], [[0, 2, 4], [1, 3, 6]]])
def test_small_groups_are_paired_as_brute_force_does(groups):
    mobile, target = structures(10, 7, 0), structures(10, 7, 1)
    order = pair_small_groups(mobile, target, torch.tensor(groups))
    for row in range(10):
        for group in groups:
            costs = {
                choice: (mobile[row, list(choice)] - target[row, group]).square().sum().item()
                for choice in permutations(group)
            }
            assert tuple(order[row, group].tolist()) == min(costs, key=costs.get)
        rest = [atom for atom in range(7) if atom not in set(chain.from_iterable(groups))]
        assert order[row, rest].tolist() == rest


def test_no_groups_leave_the_order():
    order = pair_small_groups(structures(2, 3, 0), structures(2, 3, 1), torch.empty(0, 2, dtype=torch.int64))
    assert order.tolist() == [[0, 1, 2]] * 2


def test_like_atoms_are_put_back_within_their_class():
    target = structures(1, 9, 2)[0]
    classes = [torch.tensor([0, 2, 4, 6, 8]), torch.tensor([1, 3, 5, 7])]
    shuffle = torch.arange(9)
    for members, seed in zip(classes, (3, 4), strict=True):
        shuffle[members] = members[torch.randperm(len(members), generator=torch.Generator().manual_seed(seed))]
    mobile = target[shuffle]
    assert torch.equal(mobile[pair_like_atoms(mobile, target, classes)], target)
