import subprocess
import sys

import pytest
import torch
from ase.build import molecule

from pesx.errors import ConfigError, ContractError, InputError
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.graph import replicas
from pesx.so3krates.model import So3krates, So3kratesSettings, with_baseline
from pesx.so3krates.uncertainty import Uncertainty
from pesx.testing import check_potential

NUMBERS = torch.tensor(molecule("CH3CH2OH").numbers)


@pytest.fixture
def model():
    torch.manual_seed(0)
    made = So3krates(So3kratesSettings(features=48, mean_neighbours=8.0))
    made.set_reference_energies({1: -13.0, 6: -1030.0, 8: -2040.0})
    return made


def geometries(n, dtype=torch.float64):
    start = torch.tensor(molecule("CH3CH2OH").positions)
    noise = torch.randn(n, 9, 3, generator=torch.manual_seed(1), dtype=torch.float64)
    return (start + 0.05 * noise).to(dtype)


@pytest.mark.parametrize(("way", "tolerance"), [("network", 1e-9), ("program", 1e-9), ("kernels", 1e-6)])
def test_it_is_the_model_bound_to_a_molecule(model, way, tolerance):
    positions = geometries(4).requires_grad_()
    energy = model.double()(replicas(NUMBERS, positions, 5.0))
    (gradient,) = torch.autograd.grad(energy.sum(), positions)
    found = LearnedPotential(model, NUMBERS, way=way)(positions.detach())
    torch.testing.assert_close(found.energy, energy.detach(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(found.forces, -gradient, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("zbl", [False, True])
def test_a_correction_and_its_baseline_answer_together(model, zbl):
    baseline = So3krates(So3kratesSettings(features=24, n_layers=2, mean_neighbours=8.0, cutoff=4.0, zbl=zbl))
    both = with_baseline(model.settings, baseline, seed=1).double()
    torch.nn.init.normal_(both.head().out.weight)
    positions = geometries(4)
    slow, fast = (LearnedPotential(both, NUMBERS, way=way) for way in ("network", "kernels"))
    assert len(fast._kernels(torch.float64)) == 2
    found, expected = fast(positions), slow(positions)
    torch.testing.assert_close(found.energy, expected.energy, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.forces, expected.forces, rtol=1e-6, atol=1e-6)


def test_it_keeps_the_contract_of_a_potential(model):
    check_potential(LearnedPotential(model, NUMBERS), geometries(5), numbers=NUMBERS).raise_if_wrong()


def test_chunks_change_no_bit(model):
    positions = geometries(11)
    whole = LearnedPotential(model, NUMBERS, max_pairs_per_chunk=10_000)(positions)
    parts = LearnedPotential(model, NUMBERS, max_pairs_per_chunk=80)(positions)
    assert torch.equal(whole.energy, parts.energy)
    assert torch.equal(whole.forces, parts.forces)


@pytest.mark.parametrize(
    ("asked", "device", "message"),
    [
        ("fast", "cpu", "auto, kernels, program, network, came 'fast'"),
        ("kernels", "cuda", "Expected a CPU .* came cuda"),
    ],
)
def test_a_way_that_does_not_exist_or_fit_is_refused(model, asked, device, message):
    with pytest.raises(ConfigError, match=message):
        LearnedPotential(model, NUMBERS, way=asked, device=device)


class SmallDevice:
    """A device with so much memory free, of which each replica of a chunk takes 100 bytes."""

    def __init__(self, free, potential):
        self.potential, self._free = potential, free

    def free(self):
        return self._free

    def taken_by(self, work):
        return work(), 100 * 8


@pytest.mark.parametrize(("dtype", "expected"), [(torch.float64, 70), (torch.float32, 35)])
def test_chunks_have_the_size_that_the_first_replicas_say_fits(model, dtype, expected):
    potential, positions = LearnedPotential(model, NUMBERS, way="program", n_threads=1), geometries(90, dtype)
    whole = potential(positions)
    potential._memory = SmallDevice(10_000, potential)
    few = potential(positions[:3])
    assert potential.n_rows > 70
    torch.testing.assert_close(few.energy, whole.energy[:3], rtol=0, atol=0)
    found = potential(positions)
    assert potential.n_rows == expected
    assert torch.equal(found.energy, whole.energy)
    assert torch.equal(found.forces, whole.forces)
    assert torch.equal(potential(positions).forces, whole.forces)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gpu_gives_what_the_processor_gives(model, dtype):
    positions = geometries(90)
    here, there = LearnedPotential(model, NUMBERS, way="network"), LearnedPotential(model, NUMBERS, device="cuda")
    known, found = here(positions), there(positions.to("cuda", dtype))
    tolerance = {torch.float32: 1e-3, torch.float64: 1e-9}[dtype]
    assert there.n_rows >= 1
    torch.testing.assert_close(found.energy.cpu(), known.energy, rtol=0, atol=tolerance)
    torch.testing.assert_close(found.forces.cpu().double(), known.forces, rtol=0, atol=tolerance * 10)


def test_precision_follows_the_positions_and_energy_is_always_float64(model):
    potential = LearnedPotential(model, NUMBERS)
    single, double = potential(geometries(3, torch.float32)), potential(geometries(3))
    assert single.forces.dtype == torch.float32
    assert single.energy.dtype == double.energy.dtype == double.forces.dtype == torch.float64
    torch.testing.assert_close(single.energy, double.energy, rtol=0, atol=1e-4)
    torch.testing.assert_close(single.forces.double(), double.forces, rtol=0, atol=1e-3)


def test_float32_energies_resolve_small_steps(model):
    potential = LearnedPotential(model, NUMBERS)
    positions = geometries(1, torch.float32)
    found = potential(positions)
    step = 1e-4 * found.forces / found.forces.norm()
    gain = float((potential(positions - step).energy - potential(positions + step).energy)[0])
    assert gain == pytest.approx(2e-4 * float(found.forces.norm()), rel=0.1)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_row_that_is_not_finite_is_nan_and_leaves_the_others_alone(model, bad):
    potential = LearnedPotential(model, NUMBERS)
    positions = geometries(6)
    good = potential(positions)
    positions[2, 4, 1] = bad
    found = potential(positions)
    others = [0, 1, 3, 4, 5]
    assert found.energy[2].isnan()
    assert found.forces[2].isnan().all()
    assert torch.equal(found.energy[others], good.energy[others])
    assert torch.equal(found.forces[others], good.forces[others])


def test_it_works_where_gradients_are_switched_off(model):
    potential = LearnedPotential(model, NUMBERS)
    expected = LearnedPotential(model, NUMBERS)(geometries(1)).forces
    with torch.inference_mode():
        assert torch.equal(potential(geometries(1)).forces, expected)
    assert torch.equal(potential(geometries(1)).forces, expected)


def test_an_empty_batch_stays_empty(model):
    potential = LearnedPotential(model, NUMBERS)
    found = potential(torch.empty(0, 9, 3))
    assert found.energy.shape == (0,)
    assert found.forces.shape == (0, 9, 3)
    assert potential.hessian(torch.empty(0, 9, 3)).shape == (0, 27, 27)


@pytest.mark.parametrize(("way", "tolerance"), [("network", 1e-9), ("kernels", 1e-6)])
def test_hessian_is_the_derivative_of_the_gradient(model, way, tolerance):
    positions = geometries(2)
    found = LearnedPotential(model, NUMBERS, way=way).hessian(positions)

    def energy(flat):
        return model.double()(replicas(NUMBERS, flat.view(1, 9, 3), 5.0)).sum()

    for row in range(2):
        expected = torch.autograd.functional.hessian(energy, positions[row].flatten())
        torch.testing.assert_close(found[row], expected, rtol=0, atol=tolerance * float(expected.abs().max()))
        assert torch.equal(found[row], found[row].T)


@pytest.mark.parametrize("way", ["network", "kernels"])
def test_products_are_those_of_the_hessian_for_directions_of_any_length(model, way):
    potential, positions = LearnedPotential(model, NUMBERS, way=way), geometries(4)
    directions = torch.randn(4, 9, 3, dtype=torch.float64) * torch.tensor([1.0, 1e-3, 40.0, 0.0])[:, None, None]
    expected = (potential.hessian(positions) @ directions.flatten(1)[:, :, None]).view_as(directions)
    found = potential.hessian_products(positions)(directions)
    length = torch.linalg.vector_norm(directions.flatten(1), dim=1)[:, None, None].clamp(min=1e-9)
    torch.testing.assert_close(found / length, expected / length, rtol=0, atol=2e-3)  # of curvatures up to 750
    assert not found[3].any()
    positions[1, 0, 0] = torch.nan
    beside = potential.hessian_products(positions)(directions)
    assert beside[1].isnan().all()
    assert torch.equal(beside[[0, 2, 3]], found[[0, 2, 3]])


def test_wrong_shape_and_unknown_element_are_refused(model):
    with pytest.raises(ContractError, match=r"\(B, 9, 3\)"):
        LearnedPotential(model, NUMBERS)(torch.zeros(9, 3))
    with pytest.raises(InputError, match="17"):
        LearnedPotential(model, torch.tensor([1, 17]))


@pytest.mark.parametrize(
    ("electrons", "lacking"), [({"charge": 1}, "charge embedding"), ({"multiplicity": 2}, "spin embedding")]
)
def test_ions_and_radicals_need_a_model_that_knows_them(model, electrons, lacking):
    with pytest.raises(InputError, match=lacking):
        LearnedPotential(model, NUMBERS, **electrons)


def test_charge_and_spin_reach_energies_and_hessians():
    torch.manual_seed(0)
    settings = So3kratesSettings(features=24, charge_embedding=True, spin_embedding=True, electrostatics=True)
    model, positions = So3krates(settings), geometries(2)
    neutral, ion = LearnedPotential(model, NUMBERS), LearnedPotential(model, NUMBERS, charge=1, multiplicity=2)
    expected = model.double()(replicas(NUMBERS, positions, 5.0, charge=1, n_unpaired=1))
    torch.testing.assert_close(ion(positions).energy, expected.detach())
    assert (ion(positions).energy != neutral(positions).energy).all()
    assert not torch.allclose(ion.hessian(positions), neutral.hessian(positions), atol=1e-3)


def test_threads_change_no_bit():
    torch.manual_seed(1)
    model = So3krates(So3kratesSettings(elements=(1, 8), features=64, degrees=(1, 2, 3, 4)))
    numbers = torch.tensor([8, 1, 1])
    water = torch.tensor([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], dtype=torch.float64)
    positions = water + 0.05 * torch.randn(23, 3, 3, dtype=torch.float64)
    alone, together = (
        LearnedPotential(model, numbers, n_threads=n_threads, max_pairs_per_chunk=12) for n_threads in (1, 3)
    )
    for a, b in ((alone(positions), together(positions)), (alone(positions[:0]), together(positions[:0]))):
        assert torch.equal(a.energy, b.energy)
        assert torch.equal(a.forces, b.forces)
    assert torch.equal(alone.hessian(positions), together.hessian(positions))


@pytest.fixture
def calibrated(model):
    features = model.double().readout_features(replicas(NUMBERS, geometries(200), 5.0)).detach()
    model.uncertainty = Uncertainty.of(features.mT @ features, ridge=1e-4, level="default").with_alpha(0.1)
    return model.float()


def test_the_uncertainty_is_that_of_the_readout_features(calibrated):
    positions = geometries(5)
    features = calibrated.double().readout_features(replicas(NUMBERS, positions, 5.0)).detach()
    potential = LearnedPotential(calibrated, NUMBERS)
    torch.testing.assert_close(potential.uncertainty(positions), calibrated.uncertainty.sigma(features))
    apart = calibrated.uncertainty.sigma(features - features[0])
    torch.testing.assert_close(potential.uncertainty(positions, positions[:1]), apart, atol=1e-9, rtol=1e-6)
    assert apart[0] == 0


def test_the_uncertainty_grows_away_from_the_data(calibrated):
    potential = LearnedPotential(calibrated, NUMBERS)
    known, start = geometries(200), geometries(1).repeat(4, 1, 1)
    start[:, 8, 1] += torch.tensor([0.0, 0.4, 0.8, 1.2])
    sigma = potential.uncertainty(start)
    assert (sigma.diff() > 0).all()
    assert (sigma[1:] > 1.2 * potential.uncertainty(known).max()).all()


def test_the_uncertainty_of_a_row_depends_on_that_row_alone(calibrated):
    positions = geometries(9)
    potential = LearnedPotential(calibrated, NUMBERS, max_pairs_per_chunk=80)
    whole = potential.uncertainty(positions)
    assert whole.shape == (9,)
    assert whole.dtype == torch.float64
    alone = torch.cat([potential.uncertainty(row[None]) for row in positions])
    torch.testing.assert_close(alone, whole, rtol=1e-12, atol=0)
    spoilt = positions.clone()
    spoilt[4, 2] = torch.nan
    found = potential.uncertainty(spoilt)
    assert found.isnan().tolist() == [row == 4 for row in range(9)]
    torch.testing.assert_close(found[:4], whole[:4], rtol=1e-12, atol=0)
    assert potential.uncertainty(positions[:0]).shape == (0,)


def test_both_precisions_give_the_same_uncertainty(calibrated):
    potential = LearnedPotential(calibrated, NUMBERS)
    single = potential.uncertainty(geometries(5, torch.float32))
    torch.testing.assert_close(single, potential.uncertainty(geometries(5)), rtol=1e-2, atol=0)


def test_a_model_that_was_not_calibrated_says_so(model, calibrated):
    calibrated.uncertainty = None
    with pytest.raises(ConfigError, match="came none"):
        LearnedPotential(model, NUMBERS).uncertainty(geometries(1))


def test_a_level_that_was_not_calibrated_says_so():
    both = So3krates(So3kratesSettings(features=24, n_layers=1, levels=("gfn2", "pbe")))
    both.uncertainty = Uncertainty.of(torch.eye(25), ridge=1.0, level="pbe")
    LearnedPotential(both, NUMBERS, level=1).uncertainty(geometries(1))
    with pytest.raises(ConfigError, match="'gfn2' is calibrated, came one that is so at 'pbe' only"):
        LearnedPotential(both, NUMBERS).uncertainty(geometries(1))


CAP = """
import resource, torch
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.model import So3krates, So3kratesSettings

torch.set_num_threads(1)
torch.manual_seed(0)
model = So3krates(So3kratesSettings(elements=(1,), features=16, n_heads=2, degrees=(1, 2), n_radial=8))
positions = torch.randn(4096, 12, 3, generator=torch.Generator().manual_seed(1)) * 2.0
numbers = torch.ones(12, dtype=torch.long)
small = LearnedPotential(model, numbers, way="network", n_threads=1)
large = LearnedPotential(model, numbers, way="network", n_threads=1, max_pairs_per_chunk=10**9)

def cap():
    now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 200 * 2**20,) * 2)
"""

EVALUATION = """
expected = small(positions)
cap()
found = large(positions)
assert torch.equal(found.energy, expected.energy) and torch.equal(found.forces, expected.forces)
print(large.n_rows)
"""

PRODUCTS = """
positions = positions[:1024]
directions = positions.roll(1, dims=0)
directions[::2] = 0.0
parts = zip(positions.split(64), directions.split(64))
expected = torch.cat([small.hessian_products(rows)(along) for rows, along in parts])
cap()
found = large.hessian_products(positions)(directions)
assert torch.equal(found, expected) and found.dtype == directions.dtype
print(large.n_rows)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory as Linux has them")
@pytest.mark.parametrize("work", [EVALUATION, PRODUCTS])
def test_a_batch_that_does_not_fit_the_memory_is_halved_until_it_does(work):
    done = subprocess.run([sys.executable, "-c", CAP + work], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert 1 <= int(done.stdout) <= 2048
