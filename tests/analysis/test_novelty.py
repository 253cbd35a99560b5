import csv
import json
from dataclasses import fields

import numpy as np
import pytest

from pesx.analysis.novelty import KEPT, SUMMARY, TABLE, NoveltyTable, novelty, read_new
from pesx.errors import InputError
from pesx.landscape.records import Verifications
from pesx.landscape.store import RunStore
from pesx.outcome import Outcome
from pesx.units import KCAL_PER_MOL


def add_verifications(folder, *, moved, gap, level="another"):
    """Say that each minimum moved so far, and that its energy at the other level is higher by a gap (kcal/mol) and 1 eV."""
    with RunStore.resume(folder) as store, store.transaction():
        minima = store.minima()
        n = len(minima)
        unrelaxed = minima.energy.numpy() + 1.0 + np.array(gap) * KCAL_PER_MOL
        store.add_verifications(
            Verifications(
                minimum=np.arange(n),
                level=np.array([level] * n, dtype=object),
                outcome=np.full(n, int(Outcome.CONVERGED)),
                unrelaxed_energy=unrelaxed,
                energy=unrelaxed - 0.1,
                rmsd=np.array(moved),
                heavy_rmsd=np.array(moved) / 2,
                n_evaluations=np.full(n, 9),
                positions=minima.positions,
            )
        )


def test_a_minimum_where_no_frame_ends_is_new(run_folder, data):
    folder = run_folder(3.1, 1.0)
    table, summary = novelty(folder, data(3.0, -1.0))
    assert table.minimum.tolist() == [0, 1]
    assert table.new.tolist() == [False, True]
    assert table.frames.tolist() == [3, 0]
    assert table.torsion_distance[1] > 90 > 20 > table.torsion_distance[0]
    assert table.rmsd_distance[1] > 0.3 > table.rmsd_distance[0]
    assert np.isnan([*table.uncertainty, *table.feature_distance, *table.survives]).all()
    counts = {"n_frames": 6, "n_frames_in_minima": 6, "n_implied": 2, "n_found": 2, "n_known": 1, "n_new": 1}
    assert counts.items() <= vars(summary).items()
    assert (summary.level, summary.new.total) == ("", 0)


def test_mirror_images_are_as_the_run_has_them(run_folder, data):
    table, summary = novelty(run_folder(3.1, 1.0, mirror="merge"), data(3.0, -1.0))
    assert not table.new.any()
    assert table.torsion_distance.max() < 20
    assert summary.n_implied == summary.n_known == 2


def test_survival_of_new_against_known(run_folder, data):
    folder = run_folder(3.1, 1.0, -1.0)
    add_verifications(folder, moved=[0.1, 0.2, 0.5], gap=[2.0, 1.0, 4.0])
    table, summary = novelty(folder, data(3.0, 1.0))
    rows = {number: row for row, number in enumerate(table.minimum.tolist())}
    order = [rows[number] for number in range(3)]
    assert table.new[order].tolist() == [False, False, True]
    assert table.survives[order].tolist() == [1, 1, 0]
    # The zero is the mean over known minima: 1.5 kcal/mol and 1 eV.
    assert table.energy_error[order].tolist() == pytest.approx([-0.5, 0.5, -2.5], abs=1e-6)
    assert (summary.known.count, summary.known.total) == (2, 2)
    assert (summary.new.count, summary.new.total) == (0, 1)
    content = json.loads((folder / SUMMARY).read_text())
    assert content["new_less_known"]["difference"] == -1
    assert content["surviving_known"]["lower"] < 1 == content["surviving_known"]["upper"]
    assert content["medians"]["new"]["energy_error"] == pytest.approx(2.5)


def test_which_level_of_verifications(run_folder, data):
    folder = run_folder(3.1, 1.0)
    with pytest.raises(InputError, match="out of none"):
        novelty(folder, data(3.0), level="another")
    add_verifications(folder, moved=[0.1, 0.1], gap=[0.0, 0.0])
    assert novelty(folder, data(3.0))[1].level == "another"
    add_verifications(folder, moved=[0.1, 0.4], gap=[0.0, 0.0], level="third")
    with pytest.raises(InputError, match="another, third"):
        novelty(folder, data(3.0))
    assert novelty(folder, data(3.0), level="third")[1].new.count == 0


def test_the_files_can_be_read_again(run_folder, data):
    folder = run_folder(3.1, 1.0)
    with pytest.raises(InputError, match="Run pesx novelty first"):
        read_new(folder)
    table, _ = novelty(folder, data(3.0, -1.0))
    assert read_new(folder) == {0: False, 1: True}
    with (folder / TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [field.name for field in fields(NoveltyTable)]
    assert [row["new"] for row in rows] == ["no", "yes"]
    assert [row["survives"] for row in rows] == ["", ""]
    assert [float(row["relative_energy"]) for row in rows] == pytest.approx(table.relative_energy, rel=1e-5)
    assert (folder / KEPT).is_file()
    assert list(folder.glob("*.partial")) == []


def test_some_of_the_frames(run_folder, data):
    folder = run_folder(3.1, 1.0)
    seen = []
    _, summary = novelty(folder, data(3.0, 1.0, n_each=5), n_frames=4, on_progress=lambda *at: seen.append(at))
    assert summary.n_frames == 4
    assert seen[-1] == (4, 4)


def test_what_has_no_novelty(run_folder, data, tmp_path, molecule):
    with RunStore.create(tmp_path / "reduced", molecule, {"energy_unit": "epsilon"}):
        pass
    (tmp_path / "reduced" / "config.toml").write_text('molecule = "OO"\n')
    with pytest.raises(InputError, match="with bonds"):
        novelty(tmp_path / "reduced", data(3.0))
    with RunStore.create(tmp_path / "empty", molecule):
        pass
    (tmp_path / "empty" / "config.toml").write_text('molecule = "OO"\n')
    with pytest.raises(InputError, match="has found none yet"):
        novelty(tmp_path / "empty", data(3.0))
    other = data(3.0, order=(0, 1, 2, 3))
    positions = other.molecules[0].positions
    positions[:, 3] += 9.0
    with pytest.raises(InputError, match="Expected frames of HOOH"):
        novelty(run_folder(3.1), other)
