import pytest
import torch

from pesx.errors import ConfigError
from pesx.moves.choice import Choice, Earnings


def rounds(choice: Choice, chances: list[float], n: int) -> Earnings:
    """Let each move find new minima with its own chance, at a hundred evaluations a hop."""
    generator, earnings = torch.Generator().manual_seed(1), Earnings.nothing(len(chances))
    chance = torch.tensor(chances)
    for _ in range(n):
        move = torch.multinomial(choice.shares(earnings), 8, replacement=True, generator=generator)
        is_new = torch.rand(8, generator=generator) < chance[move]
        earnings = choice.update(earnings, move, is_new, torch.full((8,), 100))
    return earnings


def test_shares_are_equal_before_anything_was_earned_and_always_sum_to_one() -> None:
    choice = Choice()
    assert torch.allclose(choice.shares(Earnings.nothing(4)), torch.full((4,), 0.25, dtype=torch.float64))
    assert float(choice.shares(rounds(choice, [0.5, 0.1, 0.0], 100)).sum()) == pytest.approx(1.0)


def test_the_move_that_earns_most_is_used_most_and_none_dies_out() -> None:
    choice = Choice(floor=0.1)
    shares = choice.shares(rounds(choice, [0.5, 0.05, 0.0], 300))
    assert float(shares[0]) > 0.5
    assert float(shares.min()) >= 0.1


def test_a_move_that_stops_earning_loses_its_share() -> None:
    choice = Choice(forget=0.99)
    earnings = rounds(choice, [0.5, 0.0], 100)
    before = choice.shares(earnings)[0]
    for _ in range(200):
        earnings = choice.update(earnings, torch.tensor([0]), torch.tensor([False]), torch.tensor([100]))
    assert float(choice.shares(earnings)[0]) < 0.7 * float(before)


def test_hops_without_a_move_count_for_none() -> None:
    earnings = Choice().update(Earnings.nothing(2), torch.tensor([-1]), torch.tensor([True]), torch.tensor([50]))
    assert float(earnings.found.sum() + earnings.spent.sum()) == 0.0


@pytest.mark.parametrize("settings", [{"floor": -0.1}, {"forget": 0.0}, {"prior": 0.0}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Choice(**settings)
