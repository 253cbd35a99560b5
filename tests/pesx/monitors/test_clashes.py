import pytest

from pesx.monitors import Cause


@pytest.mark.parametrize(("distance", "expected"), [(0.63, [(4, Cause.CLASH)]), (0.66, [])])
def test_bonded_atoms_inside_each_other(distance, expected, ala3, watch):
    """C-H at 0.6 times 1.07 angstrom, for one frame."""
    positions, _ = watch.path_of(ala3, 8)
    arm = positions[4, 20] - positions[4, 0]
    positions[4, 20] = positions[4, 0] + distance * arm / arm.norm()
    events = watch.scanned(ala3, positions)
    assert watch.told(events) == expected
    assert all(event.atoms == (0, 20) and event.value == pytest.approx(distance) for event in events)


def test_free_atoms_inside_each_other_are_no_bond(ala3, watch):
    positions, _ = watch.path_of(ala3, 20)
    positions[4:, 2] = positions[4:, 18] + 0.3  # an oxygen half an angstrom from a nitrogen
    events = watch.scanned(ala3, positions)
    assert (4, Cause.CLASH) in watch.told(events)
    assert not any(event.cause == Cause.BOND_FORMED and event.atoms == (2, 18) for event in events)
