import pytest
import torch

from pesx.errors import ConfigError
from pesx.guards.cluster import ClusterGuard
from pesx.identity.cluster import ClusterIdentity
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.sieve import Sieve
from pesx.outcome import Outcome
from pesx.state import Minima

NUMBERS = torch.tensor([18, 18, 18])
TRIANGLE = torch.tensor([[0.0, 0, 0], [1.1, 0, 0], [0.5, 0.9, 0]], dtype=torch.float64)
SIEVE = Sieve(ClusterGuard(), energy_window=2.0, rough_energy=0.1, rough_distance=0.2, deepest_fall=5.0, n_trusted=3)


def ends(energies: list[float], outcome: Outcome = Outcome.CONVERGED, stretch: float = 0.05) -> Minima:
    n = len(energies)
    energy = torch.tensor(energies, dtype=torch.float64)
    return Minima(
        positions=TRIANGLE * (1 + stretch * energy[:, None, None]),
        energy=energy,
        fmax=torch.zeros(n, dtype=torch.float64),
        outcome=torch.full((n,), int(outcome)),
        n_evaluations=torch.ones(n).long(),
    )


def archive(energies: list[float]) -> MinimaArchive:
    made = MinimaArchive(ClusterIdentity(NUMBERS), energy_tolerance=1e-6, distance_tolerance=1e-3)
    made.add(ends(energies), [""] * len(energies))
    assert len(made) == len(energies)
    return made


def judged(energies: list[float], stored: list[float], **margin: float) -> list[Outcome]:
    return [Outcome(code) for code in SIEVE.judge(ends(energies), archive(stored), **margin).outcome.tolist()]


def test_the_window_hangs_on_the_lowest_minimum() -> None:
    assert judged([-1.0, 1.9, 2.1], [0.0, 1.0]) == [Outcome.CONVERGED] * 2 + [Outcome.OUTSIDE_WINDOW]
    assert judged([2.1, 2.4], [0.0], margin=0.3) == [Outcome.CONVERGED, Outcome.OUTSIDE_WINDOW]
    assert judged([5.0], []) == [Outcome.CONVERGED]


def test_a_hole_is_seen_once_enough_is_known() -> None:
    assert judged([-5.1, -4.9], [0.0, 0.5, 1.0]) == [Outcome.SUSPICIOUS_ENERGY, Outcome.CONVERGED]
    assert judged([-5.1], [0.0, 0.5]) == [Outcome.CONVERGED]


@pytest.mark.parametrize("outcome", [Outcome.OUT_OF_STEPS, Outcome.NON_FINITE])
def test_what_did_not_converge_keeps_its_reason(outcome: Outcome) -> None:
    minima = ends([9.0, -9.0], outcome)
    assert SIEVE.judge(minima, archive([0.0, 0.5, 1.0])).outcome.tolist() == [int(outcome)] * 2
    assert SIEVE.recognise(minima, archive([9.0]), is_rough=True).tolist() == [-1, -1]


def test_what_fell_apart_is_told() -> None:
    minima = ends([0.0])
    minima.positions[0, 2] += 50.0
    before = minima.outcome.clone()
    assert SIEVE.judge(minima, archive([])).outcome.tolist() == [int(Outcome.FRAGMENTED)]
    assert torch.equal(minima.outcome, before)


def test_rough_structures_are_recognised_with_wider_tolerances() -> None:
    stored = archive([0.0, 1.0])
    near = ends([0.05, 1.0, 0.5])
    assert SIEVE.recognise(near, stored, is_rough=True).tolist() == [0, 1, -1]
    assert SIEVE.recognise(near, stored, is_rough=False).tolist() == [-1, 1, -1]
    assert SIEVE.recognise(near, archive([]), is_rough=True).tolist() == [-1] * 3


@pytest.mark.parametrize("wrong", [{"energy_window": 0.0}, {"rough_energy": -1.0}, {"rough_distance": 0.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="Sieve"):
        Sieve(ClusterGuard(), **({"energy_window": 1.0} | wrong))
