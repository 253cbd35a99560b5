import pytest
import torch

from pesx.errors import ConfigError
from pesx.saddles.slide import Slide
from pesx.state import Evaluation, fmax

STIFF = torch.tensor([100.0, 100.0, 100.0, 0.1, 0.1, 0.1]).double()


def metric(positions):
    return torch.diag(STIFF).to(positions).expand(len(positions), -1, -1)


def bowl(positions, *, factor=1.0):
    """Two atoms, one held a thousand times more tightly than the other."""
    slopes = factor * STIFF.to(positions) * positions.flatten(1)
    return Evaluation(0.5 * (slopes * positions.flatten(1)).sum(dim=1), -slopes.view_as(positions))


def after(n_steps, *, factor=1.0, start=0.1):
    slide = Slide(metric)
    state = slide.init(torch.full((2, 2, 3), start).double())
    for _ in range(n_steps):
        state = slide.step(state, bowl(state.positions, factor=factor))
    return state


def test_stiff_and_soft_come_down_alike():
    left = after(5).positions.abs()
    assert left.amax() < 1e-3
    assert left.amax() < 1.0001 * left.amin() + 1e-12


def test_a_guess_that_is_too_soft_by_three_is_no_trouble():
    assert fmax(bowl(after(25, factor=3.0).positions, factor=3.0).forces).amax() < 1e-2


def test_no_atom_goes_further_than_it_may():
    moved = torch.linalg.vector_norm(after(1, start=5.0).positions - 5.0, dim=-1)
    assert moved.amax() <= 0.2 + 1e-9


def test_a_row_that_is_not_finite_leaves_the_others_alone():
    slide = Slide(metric)
    start = torch.full((2, 2, 3), 0.1).double()
    start[0, 0, 0] = torch.nan
    state = slide.init(start)
    for _ in range(7):
        state = slide.step(state, bowl(state.positions))
    assert torch.equal(state.positions[1], after(7).positions[1])


@pytest.mark.parametrize("wrong", [{"max_step": 0.0}, {"refresh": 0}, {"share": 1.5}])
def test_settings_are_checked(wrong):
    with pytest.raises(ConfigError, match="Slide"):
        Slide(metric, **wrong)
