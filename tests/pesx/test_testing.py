from dataclasses import dataclass, replace

import pytest
import torch

from pesx.errors import ContractError, InputError
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.fire import Fire
from pesx.state import Evaluation
from pesx.testing import check_move, check_potential, check_stepper

LJ = LennardJones()


@pytest.fixture
def positions():
    corners = torch.stack(torch.meshgrid(*[torch.arange(2.0)] * 3, indexing="ij"), -1).view(-1, 3).double()
    noise = torch.randn(5, 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return 1.2 * corners + 0.05 * noise


def wrong_sign(positions):
    return Evaluation(LJ(positions).energy, -LJ(positions).forces)


def always_float32(positions):
    now = LJ(positions.float())
    return Evaluation(now.energy, now.forces)


def energies_in_float64(positions):
    now = LJ(positions)
    return Evaluation(now.energy.double(), now.forces)


def energies_in_float32(positions):
    now = LJ(positions)
    return Evaluation(now.energy.float(), now.forces)


def no_atom_axis(positions):
    now = LJ(positions)
    return Evaluation(now.energy, now.forces.flatten(1))


def cross_talk(positions):
    now = LJ(positions)
    return Evaluation(now.energy - now.energy.mean(), now.forces)


def raises_on_nan(positions):
    if positions.isnan().any():
        raise ValueError("NaN")
    return LJ(positions)


def hides_nan(positions):
    now = LJ(positions)
    return Evaluation(now.energy.nan_to_num(), now.forces.nan_to_num())


def tied_to_the_origin(positions):
    now = LJ(positions)
    return Evaluation(now.energy + 0.5 * positions.square().sum((1, 2)), now.forces - positions)


def lopsided(positions):
    now = LJ(positions)
    return Evaluation(now.energy + positions[..., 0].std(-1), now.forces - slope_of_std(positions))


def slope_of_std(positions):
    slope = torch.zeros_like(positions)
    x = positions[..., 0]
    slope[..., 0] = (x - x.mean(-1, keepdim=True)) / (x.shape[1] - 1) / x.std(-1, keepdim=True)
    return slope


def first_atom_is_special(positions):
    now = LJ(positions)
    apart = positions[:, 0] - positions[:, 1]
    forces = now.forces.clone()
    forces[:, 0] -= apart
    forces[:, 1] += apart
    return Evaluation(now.energy + 0.5 * apart.square().sum(-1), forces)


class Stateful:
    def __init__(self):
        self.n_calls = 0

    def __call__(self, positions):
        self.n_calls += 1
        now = LJ(positions)
        return Evaluation(now.energy + 1e-3 * self.n_calls, now.forces)


@pytest.mark.parametrize(
    ("potential", "expected"),
    [
        (wrong_sign, {"forces"}),
        (always_float32, {"form"}),
        (no_atom_axis, {"form"}),
        (cross_talk, {"rows"}),
        (raises_on_nan, {"rows"}),
        (hides_nan, {"rows"}),
        (tied_to_the_origin, {"translation"}),
        (lopsided, {"rotation"}),
        (first_atom_is_special, {"exchange"}),
        (Stateful(), {"repeat"}),
    ],
)
def test_a_planted_fault_is_found_and_named(potential, expected, positions):
    report = check_potential(potential, positions, numbers=torch.full((8,), 18))
    assert expected <= {finding.check for finding in report.findings}
    with pytest.raises(ContractError, match=next(iter(expected))):
        report.raise_if_wrong()


def test_a_sound_potential_passes(positions):
    report = check_potential(LJ, positions, numbers=torch.full((8,), 18))
    assert report.ok
    report.raise_if_wrong()


def test_energies_may_be_more_exact_than_positions_but_not_less(positions):
    assert check_potential(energies_in_float64, positions).ok
    assert {finding.check for finding in check_potential(energies_in_float32, positions).findings} == {"form"}


def test_one_replica_is_too_few_to_check(positions):
    with pytest.raises(InputError, match="two replicas"):
        check_potential(LJ, positions[:1])


@dataclass(frozen=True)
class BatchMean(Fire):
    def step(self, state, now):
        after = super().step(state, now)
        return replace(after, positions=after.positions + 1e-9 * now.forces.mean(0))


@dataclass(frozen=True)
class InPlace(Fire):
    def step(self, state, now):
        state.positions.add_(1e-3 * now.forces)
        return state


@dataclass(frozen=True)
class Uphill(Fire):
    def step(self, state, now):
        return super().step(state, Evaluation(now.energy, -now.forces))


@pytest.mark.parametrize(
    ("stepper", "expected"), [(BatchMean(), "rows"), (InPlace(), "purity"), (Uphill(), "downhill")]
)
def test_a_planted_fault_of_a_stepper_is_found(stepper, expected, positions):
    assert expected in {finding.check for finding in check_stepper(stepper, LJ, positions).findings}


def kick(positions, scale, streams):
    return positions + 0.1 * scale[:, None, None] * streams.normal(*positions.shape[1:])


def hidden_draws(positions, scale, streams):
    return kick(positions, scale, streams) + torch.rand(positions.shape, dtype=positions.dtype)


def shared_draws(positions, scale, streams):
    return positions + scale[:, None, None] * streams.normal(*positions.shape[1:]).mean(0)


def no_draws(positions, scale, streams):
    return positions + scale[:, None, None] * len(streams)


def in_place(positions, scale, streams):
    positions += kick(positions, scale, streams)
    return positions.clone()


def flat(positions, scale, streams):
    return kick(positions, scale, streams).flatten(1)


def burst(positions, scale, streams):
    return kick(positions, scale, streams) / 0.0


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        (hidden_draws, "repeat"),
        (shared_draws, "rows"),
        (no_draws, "random"),
        (in_place, "purity"),
        (flat, "form"),
        (burst, "finite"),
    ],
)
def test_a_planted_fault_of_a_move_is_found(move, expected, positions):
    assert expected in {finding.check for finding in check_move(move, positions).findings}


def test_a_sound_move_passes(positions):
    check_move(kick, positions).raise_if_wrong()
