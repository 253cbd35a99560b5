"""From features to energies, one head per level of theory."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from pesx.typing import Float, Int, Tensor

if TYPE_CHECKING:
    from pesx.so3krates.model import So3kratesSettings


class EnergyHead(nn.Module):
    """Atomic energies at one level of theory: a scale per element times a small network.

    The reference energies are kept in float64 whatever the network's precision: they are thousands of eV, of which meV
    matter.

    Args:
        settings: Of the model.
    """

    reference_energies: Tensor

    def __init__(self, settings: "So3kratesSettings") -> None:
        super().__init__()
        self.hidden = nn.Linear(settings.features, settings.features)
        self.out = nn.Linear(settings.features, 1)
        self.scale = nn.Parameter(torch.ones(len(settings.elements)))
        size = max(settings.elements) + 1
        self.register_buffer("reference_energies", torch.zeros(size, dtype=torch.float64))

    def forward(self, x: Float[Tensor, "A F"], element: Int[Tensor, "A"]) -> Float[Tensor, "A"]:
        """Return atomic contributions to the interaction energy, eV.

        Args:
            x: Features of the atoms.
            element: Place of each atom's element in the list of elements.
        """
        # A sum instead of a product with one column, whose bits would depend on the other rows.
        raw = (nn.functional.silu(self.hidden(x)) * self.out.weight).sum(dim=-1) + self.out.bias
        return raw * self.scale.index_select(0, element)

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        """Move or cast everything but keep the reference energies in float64."""
        exact = self.reference_energies
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.reference_energies = exact.to(self.reference_energies.device)
        return self


__all__ = ["EnergyHead"]
