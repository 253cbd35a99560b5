import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.io import read

from pesx.calculator import PesxCalculator
from pesx.errors import CheckpointError, InputError
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates import checkpoint
from pesx.so3krates.graph import collate
from pesx.so3krates.so3lr import ELEMENTS, import_so3lr

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "so3lr"

published = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="the published weights and energies are not part of the repository"
)

CUTOFF = 12.0
ENERGY_TOLERANCE, FORCE_TOLERANCE = 1e-5, 1e-4
"""eV and eV/angstrom; those of the authors."""


@pytest.fixture(scope="module")
def so3lr_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published model as a model file."""
    path = tmp_path_factory.mktemp("so3lr") / "so3lr.safetensors"
    checkpoint.save(path, *import_so3lr(REFERENCE / "so3lr_params.npz"))
    return path


def reference(name: str):
    """Atoms without their cell, and the energy and forces of the authors' own code."""
    atoms = read(REFERENCE / f"{name}.xyz")
    atoms.pbc = False
    found = np.load(REFERENCE / f"{name}_ase.npz")
    return atoms, float(found["energy"]), found["forces"]


@published
@pytest.mark.parametrize("name", ["dha", "atat"])
def test_energy_and_forces_are_those_of_the_authors(so3lr_file: Path, name: str) -> None:
    atoms, energy, forces = reference(name)
    atoms.calc = PesxCalculator(so3lr_file, device="cpu", dtype="float64", long_range_cutoff=CUTOFF)
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=ENERGY_TOLERANCE)
    np.testing.assert_allclose(atoms.get_forces(), forces, rtol=0, atol=FORCE_TOLERANCE)


@published
def test_single_precision_is_as_good_as_it_can_be(so3lr_file: Path) -> None:
    for name in ("dha", "atat"):
        atoms, energy, forces = reference(name)
        # Far from the origin, single precision would have lost the positions already.
        atoms.positions -= atoms.positions.mean(axis=0)
        atoms.calc = PesxCalculator(so3lr_file, device="cpu", dtype="float32", long_range_cutoff=CUTOFF)
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-4)
        np.testing.assert_allclose(atoms.get_forces(), forces, rtol=0, atol=2 * FORCE_TOLERANCE)


@published
def test_batches_give_the_energies_of_the_authors_too(so3lr_file: Path) -> None:
    model = checkpoint.load(so3lr_file)[0].double().with_long_range_cutoff(CUTOFF)
    parts = [reference(name) for name in ("dha", "atat", "dha")]
    positions = [torch.tensor(atoms.positions, requires_grad=True) for atoms, _, _ in parts]
    energy = model(collate([torch.tensor(atoms.numbers) for atoms, _, _ in parts], positions, 4.5))
    gradients = torch.autograd.grad(energy.sum(), positions)
    for found, gradient, (_, expected, forces) in zip(energy.tolist(), gradients, parts, strict=True):
        assert found == pytest.approx(expected, abs=ENERGY_TOLERANCE)
        np.testing.assert_allclose(-gradient.numpy(), forces, rtol=0, atol=FORCE_TOLERANCE)


@published
def test_replicas_have_the_bits_of_one(so3lr_file: Path) -> None:
    model = checkpoint.load(so3lr_file)[0]
    atoms, _, _ = reference("dha")
    potential = LearnedPotential(model, torch.tensor(atoms.numbers))
    noise = 0.05 * torch.randn(9, len(atoms), 3, generator=torch.manual_seed(0), dtype=torch.float64)
    batch = torch.tensor(atoms.positions - atoms.positions.mean(axis=0)) + noise
    for dtype in (torch.float32, torch.float64):
        whole, one = potential(batch.to(dtype)), potential(batch[4:5].to(dtype))
        assert torch.equal(whole.energy[4:5], one.energy)
        assert torch.equal(whole.forces[4:5], one.forces)


def test_a_folder_a_pickle_and_an_npz_file_give_the_same_model(so3lr_arrays, write_so3lr, tmp_path: Path) -> None:
    path = write_so3lr(so3lr_arrays)
    np.savez(tmp_path / "params.npz", **so3lr_arrays)
    hashes = {checkpoint.model_hash(import_so3lr(source)[0]) for source in (path, tmp_path, tmp_path / "params.npz")}
    assert len(hashes) == 1


def test_the_card_names_source_and_file(so3lr_arrays, write_so3lr) -> None:
    model, card = import_so3lr(write_so3lr(so3lr_arrays))
    assert card["source"] == "doi:10.1021/jacs.5c09558"
    assert card["imported_from"]["file"] == "params.pkl"
    assert model.settings.elements == ELEMENTS
    assert model.settings.levels == (card["level_of_theory"],)


def test_an_element_that_was_not_trained_on_is_refused(so3lr_arrays, write_so3lr) -> None:
    model, _ = import_so3lr(write_so3lr(so3lr_arrays))
    with pytest.raises(InputError, match="35"):
        LearnedPotential(model, torch.tensor([1, 35]))


def test_without_hyperparameters_those_of_the_published_model_are_taken(so3lr_arrays, write_so3lr, tmp_path) -> None:
    write_so3lr(so3lr_arrays)
    (tmp_path / "hyperparameters.json").unlink()
    with pytest.raises(CheckpointError, match=r"\(119, 128\), came \(119, 16\)"):
        import_so3lr(tmp_path)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"activation_fn": "relu"}, "activation_fn"),
        ({"radial_basis_fn": "fourier"}, "fourier"),
        ({"num_heads": 5}, "n_heads"),
        ({"num_layers": "many"}, "hyperparameters"),
    ],
)
def test_hyperparameters_that_pesx_does_not_have_are_named(so3lr_arrays, write_so3lr, changed: dict, word: str) -> None:
    with pytest.raises(CheckpointError, match=word):
        import_so3lr(write_so3lr(so3lr_arrays, **changed))


def test_damaged_hyperparameters(so3lr_arrays, write_so3lr, tmp_path: Path) -> None:
    path = write_so3lr(so3lr_arrays)
    (tmp_path / "hyperparameters.json").write_text("{")
    with pytest.raises(CheckpointError, match="hyperparameters"):
        import_so3lr(path)


def test_parameters_that_are_missing_or_too_many_are_named(so3lr_arrays, write_so3lr) -> None:
    more = so3lr_arrays | {"params/layers_7/bias": np.zeros(1, dtype=np.float32)}
    with pytest.raises(CheckpointError, match="layers_7"):
        import_so3lr(write_so3lr(more))
    less = {name: array for name, array in so3lr_arrays.items() if not name.endswith("Wv1")}
    with pytest.raises(CheckpointError, match="Wv1"):
        import_so3lr(write_so3lr(less))


class Planted:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_planted_call_is_refused_and_not_made(tmp_path: Path) -> None:
    path, victim = tmp_path / "params.pkl", tmp_path / "victim"
    path.write_bytes(pickle.dumps({"params": Planted(f"touch {victim}")}))
    with pytest.raises(CheckpointError, match=r"system; nothing in it was run"):
        import_so3lr(path)
    assert not victim.exists()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="found none"):
        import_so3lr(tmp_path / "absent.pkl")
