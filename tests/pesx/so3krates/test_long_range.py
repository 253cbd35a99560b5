import dataclasses

import pytest
import torch

from pesx.so3krates.graph import replicas
from pesx.so3krates.long_range import LongRange
from pesx.so3krates.settings import So3kratesSettings

SETTINGS = So3kratesSettings(features=24, degrees=(1, 2), electrostatics=True, dispersion=True)
ELEMENT = torch.tensor([0, 1, 3, 2])


def graph(scale: float):
    positions = scale * torch.randn(1, 4, 3, generator=torch.manual_seed(0), dtype=torch.float64)
    return replicas(torch.tensor([1, 6, 8, 7]), positions, 5.0)


def make(**change) -> LongRange:
    torch.manual_seed(0)
    return LongRange(dataclasses.replace(SETTINGS, **change)).double()


def energy(module: LongRange, scale: float = 3.0) -> float:
    x = torch.randn(4, 24, generator=torch.manual_seed(1), dtype=torch.float64)
    return float(module(x, ELEMENT, graph(scale)).sum().detach())


def test_the_parts_add_up_and_can_be_left_out() -> None:
    both, coulomb, dispersion = make(), make(dispersion=False), make(electrostatics=False)
    coulomb.load_state_dict(both.state_dict(), strict=False)
    dispersion.load_state_dict(both.state_dict(), strict=False)
    assert energy(both) == pytest.approx(energy(coulomb) + energy(dispersion))
    assert abs(energy(coulomb)) > 1e-6
    assert energy(dispersion) < 0
    assert {name.partition(".")[0] for name, _ in coulomb.named_parameters()} == {"charges"}
    assert {name.partition(".")[0] for name, _ in dispersion.named_parameters()} == {"hirshfeld"}


def test_beyond_the_cutoff_there_is_nothing() -> None:
    assert energy(make(long_range_cutoff=6.0), scale=1000.0) == 0.0
    assert energy(make(), scale=1000.0) != 0.0
