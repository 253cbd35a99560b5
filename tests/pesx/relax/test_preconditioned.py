"""Preconditioned L-BFGS on a molecule of springs: stiff bonds and angles, soft torsions, and a repulsion."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from pesx.chemistry.embed import molecule_from_smiles
from pesx.errors import ConfigError
from pesx.geometry.internal import bonded_angles, bonded_torsions
from pesx.geometry.torsion import torsion_angles
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.model_hessian import ModelHessian
from pesx.relax.preconditioned import PreconditionedLbfgs, PreconditionedState
from pesx.relax.quench import Convergence, quench
from pesx.state import Evaluation, flatten, take_rows
from pesx.testing import check_stepper
from pesx.typing import Energies, Positions

MOLECULE = molecule_from_smiles("CC(=O)N[C@@H](C)C(=O)NC")
RELAXER = PreconditionedLbfgs(ModelHessian(MOLECULE))
FIRST, SECOND = MOLECULE.bonds.T
ANGLES, TORSIONS = bonded_angles(MOLECULE.bonds), bonded_torsions(MOLECULE.bonds)
FAR = torch.ones(MOLECULE.n_atoms, MOLECULE.n_atoms, dtype=torch.bool).triu(1)
FAR[FIRST, SECOND] = False
FAR[ANGLES[:, [0, 2]].min(dim=1).values, ANGLES[:, [0, 2]].max(dim=1).values] = False
NEAR_END, FAR_END = FAR.nonzero().T


def _cosines(positions: Positions) -> Positions:
    i, j, k = (positions[:, ANGLES[:, column]] for column in range(3))
    return torch.nn.functional.cosine_similarity(i - j, k - j, dim=-1)


LENGTHS = (MOLECULE.positions[FIRST] - MOLECULE.positions[SECOND]).norm(dim=-1)
COSINES = _cosines(MOLECULE.positions[None])


def _energy(positions: Positions) -> Energies:
    lengths = (positions[:, FIRST] - positions[:, SECOND]).norm(dim=-1)
    stretch = (4.0 * (1 - torch.exp(-2.0 * (lengths - LENGTHS))) ** 2).sum(dim=1)
    bend = (2.0 * (_cosines(positions) - COSINES) ** 2).sum(dim=1)
    twist = (0.01 * (1 + torch.cos(3 * torsion_angles(positions, TORSIONS)))).sum(dim=1)
    apart = (positions[:, NEAR_END] - positions[:, FAR_END]).norm(dim=-1)
    return stretch + bend + twist + 1000.0 * torch.exp(-3.5 * apart).sum(dim=1) * 0.05


def springs(positions: Positions) -> Evaluation:
    # One row at a time: gradients of sums over many rows may round by their number.
    energies, forces = torch.empty(len(positions), dtype=torch.float64), torch.empty_like(positions)
    for row, own in enumerate(positions):
        moved = own[None].detach().requires_grad_()
        energy = _energy(moved)
        forces[row] = -torch.autograd.grad(energy.sum(), moved)[0][0]
        energies[row] = energy.detach()
    return Evaluation(energies, forces)


def shaken(n: int, size: float = 0.15) -> Positions:
    noise = torch.randn(n, MOLECULE.n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    return MOLECULE.positions + size * noise


def after(positions: Positions, n_steps: int, potential: Callable[[Positions], Evaluation] = springs) -> Positions:
    state = RELAXER.init(positions)
    for _ in range(n_steps):
        state = RELAXER.step(state, potential(state.positions))
    return state.positions


def test_it_keeps_the_contract_of_a_stepper() -> None:
    check_stepper(RELAXER, springs, shaken(4)).raise_if_wrong()


@pytest.mark.parametrize("n_replicas", [1, 3, 64])
def test_a_replica_moves_in_any_batch_as_alone(n_replicas: int) -> None:
    starts = shaken(64)
    # More steps than the guess lives, so that it is made anew in between.
    n_steps = RELAXER.refresh + 2
    together = after(starts[:n_replicas], n_steps)
    for row in {0, n_replicas // 2, n_replicas - 1}:
        assert torch.equal(after(starts[row : row + 1], n_steps)[0], together[row])


def test_the_order_of_the_rows_changes_nothing() -> None:
    starts, order = shaken(8), torch.tensor([5, 0, 7, 2, 6, 1, 4, 3])
    assert torch.equal(after(starts[order], 12), after(starts, 12)[order])


@pytest.mark.parametrize("when", [0, 5])
def test_a_row_of_nan_leaves_the_others_bit_identical(when: int) -> None:
    starts, n_calls = shaken(5), 0

    def faulty(positions: Positions) -> Evaluation:
        nonlocal n_calls
        n_calls += 1
        now = springs(positions)
        if n_calls > when:
            now.energy[2], now.forces[2] = torch.nan, torch.nan
        return now

    others = torch.tensor([0, 1, 3, 4])
    assert torch.equal(after(starts, 14, faulty)[others], after(starts, 14)[others])
    broken = starts.clone()
    broken[2, 4, 1] = torch.nan
    assert torch.equal(after(broken, 14)[others], after(starts, 14)[others])


def test_it_finds_the_minimum_in_a_third_of_the_evaluations_of_plain_lbfgs() -> None:
    starts, convergence = shaken(6, 0.05), Convergence(fmax=1e-4, max_steps=3000)
    ends = quench(RELAXER, springs, starts, convergence=convergence, check_every=1)
    plain = quench(Lbfgs(), springs, starts, convergence=convergence, check_every=1)
    assert (ends.outcome == 1).all()
    assert (ends.fmax <= 1e-4).all()
    assert float(ends.n_evaluations.double().mean()) < float(plain.n_evaluations.double().mean()) / 3


def test_a_step_uphill_is_taken_back_and_shortened() -> None:
    start = shaken(1)
    state = RELAXER.init(start)
    state = RELAXER.step(state, springs(start))
    tried, energy = (state.positions - start).norm(dim=-1).amax(), springs(start).energy
    for worse in (
        energy + 2 * RELAXER.max_rise,
        torch.full_like(energy, torch.nan),
        torch.full_like(energy, torch.inf),
    ):
        refused = RELAXER.step(state, Evaluation(worse, springs(state.positions).forces))
        assert torch.equal(refused.base, start)
        assert float((refused.positions - start).norm(dim=-1).amax()) == pytest.approx(0.25 * float(tried))
    noise = RELAXER.step(state, Evaluation(energy + 0.5 * RELAXER.max_rise, springs(state.positions).forces))
    assert torch.equal(noise.base, state.positions)


def test_every_step_is_capped_after_a_clash_too() -> None:
    state = RELAXER.init(0.3 * shaken(4))
    for _ in range(25):
        state = RELAXER.step(state, springs(state.positions))
        assert float((state.positions - state.base).norm(dim=-1).max()) <= RELAXER.max_step + 1e-12


def test_the_first_step_is_newton_s_in_the_metric() -> None:
    matrix = ModelHessian(MOLECULE)(MOLECULE.positions[None])[0]
    origin = MOLECULE.positions

    def bowl(positions: Positions) -> Evaluation:
        shift = (positions - origin).flatten(1)
        return Evaluation(0.5 * (shift @ matrix * shift).sum(dim=1), -(shift @ matrix).view_as(positions))

    metric = PreconditionedLbfgs(lambda positions: matrix.expand(len(positions), -1, -1))
    start = shaken(2, 0.01)
    state = metric.step(metric.init(start), bowl(start))
    assert torch.allclose(state.positions, origin.expand_as(start), atol=1e-9)


def test_history_is_bounded_and_memory_with_it() -> None:
    state: PreconditionedState = RELAXER.init(shaken(2))
    sizes = []
    for _ in range(3 * RELAXER.memory):
        state = RELAXER.step(state, springs(state.positions))
        sizes.append(sum(tensor.numel() for tensor in flatten(state).values()))
    assert set(sizes) == {sizes[0]}
    kept = int((state.weights[0] != 0).sum())
    assert 1 < kept <= RELAXER.memory


def test_where_no_guess_is_possible_it_still_goes_downhill() -> None:
    size = 3 * MOLECULE.n_atoms
    flat = PreconditionedLbfgs(lambda positions: positions.new_zeros(len(positions), size, size))
    start = shaken(2, 0.02)
    ends = quench(flat, springs, start, convergence=Convergence(fmax=0.05, max_steps=500))
    assert (ends.energy < springs(start).energy).all()
    assert (ends.outcome == 1).all()


def test_replicas_may_leave_and_the_rest_go_on() -> None:
    state = RELAXER.init(shaken(4))
    for _ in range(4):
        state = RELAXER.step(state, springs(state.positions))
    rest = take_rows(state, torch.tensor([1, 3]))
    whole = RELAXER.step(state, springs(state.positions)).positions[[1, 3]]
    assert torch.equal(RELAXER.step(rest, springs(rest.positions)).positions, whole)


@pytest.mark.parametrize("wrong", [{"memory": 0}, {"refresh": 0}, {"max_step": 0.0}, {"max_rise": -1.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        replace(RELAXER, **wrong)
