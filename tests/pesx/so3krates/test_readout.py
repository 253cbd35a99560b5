from dataclasses import replace

import pytest
import torch

from pesx.so3krates.graph import replicas
from pesx.so3krates.model import So3krates, So3kratesSettings
from pesx.so3krates.readout import EnergyHead

SETTINGS = So3kratesSettings(elements=(1, 6, 8), features=24, degrees=(1, 2))


@pytest.fixture
def head() -> EnergyHead:
    torch.manual_seed(0)
    made = EnergyHead(SETTINGS)
    with torch.no_grad():
        made.scale.copy_(torch.tensor([1.0, 2.0, -3.0]))
    return made


def features(n: int) -> torch.Tensor:
    return torch.randn(n, 24, generator=torch.Generator().manual_seed(1))


def test_an_energy_is_that_of_the_network_times_the_scale_of_the_element(head: EnergyHead) -> None:
    x = features(1).repeat(3, 1)
    energies = head(x, torch.tensor([0, 1, 2]))
    plain = head.out(torch.nn.functional.silu(head.hidden(x)))[:, 0]
    assert torch.allclose(energies, plain * torch.tensor([1.0, 2.0, -3.0]), atol=1e-6)


def test_a_shift_of_the_element_is_added_where_it_is_wanted() -> None:
    torch.manual_seed(0)
    head = EnergyHead(replace(SETTINGS, element_shift=True, readout_features=16))
    x, element = features(3), torch.arange(3)
    before = head(x, element)
    with torch.no_grad():
        head.shift.copy_(torch.tensor([0.5, -1.0, 2.0]))
    torch.testing.assert_close(head(x, element) - before, torch.tensor([0.5, -1.0, 2.0]))
    assert head.hidden.weight.shape == (16, 24)


def test_an_atom_has_the_energy_it_has_alone(head: EnergyHead) -> None:
    x, element = features(8), torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])
    whole = head(x, element)
    assert torch.equal(head(x[4:8], element[4:8]), whole[4:8])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_reference_energies_keep_their_precision(head: EnergyHead, dtype: torch.dtype) -> None:
    exact = 1030.000001234567
    head.reference_energies[6] = exact
    head.to(dtype)
    assert head.reference_energies.dtype == torch.float64
    assert float(head.reference_energies[6]) == exact
    assert head.scale.dtype == dtype


def test_there_is_a_reference_for_every_number_up_to_the_heaviest(head: EnergyHead) -> None:
    assert len(head.reference_energies) == 9
    assert "reference_energies" in head.state_dict()


@pytest.mark.parametrize("element_shift", [False, True])
def test_features_are_the_derivatives_by_the_last_weights(element_shift):
    torch.manual_seed(0)
    settings = So3kratesSettings(features=24, n_layers=1, readout_features=7, element_shift=element_shift)
    model = So3krates(settings).double()
    head = model.head()
    torch.nn.init.uniform_(head.scale, 0.1, 0.9)
    positions = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    graph = replicas(torch.tensor([8, 1, 1]), positions, 5.0)
    last = [head.out.weight, head.out.bias, *([head.shift] if element_shift else [])]
    expected = [
        torch.cat([part.flatten() for part in torch.autograd.grad(energy, last, retain_graph=True)])
        for energy in model(graph)
    ]
    found = model.readout_features(graph)
    assert found.shape == (2, 8 + 4 * element_shift)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-12, atol=1e-14)
