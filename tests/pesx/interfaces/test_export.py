import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from pesx.cli import main
from pesx.errors import ConfigError
from pesx.interfaces.export import FACTS, Energy, exported
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates import checkpoint
from pesx.so3krates.graph import replicas
from pesx.so3krates.model import So3krates, So3kratesSettings

SIZES = ((1, 1), (1, 2), (1, 3), (2, 5), (3, 9), (4, 12), (9, 3), (5, 11))
"""Replicas and atoms; multiples of what the model aligns to, others, and those of the traced example."""


def untrained(**settings):
    torch.manual_seed(0)
    model = So3krates(So3kratesSettings(features=24, n_layers=1, mean_neighbours=8.0, **settings))
    model.set_reference_energies({1: -13.0, 6: -1030.0, 8: -2040.0})
    return model


def geometries(n_replicas, n_atoms, seed=0):
    draw = torch.Generator().manual_seed(seed)
    corners = torch.cartesian_prod(*3 * [torch.arange(3.0, dtype=torch.float64)])[:n_atoms]
    noise = torch.rand(n_replicas, n_atoms, 3, generator=draw, dtype=torch.float64)
    return torch.tensor([8, 1, 6])[torch.arange(n_atoms) % 3], 1.6 * corners + 0.5 * noise


def pairs_of(numbers, positions, cutoff):
    graph = replicas(numbers, positions, cutoff)
    return torch.stack([graph.pair_i, graph.pair_j])


@pytest.fixture(scope="module")
def model():
    return untrained(n_radial=8)


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    checkpoint.save(folder / "model.safetensors", model, {"level": "none"})
    where = ("--out", str(folder / "model.pt2"))
    assert main(["model", "export", str(folder / "model.safetensors"), *where, "--dtype", "float64"]) == 0
    return folder / "model.pt2"


@pytest.fixture(scope="module")
def loaded(file):
    extra = {FACTS: ""}
    return torch.export.load(file, extra_files=extra).module(), json.loads(extra[FACTS])


@pytest.fixture(scope="module")
def program(loaded):
    return loaded[0]


@pytest.mark.parametrize(("n_replicas", "n_atoms"), SIZES)
def test_energies_and_forces_are_those_of_the_model(model, program, n_replicas, n_atoms):
    numbers, positions = geometries(n_replicas, n_atoms)
    exact = LearnedPotential(model, numbers, way="network")(positions)
    energy, forces = program(positions, numbers, pairs_of(numbers, positions, 5.0))
    torch.testing.assert_close(energy, exact.energy, rtol=1e-14, atol=0.0)
    torch.testing.assert_close(forces, exact.forces, rtol=0.0, atol=1e-12)


def test_pairs_beyond_the_cutoff_do_no_harm(program):
    numbers, positions = geometries(2, 9)
    positions[:, 4:] += 4.0
    few, all_pairs = (program(positions, numbers, pairs_of(numbers, positions, cutoff)) for cutoff in (5.0, 50.0))
    assert not torch.equal(pairs_of(numbers, positions, 5.0), pairs_of(numbers, positions, 50.0))
    torch.testing.assert_close(few, all_pairs, rtol=1e-14, atol=1e-12)


def test_a_replica_that_is_not_finite_leaves_the_others_as_they_were(program):
    numbers, positions = geometries(3, 4)
    whole = program(positions, numbers, pairs_of(numbers, positions, 5.0))
    positions[1, 0] = torch.nan
    energy, forces = program(positions, numbers, pairs_of(numbers, positions, 5.0))
    assert energy[1].isnan()
    assert forces[1].isnan().all()
    assert torch.equal(energy[[0, 2]], whole[0][[0, 2]])
    assert torch.equal(forces[[0, 2]], whole[1][[0, 2]])


ELSEWHERE = """
import json, sys
sys.modules["pesx"] = None
import numpy, torch

extra = {"pesx.json": ""}
run = torch.export.load(sys.argv[1], extra_files=extra).module()
given = numpy.load(sys.argv[2])
energy, forces = run(*(torch.from_numpy(given[name]) for name in json.loads(extra["pesx.json"])["inputs"]))
numpy.savez(sys.argv[3], energy=energy, forces=forces)
assert not [name for name in sys.modules if name.startswith("pesx.")]
"""


def test_a_process_that_cannot_import_pesx(model, file, tmp_path):
    numbers, positions = geometries(2, 9)
    pairs = pairs_of(numbers, positions, 5.0)
    np.savez(tmp_path / "given.npz", positions=positions, numbers=numbers, pairs=pairs)
    command = [sys.executable, "-c", ELSEWHERE, file, tmp_path / "given.npz", tmp_path / "out.npz"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    exact = LearnedPotential(model, numbers, way="network")(positions)
    found = np.load(tmp_path / "out.npz")
    np.testing.assert_allclose(found["energy"], exact.energy, rtol=1e-14)
    np.testing.assert_allclose(found["forces"], exact.forces, rtol=0.0, atol=1e-12)


def test_the_file_says_what_it_is(model, file, loaded):
    facts = loaded[1]
    assert facts["units"] == {"energy": "eV", "length": "angstrom"}
    assert list(facts["inputs"]) == ["positions", "numbers", "pairs"]
    assert list(facts["outputs"]) == ["energy", "forces"]
    assert (facts["cutoff"], facts["dtype"], facts["elements"]) == (5.0, "float64", [1, 6, 7, 8])
    assert facts["model"] == checkpoint.model_hash(model)
    assert facts["card"] == {"level": "none"}
    assert {path.name for path in file.parent.iterdir()} == {"model.pt2", "model.safetensors"}


PARTS = {
    "elements": (1, 6, 8),
    "charge_embedding": True,
    "spin_embedding": True,
    "zbl": True,
    "electrostatics": True,
    "dispersion": True,
    "element_shift": True,
    "layer_norm": True,
    "residual_mlp_2": True,
    "radial_basis": "bernstein",
    "cutoff_function": "exponential",
}


@pytest.mark.slow
@pytest.mark.parametrize("long_range_cutoff", [None, 5.5])
def test_every_part_of_a_model_is_exported(long_range_cutoff):
    model = untrained(**PARTS, long_range_cutoff=long_range_cutoff).double()
    program = exported(model, dtype="float64").module()
    for n_replicas, n_atoms in SIZES:
        numbers, positions = geometries(n_replicas, n_atoms)
        exact = LearnedPotential(model, numbers, charge=-1, multiplicity=3, way="network")(positions)
        electrons = (positions.new_full((n_replicas,), -1), positions.new_full((n_replicas,), 2))
        energy, forces = program(positions, numbers, pairs_of(numbers, positions, 5.0), *electrons)
        torch.testing.assert_close(energy, exact.energy, rtol=1e-13, atol=0.0)
        torch.testing.assert_close(forces, exact.forces, rtol=1e-11, atol=1e-11)


def test_charge_and_spin_are_arguments_of_models_that_know_them(model):
    assert Energy(model).inputs == ("positions", "numbers", "pairs")
    assert Energy(untrained(**PARTS)).inputs == ("positions", "numbers", "pairs", "charge", "n_unpaired")


def test_what_cannot_be_done_is_refused(model):
    with pytest.raises(ConfigError, match="float16"):
        exported(model, dtype="float16")
    with pytest.raises(ConfigError, match="level"):
        exported(model, level=1)
