import torch

from pesx.so3krates.hirshfeld import HirshfeldRatios
from pesx.so3krates.settings import So3kratesSettings

SETTINGS = So3kratesSettings(elements=(1, 6, 8), features=24, degrees=(1, 2))


def test_ratios_are_never_negative_and_depend_on_element_and_features() -> None:
    torch.manual_seed(0)
    module, element = HirshfeldRatios(SETTINGS), torch.tensor([0, 1, 2, 0])
    x = 3.0 * torch.randn(4, 24)
    found = module(x, element).detach()
    assert (found >= 0).all()
    assert found.unique().numel() == 4
    assert not torch.allclose(module(x, element.roll(1)), found)


def test_without_features_an_element_has_its_own_value() -> None:
    module = HirshfeldRatios(SETTINGS)
    with torch.no_grad():
        module.bias.copy_(torch.tensor([0.7, 0.8, -0.9]))
        module.query.weight.zero_()
    found = module(torch.ones(3, 24), torch.arange(3))
    torch.testing.assert_close(found.detach(), torch.tensor([0.7, 0.8, 0.9]))


def test_an_atom_has_the_bits_it_has_alone() -> None:
    torch.manual_seed(0)
    module, element = HirshfeldRatios(SETTINGS), torch.tensor([0, 1, 2, 0] * 4)
    x = torch.randn(16, 24)
    assert torch.equal(module(x[8:12], element[8:12]), module(x, element)[8:12])
