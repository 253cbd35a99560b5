import itertools

import torch

from pesx.so3krates.graph import collate, replicas
from pesx.so3krates.molecular_pairs import LANES, molecular_pairs


def positions(*shape: int):
    return torch.randn(*shape, 3, generator=torch.manual_seed(0), dtype=torch.float64)


def listed(pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.first[pairs.is_pair].tolist(), pairs.second[pairs.is_pair].tolist(), strict=True))


def test_every_pair_of_every_molecule_is_there_once() -> None:
    sizes = (3, 5, 1, 4)
    flat = [positions(n) for n in sizes]
    graph = collate([torch.ones(n, dtype=torch.long) for n in sizes], flat, 1.0)
    pairs = molecular_pairs(graph)
    starts = itertools.accumulate((0, *sizes[:-1]))
    expected = [
        (start + i, start + j)
        for start, n in zip(starts, sizes, strict=True)
        for i, j in itertools.combinations(range(n), 2)
    ]
    assert sorted(listed(pairs)) == expected
    ends = torch.tensor(listed(pairs))
    distance = (graph.positions[ends[:, 0]] - graph.positions[ends[:, 1]]).norm(dim=1)
    torch.testing.assert_close(pairs.distance[pairs.is_pair], distance)
    assert (pairs.distance[~pairs.is_pair] == 1.0).all()
    assert len(pairs.first) % LANES == 0


def test_replicas_give_the_pairs_that_collate_gives() -> None:
    batch, numbers = positions(3, 4), torch.ones(4, dtype=torch.long)
    dense = molecular_pairs(replicas(numbers, batch, 1.0))
    assert listed(dense) == listed(molecular_pairs(collate([numbers] * 3, list(batch), 1.0)))


def test_energies_go_to_the_molecule_of_the_pair_and_holes_count_nothing() -> None:
    graph = collate([torch.ones(n, dtype=torch.long) for n in (2, 3)], [positions(2), positions(3)], 1.0)
    pairs = molecular_pairs(graph)
    found = pairs.per_atom(torch.ones(len(pairs.first)), 5)
    assert float(found[:2].sum()) == 1.0
    assert float(found[2:].sum()) == 3.0


def test_atoms_without_company_have_no_pairs() -> None:
    pairs = molecular_pairs(replicas(torch.tensor([1]), positions(2, 1), 1.0))
    assert not pairs.is_pair.any()
