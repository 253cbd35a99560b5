import os
import subprocess
import sys

import pytest
import torch
from ase.build import molecule as ase_molecule

from pesx.so3krates.graph import replicas
from pesx.so3krates.model import So3krates, So3kratesSettings, with_baseline
from pesx.so3krates.program import Reading, So3kratesProgram

ETHANOL = ase_molecule("CH3CH2OH")
NUMBERS = torch.tensor(ETHANOL.numbers)
SMALL = {"features": 24, "n_layers": 2, "mean_neighbours": 8.0}


def geometries(n, noise=0.1, seed=1):
    start = torch.tensor(ETHANOL.positions)
    return start + noise * torch.randn(n, 9, 3, generator=torch.manual_seed(seed), dtype=torch.float64)


def network(**settings):
    torch.manual_seed(0)
    made = So3krates(So3kratesSettings(**SMALL | settings)).double().requires_grad_(False)
    for head in made.heads:
        torch.nn.init.normal_(head.out.weight)
    made.set_reference_energies({1: -13.0, 6: -1030.0, 8: -2040.0})
    return made


def expected(model, positions, numbers=NUMBERS, level=0, **electrons):
    moved = positions.clone().requires_grad_()
    cutoff = max(part.cutoff for part in model.settings.parts())
    energy = model(replicas(numbers, moved, cutoff, **electrons), level)
    return energy.detach(), -torch.autograd.grad(energy.sum(), moved)[0]


def test_an_empty_batch_stays_empty():
    energy, forces = So3kratesProgram(network(), NUMBERS)(geometries(2)[:0])
    assert energy.shape == (0,)
    assert forces.shape == (0, 9, 3)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"cutoff": 2.0, "zbl": True},
        {"electrostatics": True, "dispersion": True, "cutoff": 2.5},
        {"layer_norm": True, "residual_mlp": True},
    ],
)
def test_it_gives_what_the_network_gives(settings):
    model, positions = network(**settings), geometries(7)
    for found, known in zip(So3kratesProgram(model, NUMBERS)(positions), expected(model, positions), strict=True):
        torch.testing.assert_close(found, known, rtol=1e-12, atol=1e-11)


def test_levels_charge_and_spin_reach_the_network():
    model = network(charge_embedding=True, spin_embedding=True, levels=("low", "high"))
    positions = geometries(3)
    program = So3kratesProgram(model, NUMBERS, level=1, charge=1, n_unpaired=1)
    known = expected(model, positions, level=1, charge=1, n_unpaired=1)
    torch.testing.assert_close(program(positions), known, rtol=1e-12, atol=1e-11)


def test_a_baseline_that_sees_less_far_is_part_of_it():
    model = with_baseline(So3kratesSettings(**SMALL), network(cutoff=4.0), seed=1).double()
    torch.nn.init.normal_(model.head().out.weight)
    positions = geometries(3)
    torch.testing.assert_close(
        So3kratesProgram(model, NUMBERS)(positions), expected(model, positions), rtol=1e-12, atol=1e-11
    )


@pytest.mark.parametrize("n_atoms", [1, 2])
def test_atoms_and_pairs_are_molecules_too(n_atoms):
    model, numbers = network(), NUMBERS[:n_atoms]
    positions = geometries(4)[:, :n_atoms]
    torch.testing.assert_close(
        So3kratesProgram(model, numbers)(positions), expected(model, positions, numbers), rtol=1e-12, atol=1e-11
    )


def test_a_replica_has_the_same_bits_alone_and_in_any_batch():
    program, positions = So3kratesProgram(network(), NUMBERS), geometries(5)
    energy, forces = program(positions)
    for row in range(5):
        alone = program(positions[row : row + 1])
        assert torch.equal(alone[0][0], energy[row])
        assert torch.equal(alone[1][0], forces[row])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_replica_that_is_not_finite_is_nan_and_leaves_the_others_alone(bad):
    program, positions = So3kratesProgram(network(zbl=True), NUMBERS), geometries(5)
    energy, forces = program(positions)
    positions[2, 4, 1] = bad
    spoilt = program(positions)
    others = [0, 1, 3, 4]
    assert spoilt[0][2].isnan()
    assert spoilt[1][2].isnan().all()
    assert torch.equal(spoilt[0][others], energy[others])
    assert torch.equal(spoilt[1][others], forces[others])


def test_where_the_list_of_pairs_was_too_short_it_runs_again():
    model = network(cutoff=2.0)
    program = So3kratesProgram(model, NUMBERS)
    apart, together = 3.0 * geometries(600), geometries(600)
    program(apart)
    assert program.n_reruns == 0
    torch.testing.assert_close(program(together), expected(model, together), rtol=1e-12, atol=1e-11)
    assert program.n_reruns == 1
    program(together)
    assert program.n_reruns == 1


def test_the_host_asks_for_one_number_and_only_after_all_was_queued(host_reads, monkeypatch):
    program, positions = So3kratesProgram(network(), NUMBERS), geometries(5)
    program(positions)
    order = []
    evaluate, value = program._evaluate, Reading.value

    def watched_evaluate(*given):
        order.append("evaluate")
        with host_reads() as seen:
            found = evaluate(*given)
        assert not seen, seen
        return found

    monkeypatch.setattr(program, "_evaluate", watched_evaluate)
    monkeypatch.setattr(Reading, "value", lambda self: (order.append("read"), value(self))[1])
    program(positions)
    assert order == ["evaluate", "read"]


def test_it_works_where_gradients_are_switched_off():
    program, positions = So3kratesProgram(network(), NUMBERS), geometries(2)
    known = program(positions)
    with torch.inference_mode():
        found = program(positions)
    assert torch.equal(found[1], known[1])


@pytest.mark.parametrize(
    "ask", ["torch.set_float32_matmul_precision('high')", "torch.backends.fp32_precision = 'tf32'"]
)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_rounded_products_are_refused(ask, device):
    # In a process of its own: torch cannot take back to "none" what was said once.
    lines = ["import torch", "from pesx.so3krates.program import check_precision"]
    lines += [f"check_precision(torch.device('{device}'))", ask, f"check_precision(torch.device('{device}'))"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=120)
    told = done.stderr.splitlines()[-1]
    assert "ConfigError: Expected matrix products in full float32, came the precision 'tf32'" in told


WITHOUT = """
import torch
from pesx.so3krates.model import So3krates, So3kratesSettings
from pesx.so3krates.program import So3kratesProgram

model = So3krates(So3kratesSettings(features=24, n_layers=1)).requires_grad_(False)
program = So3kratesProgram(model, torch.tensor([8, 1, 1]), compiles=True)
positions = torch.randn(2, 3, 3)
assert torch.equal(program(positions)[1], So3kratesProgram(model, torch.tensor([8, 1, 1]))(positions)[1])
print(program.how)
"""


def test_without_a_compiler_the_plain_program_stays():
    # In a process of its own: the compiler's parts remember that there was none.
    outside = os.environ | {"CXX": "no-such-compiler", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT]
    done = subprocess.run(command, env=outside, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("plain, as the compiler failed")


@pytest.mark.parametrize(("energy", "forces"), [(1.0, 1.1), (1.1, 1.0), (1.0, float("nan")), (float("nan"), 1.0)])
def test_a_compiled_program_that_gives_something_else_is_not_used(monkeypatch, energy, forces):
    model, positions = network(), geometries(2)
    program = So3kratesProgram(model, NUMBERS, compiles=True)

    def wrong(run, **_):
        return lambda *given: (energy * run(*given)[0], forces * run(*given)[1])

    monkeypatch.setattr(torch, "compile", wrong)
    torch.testing.assert_close(program(positions), expected(model, positions), rtol=1e-12, atol=1e-11)
    assert program.how == "plain, as the compiled program gave something else"


def test_nothing_is_compiled_before_there_are_forces_to_compare(monkeypatch):
    model, asked = network(), []
    program = So3kratesProgram(model, NUMBERS, compiles=True)
    monkeypatch.setattr(torch, "compile", lambda run, **_: (asked.append(1), run)[1])
    program(torch.full((2, 9, 3), torch.nan, dtype=torch.float64))
    assert (program.how, asked) == ("plain", [])
    program(geometries(2))
    assert (program.how, asked) == ("compiled", [1])


@pytest.mark.slow
def test_the_compiled_program_gives_the_same_for_batches_of_any_size():
    model = network(n_layers=1)
    program = So3kratesProgram(model, NUMBERS, compiles=True)
    for n in (3, 8, 1):
        positions = geometries(n)
        torch.testing.assert_close(program(positions), expected(model, positions), rtol=1e-9, atol=1e-9)
    assert program.how == "compiled"


@pytest.mark.gpu
@pytest.mark.parametrize("compiles", [False, True])
def test_a_gpu_gives_what_the_processor_gives(compiles):
    model, positions = network(), geometries(40)
    known = So3kratesProgram(model, NUMBERS)(positions)
    program = So3kratesProgram(model.cuda(), NUMBERS.cuda(), compiles=compiles)
    for found, value in zip(program(positions.cuda()), known, strict=True):
        torch.testing.assert_close(found.cpu(), value, rtol=1e-9, atol=1e-9)
