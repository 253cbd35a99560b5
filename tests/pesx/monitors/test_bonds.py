import pytest
import torch

from pesx.guards.molecular import BROKEN_FACTOR as OF_GUARDS
from pesx.monitors import Cause
from pesx.monitors.view import BROKEN_FACTOR


def pulled(molecule, lengths, watch):
    """The carbon of the first methyl group at some distances from its neighbour, its hydrogens with it."""
    positions, _ = watch.path_of(molecule, len(lengths))
    i, j = 0, 1
    hydrogens = [
        b if a == i else a for a, b in molecule.bonds.tolist() if i in (a, b) and molecule.numbers[a + b - i] == 1
    ]
    along = torch.nn.functional.normalize(molecule.positions[i] - molecule.positions[j], dim=0)
    start = float(torch.dist(molecule.positions[i], molecule.positions[j]))
    for k, length in enumerate(lengths):
        positions[k, [i, *hydrogens]] += (length - start) * along
    return positions


def test_broken_as_where_minima_are_judged():
    assert BROKEN_FACTOR == OF_GUARDS


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([1.5] * 3 + [2.4] * 12, [(3, Cause.BOND_BROKEN)]),
        ([1.5] * 3 + [2.4] * 9 + [1.5] * 9, []),  # 80 fs
        ([1.5] * 3 + [2.4] + [2.0] * 12, [(3, Cause.BOND_BROKEN)]),  # hysteresis: 2.0 is 1.32 times the radii
        ([1.5] * 3 + [2.2] * 20, []),  # never beyond 1.5
        ([2.4] * 12 + [1.5] + [2.4] * 12, [(0, Cause.BOND_BROKEN), (13, Cause.BOND_BROKEN)]),  # whole in between
    ],
)
def test_bond_broken(lengths, expected, ala3, watch):
    events = watch.scanned(ala3, pulled(ala3, lengths, watch))
    assert watch.told(events) == expected
    for event in events:
        assert event.atoms == (0, 1)
        assert event.value == pytest.approx(lengths[event.told], abs=1e-6)
        assert "C0-C1" in event.sentence


def test_bond_formed(ala3, watch):
    """Two hydrogens of different methyl groups that are 0.7 angstrom apart, each still at its carbon, are bonded."""
    hydrogens = (20, 39)
    positions, _ = watch.path_of(ala3, 15)
    shift = positions[:, hydrogens[0]] - positions[:, hydrogens[1]] + torch.tensor([0.0, 0.0, 0.7], dtype=torch.float64)
    carbon = 19
    group = [
        carbon,
        *(a + b - carbon for a, b in ala3.bonds.tolist() if carbon in (a, b) and ala3.numbers[a + b - carbon] == 1),
    ]
    positions[4:, group] += shift[4:, None]
    events = watch.scanned(ala3, positions, failures=frozenset())
    formed = [event for event in events if event.cause == Cause.BOND_FORMED and event.atoms == hydrogens]
    assert [event.frame for event in formed] == [4]
