import pytest
import torch

from pesx.errors import ConfigError
from pesx.training.loss import LossSettings, energy_loss, force_loss, pseudo_huber


def test_small_errors_are_squared_and_large_ones_linear():
    scale = 0.02
    assert pseudo_huber(torch.tensor(1e-8, dtype=torch.float64), scale).item() == pytest.approx(
        1e-8 / (2 * scale), rel=1e-4
    )
    assert pseudo_huber(torch.tensor(400.0, dtype=torch.float64), scale).item() == pytest.approx(20.0 - scale, rel=1e-4)


def test_no_atom_pulls_stronger_than_its_weight():
    forces = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 100
    forces.requires_grad_()
    weight = torch.full((50,), 1 / 50, dtype=torch.float64)
    force_loss(forces, torch.zeros_like(forces), weight, 0.02).backward()
    pull = forces.grad.norm(dim=-1)
    assert torch.all(pull <= 1 / 50)
    assert torch.all(pull > 0.99 / 50)


def test_padding_pulls_nothing():
    energy = torch.tensor([1.0, 5.0], requires_grad=True)
    loss = energy_loss(energy, torch.tensor([1.0, 0.0]), 0.02)
    loss.backward()
    assert loss.item() == pytest.approx(0.98, abs=1e-3)
    assert energy.grad[1] == 0


def test_perfect_prediction_has_no_loss_and_finite_gradient():
    forces = torch.ones(3, 3, requires_grad=True)
    loss = force_loss(forces, torch.ones(3, 3), torch.ones(3), 0.02)
    loss.backward()
    assert loss.item() == 0
    assert torch.all(forces.grad == 0)


def test_energy_weight_rises_from_one_value_to_the_other():
    settings = LossSettings(energy_weight=0.1, final_energy_weight=1.0, rise_from=0.5)
    assert settings.energy_weight_at(0.0) == settings.energy_weight_at(0.5) == pytest.approx(0.1)
    assert settings.energy_weight_at(0.75) == pytest.approx(0.1**0.5)
    assert settings.energy_weight_at(1.0) == pytest.approx(1.0)


@pytest.mark.parametrize("change", [{"force_weight": 0.0}, {"energy_scale": -1.0}, {"rise_from": 1.0}])
def test_settings_out_of_range(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        LossSettings(**change)
