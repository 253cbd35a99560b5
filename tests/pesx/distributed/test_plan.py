from dataclasses import replace
from pathlib import Path

import pytest
import torch

import pesx
from pesx.chemistry.read import read_molecule
from pesx.distributed.plan import BenchPlan, PotentialPlan
from pesx.errors import WrongFolderError
from pesx.registry import make_potential

MOLECULE = read_molecule("CC(=O)NC")
PACKAGED = next((Path(pesx.__file__).parent / "data").glob("*.safetensors"))


def plan() -> PotentialPlan:
    _, source = make_potential("so3krates", MOLECULE)
    return PotentialPlan.of("so3krates", None, source.digest, molecule=MOLECULE, device="cpu")


def test_a_model_travels_as_its_content() -> None:
    here = plan()
    there = PotentialPlan.of("so3krates", str(PACKAGED), here.digest, molecule=MOLECULE, device="cpu")
    assert there.model == PACKAGED.read_bytes()
    place = MOLECULE.positions[None].float()
    assert torch.equal(here()(place).energy, there()(place).energy)


def test_another_model_is_refused() -> None:
    with pytest.raises(WrongFolderError, match="Install the same version"):
        replace(plan(), digest="0" * 64)()


@pytest.mark.parametrize(("name", "molecule"), [("lennard-jones", "LJ3"), ("muller-brown", "[Ar]")])
def test_potentials_in_reduced_units_have_stages_of_their_own(name: str, molecule: str) -> None:
    potential = PotentialPlan(name, None, "", read_molecule(molecule), "cpu")
    bench = BenchPlan(potential, 3, torch.float64)()
    assert (bench.n_slots, bench.device) == (3, "cpu")
