import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pesx.analysis.audit.audit import AuditSettings, audit_trajectory, groups
from pesx.analysis.audit.figures import write_figures
from pesx.analysis.audit.observables import Observer
from pesx.analysis.audit.report import AuditReport, spectrum_of, to_json
from pesx.chemistry import molecule_from_smiles
from pesx.monitors import Frame, Monitors


class Given:
    """Frames as a trajectory: what the audit reads."""

    def __init__(self, name, frame):
        self.path, self.frame = Path(name), frame

    def pieces(self):
        yield self.frame


@pytest.fixture(scope="module")
def report():
    """Two trajectories of dipeptide at 300 K, one of which loses a hydrogen, and one at 500 K; a reference beside them."""
    molecule = molecule_from_smiles("CC(=O)N[C@@H](C)C(=O)NC")
    generator = torch.Generator().manual_seed(0)

    def trajectory(name, n, *, breaks=None):
        x = molecule.positions + 0.03 * torch.randn(n, molecule.n_atoms, 3, generator=generator, dtype=torch.float64)
        v = 0.01 * torch.randn(x.shape, generator=generator, dtype=torch.float64)
        if breaks is not None:
            x[breaks:, -1] += 6.0
        return Given(name, Frame(x, 0.002 * torch.arange(n, dtype=torch.float64), v))

    def audited(given, target):
        settings = AuditSettings(observe_every=0.0)
        return audit_trajectory(given, Monitors(molecule), Observer(molecule), settings, target=target)

    members = [
        audited(trajectory("a.dcd", 300), 1e6),
        audited(trajectory("b.dcd", 300, breaks=120), 1e6),
        audited(trajectory("c.dcd", 300), 2e6),
    ]
    reference = audited(trajectory("r.dcd", 200), None)
    return AuditReport(molecule, "hand", groups(members, molecule), reference, np.array([100.0, 1500.0, 3000.0]))


def test_json(report):
    found = json.loads(to_json(report))
    first, second = found["temperatures"]
    assert (first["target_k"], second["target_k"]) == (1e6, 2e6)
    assert first["causes"] == {"HYDROGEN_LOST": 1}
    assert first["survival"]["n_failed"] == 1
    assert first["survival"]["curve"]["time_ps"] == [0.0, pytest.approx(0.24)]
    assert [item["n_frames"] for item in first["trajectories"]] == [300, 171]
    assert first["observables"]["n_frames"] == 300 + 120
    assert len(first["observables"]["torsion_maps"]) == 1
    assert first["compared"]["with"] == "reference r.dcd"
    assert 0 < first["compared"]["distances"] < 0.5
    assert found["harmonic_per_cm"] == [100.0, 1500.0, 3000.0]
    assert set(first["equipartition"]) == {"H", "C", "N", "O"}


def test_text(report):
    text = report.as_text()
    assert "2 trajectories" in text
    assert "HYDROGEN_LOST in 1" in text
    assert "surviving        0.500" in text
    assert "against reference r.dcd" in text
    assert "(harmonic 1500)" in text


def test_without_a_reference_the_second_half_is_compared_with_the_first(report):
    alone = AuditReport(report.molecule, "hand", report.groups)
    name, apart = alone.comparison(report.groups[1])
    assert name == "its own first half"
    assert apart.distances < 0.2


def test_spectrum_is_a_mean(report):
    found = spectrum_of(report.groups[0])
    assert found.source == "velocities"
    assert found.density.sum() * found.wavenumber[1] == pytest.approx(1.0)
    assert len(report.bands(found)) == 3


@pytest.mark.parametrize("suffix", [".pdf", ".svg", ".png"])
def test_figures(suffix, report, tmp_path):
    paths = write_figures(report, tmp_path, suffix)
    assert [path.stem for path in paths] == ["survival", "causes", "distances", "torsions", "spectrum"]
    contents = [path.read_bytes() for path in paths]
    again = write_figures(report, tmp_path, suffix)
    assert [path.read_bytes() for path in again] == contents
