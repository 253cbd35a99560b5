import pytest
import torch

from pesx.monitors import Cause

METHYL = [0, 20, 21, 22]


@pytest.mark.parametrize(("shift", "cause"), [(1.0, Cause.BOND_BROKEN), (8.0, Cause.FRAGMENTED)])
def test_touching_pieces_are_a_broken_bond_and_others_are_fragments(shift, cause, ala3, watch):
    positions, _ = watch.path_of(ala3, 15)
    way = torch.nn.functional.normalize(ala3.positions[0] - ala3.positions[1], dim=0)
    positions[2:, METHYL] += shift * way
    events = watch.scanned(ala3, positions)
    assert watch.told(events) == [(2, cause)]
    if cause == Cause.FRAGMENTED:
        assert events[0].atoms == tuple(METHYL)
        assert "CH3" in events[0].sentence
        away = torch.cdist(positions[-1, METHYL], positions[-1, [a for a in range(42) if a not in METHYL]])
        assert events[0].value == pytest.approx(float(away.min()))


def test_a_hydrogen_alone_is_no_fragment(ala3, watch):
    positions, _ = watch.path_of(ala3, 15)
    positions[2:, 20] += 20.0
    assert watch.told(watch.scanned(ala3, positions)) == [(2, Cause.HYDROGEN_LOST)]
