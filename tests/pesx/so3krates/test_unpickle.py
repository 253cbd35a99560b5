import os
import pickle
import pickletools
import sys
from pathlib import Path

import numpy as np
import pytest

from pesx.errors import CheckpointError
from pesx.so3krates.unpickle import load_arrays

TREE = {"params": {"layer": {"kernel": np.arange(6.0, dtype=np.float32).reshape(2, 3), "bias": np.zeros(3)}}}


class Planted:
    """Asks to call something when it is unpickled."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def written(tmp_path: Path, content, protocol: int = 4) -> Path:
    path = tmp_path / "params.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_come_back(tmp_path: Path, protocol: int) -> None:
    found = load_arrays(written(tmp_path, TREE, protocol))["params"]["layer"]
    for name, array in TREE["params"]["layer"].items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_arrays_of_numpy_before_version_2_come_back(tmp_path: Path) -> None:
    path = written(tmp_path, TREE, 3)
    old = path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    path.write_bytes(old)
    np.testing.assert_array_equal(load_arrays(path)["params"]["layer"]["kernel"], TREE["params"]["layer"]["kernel"])


def test_scalars_come_back(tmp_path: Path) -> None:
    assert load_arrays(written(tmp_path, {"number": np.float64(2.5)}))["number"] == 2.5


@pytest.mark.parametrize(
    ("function", "argument"),
    [
        (os.system, "mkdir {}"),
        (os.mkdir, "{}"),
        (eval, "open({!r}, 'w')"),
        (exec, "open({!r}, 'w')"),
        (open, "{}"),
        (getattr, "{}"),
        (__import__, "{}"),
    ],
)
def test_a_planted_call_is_refused_by_name_and_never_made(tmp_path: Path, function, argument: str) -> None:
    victim = str(tmp_path / "victim")
    arguments = (argument.format(victim), *(["w"] if function is open else []))
    path = written(tmp_path, {"params": TREE, "planted": Planted(function, *arguments)})
    with pytest.raises(CheckpointError, match=rf"asks for \w+\.{function.__name__}; nothing in it was run"):
        load_arrays(path)
    assert not Path(victim).exists()


def test_a_planted_import_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "planted_module.py").write_text("raise SystemExit('ran')\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "params.pkl"
    path.write_bytes(b"cplanted_module\nthing\n.")
    with pytest.raises(CheckpointError, match=r"planted_module\.thing"):
        load_arrays(path)
    assert "planted_module" not in sys.modules


@pytest.mark.parametrize("name", ["load", "fromfile", "memmap", "core.multiarray.fromfile", "lib.npyio.load"])
def test_other_functions_of_numpy_are_refused(tmp_path: Path, name: str) -> None:
    module, _, function = f"numpy.{name}".rpartition(".")
    path = tmp_path / "params.pkl"
    path.write_bytes(f"c{module}\n{function}\n.".encode())
    with pytest.raises(CheckpointError, match=function):
        load_arrays(path)


def test_attributes_of_admitted_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.pkl"
    path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.")
    assert any(op.name == "STACK_GLOBAL" for op, _, _ in pickletools.genops(path.read_bytes()))
    with pytest.raises(CheckpointError, match=r"ndarray\.tofile"):
        load_arrays(path)


def test_outside_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.pkl"
    path.write_bytes(b"\x80\x04\x8c\x04disk\x51.")
    with pytest.raises(CheckpointError, match="'disk'"):
        load_arrays(path)


@pytest.mark.parametrize("kept", [0, 1, 50, -1])
def test_truncated(tmp_path: Path, kept: int) -> None:
    path = written(tmp_path, TREE)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="cut short"):
        load_arrays(path)


def test_what_is_no_pickle(tmp_path: Path) -> None:
    path = tmp_path / "params.pkl"
    path.write_text("a letter, not a model")
    with pytest.raises(CheckpointError, match="damaged"):
        load_arrays(path)
    with pytest.raises(CheckpointError, match="could not read"):
        load_arrays(tmp_path / "absent.pkl")
