import subprocess
import sys

import pytest

from pesx.cli import main


def test_the_module_is_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    expected = capfd.readouterr().out
    done = subprocess.run([sys.executable, "-m", "pesx", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == expected


def test_it_hands_on_the_exit_code() -> None:
    done = subprocess.run([sys.executable, "-m", "pesx", "nothing"], capture_output=True, text=True)
    assert done.returncode == main(["nothing"]) == 2
