import json

import pytest

from pesx.analysis.audit.figures import write_figures
from pesx.analysis.audit.report import AuditReport, spectrum_of, to_json


def test_json(dipeptides):
    found = json.loads(to_json(dipeptides))
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


def test_text(dipeptides):
    text = dipeptides.as_text()
    assert "2 trajectories" in text
    assert "HYDROGEN_LOST in 1" in text
    assert "surviving        0.500" in text
    assert "against reference r.dcd" in text
    assert "(harmonic 1500)" in text


def test_without_a_reference_the_second_half_is_compared_with_the_first(dipeptides):
    alone = AuditReport(dipeptides.molecule, "hand", dipeptides.groups)
    name, apart = alone.comparison(dipeptides.groups[1])
    assert name == "its own first half"
    assert apart.distances < 0.2


def test_spectrum_is_a_mean(dipeptides):
    found = spectrum_of(dipeptides.groups[0])
    assert found.source == "velocities"
    assert found.density.sum() * found.wavenumber[1] == pytest.approx(1.0)
    assert len(dipeptides.bands(found)) == 3


@pytest.mark.parametrize("suffix", [".pdf", ".svg", ".png"])
def test_figures(suffix, dipeptides, tmp_path):
    paths = write_figures(dipeptides, tmp_path, suffix)
    assert [path.stem for path in paths] == ["survival", "causes", "distances", "torsions", "spectrum"]
    contents = [path.read_bytes() for path in paths]
    again = write_figures(dipeptides, tmp_path, suffix)
    assert [path.read_bytes() for path in again] == contents
