from itertools import product
from math import factorial, log

import numpy as np
import pytest
import torch
from ase.build import molecule as ase_molecule

from pesx.chemistry.perceive import perceive
from pesx.chemistry.read import read_molecule
from pesx.errors import ConfigError, InputError
from pesx.geometry.torsion import rotate_about_bond
from pesx.landscape.network import Network
from pesx.landscape.records import Quenches, StoredMinima
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.quench import Convergence, quench
from pesx.thermodynamics.multiplicity import (
    log_group_order,
    log_multiplicities,
    point_group_orders,
    with_point_groups,
)

GOLDEN = (1 + 5**0.5) / 2

FIRST_QUENCH = Quenches(
    walker=np.zeros(1, int),
    hop=np.zeros(1, int),
    move=np.array(["seed"]),
    outcome=np.ones(1, int),
    energy=np.zeros(1),
    n_evaluations=np.ones(1, int),
    minimum=np.zeros(1, int),
    started_from=np.full(1, -1),
    is_accepted=np.ones(1, bool),
)


def ase_structure(name):
    atoms = ase_molecule(name)
    return torch.tensor(atoms.positions)[None], torch.tensor(atoms.numbers)


def orders_of(positions, numbers, **settings):
    found = point_group_orders(positions, numbers, **settings)
    return list(zip(found.full.tolist(), found.rotational.tolist(), strict=True))


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


@pytest.mark.parametrize(
    ("name", "full", "rotational"),
    [
        ("H2O", 4, 2),  # C2v
        ("NH3", 6, 3),  # C3v
        ("CH4", 24, 12),  # Td
        ("C6H6", 24, 12),  # D6h
        ("C2H4", 8, 4),  # D2h
        ("C2H6", 12, 6),  # D3d
        ("C3H4_D2d", 8, 4),
        ("trans-butane", 4, 2),  # C2h
        ("CH3OH", 2, 1),  # Cs
        ("C60", 120, 60),  # Ih
        ("CO2", 4, 2),
        ("CO", 2, 1),
    ],
)
def test_point_groups_of_molecules(name, full, rotational):
    assert orders_of(*ase_structure(name)) == [(full, rotational)]


@pytest.mark.parametrize(
    ("atoms", "full", "rotational"),
    [
        (range(13), 120, 60),  # Ih
        (range(1, 13), 120, 60),  # hollow
        (range(12), 10, 5),  # C5v: one corner is missing
    ],
)
def test_point_groups_of_icosahedra(atoms, full, rotational):
    assert orders_of(icosahedron()[:, list(atoms)], torch.full((len(atoms),), 18)) == [(full, rotational)]


def test_one_atom_of_another_element_leaves_what_keeps_it_in_place():
    numbers = torch.full((13,), 18)
    numbers[0] = 36
    assert orders_of(icosahedron(), numbers) == [(120, 60)]
    numbers[1] = 36
    assert orders_of(icosahedron(), numbers) == [(10, 5)]


@pytest.mark.parametrize("n_atoms", [1, 2])
def test_atoms_and_pairs_stand_for_one_structure(n_atoms):
    positions = torch.tensor([[0.3, 0.1, 0.2], [1.2, 0.5, 0.9]])[None, :n_atoms].double()
    for mirror in ("distinct", "merge"):
        assert log_multiplicities(cluster(n_atoms), positions, mirror=mirror) == pytest.approx(0.0)


def test_orders_do_not_depend_on_orientation_numbering_or_small_errors():
    generator = torch.Generator().manual_seed(3)
    structure, numbers = icosahedron(), torch.full((13,), 18)
    spin, _ = torch.linalg.qr(torch.randn(20, 3, 3, dtype=torch.float64, generator=generator))
    shuffle = torch.stack([torch.randperm(13, generator=generator) for _ in range(20)])
    copies = (structure[0][shuffle] @ spin) + torch.randn(20, 1, 3, generator=generator)
    noise = 1e-3 * torch.randn(copies.shape, dtype=torch.float64, generator=generator)
    assert orders_of(copies + noise, numbers) == [(120, 60)] * 20
    assert orders_of(copies + noise, numbers, tolerance=1e-5) == [(1, 1)] * 20


def test_order_near_the_tolerance_is_that_of_a_group():
    """Stretching benzene along one axis leaves a subgroup, never a few of the operations."""
    positions, numbers = ase_structure("C6H6")
    stretch = torch.ones(40, 1, 3, dtype=torch.float64)
    axis = int(positions[0].std(dim=0).argmax())
    stretch[:, 0, axis] += torch.linspace(0.0, 0.1, 40)
    found = orders_of(positions * stretch, numbers)
    assert found[0] == (24, 12)
    assert found[-1] == (8, 4)
    assert all(24 % full == 0 and full in (rotational, 2 * rotational) for full, rotational in found)


def test_lennard_jones_seven():
    """The four minima and their point groups: D5h, C3v, C3v, C2."""
    generator = torch.Generator().manual_seed(0)
    starts = 2.0 * torch.rand(60, 7, 3, dtype=torch.float64, generator=generator)
    ends = quench(Lbfgs(), LennardJones(), starts, convergence=Convergence(fmax=1e-8))
    orders = dict(
        zip(ends.energy.round(decimals=4).tolist(), orders_of(ends.positions, torch.full((7,), 18)), strict=True)
    )
    known = {-16.5054: (20, 10), -15.9350: (6, 3), -15.5932: (6, 3), -15.5331: (2, 2)}
    assert {energy: orders[energy] for energy in known} == known


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


def test_orders_of_a_run_go_to_the_rows_of_its_network(tmp_path):
    butane = read_molecule("CCCC")
    positions = turned_about(butane, [60.0, 0.0, 115.0])
    nan, one = torch.full((3,), torch.nan).double(), torch.zeros(3, dtype=torch.int64)
    energy = torch.tensor([0.1, 0.0, 0.03]).double()
    minima = StoredMinima(positions, energy, nan, nan, nan, one, one, ["", "", ""])
    with RunStore.create(tmp_path / "run", butane, {}) as store:
        with store.transaction():
            store.add_minima(minima)
            store.add_quenches(FIRST_QUENCH)
        network = Network.of(store).take(energy.numpy() < 0.1)
        merged = with_point_groups(network, store, mirror="merge", tolerance=0.1)
        distinct = with_point_groups(network, store, tolerance=0.1)
    assert merged.minima.number.tolist() == [1, 2]
    assert merged.minima.order.tolist() == [4, 2]
    assert distinct.minima.order.tolist() == [2, 2]


def test_wrong_input_is_told():
    positions, numbers = ase_structure("H2O")
    with pytest.raises(InputError, match="tolerance above 0"):
        point_group_orders(positions, numbers, tolerance=0.0)
    with pytest.raises(InputError, match="finite"):
        point_group_orders(positions * torch.nan, numbers)
    with pytest.raises(InputError, match="Lower the tolerance"):
        point_group_orders(positions, numbers, tolerance=1.0)
    with pytest.raises(ConfigError, match="mirror"):
        point_group_orders(positions, numbers).under("both")
