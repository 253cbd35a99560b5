from pathlib import Path

import pytest

_MODULE = """
import os
from ase.calculators.calculator import Calculator, all_changes


class Spring(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        x = atoms.positions
        if x[0, 0] > 900:
            os._exit(7)
        if x[0, 0] > 90:
            raise RuntimeError("spring is broken")
        self.results = {"energy": 0.5 * float((x**2).sum()) + atoms.info["charge"], "forces": -x}


def dead_on_arrival():
    os._exit(9)
"""


@pytest.fixture
def springs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with a calculator that is a spring at the origin, raises beyond 90 and kills its process beyond 900."""
    (tmp_path / "springs_for_tests.py").write_text(_MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "springs_for_tests"
