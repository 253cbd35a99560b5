import pytest
import torch

from pesx.so3krates.attention import Contraction
from pesx.so3krates.graph import replicas
from pesx.so3krates.layer import Exchange, Layer, ResidualMlp
from pesx.so3krates.model import So3krates, So3kratesSettings

SETTINGS = So3kratesSettings(features=24, degrees=(1, 2))
CONTRACTION = Contraction(SETTINGS.degrees)


@pytest.fixture
def exchange() -> Exchange:
    torch.manual_seed(0)
    return Exchange(SETTINGS, CONTRACTION)


def variables() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    euclidean = torch.randn(5, CONTRACTION.n_components, generator=generator)
    euclidean[:, 8:] = 0.0
    return torch.randn(5, 24, generator=generator), euclidean


def test_exchange_only_scales_each_degree(exchange: Exchange) -> None:
    x, euclidean = variables()
    _, after = exchange(x, euclidean)
    ratio = (after / euclidean)[:, :8]
    for part in (ratio[:, :3], ratio[:, 3:8]):
        assert torch.allclose(part, part[:, :1].expand_as(part), rtol=1e-4)
    assert not torch.allclose(ratio[:, 0], ratio[:, 3])
    assert not after[:, 8:].any()


def test_features_hear_of_lengths_but_not_of_directions(exchange: Exchange) -> None:
    x, euclidean = variables()
    features, _ = exchange(x, euclidean)
    assert torch.allclose(exchange(x, -euclidean)[0], features)
    assert not torch.allclose(exchange(x, 2 * euclidean)[0], features)


def test_the_residual_network_starts_from_its_input() -> None:
    mlp, (x, _) = ResidualMlp(24), variables()
    with torch.no_grad():
        mlp.second.weight.zero_()
        mlp.second.bias.zero_()
    assert torch.equal(mlp(x), x)


@pytest.mark.parametrize("residual_mlp", [True, False])
@pytest.mark.parametrize("layer_norm", [True, False])
def test_options_bring_their_parts(residual_mlp: bool, layer_norm: bool) -> None:
    settings = So3kratesSettings(features=24, degrees=(1, 2), residual_mlp=residual_mlp, layer_norm=layer_norm)
    names = {name.split(".")[0] for name, _ in Layer(settings, CONTRACTION, first=True).named_parameters()}
    assert ("refine" in names) == residual_mlp
    assert ("norm" in names) == layer_norm
    assert not names & {"refine_2", "norm_2"}


def test_the_last_norm_stands_at_the_end_of_the_layer() -> None:
    settings = So3kratesSettings(features=24, degrees=(1, 2), residual_mlp_2=True, layer_norm_2=True)
    torch.manual_seed(0)
    graph = replicas(torch.tensor([8, 1, 1]), torch.randn(1, 3, 3), 5.0)
    pairs = So3krates(settings)._pairs(graph)
    x, euclidean = variables()
    out, scaled = Layer(settings, CONTRACTION, first=False)(x[:4], euclidean[:4], pairs)
    torch.testing.assert_close(out.mean(dim=1), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(out.var(dim=1, unbiased=False), torch.ones(4), rtol=0, atol=1e-3)
    assert scaled.shape == (4, CONTRACTION.n_components)


def test_without_biases_a_residual_network_keeps_zero() -> None:
    assert not ResidualMlp(24, bias=False)(torch.zeros(2, 24)).any()


def test_the_epsilon_of_norms_is_that_of_the_settings() -> None:
    settings = So3kratesSettings(features=24, degrees=(1, 2), layer_norm=True, layer_norm_epsilon=0.5)
    assert Layer(settings, CONTRACTION, first=True).norm.eps == 0.5
