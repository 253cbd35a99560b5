import dataclasses
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from ase.build import molecule

from pesx.errors import ConfigError, ContractError, InputError
from pesx.so3krates import checkpoint
from pesx.so3krates.cutoff import CUTOFF_FUNCTIONS
from pesx.so3krates.fused.force_field import FusedSo3krates
from pesx.so3krates.fused.switches import CUTOFF_CODES
from pesx.so3krates.graph import replicas
from pesx.so3krates.model import So3krates, with_baseline
from pesx.so3krates.settings import So3kratesSettings

SMALL = So3kratesSettings(elements=(1, 6, 8), features=48, n_layers=3, cutoff=3.0, mean_neighbours=5.0)
BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32])


def make_model(**options):
    torch.manual_seed(3)
    model = So3krates(dataclasses.replace(SMALL, **options)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:  # norms, biases and scales begin as ones and zeros
                parameter += 0.1 * torch.randn_like(parameter)
    return model


def structure(name="CH3CH2OH"):
    atoms = molecule(name)
    return torch.tensor(atoms.numbers), torch.tensor(atoms.positions)


def shaken(positions, n=1, size=0.1):
    noise = torch.randn(n, *positions.shape, generator=torch.manual_seed(1), dtype=torch.float64)
    return positions + size * noise


def exact(model, numbers, positions):
    moved = positions.clone().requires_grad_()
    energy = model.interaction_energies(replicas(numbers, moved, model.settings.cutoff))
    (gradient,) = torch.autograd.grad(energy.sum(), moved)
    return energy.detach(), -gradient


@pytest.fixture(scope="module")
def fused():
    numbers, _ = structure()
    return {dtype: FusedSo3krates(make_model(), numbers, dtype) for dtype in (torch.float64, torch.float32)}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"residual_mlp": False},
        {"n_layers": 1, "layer_norm": True},
        {"layer_norm": True, "layer_norm_2": True, "residual_mlp_2": True, "layer_norm_epsilon": 1e-3},
        {"degrees": (2, 4), "n_heads": 3, "cutoff_function": "cosine"},
        {"degrees": (1, 2, 3, 4), "features": 132, "n_layers": 2, "cutoff_function": "exponential"},
        {"features": 36, "n_heads": 1, "degrees": (1,), "radial_basis": "bernstein"},
        {"readout_features": 20, "element_shift": True, "radial_basis": "bessel", "n_radial": 8},
        {"levels": ("low", "high"), "radial_basis": "gaussian", "n_radial": 12},
    ],
)
def test_energies_and_forces_are_those_of_the_model(options):
    model = make_model(**options)
    numbers, positions = structure()
    batch = shaken(positions, 3)
    level = len(model.settings.levels) - 1
    energy, forces = FusedSo3krates(model, numbers, torch.float64, level=level)(batch)
    moved = batch.clone().requires_grad_()
    wanted = model.interaction_energies(replicas(numbers, moved, model.settings.cutoff), level)
    (gradient,) = torch.autograd.grad(wanted.sum(), moved)
    torch.testing.assert_close(energy, wanted.detach(), rtol=0, atol=1e-6)
    torch.testing.assert_close(forces, -gradient, rtol=0, atol=1e-7 * float(gradient.abs().max()))


def test_single_precision_differs_by_its_rounding_only(fused):
    _, positions = structure()
    batch = shaken(positions, 3).float()
    energy, forces = fused[torch.float32](batch)
    wanted, wanted_forces = fused[torch.float64](batch.double())
    assert energy.dtype == torch.float64
    assert forces.dtype == torch.float32
    torch.testing.assert_close(energy, wanted, rtol=0, atol=2e-5)
    torch.testing.assert_close(forces.double(), wanted_forces, rtol=0, atol=3e-6 * float(wanted_forces.abs().max()))


def test_tables_move_the_forces_of_the_packaged_model_by_less_than_a_hundred_thousandth():
    model = checkpoint.load()[0].double()
    for name in ("H2CO", "CH3CH2OH", "CH3CONH2"):
        numbers, positions = structure(name)
        batch = shaken(positions, 8, 0.05)
        energy, forces = FusedSo3krates(model, numbers, torch.float64)(batch)
        wanted, wanted_forces = exact(model, numbers, batch)
        torch.testing.assert_close(energy, wanted, rtol=0, atol=1e-5)
        torch.testing.assert_close(forces, wanted_forces, rtol=0, atol=1e-5)


def test_forces_are_minus_the_gradient_of_this_energy(fused):
    _, positions = structure()
    batch = shaken(positions)
    _, forces = fused[torch.float64](batch)
    step = 1e-4 * torch.eye(batch.numel(), dtype=torch.float64).view(-1, *batch.shape[1:])
    ahead, behind, further, back = (fused[torch.float64](batch + k * step)[0] for k in (1, -1, 2, -2))
    numerical = (8 * (ahead - behind) - (further - back)) / 12e-4
    torch.testing.assert_close(forces.flatten(), -numerical, rtol=0, atol=2e-9)


@BOTH
def test_a_replica_has_the_same_bits_alone_and_in_company(fused, dtype):
    _, positions = structure()
    batch = torch.cat([shaken(positions, 5), 1.4 * shaken(positions, 5)]).to(dtype)
    energy, forces = fused[dtype](batch)
    for row, alone in enumerate(batch.split(1)):
        own_energy, own_forces = fused[dtype](alone)
        assert torch.equal(own_energy[0], energy[row])
        assert torch.equal(own_forces[0], forces[row])


@BOTH
def test_threads_do_not_disturb_one_another(fused, dtype):
    _, positions = structure()
    batches = [shaken(positions, 4, 0.02 * k).to(dtype) for k in range(12)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda batch: fused[dtype](batch), batches))
    for batch, (energy, forces) in zip(batches, together, strict=True):
        alone = fused[dtype](batch)
        assert torch.equal(energy, alone[0])
        assert torch.equal(forces, alone[1])


@BOTH
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_broken_replica_gets_nan_and_leaves_the_others_alone(fused, dtype, bad):
    _, positions = structure()
    batch = shaken(positions, 4).to(dtype)
    energy, forces = fused[dtype](batch)
    batch[1, 3, 2] = bad
    broken_energy, broken_forces = fused[dtype](batch)
    assert broken_energy[1].isnan()
    assert broken_forces[1].isnan().all()
    rest = torch.tensor([0, 2, 3])
    assert torch.equal(broken_energy[rest], energy[rest])
    assert torch.equal(broken_forces[rest], forces[rest])


def test_order_of_atoms_does_not_matter(fused):
    numbers, positions = structure()
    batch, order = shaken(positions), torch.randperm(len(numbers), generator=torch.manual_seed(0))
    energy, forces = fused[torch.float64](batch)
    other_energy, other_forces = FusedSo3krates(make_model(), numbers[order], torch.float64)(batch[:, order])
    torch.testing.assert_close(other_energy, energy, rtol=0, atol=1e-10)
    torch.testing.assert_close(other_forces, forces[:, order], rtol=0, atol=1e-10)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rotation_reflection_and_translation_leave_the_energy_and_turn_forces(fused, sign):
    _, positions = structure()
    batch = shaken(positions)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.manual_seed(5), dtype=torch.float64))
    turn = sign * turn
    energy, forces = fused[torch.float64](batch)
    turned_energy, turned_forces = fused[torch.float64](batch @ turn.T + 7.0)
    torch.testing.assert_close(turned_energy, energy, rtol=0, atol=1e-10)
    torch.testing.assert_close(turned_forces, forces @ turn.T, rtol=0, atol=1e-10)


def test_nothing_jumps_where_a_pair_comes_within_the_cutoff():
    numbers = torch.tensor([8, 1])
    distances = SMALL.cutoff + torch.tensor([-1e-3, -1e-6, 1e-6, 1e-3], dtype=torch.float64)
    batch = torch.zeros(4, 2, 3, dtype=torch.float64)
    batch[:, 1, 0] = distances
    energy, forces = FusedSo3krates(make_model(), numbers, torch.float64)(batch)
    torch.testing.assert_close(energy[:3], energy[3:].expand(3), rtol=0, atol=1e-8)
    torch.testing.assert_close(forces, torch.zeros_like(forces), rtol=0, atol=1e-4)
    torch.testing.assert_close(forces[1:], torch.zeros_like(forces[1:]), rtol=0, atol=1e-9)


@BOTH
def test_coincident_atoms_are_finite(fused, dtype):
    _, positions = structure()
    batch = positions[None].clone().to(dtype)
    batch[0, 1] = batch[0, 0]
    energy, forces = fused[dtype](batch)
    assert energy.isfinite().all()
    assert forces.isfinite().all()


def test_single_atoms_and_empty_batches():
    model = make_model()
    numbers = torch.tensor([8])
    fast = FusedSo3krates(model, numbers, torch.float64)
    energy, forces = fast(torch.zeros(2, 1, 3, dtype=torch.float64))
    wanted = model.interaction_energies(replicas(numbers, torch.zeros(1, 1, 3, dtype=torch.float64), 3.0))
    torch.testing.assert_close(energy, wanted.detach().expand(2), rtol=0, atol=1e-9)
    assert not forces.any()
    energy, forces = fast(torch.zeros(0, 1, 3, dtype=torch.float64))
    assert energy.shape == (0,)
    assert forces.shape == (0, 1, 3)


def test_more_pairs_than_before_find_room(fused):
    numbers, positions = structure()
    far, near = 2.0 * shaken(positions), 0.8 * shaken(positions)
    fast = FusedSo3krates(make_model(), numbers, torch.float64)
    for batch in (far, near, far):
        for found, wanted in zip(fast(batch), fused[torch.float64](batch), strict=True):
            assert torch.equal(found, wanted)


def test_elements_that_the_model_does_not_know_are_refused():
    with pytest.raises(InputError, match="17"):
        FusedSo3krates(make_model(), torch.tensor([1, 17]), torch.float64)


def test_all_cutoff_functions_have_a_kernel():
    assert set(CUTOFF_CODES) == set(CUTOFF_FUNCTIONS)


def test_other_precisions_and_shapes_are_refused(fused):
    numbers, positions = structure()
    with pytest.raises(ContractError, match="float16"):
        FusedSo3krates(make_model(), numbers, torch.float16)
    with pytest.raises(ContractError, match="cast"):
        fused[torch.float32](positions[None])
    with pytest.raises(ContractError, match=r"\(B, 9, 3\)"):
        fused[torch.float64](positions[None, :8])


def test_the_compiler_is_loaded_at_first_need_only():
    code = "import sys, pesx.so3krates.model, pesx.so3krates.tabulated; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_that_stands_on_a_baseline_is_no_single_network() -> None:
    settings = So3kratesSettings(features=24, n_layers=1)
    model = with_baseline(settings, So3krates(settings), seed=0)
    with pytest.raises(ConfigError, match="baseline"):
        FusedSo3krates(model, torch.tensor([1, 6, 8]), torch.float64)
