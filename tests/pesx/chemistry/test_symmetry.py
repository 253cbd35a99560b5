from itertools import chain

import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.chemistry.symmetry import heavy_automorphisms, hydrogen_groups, orbits


@pytest.mark.parametrize(
    ("smiles", "n_classes", "n_automorphisms"),
    [
        ("c1ccccc1", 2, 12),
        ("CC(=O)[O-]", 4, 2),
        ("CC(=O)O", 6, 1),
        ("CCCC", 4, 2),
        ("CC(C)(C)C", 3, 24),
        ("CC(=O)N[C@@H](C)C(=O)NC", 16, 1),
        ("O", 2, 1),
    ],
)
def test_known_symmetries(smiles, n_classes, n_automorphisms):
    molecule = read_molecule(smiles)
    assert len(orbits(molecule).unique()) == n_classes
    assert len(heavy_automorphisms(molecule)) == n_automorphisms


@pytest.mark.parametrize("smiles", ["c1ccccc1C", "CC(C)(C)O", "CC(=O)[O-]", "OC1CCCCC1"])
def test_automorphisms_keep_elements_and_bonds(smiles):
    molecule = read_molecule(smiles)
    bonds = {tuple(bond) for bond in molecule.bonds.tolist()}
    orders = heavy_automorphisms(molecule)
    assert orders[0].tolist() == list(range(molecule.n_atoms))
    assert len(torch.unique(orders, dim=0)) == len(orders)
    for order in orders:
        assert torch.equal(order.sort().values, torch.arange(molecule.n_atoms))
        assert torch.equal(molecule.numbers[order], molecule.numbers)
        assert {tuple(sorted((int(order[i]), int(order[j])))) for i, j in bonds} == bonds


def test_hydrogens_are_grouped_by_their_heavy_atom():
    molecule = read_molecule("CCO")
    assert [len(group) for group in hydrogen_groups(molecule)] == [3, 2, 1]
    assert sorted(chain.from_iterable(hydrogen_groups(molecule))) == [3, 4, 5, 6, 7, 8]


def test_too_many_automorphisms_are_cut_with_a_warning():
    molecule = read_molecule("CC(C)(C)C")
    with pytest.warns(UserWarning, match="more than 5 ways"):
        assert len(heavy_automorphisms(molecule, limit=5)) == 5
