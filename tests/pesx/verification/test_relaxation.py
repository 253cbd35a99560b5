import pytest
import torch

from pesx.engines import XtbEngine
from pesx.engines.ase import AseEngine
from pesx.engines.make import make_engine
from pesx.engines.workers import Failed
from pesx.errors import ConfigError, InputError
from pesx.outcome import Outcome
from pesx.verification.relaxation import Relaxation, relax_each

_MODULE = """
import os
from ase.calculators.calculator import Calculator, all_changes


class Touchy(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        x = atoms.positions
        if x[0, 0] > 900:
            os._exit(7)
        if x[0, 0] > 90:
            x = x * float("nan")
        off = x - atoms.get_center_of_mass()
        self.results = {"energy": float(((off**2).sum(axis=1) - 1).sum()), "forces": -2 * off}
"""


def test_each_start_ends_in_the_minimum_of_the_engine(peroxides):
    molecule, starts = peroxides
    engine = XtbEngine()
    found = dict(relax_each(molecule, starts[:2], engine, settings=Relaxation(fmax=0.002)))
    assert sorted(found) == [0, 1]
    for row, end in found.items():
        assert end.outcome == Outcome.CONVERGED
        before, _ = engine.evaluate(molecule.numbers.numpy(), starts[row].numpy())
        energy, forces = engine.evaluate(molecule.numbers.numpy(), end.positions)
        assert end.unrelaxed_energy == pytest.approx(before, abs=1e-6)
        assert end.energy == pytest.approx(energy, abs=1e-6)
        assert end.energy < before
        assert (forces**2).sum(axis=1).max() ** 0.5 <= 0.0021
        assert end.n_evaluations > 1
    assert found[0].energy == pytest.approx(found[1].energy, abs=1e-4)  # mirror images


def test_one_bad_structure_stops_no_other(tmp_path, monkeypatch, peroxides):
    (tmp_path / "touchy_for_tests.py").write_text(_MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    molecule, starts = peroxides
    engine = make_engine("touchy_for_tests:Touchy")
    refused, fatal = starts[0] + 100, starts[0] + 1000
    rows = torch.stack([refused, fatal, starts[1]])
    found = dict(relax_each(molecule, rows, engine, settings=Relaxation(max_steps=3)))
    assert found[0].outcome == Outcome.NON_FINITE
    assert found[0].unrelaxed_energy != found[0].unrelaxed_energy
    assert isinstance(found[1], Failed)
    assert "died" in found[1].reason
    assert found[2].outcome in (Outcome.OUT_OF_STEPS, Outcome.CONVERGED)
    assert found[2].n_evaluations <= 3


def test_a_wrong_call_ends_at_once(peroxides):
    molecule, starts = peroxides
    with pytest.raises(InputError, match="no_such_module"):
        list(relax_each(molecule, starts[:1], AseEngine("no_such_module:make"), settings=Relaxation()))


@pytest.mark.parametrize("settings", [{"fmax": 0.0}, {"max_steps": 0}])
def test_settings_out_of_range(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Relaxation(**settings)
