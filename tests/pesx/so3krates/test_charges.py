import pytest
import torch

from pesx.so3krates.charges import PartialCharges, spread_defect
from pesx.so3krates.graph import collate
from pesx.so3krates.settings import So3kratesSettings

SIZES = (3, 5, 1)


def graph(charges: list[int] | None):
    numbers = [torch.ones(n, dtype=torch.long) for n in SIZES]
    positions = [torch.randn(n, 3, generator=torch.manual_seed(n), dtype=torch.float64) for n in SIZES]
    return collate(numbers, positions, 5.0, charges=charges)


@pytest.mark.parametrize("charges", [None, [1, -2, 0]])
def test_charges_add_up_to_that_of_the_molecule(charges: list[int] | None) -> None:
    torch.manual_seed(0)
    module = PartialCharges(So3kratesSettings(elements=(1, 6), features=24, degrees=(1, 2))).double()
    element = torch.tensor([0, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0])
    found = module(torch.randn(12, 24, dtype=torch.float64), element, graph(charges))
    totals = torch.stack([part.sum() for part in found.split(SIZES)])
    expected = torch.tensor(charges or [0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(totals.detach(), expected, rtol=0, atol=1e-12)
    assert found.detach()[:8].std() > 0.1


def test_the_defect_is_the_same_for_all_atoms_of_a_molecule() -> None:
    raw = torch.tensor([0.2, 0.1, 0.0, 0.5, 0.5, 0.5, 0.5, 0.0, 0.3], dtype=torch.float64)
    found = spread_defect(raw, graph([0, 1, -1]))
    expected = torch.tensor([-0.1] * 3 + [-0.2] * 5 + [-1.3], dtype=torch.float64)
    torch.testing.assert_close(found, expected)


def test_elements_have_a_bias_of_their_own() -> None:
    torch.manual_seed(0)
    module = PartialCharges(So3kratesSettings(elements=(1, 6), features=24, degrees=(1, 2)))
    with torch.no_grad():
        module.bias.copy_(torch.tensor([0.3, -0.3]))
    x = torch.zeros(12, 24)
    element = torch.tensor([0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    found = module(x, element, graph(None)).detach()
    torch.testing.assert_close(found[:3], torch.tensor([0.4, -0.2, -0.2]))
