"""Screened repulsion of nuclei: what keeps atoms apart where no training data reaches.

Ziegler and Biersack 1985, The Stopping and Range of Ions in Matter, doi:10.1007/978-1-4615-8103-1_3. As part of a
network, with trained constants: Unke et al. 2021 (SpookyNet), doi:10.1038/s41467-021-27504-0.
"""

import math

import torch
from torch import nn

from pesx.so3krates.cutoff import CUTOFF_FUNCTIONS, smooth_switch
from pesx.so3krates.graph import GraphBatch, lengths
from pesx.so3krates.molecular_pairs import LANES
from pesx.so3krates.settings import So3kratesSettings
from pesx.typing import Float, Tensor
from pesx.units import BOHR, HARTREE

REACH = 1.5
"""Angstrom. The repulsion is switched off from 0 to here."""

_DECAYS = (3.2, 0.9423, 0.4028, 0.2016)
_WEIGHTS = (0.1818, 0.5099, 0.2802, 0.02817)
_EXPONENT = 0.23
_INVERSE_LENGTH = 1.0 / (0.8854 * BOHR)
"""1/angstrom."""


class ZblRepulsion(nn.Module):
    """Coulomb repulsion of nuclei, screened by four exponentials whose constants are trained.

    The constants are kept as the softplus of the parameters, so they stay positive.

    Args:
        settings: Of the model.
    """

    charges: Tensor

    def __init__(self, settings: So3kratesSettings) -> None:
        super().__init__()
        self.decays = nn.Parameter(_inverse_softplus(_DECAYS))
        self.weights = nn.Parameter(_inverse_softplus(_WEIGHTS))
        self.exponent = nn.Parameter(_inverse_softplus((_EXPONENT,)))
        self.inverse_length = nn.Parameter(_inverse_softplus((_INVERSE_LENGTH,)))
        self.gate, self.cutoff = CUTOFF_FUNCTIONS[settings.cutoff_function], settings.cutoff
        charges = torch.arange(max(settings.elements) + 1, dtype=torch.get_default_dtype())
        self.register_buffer("charges", charges, persistent=False)

    def forward(self, graph: GraphBatch) -> Float[Tensor, "A"]:
        """Return the repulsion of each neighbour pair, eV, given to its first atom."""
        spare = -len(graph.pair_i) % LANES
        distance = nn.functional.pad(lengths(graph.vectors()), (0, spare), value=self.cutoff)
        first, second = (nn.functional.pad(end, (0, spare)) for end in (graph.pair_i, graph.pair_j))
        number_i, number_j = (graph.numbers.index_select(0, end) for end in (first, second))
        softplus = nn.functional.softplus
        # Of elements, not of pairs: few rows, and bits that do not depend on the batch.
        extent = self.charges.clamp(min=1.0).pow(softplus(self.exponent)) * softplus(self.inverse_length)
        scaled = distance * (extent.index_select(0, number_i) + extent.index_select(0, number_j))
        weights = softplus(self.weights) / softplus(self.weights).sum()
        decays = softplus(self.decays)
        screening = sum(weights[term] * torch.exp(-decays[term] * scaled) for term in range(len(_DECAYS)))
        bare = (
            HARTREE * BOHR * self.charges.index_select(0, number_i) * self.charges.index_select(0, number_j) / distance
        )
        switch = smooth_switch(distance, 0.0, REACH) * self.gate(distance, self.cutoff)
        return distance.new_zeros(len(graph.numbers)).index_add(0, first, switch * bare * screening)


def _inverse_softplus(values: tuple[float, ...]) -> Float[Tensor, "_"]:
    return torch.tensor([math.log(math.expm1(value)) for value in values])


__all__ = ["REACH", "ZblRepulsion"]
