"""The compiled path of models with charges, spin, repulsion and long-range interactions."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.io import read

from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.fused.force_field import FusedSo3krates
from pesx.so3krates.graph import replicas
from pesx.so3krates.model import So3krates
from pesx.so3krates.settings import So3kratesSettings
from pesx.so3krates.so3lr import import_so3lr

ALL = So3kratesSettings(
    elements=(1, 6, 8),
    features=48,
    n_layers=2,
    cutoff=3.0,
    mean_neighbours=5.0,
    layer_norm=True,
    charge_embedding=True,
    spin_embedding=True,
    element_shift=True,
    zbl=True,
    electrostatics=True,
    dispersion=True,
)
ENDING = {"long_range_cutoff": 4.0, "dispersion_switch": 1.5, "electrostatic_damping": 1.2, "dispersion_damping": 0.8}
"""Everything within reach of a small molecule."""

BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
NUMBERS = torch.tensor(molecule("CH3CH2OH").numbers)
POSITIONS = torch.tensor(molecule("CH3CH2OH").positions)


def make_model(**options):
    torch.manual_seed(4)
    model = So3krates(dataclasses.replace(ALL, **options)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:  # norms, biases and scales begin as ones and zeros
                parameter += 0.1 * torch.randn_like(parameter)
    return model


def shaken(n=1, size=0.1):
    noise = torch.randn(n, *POSITIONS.shape, generator=torch.manual_seed(1), dtype=torch.float64)
    return POSITIONS + size * noise


def exact(model, numbers, positions, **electrons):
    moved = positions.clone().requires_grad_()
    energy = model.interaction_energies(replicas(numbers, moved, model.settings.cutoff, **electrons))
    (gradient,) = torch.autograd.grad(energy.sum(), moved)
    return energy.detach(), -gradient


def assert_near(found, wanted, *, energy, forces):
    torch.testing.assert_close(found[0], wanted[0], rtol=0, atol=energy)
    torch.testing.assert_close(found[1].double(), wanted[1], rtol=0, atol=forces)


@pytest.fixture(scope="module")
def model():
    return make_model(**ENDING)


@pytest.fixture(scope="module")
def fused(model):
    return {dtype: FusedSo3krates(model, NUMBERS, dtype) for dtype in (torch.float64, torch.float32)}


@pytest.mark.parametrize(
    "options",
    [
        {},
        ENDING,
        {"dispersion": False},
        {"dispersion": False, "zbl": False, **ENDING},
        {"electrostatics": False},
        {"electrostatics": False, "zbl": False, "readout_features": 20, **ENDING},
        {"electrostatics": False, "dispersion": False, "cutoff": 1.4, "cutoff_function": "cosine"},
        {"charge_embedding": False, "degrees": (1, 2, 3, 4), "readout_features": 28, "residual_mlp_2": True},
        {"spin_embedding": False, "radial_basis": "bernstein", "cutoff_function": "exponential", "layer_norm_2": True},
    ],
)
def test_energies_and_forces_are_those_of_the_model(options):
    model, batch = make_model(**options), shaken(3)
    wanted = exact(model, NUMBERS, batch)
    found = FusedSo3krates(model, NUMBERS, torch.float64)(batch)
    assert_near(found, wanted, energy=1e-6, forces=1e-7 * float(wanted[1].abs().max()))


@BOTH
@pytest.mark.parametrize(("charge", "n_unpaired"), [(1, 0), (-2, 0), (0, 2), (1, 1)])
def test_charged_molecules_and_radicals(model, dtype, charge, n_unpaired):
    batch, electrons = shaken(2), {"charge": charge, "n_unpaired": n_unpaired}
    wanted = exact(model, NUMBERS, batch.to(dtype).double(), **electrons)
    found = FusedSo3krates(model, NUMBERS, dtype, **electrons)(batch.to(dtype))
    size = float(wanted[1].abs().max())
    is_single = dtype == torch.float32
    assert_near(found, wanted, energy=2e-5 if is_single else 1e-6, forces=size * (3e-6 if is_single else 1e-7))
    assert float((wanted[0] - exact(model, NUMBERS, batch)[0]).abs().max()) > 1e-3


def test_hirshfeld_ratios_of_either_sign():
    model = make_model()
    with torch.no_grad():
        model.long_range.hirshfeld.bias[0] = -1.0
    wanted = exact(model, NUMBERS, shaken(3))
    assert_near(FusedSo3krates(model, NUMBERS, torch.float64)(shaken(3)), wanted, energy=1e-6, forces=1e-6)


def test_forces_are_minus_the_gradient_of_this_energy(fused):
    batch = shaken()
    _, forces = fused[torch.float64](batch)
    step = 1e-4 * torch.eye(batch.numel(), dtype=torch.float64).view(-1, *batch.shape[1:])
    ahead, behind, further, back = (fused[torch.float64](batch + k * step)[0] for k in (1, -1, 2, -2))
    numerical = (8 * (ahead - behind) - (further - back)) / 12e-4
    torch.testing.assert_close(forces.flatten(), -numerical, rtol=0, atol=2e-8)


@BOTH
def test_a_replica_has_the_same_bits_alone_and_in_company(fused, dtype):
    batch = torch.cat([shaken(5), 1.4 * shaken(5)]).to(dtype)
    energy, forces = fused[dtype](batch)
    for row, alone in enumerate(batch.split(1)):
        own_energy, own_forces = fused[dtype](alone)
        assert torch.equal(own_energy[0], energy[row])
        assert torch.equal(own_forces[0], forces[row])


@BOTH
def test_a_broken_replica_gets_nan_and_leaves_the_others_alone(fused, dtype):
    batch = shaken(4).to(dtype)
    energy, forces = fused[dtype](batch)
    batch[1, 3, 2] = torch.nan
    broken_energy, broken_forces = fused[dtype](batch)
    assert broken_energy[1].isnan()
    assert broken_forces[1].isnan().all()
    rest = torch.tensor([0, 2, 3])
    assert torch.equal(broken_energy[rest], energy[rest])
    assert torch.equal(broken_forces[rest], forces[rest])


@BOTH
def test_coincident_atoms_are_those_of_the_model(model, fused, dtype):
    batch = shaken().to(dtype)
    batch[0, 1] = batch[0, 0]
    found, wanted = fused[dtype](batch), exact(model, NUMBERS, batch.double())
    assert found[0].isfinite().all()
    assert found[1].isfinite().all()
    # So near, the nuclei repel with a million eV.
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-5, atol=0)


def test_nothing_jumps_where_a_pair_leaves_the_long_range(model):
    numbers, batch = torch.tensor([8, 1]), torch.zeros(4, 2, 3, dtype=torch.float64)
    batch[:, 1, 0] = ENDING["long_range_cutoff"] + torch.tensor([-1e-3, -1e-6, 1e-6, 1e-3])
    energy, forces = FusedSo3krates(model, numbers, torch.float64)(batch)
    torch.testing.assert_close(energy, energy[3].expand(4), rtol=0, atol=1e-6)
    torch.testing.assert_close(forces, torch.zeros_like(forces), rtol=0, atol=1e-2)
    torch.testing.assert_close(forces[1:], torch.zeros_like(forces[1:]), rtol=0, atol=1e-5)


def test_a_single_atom(model):
    numbers, batch = torch.tensor([8]), torch.zeros(2, 1, 3, dtype=torch.float64)
    found = FusedSo3krates(model, numbers, torch.float64, charge=-1)(batch)
    assert_near(found, exact(model, numbers, batch, charge=-1), energy=1e-9, forces=0.0)


def test_a_potential_takes_the_compiled_path(model):
    batch, electrons = shaken(3), {"charge": 1, "multiplicity": 2}
    fast = LearnedPotential(model, NUMBERS, **electrons)(batch)
    kernels = FusedSo3krates(model, NUMBERS, torch.float64, charge=1, n_unpaired=1)
    slow = LearnedPotential(model, NUMBERS, **electrons, way="network")(batch)
    assert torch.equal(fast.forces, kernels(batch)[1])
    assert not torch.equal(fast.forces, slow.forces)
    assert_near((fast.energy, fast.forces), (slow.energy, slow.forces), energy=1e-6, forces=1e-6)


REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "so3lr"

published = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="the published weights and energies are not part of the repository"
)

CUTOFF = 12.0
"""Angstrom, of the published energies and forces."""

ENERGY_TOLERANCE, FORCE_TOLERANCE = {torch.float64: 1e-5, torch.float32: 2e-5}, 1e-4
"""eV and eV/angstrom; in float64 those of the authors. Single precision adds less to the forces than their own rounding."""


@pytest.fixture(scope="module")
def so3lr():
    return import_so3lr(REFERENCE / "so3lr_params.npz")[0]


def centred(name):
    """Numbers and positions; far from the origin, single precision would have lost the positions already."""
    atoms = read(REFERENCE / f"{name}.xyz")
    return torch.tensor(atoms.numbers), torch.tensor(atoms.positions - atoms.positions.mean(axis=0))


@published
@BOTH
@pytest.mark.parametrize("name", ["dha", "atat"])
def test_single_structures_and_batches_of_so3lr_are_those_of_the_authors(so3lr, name, dtype):
    numbers, positions = centred(name)
    found = np.load(REFERENCE / f"{name}_ase.npz")
    energy, forces = torch.tensor(found["energy"]).reshape(1), torch.tensor(found["forces"])
    fast = FusedSo3krates(so3lr.with_long_range_cutoff(CUTOFF), numbers, dtype)
    tolerances = {"energy": ENERGY_TOLERANCE[dtype], "forces": FORCE_TOLERANCE}
    assert_near(fast(positions[None].to(dtype)), (energy, forces[None]), **tolerances)
    # The same structure as it is, turned by half a turn, and reflected, all at once.
    signs = torch.tensor([[1.0, 1.0, 1.0], [-1.0, -1.0, 1.0], [1.0, 1.0, -1.0]], dtype=torch.float64)[:, None]
    assert_near(fast((signs * positions).to(dtype)), (energy.expand(3), signs * forces), **tolerances)


@published
@pytest.mark.parametrize("cutoff", [CUTOFF, None])
def test_batches_of_so3lr_are_those_of_the_network(so3lr, cutoff):
    model = so3lr.with_long_range_cutoff(cutoff).double()
    numbers, positions = centred("dha")
    noise = 0.05 * torch.randn(4, *positions.shape, generator=torch.manual_seed(0), dtype=torch.float64)
    batch = (positions + noise).float()
    wanted = exact(model, numbers, batch.double(), charge=1)
    double = FusedSo3krates(model, numbers, torch.float64, charge=1)
    assert_near(double(batch.double()), wanted, energy=1e-6, forces=1e-6)
    single = FusedSo3krates(model, numbers, torch.float32, charge=1)
    assert_near(single(batch), wanted, energy=2e-5, forces=5e-5)
