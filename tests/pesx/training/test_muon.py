import pytest
import torch
from torch import nn

from pesx.so3krates.model import So3krates, So3kratesSettings
from pesx.training.muon import Muon, make_optimisers, orthogonal


@pytest.mark.parametrize("shape", [(3, 24, 24), (1, 8, 24), (2, 24, 4)])
def test_all_directions_of_a_matrix_get_equal_shares(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    # The smallest of 24 singular values of a square matrix may not have risen all the way.
    before, after = (torch.linalg.svdvals(x)[:, : min(shape[1:]) // 2 + 1] for x in (matrices, orthogonal(matrices)))
    assert (before.amax() / before.amin()) > 1.2
    assert after.min() > 0.65
    assert after.max() < 1.25


def test_singular_vectors_stay():
    u, _ = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(2)))
    v, _ = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(3)))
    middle = u.T @ orthogonal((u @ torch.diag(torch.tensor([6.0, 5, 4, 3, 2, 1])) @ v)[None])[0] @ v.T
    torch.testing.assert_close(middle, torch.diag(middle.diagonal()), atol=1e-5, rtol=0)


def test_a_stack_moves_as_its_matrices_alone():
    generator = torch.Generator().manual_seed(4)
    stack = nn.Parameter(torch.randn(3, 5, 5, generator=generator))
    singles = [nn.Parameter(matrix.clone()) for matrix in stack.detach()]
    gradient = torch.randn(3, 5, 5, generator=generator)
    stack.grad = gradient
    for single, part in zip(singles, gradient, strict=True):
        single.grad = part
    Muon([stack], lr=0.1).step()
    Muon(singles, lr=0.1).step()
    torch.testing.assert_close(stack.detach(), torch.stack([single.detach() for single in singles]))


def test_it_finds_a_linear_map_with_directions_of_very_different_strength():
    generator = torch.Generator().manual_seed(5)
    wanted = torch.randn(8, 8, generator=generator)
    inputs = torch.randn(200, 8, generator=generator) * torch.logspace(0, -2, 8)
    weight = nn.Parameter(torch.zeros(8, 8))
    optimiser = Muon([weight], lr=0.1)
    for step in range(300):
        optimiser.param_groups[0]["lr"] = 0.3 * (1 - step / 300)
        weight.grad = None
        (inputs @ (weight - wanted)).square().mean().backward()
        optimiser.step()
    # Plain gradient descent would take 10^4 times as long for the weakest direction as for the strongest.
    assert (weight.detach() - wanted).abs().max() < 0.1


def test_every_weight_has_one_optimiser_and_embeddings_are_no_matrices():
    model = So3krates(So3kratesSettings(features=24, n_heads=2, degrees=(1, 2), n_layers=2))
    muon, adam = make_optimisers(model, lr=1e-3, weight_decay=0.0)
    of_muon, of_adam = ({id(p) for p in o.param_groups[0]["params"]} for o in (muon, adam))
    assert of_muon.isdisjoint(of_adam)
    assert of_muon | of_adam == {id(p) for p in model.parameters()}
    assert id(model.embedding.weight) in of_adam
    assert all(p.ndim >= 2 for p in muon.param_groups[0]["params"])
    assert len(of_muon) > 10


def test_frozen_weights_belong_to_no_optimiser():
    model = So3krates(So3kratesSettings(features=24, n_layers=1))
    model.layers.requires_grad_(False)
    held = {
        id(p)
        for optimiser in make_optimisers(model, lr=0.1, weight_decay=0.1)
        for p in optimiser.param_groups[0]["params"]
    }
    assert held == {id(p) for p in model.parameters() if p.requires_grad}
