import pytest
import torch

from pesx.chemistry import molecule_from_smiles
from pesx.monitors import Cause
from pesx.monitors.hydrogens import terminal_hydrogens


def moved(molecule, watch, *distances, to=None):
    """A hydrogen of the first methyl group at some distances from its carbon, or from another atom, outwards."""
    hydrogen, carbon = 20, 0
    positions, _ = watch.path_of(molecule, len(distances))
    anchor = carbon if to is None else to
    centre = molecule.positions.mean(dim=0)
    way = molecule.positions[anchor] - (molecule.positions[carbon] if to is None else centre)
    way = molecule.positions[hydrogen] - molecule.positions[carbon] if to is None else way
    way = torch.nn.functional.normalize(way, dim=0)
    for k, distance in enumerate(distances):
        if distance is not None:
            positions[k, hydrogen] = molecule.positions[anchor] + distance * way
    return positions


def test_lost(ala3, watch):
    events = watch.scanned(ala3, moved(ala3, watch, *[1.09] * 2, *[2.5] * 12))
    assert watch.told(events) == [(2, Cause.HYDROGEN_LOST)]
    assert events[0].atoms == (20, 0)
    assert events[0].value == pytest.approx(2.5)


def test_a_stretch_is_no_loss(ala3, watch):
    assert watch.scanned(ala3, moved(ala3, watch, *[1.09] * 2, *[1.55] * 12)) == []


def test_transferred(ala3, watch):
    oxygen = next(a for a in range(ala3.n_atoms) if ala3.numbers[a] == 8)
    events = watch.scanned(ala3, moved(ala3, watch, None, None, *[0.97] * 12, to=oxygen))
    assert watch.told(events) == [(2, Cause.PROTON_TRANSFERRED)]
    assert events[0].atoms == (20, 0, oxygen)
    assert events[0].value == pytest.approx(0.97)


def test_transferred_and_back(ala3, watch):
    oxygen = next(a for a in range(ala3.n_atoms) if ala3.numbers[a] == 8)
    assert watch.scanned(ala3, moved(ala3, watch, None, *[0.97] * 8, *[None] * 12, to=oxygen)) == []


def test_terminal_hydrogens():
    water = molecule_from_smiles("O")
    atoms, owners = terminal_hydrogens(water)
    assert (atoms.tolist(), owners.tolist()) == ([1, 2], [0, 0])
    atoms, _ = terminal_hydrogens(molecule_from_smiles("[H][H]"))
    assert len(atoms) == 1
