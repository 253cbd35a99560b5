import shutil
from typing import NamedTuple

import pytest
import torch

from pesx.cli import main
from pesx.run import ExploreSettings, Run
from pesx.so3krates import checkpoint
from pesx.so3krates.model import So3krates, So3kratesSettings


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def message(self):
        """The one message of a failure; there is nothing else on the screen."""
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("pesx: error: ")
        assert "Traceback" not in self.err
        return lines[0].removeprefix("pesx: error: ")


@pytest.fixture
def pesx(capsys):
    """The program: takes its arguments and returns code, stdout and stderr."""

    def call(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Answer(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A run of LJ7 with its four minima; not to be written to."""
    folder = tmp_path_factory.mktemp("finished") / "lj7"
    with Run.start(ExploreSettings("LJ7", n_minima=4, potential="lennard-jones", seed=1), folder) as run:
        run.go()
    return folder


@pytest.fixture
def lj7(finished, tmp_path):
    """A copy of that run."""
    return shutil.copytree(finished, tmp_path / "lj7")


@pytest.fixture
def model_file(tmp_path):
    """An untrained model of water."""
    torch.manual_seed(0)
    path = tmp_path / "water.safetensors"
    settings = So3kratesSettings(features=24, n_layers=1, elements=(1, 8), levels=("gfn2",))
    checkpoint.save(path, So3krates(settings), {"training_data": "none"})
    return path


@pytest.fixture
def structure(tmp_path):
    """Write an xyz file and return its path."""

    def write(*atoms, frames=1):
        path = tmp_path / "structure.xyz"
        frame = f"{len(atoms)}\n\n" + "".join(f"{atom}\n" for atom in atoms)
        path.write_text(frame * frames)
        return path

    return write
