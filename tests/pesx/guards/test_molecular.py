from pathlib import Path

import pytest
import torch

from pesx.chemistry.embed import embed
from pesx.chemistry.perceive import perceive
from pesx.chemistry.read import read_molecule
from pesx.errors import ConfigError
from pesx.geometry.torsion import rotate_about_bond
from pesx.guards.molecular import MolecularGuard
from pesx.outcome import Outcome

ALA3 = read_molecule(Path(__file__).parents[3] / "examples" / "ala3.xyz")
SSS, RSS = (f"CC(=O)N[C@@H](C)C(=O)N[C@@H](C)C(=O)N{c}C(=O)NC" for c in ("[C@@H](C)", "[C@H](C)"))


def only(outcome, positions, guard):
    return guard.outcome(positions).tolist() == [int(outcome)] * len(positions)


def test_thermal_noise_is_no_violation():
    guard = MolecularGuard(ALA3)
    generator = torch.Generator().manual_seed(0)
    # 0.05 angstrom is what bonds to hydrogen swing by; see also the rotated rotors below.
    noisy = ALA3.positions + 0.05 * torch.randn(500, 42, 3, dtype=torch.float64, generator=generator)
    assert only(Outcome.CONVERGED, noisy, guard)
    assert set(guard.keys(noisy)) == {"SSS|tttt"}


@pytest.mark.parametrize("smiles", ["C1C2CC1C2", "CC(=O)[O-]", "O", "[H][H]", "c1ccccc1O", "C/C=C\\C", "CS(=O)CC"])
def test_inputs_and_their_vibrations_pass(smiles):
    molecule = read_molecule(smiles)
    noise = torch.randn(50, molecule.n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert only(Outcome.CONVERGED, molecule.positions + 0.02 * noise, MolecularGuard(molecule))


def test_conformers_pass():
    assert only(Outcome.CONVERGED, embed(ALA3, 8, 1), MolecularGuard(ALA3))


def test_a_stretched_ring_bond_is_a_changed_bond():
    ring = read_molecule("C1CC1")
    carbons = ring.positions[:3] - ring.positions[1]
    normal = torch.nn.functional.normalize(torch.linalg.cross(carbons[0], carbons[2]), dim=0)
    spin = torch.linalg.cross(normal.expand(3, 3), torch.eye(3, dtype=torch.float64)).T
    near = [2] + [h for c, h in ring.bonds.tolist() if c == 2 and h > 2]
    for degrees, outcome in ((10.0, Outcome.CONVERGED), (50.0, Outcome.BOND_CHANGED)):
        opened = ring.positions.clone()
        turn = torch.linalg.matrix_exp(torch.tensor(degrees).deg2rad() * spin)
        opened[near] = (ring.positions[near] - ring.positions[1]) @ turn.T + ring.positions[1]
        assert only(outcome, opened[None], MolecularGuard(ring))


def test_a_proton_on_another_atom_is_a_changed_bond():
    glycol = read_molecule("OCCO")
    proton = next(h for o, h in glycol.bonds.tolist() if o == 0 and h > 3)
    moved = glycol.positions.clone()
    away = torch.nn.functional.normalize(moved[3] - moved[2], dim=0)
    hydrogen = next(h for o, h in glycol.bonds.tolist() if o == 3 and h > 3)
    away = torch.nn.functional.normalize(
        2 * away - torch.nn.functional.normalize(moved[hydrogen] - moved[3], dim=0), dim=0
    )
    moved[proton] = moved[3] + 0.98 * away
    assert only(Outcome.BOND_CHANGED, moved[None], MolecularGuard(glycol))


@pytest.mark.parametrize(
    ("gap", "outcome"), [(0.0, Outcome.CONVERGED), (0.4, Outcome.CONVERGED), (3.0, Outcome.FRAGMENTED)]
)
def test_a_chain_pulled_apart_is_fragmented(gap, outcome):
    rotors = perceive(ALA3).torsions
    fixed, moves = rotors.bonds[0].tolist()
    pull = torch.nn.functional.normalize(ALA3.positions[moves] - ALA3.positions[fixed], dim=0)
    pulled = ALA3.positions + gap * pull * rotors.moving[0][:, None]
    assert only(outcome, pulled[None], MolecularGuard(ALA3))


def test_a_lost_hydrogen_is_a_fragment():
    lost = ALA3.positions.clone()
    lost[-1] += 20.0
    assert only(Outcome.FRAGMENTED, lost[None], MolecularGuard(ALA3))


def test_a_residue_turned_to_d_is_found():
    guard = MolecularGuard(read_molecule(SSS))
    inverted = embed(read_molecule(RSS), 4, 2)
    assert only(Outcome.CENTRE_INVERTED, inverted, guard)
    letters = {key.split("|")[0] for key in guard.keys(inverted)}
    assert letters == {perceive(read_molecule(RSS)).letters} != {"SSS"}
    assert only(Outcome.CENTRE_INVERTED, -ALA3.positions[None], MolecularGuard(ALA3))
    assert MolecularGuard(ALA3).keys(-ALA3.positions[None]) == ["RRR|tttt"]


def test_a_flipped_double_bond_is_another_molecule():
    trans, cis = read_molecule("C/C=C/C"), read_molecule("C/C=C\\C")
    guard = MolecularGuard(trans)
    assert only(Outcome.CENTRE_INVERTED, cis.positions[None], guard)
    assert guard.keys(torch.stack([trans.positions, cis.positions])) == ["||t", "||c"]


def test_flipped_amides_follow_the_policy():
    mixed = embed(ALA3, 12, 1, cis_amides=True)
    keep, allow = MolecularGuard(ALA3, "keep"), MolecularGuard(ALA3, "allow")
    keys = allow.keys(mixed)
    assert keep.keys(mixed) == keys
    assert len(set(keys)) > 3
    expected = [int(Outcome.CONVERGED if key == "SSS|tttt" else Outcome.AMIDE_FLIPPED) for key in keys]
    assert keep.outcome(mixed).tolist() == expected
    assert only(Outcome.CONVERGED, mixed, allow)


def test_a_twisted_amide_has_left_its_class():
    rotors = perceive(ALA3).amide_rotors
    twisted = rotate_about_bond(
        ALA3.positions[None], rotors.bonds[0], rotors.moving[0], torch.tensor([85.0]).double().deg2rad()
    )
    guard = MolecularGuard(ALA3)
    assert only(Outcome.AMIDE_FLIPPED, twisted, guard)
    assert guard.keys(twisted)[0].count("x") == 1


def test_amides_that_symmetry_exchanges_share_a_key():
    molecule = read_molecule("CNC(=O)CCC(=O)NC")
    guard = MolecularGuard(molecule, "allow")
    topology = perceive(molecule)
    assert len(topology.amides) == 2
    flipped = torch.cat(
        [
            rotate_about_bond(molecule.positions[None], bond, moving, torch.tensor([torch.pi]).double())
            for bond, moving in zip(topology.amide_rotors.bonds, topology.amide_rotors.moving, strict=True)
        ]
    )
    assert guard.keys(flipped) == ["|ct", "|ct"]


def test_violations_have_an_order_and_rows_stand_alone():
    guard = MolecularGuard(ALA3)
    inverted = -ALA3.positions
    lost = inverted.clone()
    lost[-1] += 20.0
    spoiled = lost.clone()
    spoiled[0, 0] = torch.nan
    batch = torch.stack([ALA3.positions, spoiled, lost, inverted])
    expected = [Outcome.CONVERGED, Outcome.NON_FINITE, Outcome.FRAGMENTED, Outcome.CENTRE_INVERTED]
    assert guard.outcome(batch).tolist() == [int(outcome) for outcome in expected]
    assert len(guard.keys(batch)) == 4
    assert guard.outcome(batch[:0]).shape == (0,)
    assert guard.outcome(batch.float()).tolist() == [int(outcome) for outcome in expected]


def test_unknown_policies_are_refused():
    with pytest.raises(ConfigError, match="came 'enumerate'"):
        MolecularGuard(ALA3, "enumerate")
