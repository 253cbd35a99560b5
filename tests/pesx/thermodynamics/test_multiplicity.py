from itertools import product
from math import factorial, log

import numpy as np
import pytest
import torch

from pesx.chemistry.perceive import perceive
from pesx.chemistry.read import read_molecule
from pesx.errors import ConfigError
from pesx.geometry.torsion import rotate_about_bond
from pesx.molecule import Molecule
from pesx.thermodynamics.multiplicity import log_group_order, log_multiplicities

GOLDEN = (1 + 5**0.5) / 2


def icosahedron():
    points = [(0.0, 0.0, 0.0)]
    for a, b in product((-1, 1), (-GOLDEN, GOLDEN)):
        points += [(0, a, b), (a, b, 0), (b, 0, a)]
    return torch.tensor(points, dtype=torch.float64)[None] * 0.56


def cluster(n_atoms, number=18):
    return Molecule(torch.full((n_atoms,), number), torch.eye(n_atoms, 3) * 3 + torch.arange(n_atoms)[:, None])


def turned_about(molecule, degrees):
    """Return the structures with the only rotatable bond of a molecule turned by these angles."""
    rotors = perceive(molecule).torsions
    angle = torch.tensor(degrees).double().deg2rad()
    start = molecule.positions.expand(len(degrees), -1, -1)
    return rotate_about_bond(start, rotors.bonds[0], rotors.moving[0], angle)


@pytest.mark.parametrize("n_atoms", [1, 2])
def test_atoms_and_pairs_stand_for_one_structure(n_atoms):
    positions = torch.tensor([[0.3, 0.1, 0.2], [1.2, 0.5, 0.9]])[None, :n_atoms].double()
    for mirror in ("distinct", "merge"):
        assert log_multiplicities(cluster(n_atoms), positions, mirror=mirror) == pytest.approx(0.0)


def test_clusters_stand_for_all_exchanges_over_the_order():
    numbers = torch.full((13,), 18)
    argon = Molecule(numbers, icosahedron()[0] * 3)
    assert log_multiplicities(argon, icosahedron(), mirror="merge") == pytest.approx(log(2 * factorial(13) / 120))
    assert log_multiplicities(argon, icosahedron()) == pytest.approx(log(factorial(13) / 60))
    numbers[:5] = 36
    mixed = log_group_order(Molecule(numbers, icosahedron()[0] * 3), "merge")
    assert mixed == pytest.approx(log(2 * factorial(8) * factorial(5)))


@pytest.mark.parametrize(
    ("smiles", "proper", "merged"),
    [
        ("C", 12, 24),
        ("CC", 18, 36),
        ("CCCC", 18, 36),
        ("c1ccccc1", 12, 24),
        ("C[C@H](F)Cl", 3, 3),  # a stereocentre: no way to the mirror image
        ("F[C@H](Cl)[C@@H](F)Cl", 1, 2),  # meso: exchanging the halves inverts
        ("F[C@H](Cl)[C@H](F)Cl", 2, 2),
        ("C(C)(C)(C)C", 12 * 3**4, 24 * 3**4),
    ],
)
def test_feasible_exchanges(smiles, proper, merged):
    molecule = read_molecule(smiles)
    assert round(np.exp(log_group_order(molecule))) == proper
    assert round(np.exp(log_group_order(molecule, "merge"))) == merged


def test_gauche_butane_counts_twice_once():
    """Twins in all: two gauche for one anti, whether they are one minimum or two."""
    butane = read_molecule("CCCC")
    anti, plus, minus = turned_about(butane, [0.0, 115.0, -115.0])
    merged = log_multiplicities(butane, torch.stack((anti, plus)), mirror="merge", tolerance=0.1)
    distinct = log_multiplicities(butane, torch.stack((anti, plus, minus)), mirror="distinct", tolerance=0.1)
    assert np.exp(merged - merged[0]) == pytest.approx([1, 2])
    assert np.exp(distinct - distinct[0]) == pytest.approx([1, 1, 1])
    assert np.exp(merged).sum() == pytest.approx(np.exp(distinct).sum())


def test_mirror_images_are_merged_or_distinct():
    with pytest.raises(ConfigError, match="mirror"):
        log_group_order(read_molecule("CC"), "both")
