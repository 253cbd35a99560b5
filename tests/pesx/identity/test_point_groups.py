from itertools import product

import pytest
import torch
from ase.build import molecule as ase_molecule

from pesx.errors import ConfigError, InputError
from pesx.identity.point_groups import point_group_orders
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.quench import Convergence, quench

GOLDEN = (1 + 5**0.5) / 2


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


def test_relaxed_icosahedron_of_lennard_jones_13():
    """Ih, 120, also as a search finds it: relaxed from a distorted start."""
    generator = torch.Generator().manual_seed(1)
    starts = icosahedron() * 1.05 + 0.1 * torch.randn(4, 13, 3, dtype=torch.float64, generator=generator)
    ends = quench(Lbfgs(), LennardJones(), starts, convergence=Convergence(fmax=1e-8))
    assert ends.energy.tolist() == pytest.approx([-44.326801] * 4, abs=1e-6)
    assert orders_of(ends.positions, torch.full((13,), 18)) == [(120, 60)] * 4
