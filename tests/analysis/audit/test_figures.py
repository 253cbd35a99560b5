from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.analysis.audit.audit import audit_trajectory, groups
from pesx.analysis.audit.figures import survival_figure, write_figures
from pesx.analysis.audit.observables import Observer
from pesx.analysis.audit.report import AuditReport
from pesx.chemistry import molecule_from_smiles
from pesx.monitors import Frame, Monitors


@pytest.fixture(scope="module")
def report():
    """Eight trajectories of water, three of which lose a hydrogen after 0.1, 0.2 and 0.3 ps."""
    water = molecule_from_smiles("O")

    class Given:
        path = Path("water.dcd")

        def __init__(self, breaks):
            x = water.positions.repeat(50, 1, 1)
            x[breaks:, 1] += 5.0
            self.frame = Frame(x, 0.01 * torch.arange(50, dtype=torch.float64))

        def pieces(self):
            yield self.frame

    members = [audit_trajectory(Given(k), Monitors(water), Observer(water)) for k in (10, 20, 30, 50, 50, 50, 50, 50)]
    return AuditReport(water, "hand", groups(members, water))


def test_survival_curve_is_what_was_estimated(report):
    (axes,) = survival_figure(report).axes
    curve, ticks = axes.lines
    assert np.asarray(curve.get_xdata()) == pytest.approx([0, 0.1, 0.2, 0.3, 0.49])
    assert np.asarray(curve.get_ydata()) == pytest.approx([1, 7 / 8, 6 / 8, 5 / 8, 5 / 8])
    assert np.asarray(ticks.get_xdata()) == pytest.approx([0.49] * 5)
    assert np.asarray(ticks.get_ydata()) == pytest.approx([5 / 8] * 5)


def test_only_what_there_is_is_drawn(report, tmp_path):
    """Water has no backbone, and these frames no spectrum."""
    assert [path.name for path in write_figures(report, tmp_path, ".png")] == [
        "survival.png",
        "causes.png",
        "distances.png",
    ]
