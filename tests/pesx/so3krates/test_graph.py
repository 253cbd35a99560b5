import itertools

import pytest
import torch
from ase.build import molecule

from pesx.errors import InputError
from pesx.so3krates.graph import CLOSEST, collate, lengths, neighbour_pairs, replicas


def structure(name):
    atoms = molecule(name)
    return torch.tensor(atoms.numbers), torch.tensor(atoms.positions)


def test_pairs_are_those_closer_than_the_cutoff():
    _, positions = structure("CH3CH2OH")
    replica, first, second = neighbour_pairs(torch.stack([positions, 2.0 * positions]), 3.0)
    found = set(zip(replica.tolist(), first.tolist(), second.tolist(), strict=True))
    expected = {
        (row, i, j)
        for row, scale in enumerate((1.0, 2.0))
        for i, j in itertools.combinations(range(len(positions)), 2)
        if scale * float((positions[i] - positions[j]).norm()) < 3.0
    }
    assert found == expected


def test_vectors_point_from_first_to_second_atom():
    numbers, positions = structure("H2O")
    graph = replicas(numbers, positions[None], 5.0)
    torch.testing.assert_close(graph.vectors(), positions[graph.pair_j] - positions[graph.pair_i])


def test_replicas_and_collate_make_the_same_graph():
    numbers, positions = structure("CH3CH2OH")
    batch = torch.stack([positions, 1.1 * positions, positions.flip(0)])
    dense, mixed = replicas(numbers, batch, 2.5), collate([numbers] * 3, list(batch), 2.5)
    for name in ("positions", "numbers", "molecule", "slot", "pair_i", "pair_j"):
        assert torch.equal(getattr(dense, name), getattr(mixed, name)), name
    assert mixed.is_dense


def test_padding_leaves_holes_only_behind_smaller_molecules():
    graph = collate(*zip(*[structure("H2O"), structure("CH4")], strict=True), 5.0)
    assert graph.slot.tolist() == [0, 1, 2, 5, 6, 7, 8, 9]
    assert not graph.is_dense


def test_known_pairs_are_taken_as_given():
    numbers, positions = structure("H2O")
    graph = collate([numbers, numbers], [positions] * 2, 5.0, pairs=[(torch.tensor([0]), torch.tensor([1]))] * 2)
    assert graph.pair_i.tolist() == [0, 3]
    assert graph.pair_j.tolist() == [1, 4]


def test_charges_and_spins_belong_to_molecules():
    numbers, positions = structure("H2O")
    assert replicas(numbers, positions[None], 5.0).charge is None
    same = replicas(numbers, torch.stack([positions] * 3), 5.0, charge=-1, n_unpaired=2)
    assert same.charge.tolist() == [-1.0] * 3
    assert same.n_unpaired.tolist() == [2.0] * 3
    mixed = collate([numbers] * 2, [positions] * 2, 5.0, charges=[1, 0], n_unpaired=[1, 0])
    assert mixed.charge.tolist() == mixed.n_unpaired.tolist() == [1.0, 0.0]


def test_lengths_are_never_zero():
    vectors = torch.tensor([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]], requires_grad=True)
    found = lengths(vectors)
    assert found.tolist() == pytest.approx([5.0, CLOSEST])
    (gradient,) = torch.autograd.grad(found.sum(), vectors)
    assert gradient.tolist() == [pytest.approx([0.6, 0.0, 0.8]), [0.0, 0.0, 0.0]]


def test_empty_or_unfit_input_is_refused():
    numbers, positions = structure("H2O")
    with pytest.raises(InputError, match="at least one"):
        collate([], [], 5.0)
    with pytest.raises(InputError, match="molecule 0"):
        collate([numbers], [positions[:2]], 5.0)
