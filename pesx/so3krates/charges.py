"""Partial charges of atoms that add up to the charge of the molecule.

As in SO3LR: Kabylda et al. 2025, doi:10.1021/jacs.5c09558.
"""

import torch
from torch import nn

from pesx.so3krates.graph import GraphBatch
from pesx.so3krates.settings import So3kratesSettings
from pesx.typing import Float, Int, Tensor


class PartialCharges(nn.Module):
    """A small network and a bias per element; what is missing to the total charge is spread equally over the atoms.

    Args:
        settings: Of the model.
    """

    def __init__(self, settings: So3kratesSettings) -> None:
        super().__init__()
        self.hidden = nn.Linear(settings.features, settings.readout_width)
        self.out = nn.Linear(settings.readout_width, 1)
        self.bias = nn.Parameter(torch.zeros(len(settings.elements)))

    def forward(self, x: Float[Tensor, "X F"], element: Int[Tensor, "X"], graph: GraphBatch) -> Float[Tensor, "A"]:
        """Return the charge of each atom, e.

        Args:
            x: Features of the atoms, and of a few of no molecule behind them.
            element: Place of each atom's element in the list of elements, likewise.
            graph: Says which atoms make a molecule, and what charge it has.
        """
        # A sum instead of a product with one column, whose bits would depend on the other rows.
        raw = (nn.functional.silu(self.hidden(x)) * self.out.weight).sum(dim=-1) + self.out.bias
        raw = (raw + self.bias.index_select(0, element))[: len(graph.numbers)]
        return raw + spread_defect(raw, graph)


def spread_defect(charges: Float[Tensor, "A"], graph: GraphBatch) -> Float[Tensor, "A"]:
    """Return what each atom lacks for the charges of its molecule to add up, e: the same for all its atoms."""
    none = charges.new_zeros(graph.n_molecules)
    count = none.index_add(0, graph.molecule, torch.ones_like(charges)).clamp(min=1.0)
    total = none if graph.charge is None else graph.charge.to(charges)
    defect = (total - none.index_add(0, graph.molecule, charges)) / count
    return defect.index_select(0, graph.molecule)


__all__ = ["PartialCharges", "spread_defect"]
