from itertools import pairwise

import numpy as np
import pytest
import torch

from pesx.monitors import Cause
from pesx.monitors.drift import extend, no_line


@pytest.mark.parametrize("cuts", [[], [1, 5, 200]])
def test_slope_is_that_of_least_squares(cuts):
    rng = np.random.default_rng(0)
    time = np.arange(300) * 0.01
    energy = 5.0 + 0.3 * time + 0.01 * rng.standard_normal(300)
    line, slopes = no_line(1, torch.device("cpu")), []
    bounds = [0, *cuts, 300]
    for a, b in pairwise(bounds):
        line, slope = extend(line, torch.from_numpy(time[a:b, None]), torch.from_numpy(energy[a:b, None]))
        slopes.append(slope)
    found = torch.cat(slopes)[:, 0].numpy()
    assert np.isnan(found[:100]).all()
    assert found[-1] == pytest.approx(np.polyfit(time, energy, 1)[0], rel=1e-9)
    assert found[150] == pytest.approx(np.polyfit(time[:151], energy[:151], 1)[0], rel=1e-9)


def test_drift_is_told_once(ala3, watch):
    """0.1 eV per ps in 42 atoms is 2.4 meV per atom and ps."""
    positions, time = watch.path_of(ala3, 150)
    known = {"energy": -100.0 + 0.1 * time}
    events = watch.scanned(ala3, positions, known=known, drift_limit=1.0)
    assert watch.told(events) == [(100, Cause.ENERGY_DRIFT)]
    assert events[0].value == pytest.approx(100.0 / 42)
    assert watch.scanned(ala3, positions, known=known, drift_limit=3.0) == []
    assert watch.scanned(ala3, positions, known=known) == []
