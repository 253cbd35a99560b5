import pytest
import torch

from pesx.monitors import Cause


@pytest.mark.parametrize("what", ["positions", "velocities", "energy"])
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_told_at_once_and_alone(what, wrong, ala3, watch):
    positions, _ = watch.path_of(ala3, 6)
    known = {"velocities": torch.zeros_like(positions), "energy": torch.zeros(6, dtype=torch.float64)}
    if what == "positions":
        positions[3, 7, 1] = wrong
    else:
        known[what][3] = wrong
    events = watch.scanned(ala3, positions, known=known)
    assert watch.told(events) == [(3, Cause.NON_FINITE)]
    assert events[0].atoms == ((7,) if what == "positions" else ())
    assert events[0].as_json()["value"] is None
