import pytest
import torch

from pesx.analysis.nearness import feature_distances, rmsd_distances, torsion_distances
from pesx.chemistry.embed import embed
from pesx.chemistry.read import read_molecule
from pesx.identity.molecular import MolecularIdentity
from pesx.so3krates.model import So3krates, So3kratesSettings


@pytest.fixture(scope="module")
def glycol():
    """Ethylene glycol and some conformers of it."""
    molecule = read_molecule("OCCO")
    return molecule, embed(molecule, 12, 1)


def test_the_torsion_that_differs_most_counts(molecule, peroxide):
    some = torch.stack([peroxide(angle) for angle in (1.0, 3.0)])
    frames = torch.stack([peroxide(angle) for angle in (1.2, -3.0)])
    found = torsion_distances(molecule, some, frames, mirror="distinct")
    assert found.deg2rad().tolist() == pytest.approx([0.2, 2 * torch.pi - 6.0], abs=1e-6)
    mirrored = torsion_distances(molecule, -some[:1], frames, mirror="merge")
    assert float(mirrored.deg2rad()) == pytest.approx(0.2, abs=1e-6)


def test_atoms_that_are_alike_make_no_distance(glycol):
    molecule, conformers = glycol
    # The same structures with both ends exchanged, hydrogens of each carbon too.
    order = list(range(molecule.n_atoms))
    heavy = [0, 1, 2, 3]
    near = {atom: [] for atom in heavy}
    for i, j in molecule.bonds.tolist():
        for a, b in ((i, j), (j, i)):
            if a in near and b > 3:
                near[a].append(b)
    for a, b in ((0, 3), (1, 2)):
        order[a], order[b] = b, a
        for h, other in zip(near[a], near[b], strict=True):
            order[h], order[other] = other, h
    exchanged = conformers[:, order]
    for distances in (torsion_distances, rmsd_distances):
        found = distances(molecule, conformers[:4], exchanged, mirror="distinct")
        assert found.tolist() == pytest.approx([0] * 4, abs=1e-4)


def test_the_bound_leaves_out_no_nearer_frame(glycol):
    molecule, conformers = glycol
    some, frames = conformers[:5], conformers[5:] + 0.05
    identity = MolecularIdentity(molecule)
    every = torch.stack([identity.distance(frames, one.expand(len(frames), -1, -1)).min() for one in some])
    found = rmsd_distances(molecule, some, frames, mirror="distinct")
    assert found.tolist() == pytest.approx(every.tolist(), abs=1e-9)


def test_features_are_those_of_the_model(glycol):
    molecule, conformers = glycol
    torch.manual_seed(0)
    network = So3krates(So3kratesSettings(features=24, n_layers=1, elements=(1, 6, 8), levels=("any",)))
    turn = torch.linalg.qr(torch.randn(3, 3).double())[0]
    frames = torch.cat([conformers[:2] @ turn.T, conformers[4:6]])
    found = feature_distances(network, molecule, conformers[:3], frames)
    assert found[:2].tolist() == pytest.approx([0, 0], abs=1e-4)
    assert found[2] > 1e-3


def test_a_molecule_without_torsions():
    water = read_molecule("O")
    pair = torch.stack([water.positions, water.positions * 1.1])
    assert torsion_distances(water, pair, pair, mirror="distinct").tolist() == [0, 0]
