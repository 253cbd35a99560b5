"""Hirshfeld ratios: the volume of an atom in its molecule over that of the free atom.

Predicted as in SO3LR: Kabylda et al. 2025, doi:10.1021/jacs.5c09558.
"""

import torch
from torch import nn

from pesx.so3krates.settings import So3kratesSettings
from pesx.typing import Float, Int, Tensor


class HirshfeldRatios(nn.Module):
    """A value per element, and a product of features with a query per element.

    Args:
        settings: Of the model.
    """

    def __init__(self, settings: So3kratesSettings) -> None:
        super().__init__()
        hidden, size = settings.readout_width // 2, settings.features // 2
        self.hidden = nn.Linear(settings.features, hidden)
        self.key = nn.Linear(hidden, size)
        self.query = nn.Embedding(len(settings.elements), size)
        self.bias = nn.Parameter(torch.ones(len(settings.elements)))

    def forward(self, x: Float[Tensor, "A F"], element: Int[Tensor, "A"]) -> Float[Tensor, "A"]:
        """Return the ratio of each atom, 0 or more.

        Args:
            x: Features of the atoms.
            element: Place of each atom's element in the list of elements.
        """
        key = self.key(nn.functional.silu(self.hidden(x)))
        product = (self.query(element) * key).sum(dim=-1) / key.shape[1] ** 0.5
        ratios: Tensor = (self.bias.index_select(0, element) + product).abs()
        return ratios


__all__ = ["HirshfeldRatios"]
