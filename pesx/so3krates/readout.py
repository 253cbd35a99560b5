"""From features to energies, one head per level of theory."""

import torch
from torch import nn

from pesx.so3krates.settings import So3kratesSettings
from pesx.typing import Float, Int, Tensor


class EnergyHead(nn.Module):
    """Atomic energies at one level of theory: a scale per element times a small network, and optionally a shift.

    The reference energies are kept in float64 whatever the network's precision: they are thousands of eV, of which meV
    matter.

    Args:
        settings: Of the model.
    """

    reference_energies: Tensor

    def __init__(self, settings: So3kratesSettings) -> None:
        super().__init__()
        self.hidden = nn.Linear(settings.features, settings.readout_width)
        self.out = nn.Linear(settings.readout_width, 1)
        self.scale = nn.Parameter(torch.ones(len(settings.elements)))
        self.shift = nn.Parameter(torch.zeros(len(settings.elements))) if settings.element_shift else None
        size = max(settings.elements) + 1
        self.register_buffer("reference_energies", torch.zeros(size, dtype=torch.float64))

    def forward(self, x: Float[Tensor, "A F"], element: Int[Tensor, "A"]) -> Float[Tensor, "A"]:
        """Return atomic contributions to the interaction energy, eV.

        Args:
            x: Features of the atoms.
            element: Place of each atom's element in the list of elements.
        """
        # A sum instead of a product with one column, whose bits would depend on the other rows.
        raw = (self._activations(x) * self.out.weight).sum(dim=-1) + self.out.bias
        scaled = raw * self.scale.index_select(0, element)
        return scaled if self.shift is None else scaled + self.shift.index_select(0, element)

    def features(self, x: Float[Tensor, "A F"], element: Int[Tensor, "A"]) -> Float[Tensor, "A K"]:
        """Return the derivatives of the atomic contributions by the last weights: ``out``'s, its bias, and shifts if there are.

        Args:
            x: Features of the atoms.
            element: Place of each atom's element in the list of elements.
        """
        scale = self.scale.index_select(0, element)[:, None]
        columns = [self._activations(x) * scale, scale]
        if self.shift is not None:
            columns.append(nn.functional.one_hot(element, len(self.shift)).to(x))
        return torch.cat(columns, dim=1)

    def _activations(self, x: Float[Tensor, "A F"]) -> Float[Tensor, "A K"]:
        return nn.functional.silu(self.hidden(x))

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        """Move or cast everything but keep the reference energies in float64."""
        exact = self.reference_energies
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.reference_energies = exact.to(self.reference_energies.device)
        return self


__all__ = ["EnergyHead"]
