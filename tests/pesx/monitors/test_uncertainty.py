import torch

from pesx.monitors import FAILURES, Cause


def test_recorded_when_it_lasts(ala3, watch):
    positions, _ = watch.path_of(ala3, 30)
    value = torch.zeros(30)
    value[3] = value[10:] = 0.5
    events = watch.scanned(ala3, positions, known={"uncertainty": value}, uncertainty_limit=0.4)
    assert watch.told(events) == [(10, Cause.UNCERTAIN)]
    assert events[0].value == 0.5
    assert Cause.UNCERTAIN not in FAILURES
    assert watch.scanned(ala3, positions, known={"uncertainty": value}) == []
