import pytest
import torch

from pesx.chemistry import perceive
from pesx.geometry.torsion import rotate_about_bond
from pesx.monitors import FAILURES, Cause


def turned(molecule, degrees, watch):
    """The last amide turned by some angles, from trans."""
    rotors = perceive(molecule).amide_rotors
    positions, _ = watch.path_of(molecule, len(degrees))
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return rotate_about_bond(positions, rotors.bonds[-1], rotors.moving[-1], angle)


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        ([0.0] * 2 + [180.0] * 12, [(2, Cause.AMIDE_FLIPPED)]),
        ([0.0] * 2 + [90.0] * 12, []),  # twisted
        ([0.0] * 2 + [180.0] + [90.0] * 12, [(2, Cause.AMIDE_FLIPPED)]),  # cis once, and not back
        ([0.0] * 2 + [180.0] * 8 + [0.0] * 12, []),
        ([0.0] * 2 + [180.0] * 12 + [0.0] * 2 + [180.0] * 12, [(2, Cause.AMIDE_FLIPPED), (16, Cause.AMIDE_FLIPPED)]),
    ],
)
def test_flip(degrees, expected, ala3, watch):
    events = watch.scanned(ala3, turned(ala3, degrees, watch))
    assert [item for item in watch.told(events) if item[1] == Cause.AMIDE_FLIPPED] == expected
    bond = set(perceive(ala3).amide_rotors.bonds[-1].tolist())
    assert all(set(event.atoms) == bond for event in events if event.cause == Cause.AMIDE_FLIPPED)


def test_whether_it_is_a_failure_is_a_setting():
    assert Cause.AMIDE_FLIPPED in FAILURES


def test_double_bond_turned(butene, watch):
    double = next(
        pair for pair in butene.bonds.tolist() if perceive(butene).double_bonds[0, 1:3].tolist() in (pair, pair[::-1])
    )
    mask = torch.zeros(butene.n_atoms, dtype=torch.bool)
    ends = [a + b - double[1] for a, b in butene.bonds.tolist() if double[1] in (a, b)]
    side = {a for a in ends if a != double[0]}
    for _ in range(3):
        side |= {b for a, b in butene.bonds.tolist() if a in side and b not in double}
        side |= {a for a, b in butene.bonds.tolist() if b in side and a not in double}
    mask[list(side)] = True
    positions, _ = watch.path_of(butene, 15)
    angle = torch.full((12,), torch.pi, dtype=torch.float64)
    positions[3:] = rotate_about_bond(positions[3:], torch.tensor(double), mask, angle)
    events = watch.scanned(butene, positions)
    assert (3, Cause.CENTRE_INVERTED) in watch.told(events)
    assert any(set(event.atoms) == set(double) and "cis" in event.sentence for event in events)
