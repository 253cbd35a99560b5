from dataclasses import replace
from pathlib import Path

import pytest
import torch

import pesx
from pesx.chemistry.read import read_molecule
from pesx.distributed.plan import BenchPlan
from pesx.errors import WrongFolderError
from pesx.registry import make_potential

MOLECULE = read_molecule("CC(=O)NC")


def plan(**changes: object) -> BenchPlan:
    _, source = make_potential("so3krates", MOLECULE)
    made = BenchPlan("so3krates", None, source.digest, MOLECULE, 2, torch.float32, "cpu")
    return replace(made, **changes)


def test_a_model_travels_as_its_content() -> None:
    path = next((Path(pesx.__file__).parent / "data").glob("*.safetensors"))
    here, there = plan()(), plan(model=path.read_bytes())()
    place = MOLECULE.positions[None].float()
    assert torch.equal(here.stages.potential(place).energy, there.stages.potential(place).energy)


def test_another_model_is_refused() -> None:
    with pytest.raises(WrongFolderError, match="Install the same version"):
        plan(digest="0" * 64)()


@pytest.mark.parametrize(("name", "molecule"), [("lennard-jones", "LJ3"), ("muller-brown", "[Ar]")])
def test_potentials_in_reduced_units_have_stages_of_their_own(name: str, molecule: str) -> None:
    bench = BenchPlan(name, None, "", read_molecule(molecule), 3, torch.float64, "cpu")()
    assert (bench.n_slots, bench.device) == (3, "cpu")
