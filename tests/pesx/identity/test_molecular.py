from itertools import pairwise
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.chemistry.embed import embed
from pesx.chemistry.perceive import perceive
from pesx.chemistry.read import read_molecule
from pesx.chemistry.symmetry import heavy_automorphisms, hydrogen_groups
from pesx.errors import ConfigError, MoleculeError
from pesx.geometry.torsion import rotate_about_bond
from pesx.identity.molecular import MolecularIdentity

ALA3 = str(Path(__file__).parents[3] / "examples" / "ala3.xyz")
DIPEPTIDE = "CC(=O)N[C@@H](C)C(=O)NC"
MOLECULES = [
    DIPEPTIDE,
    ALA3,
    "CCO",
    "CCC",
    "CC(C)C",
    "C",
    "O",
    "[H][H]",
    "CC#CC",
    "CC#N",
    "c1ccccc1C",
    "CC(=O)[O-]",
    "CC(C)(C)O",
]


def rotations(n, generator):
    q, _ = torch.linalg.qr(torch.randn(n, 3, 3, dtype=torch.float64, generator=generator))
    return q * torch.linalg.det(q)[:, None, None]


def allowed_exchange(molecule, generator):
    """A random automorphism: one of the skeleton, then a shuffle of the hydrogens on each heavy atom."""
    orders = heavy_automorphisms(molecule)
    order = orders[int(torch.randint(len(orders), (1,), generator=generator))].clone()
    for group in hydrogen_groups(molecule):
        order[group] = order[group][torch.randperm(len(group), generator=generator)]
    return order


def copies(molecule, n, seed=0, noise=0.0):
    """Distorted structures, so that none has symmetry by chance, and rotated, renumbered copies of them."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n, molecule.n_atoms, 3)
    structures = molecule.positions + 0.1 * torch.randn(shape, dtype=torch.float64, generator=generator)
    exchanged = torch.stack([row[allowed_exchange(molecule, generator)] for row in structures])
    exchanged = exchanged + noise * torch.randn(shape, dtype=torch.float64, generator=generator)
    return structures, exchanged @ rotations(n, generator) + 3.0


@pytest.mark.parametrize("source", MOLECULES)
@pytest.mark.parametrize("mirror", ["distinct", "merge"])
def test_rotated_and_renumbered_copies_are_recognised(source, mirror):
    molecule = read_molecule(source)
    identity = MolecularIdentity(molecule, mirror)
    structures, same = copies(molecule, 12)
    assert (identity.distance(structures, same) < 1e-6).all()
    torch.testing.assert_close(identity.fingerprint(same), identity.fingerprint(structures))
    moved, left = identity.superpose(same, structures)
    torch.testing.assert_close(moved, structures)
    assert (left < 1e-6).all()


@pytest.mark.parametrize("source", [DIPEPTIDE, ALA3, "CCO", "CCC", "CC(C)C", "CC#CC", "CC(C)(C)O"])
def test_mirror_images_follow_the_policy(source):
    molecule = read_molecule(source)
    structures, same = copies(molecule, 12)
    assert (MolecularIdentity(molecule, "distinct").distance(structures, -same) > 0.02).all()
    assert (MolecularIdentity(molecule, "merge").distance(structures, -same) < 1e-6).all()
    fingerprint = MolecularIdentity(molecule).fingerprint
    torch.testing.assert_close(fingerprint(-same), fingerprint(structures))


@pytest.mark.parametrize("source", [DIPEPTIDE, "CC(C)C", "CCO"])
def test_fingerprints_bound_the_distance(source):
    molecule = read_molecule(source)
    identity = MolecularIdentity(molecule)
    structures, near = copies(molecule, 20, noise=0.03)
    other = structures.roll(1, 0)
    factor = sqrt(2 * molecule.n_atoms / (molecule.n_atoms - 1))
    for candidates in (near, other):
        gap = (identity.fingerprint(candidates) - identity.fingerprint(structures)).square().mean(dim=1).sqrt()
        assert (gap <= factor * identity.distance(candidates, structures) + 1e-9).all()
        assert (gap > 1e-3).all()


@pytest.mark.parametrize("source", ["CCO", "CCCC", "CC#N", "CCC", "CC(=O)O", DIPEPTIDE])
def test_least_rmsd_agrees_with_spyrmsd(source):
    spyrmsd = pytest.importorskip("spyrmsd.rmsd", reason="spyrmsd is the reference here")
    molecule = read_molecule(source)
    generator = torch.Generator().manual_seed(0)
    conformers = embed(molecule, 5, 3)
    conformers = conformers + 0.05 * torch.randn(conformers.shape, dtype=torch.float64, generator=generator)
    numbers, bonded = molecule.numbers.numpy(), np.zeros((molecule.n_atoms, molecule.n_atoms), dtype=int)
    for i, j in molecule.bonds.tolist():
        bonded[i, j] = bonded[j, i] = 1
    first, second = torch.triu_indices(5, 5, 1)
    ours = MolecularIdentity(molecule).distance(conformers[first], conformers[second])
    theirs = torch.tensor(
        [
            spyrmsd.symmrmsd(a.numpy(), b.numpy(), numbers, numbers, bonded, bonded, center=True, minimize=True)
            for a, b in zip(conformers[first], conformers[second], strict=True)
        ]
    )
    excess = ours - theirs
    assert excess.min() > -1e-6
    # Only different conformers of the larger molecule may come out above the least RMSD, and hardly.
    assert excess.max() < (0.02 if source == DIPEPTIDE else 1e-6)
    assert (excess < 1e-6).double().mean() > 0.7


@pytest.mark.parametrize(("source", "is_exact"), [("CCO", True), ("CCC", True), ("CC(C)C", True), (DIPEPTIDE, False)])
def test_least_rmsd_agrees_with_irmsd(source, is_exact):
    irmsd = pytest.importorskip("irmsd", reason="irmsd is the reference here")
    molecule = read_molecule(source)
    conformers = embed(molecule, 5, 3).numpy()
    numbers = molecule.numbers.numpy().astype(np.int32)
    identity = MolecularIdentity(molecule)
    for a, b in pairwise(conformers):
        ours = identity.distance(torch.from_numpy(a[None]), torch.from_numpy(b[None])).item()
        theirs = irmsd.get_irmsd(numbers, a, numbers, b, iinversion=2)[0]
        # For the dipeptide irmsd comes out higher than both ours and the exact value of spyrmsd (test above).
        assert ours < theirs + 1e-4
        assert ours == pytest.approx(theirs, abs=1e-4) or not is_exact


def test_gauche_butane_is_one_or_two_by_the_mirror_policy():
    butane = read_molecule("CCCC")
    torsion = perceive(butane).torsions
    angle = torch.tensor([115.0, -115.0]).double().deg2rad()
    both = rotate_about_bond(butane.positions.expand(2, -1, -1), torsion.bonds[0], torsion.moving[0], angle)
    plus, minus, anti = both[:1], both[1:], butane.positions[None]
    apart, merged = MolecularIdentity(butane, "distinct"), MolecularIdentity(butane, "merge")
    assert apart.distance(plus, minus) > 0.2
    assert merged.distance(plus, minus) < 0.02
    assert merged.distance(plus, anti) > 0.2
    assert apart.distance(plus, plus) < 1e-6


def test_rows_stand_alone():
    molecule = read_molecule(DIPEPTIDE)
    identity = MolecularIdentity(molecule)
    structures, same = copies(molecule, 5)
    spoiled = same.clone()
    spoiled[2, 3, 1] = torch.nan
    distance, fingerprint = identity.distance(spoiled, structures), identity.fingerprint(spoiled)
    assert distance.isnan().tolist() == [False, False, True, False, False]
    keep = torch.tensor([0, 1, 3, 4])
    assert torch.equal(distance[keep], identity.distance(same, structures)[keep])
    assert torch.equal(fingerprint[keep], identity.fingerprint(same)[keep])
    assert fingerprint[2].isnan().any()
    assert identity.distance(same[:0], structures[:0]).shape == (0,)


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(MoleculeError, match="ClusterIdentity"):
        MolecularIdentity(read_molecule("LJ13"))
    with pytest.raises(ConfigError, match="came 'both'"):
        MolecularIdentity(read_molecule("CCO"), "both")
