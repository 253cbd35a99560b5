import json
from pathlib import Path

import pytest

from pesx.analysis.audit.inputs import find_inputs
from pesx.errors import InputError, WrongFolderError
from pesx.monitors import Cause


@pytest.fixture
def folder(tmp_path):
    """What pesx md leaves, as far as it is looked at."""
    (tmp_path / "trajectories").mkdir()
    for number in range(4):
        (tmp_path / "trajectories" / f"replica_{number:04d}.dcd").touch()
    (tmp_path / "topology.pdb").touch()
    (tmp_path / "config.toml").write_text("temperature = [300.0, 500.0]\nreplicas = 2\n")
    event = {
        "replica": 2,
        "frame": 5,
        "time": 0.5,
        "cause": "CLASH",
        "atoms": [1, 2],
        "value": None,
        "sentence": "Ouch.",
    }
    (tmp_path / "events.jsonl").write_text(json.dumps(event | {"is_failure": True}) + "\n")
    return tmp_path


def test_folder(folder):
    found = find_inputs([folder])
    assert [item.path.stem[-1] for item in found] == list("0123")
    assert [item.target for item in found] == [300.0, 300.0, 500.0, 500.0]
    assert [len(item.known) for item in found] == [0, 0, 1, 0]
    assert (found[2].known[0].cause, found[2].known[0].atoms) == (Cause.CLASH, (1, 2))


def test_folder_without_a_thermostat(folder):
    (folder / "config.toml").write_text('temperature = [300.0]\nreplicas = 4\nintegrator = "verlet"\n')
    assert {item.target for item in find_inputs([folder])} == {None}


@pytest.mark.parametrize(
    ("temperatures", "expected"), [([], [None, None]), ([300.0], [300.0, 300.0]), ([300.0, 500.0], [300.0, 500.0])]
)
def test_files(temperatures, expected):
    found = find_inputs(["a.dcd", "b.dcd"], temperatures)
    assert [item.target for item in found] == expected
    assert [item.path for item in found] == [Path("a.dcd"), Path("b.dcd")]


def test_bad_calls(folder, tmp_path):
    with pytest.raises(InputError, match="one for each of the 2 files"):
        find_inputs(["a.dcd", "b.dcd"], [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="above 0 K"):
        find_inputs(["a.dcd"], [-1.0])
    with pytest.raises(WrongFolderError, match="folder of pesx md"):
        find_inputs([tmp_path / "trajectories"])
    (folder / "events.jsonl").write_text("nonsense\n")
    with pytest.raises(InputError, match="line 1"):
        find_inputs([folder])
