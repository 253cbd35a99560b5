import pytest
import torch

from pesx.so3krates.attention import Contraction
from pesx.so3krates.layer import Exchange, Layer, ResidualMlp
from pesx.so3krates.model import So3kratesSettings

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
