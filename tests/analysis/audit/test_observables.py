from pathlib import Path

import mdtraj
import numpy as np
import pytest
import torch

from pesx.analysis.audit.observables import (
    BIN,
    Observer,
    backbone_torsions,
    compare,
    density,
    hydrogen_bonded,
    possible_hydrogen_bonds,
    radius_of_gyration,
)
from pesx.analysis.audit.topologies import read_topology
from pesx.chemistry import read_molecule
from pesx.dynamics.topology import Topology, in_file_order
from pesx.monitors import Frame

ALA3 = Path(__file__).parents[3] / "examples/ala3.xyz"


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """The peptide with the names of its residues, which MDTraj needs for phi and psi."""
    molecule, _ = in_file_order(read_molecule(ALA3))
    path = tmp_path_factory.mktemp("named") / "ala3.pdb"
    path.write_text(Topology.of(molecule).as_pdb(molecule.positions))
    return read_topology(path)


@pytest.fixture(scope="module")
def moving(named):
    generator = torch.Generator().manual_seed(0)
    shape = (50, named.molecule.n_atoms, 3)
    return (named.molecule.positions + 0.15 * torch.randn(shape, generator=generator, dtype=torch.float64)).float()


def as_mdtraj(named, x):
    return mdtraj.Trajectory(x.numpy() / 10, named.topology)


def test_backbone_is_that_of_mdtraj(named, moving):
    phi, psi = backbone_torsions(named.molecule)
    trajectory = as_mdtraj(named, moving)
    for own, theirs in ((phi, mdtraj.compute_phi(trajectory)[0]), (psi, mdtraj.compute_psi(trajectory)[0])):
        assert set(map(tuple, own.tolist())) <= set(map(tuple, theirs.tolist()))
        assert len(own) == 3


def test_maps_are_those_of_mdtraj(named, moving):
    observer = Observer(named.molecule)
    sums = observer.see(Frame(moving, torch.arange(50.0)))
    trajectory = as_mdtraj(named, moving)
    for residue, (phi, psi) in enumerate(zip(*observer.backbone, strict=True)):
        angles = mdtraj.compute_dihedrals(trajectory, np.array([phi, psi]))
        expected, _, _ = np.histogram2d(*angles.T, bins=36, range=[[-np.pi, np.pi]] * 2)
        assert np.abs(sums.maps[residue] - expected).sum() <= 2  # at most one frame on an edge


def test_gyration_is_that_of_mdtraj(named, moving):
    """With equal masses; with others MDTraj does not take the centre of mass."""
    theirs = mdtraj.compute_rg(as_mdtraj(named, moving))
    assert radius_of_gyration(moving, torch.ones(42)) == pytest.approx(10 * theirs, rel=1e-5)


def test_gyration_with_masses(named, moving):
    """Half the mean square distance between all pairs, weighted by both masses."""
    weight = (named.molecule.masses / named.molecule.masses.sum())[:, None]
    squares = torch.cdist(moving.double(), moving.double()) ** 2
    expected = (0.5 * (weight * weight.T * squares).sum(dim=(1, 2))).sqrt()
    assert radius_of_gyration(moving, named.molecule.masses) == pytest.approx(expected.numpy(), rel=1e-6)


def test_hydrogen_bonds_are_those_of_mdtraj(named):
    """Frame by frame, at many geometries of the peptide: the triples of Baker and Hubbard."""
    generator = torch.Generator().manual_seed(3)
    x = named.molecule.positions + 0.35 * torch.randn(60, 42, 3, generator=generator, dtype=torch.float64)
    x = x.float()
    triples = possible_hydrogen_bonds(named.molecule)
    found = hydrogen_bonded(x, triples)
    assert found.any()
    for frame, row in zip(as_mdtraj(named, x), found, strict=True):
        theirs = set(map(tuple, mdtraj.baker_hubbard(frame, freq=0.0, periodic=False).tolist()))
        assert set(map(tuple, triples[row.numpy()].tolist())) == theirs


def test_distances(named, moving):
    sums = Observer(named.molecule).see(Frame(moving, torch.arange(50.0)))
    every = torch.stack([torch.nn.functional.pdist(row) for row in moving]).flatten().numpy()
    expected, _ = np.histogram(every, bins=len(sums.distances), range=(0, len(sums.distances) * BIN))
    assert np.abs(sums.distances - expected).sum() <= 4  # rounding at edges of bins
    assert density(sums).sum() * BIN == pytest.approx(1.0)


def test_comparison(named, moving):
    observer = Observer(named.molecule)
    time = torch.arange(50.0)
    a = observer.see(Frame(moving, time))
    same = compare(a, a)
    assert (same.distances, same.gyration, same.hydrogen_bonds) == (0.0, 0.0, 0.0)
    assert same.maps == [0.0] * 3
    far = compare(observer.see(Frame(100 * moving, time)), a)
    assert far.distances == pytest.approx(2.0, abs=1e-6)
    assert far.gyration == pytest.approx(99 * a.gyration / a.n)


def test_bond_lengths_are_summed(named, moving):
    sums = Observer(named.molecule).see(Frame(moving, torch.arange(50.0)))
    bonds = named.molecule.bonds
    lengths = (moving[:, bonds[:, 0]] - moving[:, bonds[:, 1]]).norm(dim=-1).mean(dim=0)
    assert sums.lengths / sums.n == pytest.approx(lengths.numpy(), rel=1e-5)
