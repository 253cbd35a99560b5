import dataclasses

import pytest
import torch

from pesx.so3krates.embedding import AtomEmbedding, ElectronicEmbedding
from pesx.so3krates.graph import collate
from pesx.so3krates.settings import So3kratesSettings

SETTINGS = So3kratesSettings(elements=(1, 6, 8), features=24, degrees=(1, 2))
ELECTRONIC = dataclasses.replace(SETTINGS, charge_embedding=True, spin_embedding=True)
ELEMENT = torch.tensor([2, 0, 0, 1, 0, 0])
MOLECULE = torch.tensor([0, 0, 0, 1, 1, 1])


@pytest.fixture
def electronic() -> ElectronicEmbedding:
    torch.manual_seed(0)
    return ElectronicEmbedding(SETTINGS).double()


def graph(charges: list[int] | None, n_unpaired: list[int] | None = None):
    sizes = [torch.tensor([8, 1, 1]), torch.tensor([6, 1, 1])]
    positions = torch.randn(2, 3, 3, generator=torch.manual_seed(1))
    return collate(sizes, list(positions), 5.0, charges=charges, n_unpaired=n_unpaired)


def test_it_is_what_spookynet_says(electronic: ElectronicEmbedding) -> None:
    electrons = torch.tensor([2.0, -1.0], dtype=torch.float64)
    found = electronic(ELEMENT, MOLECULE, electrons)
    for atoms, number, row in (((0, 1, 2), 2.0, 0), ((3, 4, 5), -1.0, 1)):
        query = electronic.query.weight[ELEMENT[list(atoms)]]
        y = torch.nn.functional.softplus(query @ electronic.key.weight[row] / 24**0.5)
        value = (number * y / y.sum())[:, None] * electronic.value.weight[row]
        torch.testing.assert_close(found[list(atoms)], electronic.refine(value))


def test_nothing_comes_from_nothing(electronic: ElectronicEmbedding) -> None:
    assert not electronic(ELEMENT, MOLECULE, torch.zeros(2)).any()


def test_signs_have_keys_and_values_of_their_own(electronic: ElectronicEmbedding) -> None:
    plus, minus = (electronic(ELEMENT, MOLECULE, torch.full((2,), sign)) for sign in (1.0, -1.0))
    assert not torch.allclose(plus, -minus)


def test_the_sum_is_divided_by_the_root_of_the_number_of_parts() -> None:
    torch.manual_seed(0)
    both = AtomEmbedding(ELECTRONIC)
    neutral = both(ELEMENT, graph(None))
    assert torch.equal(neutral, both.weight[ELEMENT] * 3**-0.5)
    assert torch.equal(both(ELEMENT, graph([0, 0], [0, 0])), neutral)
    plain = AtomEmbedding(SETTINGS)
    assert torch.equal(plain(ELEMENT, graph([1, 0])), plain.weight[ELEMENT])


def test_a_molecule_does_not_hear_of_the_charge_and_spin_of_another() -> None:
    torch.manual_seed(0)
    embedding = AtomEmbedding(ELECTRONIC)
    neutral, charged = embedding(ELEMENT, graph(None)), embedding(ELEMENT, graph([0, 1]))
    assert torch.equal(charged[:3], neutral[:3])
    assert not torch.allclose(charged[3:], neutral[3:])
    assert not torch.allclose(embedding(ELEMENT, graph([0, 0], [0, 1])), charged)


def test_atoms_of_no_molecule_have_no_charge() -> None:
    torch.manual_seed(0)
    embedding = AtomEmbedding(ELECTRONIC)
    longer = torch.cat([ELEMENT, torch.zeros(2, dtype=torch.long)])
    found = embedding(longer, graph([1, -1], [1, 0]))
    torch.testing.assert_close(found[:6], embedding(ELEMENT, graph([1, -1], [1, 0])))
    assert torch.equal(found[6:], embedding.weight[[0, 0]] * 3**-0.5)
