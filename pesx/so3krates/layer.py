"""One layer: attention between atoms, then exchange between the two kinds of variables within each atom."""

import torch
from torch import nn

from pesx.so3krates.attention import Attention, Contraction, Pairs
from pesx.so3krates.settings import So3kratesSettings
from pesx.typing import Float, Tensor


class Exchange(nn.Module):
    """A linear map from features and invariants to a change of the features and a scale of each degree."""

    def __init__(self, settings: So3kratesSettings, contraction: Contraction) -> None:
        super().__init__()
        self.sizes = [settings.features, contraction.n_degrees]
        self.mix = nn.Linear(sum(self.sizes), sum(self.sizes))
        self.contraction = contraction

    def forward(
        self, x: Float[Tensor, "A F"], euclidean: Float[Tensor, "A M"]
    ) -> tuple[Float[Tensor, "A F"], Float[Tensor, "A M"]]:
        """Return the new features and Euclidean variables."""
        mixed = self.mix(torch.cat([x, self.contraction.invariants(euclidean)], dim=1))
        change, scale = mixed.split(self.sizes, dim=1)
        return x + change, euclidean + self.contraction.expand(scale) * euclidean


class ResidualMlp(nn.Module):
    """x + W2 silu(W1 silu(x)).

    Args:
        features: Width.
        bias: Whether the two maps have biases; without them 0 stays 0.
    """

    def __init__(self, features: int, *, bias: bool = True) -> None:
        super().__init__()
        self.first = nn.Linear(features, features, bias=bias)
        self.second = nn.Linear(features, features, bias=bias)

    def forward(self, x: Float[Tensor, "A F"]) -> Float[Tensor, "A F"]:
        """Return the refined features."""
        silu = nn.functional.silu
        refined: Tensor = x + self.second(silu(self.first(silu(x))))
        return refined


class Layer(nn.Module):
    """Attention, then exchange; after each an optional residual network, and an optional normalisation of the features.

    Args:
        settings: Of the model.
        contraction: Shared by all layers.
        first: Whether this is the first layer, before which Euclidean variables are zero.
    """

    def __init__(self, settings: So3kratesSettings, contraction: Contraction, *, first: bool) -> None:
        super().__init__()
        self.attention = Attention(settings, contraction, first=first)
        self.norm = _norm(settings) if settings.layer_norm else nn.Identity()
        self.refine = ResidualMlp(settings.features) if settings.residual_mlp else nn.Identity()
        self.exchange = Exchange(settings, contraction)
        self.refine_2 = ResidualMlp(settings.features) if settings.residual_mlp_2 else nn.Identity()
        self.norm_2 = _norm(settings) if settings.layer_norm_2 else nn.Identity()

    def forward(
        self, x: Float[Tensor, "A F"], euclidean: Float[Tensor, "A M"] | None, pairs: Pairs
    ) -> tuple[Float[Tensor, "A F"], Float[Tensor, "A M"]]:
        """Return features and Euclidean variables after this layer; ``euclidean`` is None before the first."""
        message, turned = self.attention(x, euclidean, pairs)
        refined = self.refine(self.norm(x + message))
        mixed, scaled = self.exchange(refined, turned if euclidean is None else euclidean + turned)
        return self.norm_2(self.refine_2(mixed)), scaled


def _norm(settings: So3kratesSettings) -> nn.LayerNorm:
    return nn.LayerNorm(settings.features, eps=settings.layer_norm_epsilon)


__all__ = ["Exchange", "Layer", "ResidualMlp"]
