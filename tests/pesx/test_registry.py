import sys
from pathlib import Path

import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.engines.attribute import load_attribute
from pesx.errors import CheckpointError, ConfigError, ContractError, InputError
from pesx.potentials.ase import AsePotential
from pesx.potentials.learned import LearnedPotential
from pesx.registry import REDUCED, choose_device, make_potential, own_faults
from pesx.so3krates import checkpoint
from pesx.so3krates.model import So3krates, So3kratesSettings

WATER = read_molecule("O")

MODULE = """
from dataclasses import dataclass
from pesx.potentials.lennard_jones import LennardJones
from pesx.state import Evaluation

potential = LennardJones()
number = 3


class Bound:
    def __init__(self, molecule):
        self.n_atoms = molecule.n_atoms

    def __call__(self, positions):
        assert positions.shape[1] == self.n_atoms
        return potential(positions)


def build(molecule):
    return Bound(molecule)


def wrong(molecule):
    return "nothing"


def no_molecule():
    return potential


def raises(positions):
    raise KeyError("energy")


def refuses(molecule):
    raise ValueError(f"no parameters for {molecule.formula}")


def summed(positions):
    now = potential(positions)
    return Evaluation(now.energy.sum(), now.forces)


def one_row(positions):
    now = potential(positions)
    return Evaluation(now.energy, now.forces[0])


def single(positions):
    now = potential(positions)
    return Evaluation(now.energy, now.forces.float())


def listed(molecule):
    return lambda positions: Evaluation([0.0, 0.0], potential(positions).forces)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of a user's own in the working directory."""
    name = f"own_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return name


@pytest.fixture
def model_file(tmp_path: Path) -> str:
    torch.manual_seed(0)
    model = So3krates(So3kratesSettings(features=24, n_layers=1, degrees=(1, 2), levels=("made up",)))
    checkpoint.save(tmp_path / "model.safetensors", model, {})
    return str(tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", REDUCED)
def test_reduced_potentials_have_their_name_as_level(name: str) -> None:
    potential, source = make_potential(name, read_molecule("LJ7"))
    assert (source.name, source.level, source.digest) == (name, name, "")
    n_atoms = 1 if name == "muller-brown" else 7
    positions = read_molecule("LJ7").positions[None, :n_atoms]
    assert potential(positions).forces.shape == positions.shape


def test_a_model_file_becomes_a_potential_with_its_level_and_hash(model_file: str) -> None:
    potential, source = make_potential("so3krates", WATER, model=model_file)
    assert isinstance(potential, LearnedPotential)
    assert source.level == "made up"
    assert source.digest == checkpoint.model_hash(checkpoint.load(model_file)[0])
    assert torch.isfinite(potential(WATER.positions[None]).forces).all()


@pytest.mark.parametrize(("smiles", "lacking"), [("[OH-]", "charge embedding"), ("[CH3]", "spin embedding")])
def test_a_model_without_charges_refuses_ions_and_radicals(model_file: str, smiles: str, lacking: str) -> None:
    with pytest.raises(InputError, match=f"without {lacking}"):
        make_potential("so3krates", read_molecule(smiles), model=model_file)


def test_a_model_with_charges_is_told_the_charge_of_the_molecule(tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = So3kratesSettings(features=24, n_layers=1, degrees=(1, 2), charge_embedding=True, spin_embedding=True)
    model = So3krates(settings)
    checkpoint.save(tmp_path / "model.safetensors", model, {})
    hydroxide = read_molecule("[OH-]")
    potential, _ = make_potential("so3krates", hydroxide, model=str(tmp_path / "model.safetensors"))
    found = potential(hydroxide.positions[None]).energy
    assert torch.equal(found, LearnedPotential(model, hydroxide.numbers, charge=-1)(hydroxide.positions[None]).energy)
    assert not torch.equal(found, LearnedPotential(model, hydroxide.numbers)(hydroxide.positions[None]).energy)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.safetensors").write_text("nothing")
    with pytest.raises(CheckpointError):
        make_potential("so3krates", WATER, model=str(tmp_path / "none.safetensors"))


def test_engines_become_potentials() -> None:
    potential, source = make_potential("gfn2", WATER)
    assert isinstance(potential, AsePotential)
    assert (source.name, source.level) == ("gfn2", potential.engine.level)
    potential.close()


@pytest.mark.parametrize("attribute", ["potential", "build", "Bound"])
def test_own_potentials_and_functions_of_the_molecule_are_found(own: str, attribute: str) -> None:
    before = list(sys.path)
    potential, source = make_potential(f"{own}:{attribute}", WATER)
    assert source.name == f"{own}:{attribute}"
    assert potential(WATER.positions[None].repeat(2, 1, 1)).energy.shape == (2,)
    assert sys.path == before


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ("wrong", r"returned 'str', which given positions cannot be called"),
        ("number", r"given positions it cannot be called"),
        ("no_molecule", r"raised TypeError: no_molecule\(\) takes 0 positional arguments"),
        ("raises", r"raised KeyError: 'energy'"),
        ("refuses", r"given the molecule it raised ValueError: no parameters for H2O"),
        ("summed", r"energy of shape \(2,\), torch.float64.*came shape \(\)"),
        ("one_row", r"forces of shape \(2, 3, 3\).*came shape \(3, 3\)"),
        ("single", r"forces of .*torch.float64.*torch.float32"),
        ("listed", r"energy of .*came 'list'"),
    ],
)
def test_what_is_no_potential_is_refused(own: str, attribute: str, words: str) -> None:
    with pytest.raises(ContractError, match=words) as caught:
        make_potential(f"{own}:{attribute}", WATER)
    assert "check_potential" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_named(own: str) -> None:
    with pytest.raises(InputError, match="absent"):
        make_potential(f"{own}:absent", WATER)
    with pytest.raises(InputError, match="no_such_module"):
        make_potential("no_such_module:thing", WATER)
    with pytest.raises(InputError, match=r"so3krates, .*'guess'"):
        make_potential("guess", WATER)


@pytest.mark.parametrize(
    ("content", "words"),
    [("{}['key']", "'key'"), ("def (", "invalid syntax"), ("import no_such_module", "no_such_module")],
)
def test_a_module_that_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, words: str
) -> None:
    name = f"broken_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        make_potential(f"{name}:potential", WATER)


@pytest.mark.parametrize("name", [":x", "x:", ":"])
def test_half_a_place_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="Expected module:attribute"):
        make_potential(name, WATER)


def test_only_faults_of_the_own_module_are_blamed_on_it(own: str) -> None:
    name = f"{own}:raises"
    raises = load_attribute(name)
    with pytest.raises(KeyError, match="of another"), own_faults(name):
        raise KeyError("of another")
    with pytest.raises(KeyError, match="energy"), own_faults("gfn2"):
        raises(None)
    with pytest.raises(ContractError, match=rf"KeyError: 'energy' \(.*{own}\.py, line \d+\)"), own_faults(name):
        raises(None)


def test_a_model_beside_another_potential_is_refused(model_file: str) -> None:
    with pytest.raises(ConfigError, match="no model file"):
        make_potential("gfn2", WATER, model=model_file)


def test_devices() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ConfigError, match="'toaster'"):
        choose_device("toaster")
