"""Euclidean attention: what an atom takes over from its neighbours.

Frank, Unke, Mueller and Chmiela 2024, doi:10.1038/s41467-024-50620-6. The filter of a pair depends on the distance and
on squared differences of Euclidean variables, so it is the same in both directions: it is evaluated once per pair.

Matrix libraries treat the last rows of a product differently when their number is no multiple of the register width,
and unaligned rows too. All products here have row numbers and widths that are multiples of :data:`ALIGNMENT`; then
every row of a batch has the same bits alone and in any company. Measured with MKL on AVX-512, where features / 4,
features / heads and features / degrees are such multiples too.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

from pesx.so3krates.settings import So3kratesSettings
from pesx.typing import Float, Int, Tensor

ALIGNMENT = 4
"""Rows and columns of matrix products are padded with zeros to a multiple of this."""


def aligned(size: int) -> int:
    """Return the size rounded up to a multiple of :data:`ALIGNMENT`."""
    return size + -size % ALIGNMENT


@dataclass(frozen=True)
class Pairs:
    """Everything about neighbour pairs that all layers share. Directed pairs: all i to j, then all j to i.

    A few pairs with cutoff function 0 may stand at the end of each half, and a few atoms of no molecule at the end.

    Attributes:
        radial: Radial basis of each pair.
        cutoff: Cutoff function of each directed pair over the normalisation of coefficients.
        harmonics: Spherical harmonics of each directed pair's direction times ``cutoff``.
        centre: Atom that receives.
        neighbour: Atom that gives.
        cell: Place of each directed pair in the flattened (molecule, atom, atom) table.
        slot: Place of each atom in the flattened (molecule, atom) table; None if there are no holes.
        n_molecules: How many molecules.
        width: Atoms of the largest molecule.
    """

    radial: Float[Tensor, "P K"]
    cutoff: Float[Tensor, "D 1"]
    harmonics: Float[Tensor, "D M"]
    centre: Int[Tensor, "D"]
    neighbour: Int[Tensor, "D"]
    cell: Int[Tensor, "D"]
    slot: Int[Tensor, "A"] | None
    n_molecules: int
    width: int

    @property
    def first(self) -> Int[Tensor, "P"]:
        """First atom of each pair."""
        return self.centre[: len(self.radial)]

    @property
    def second(self) -> Int[Tensor, "P"]:
        """Second atom of each pair."""
        return self.neighbour[: len(self.radial)]


class Contraction(nn.Module):
    """Squared norm of each degree over sqrt(2l + 1), and the way back from degrees to components.

    Both sides are padded with columns that stay zero.

    Args:
        degrees: Degrees l of the Euclidean variables.
    """

    to_degrees: Tensor
    to_components: Tensor

    def __init__(self, degrees: tuple[int, ...]) -> None:
        super().__init__()
        self.n_degrees = aligned(len(degrees))
        self.n_components = aligned(sum(2 * degree + 1 for degree in degrees))
        contract = torch.zeros(self.n_components, self.n_degrees)
        start = 0
        for column, degree in enumerate(degrees):
            size = 2 * degree + 1
            contract[start : start + size, column] = size**-0.5
            start += size
        self.register_buffer("to_degrees", contract, persistent=False)
        self.register_buffer("to_components", (contract.T > 0).to(contract.dtype), persistent=False)

    def invariants(self, euclidean: Float[Tensor, "X M"]) -> Float[Tensor, "X L"]:
        """Return one rotation invariant per degree."""
        return (euclidean * euclidean) @ self.to_degrees

    def expand(self, per_degree: Float[Tensor, "X L"]) -> Float[Tensor, "X M"]:
        """Repeat the number of each degree for all its components; missing columns count as zero."""
        missing = self.n_degrees - per_degree.shape[1]
        return nn.functional.pad(per_degree, (0, missing)) @ self.to_components


class Filter(nn.Module):
    """Weights of a pair from its distance and from how its Euclidean variables differ.

    Args:
        settings: Of the model.
        first: Whether this is the first layer, before which Euclidean variables are zero and so have nothing to say.
    """

    def __init__(self, settings: So3kratesSettings, *, first: bool) -> None:
        super().__init__()
        narrow = settings.features // 4
        self.radial_in = nn.Linear(settings.n_radial, settings.features)
        self.radial_out = nn.Linear(settings.features, settings.features)
        if not first:
            self.spherical_in = nn.Linear(aligned(len(settings.degrees)), narrow)
            self.spherical_out = nn.Linear(narrow, settings.features, bias=False)

    def forward(self, radial: Float[Tensor, "P K"], invariants: Float[Tensor, "P L"] | None) -> Float[Tensor, "P F"]:
        """Evaluate the filter; the first layer has no invariants."""
        weight: Tensor = self.radial_out(nn.functional.silu(self.radial_in(radial)))
        if invariants is None:
            return weight
        hidden = nn.functional.silu(self.spherical_in(invariants))
        return torch.addmm(weight, hidden, self.spherical_out.weight.T)


class HeadLinear(nn.Module):
    """A linear map within each head, without bias."""

    def __init__(self, features: int, n_heads: int) -> None:
        super().__init__()
        self.shape = (n_heads, features // n_heads)
        self.weight = nn.Parameter(torch.randn(*self.shape, self.shape[1]) / math.sqrt(self.shape[1]))

    def forward(self, x: Float[Tensor, "A F"]) -> Float[Tensor, "A F"]:
        """Map features, head by head."""
        heads = x.view(len(x), *self.shape).transpose(0, 1)
        return torch.bmm(heads, self.weight).transpose(0, 1).reshape(x.shape)


class Coefficients(nn.Module):
    """Attention coefficients of all directed pairs, one per head; without softmax."""

    def __init__(self, settings: So3kratesSettings, n_heads: int, *, first: bool) -> None:
        super().__init__()
        self.heads = (n_heads, settings.features // n_heads)
        self.query = HeadLinear(settings.features, n_heads)
        self.key = HeadLinear(settings.features, n_heads)
        self.filter = Filter(settings, first=first)

    def forward(
        self, x: Float[Tensor, "A F"], invariants: Float[Tensor, "P L"] | None, pairs: Pairs
    ) -> Float[Tensor, "D H"]:
        """Return the coefficients before the cutoff function."""
        query = self.query(x).index_select(0, pairs.centre)
        key = self.key(x).index_select(0, pairs.neighbour)
        weight = self.filter(pairs.radial, invariants)
        product = (query * key).view(2, *weight.shape) * weight
        coefficients: Tensor = product.view(len(query), *self.heads).sum(dim=-1)
        return coefficients


class Attention(nn.Module):
    """Both branches of a layer: features to features, and directions to Euclidean variables.

    Args:
        settings: Of the model.
        contraction: Shared by all layers.
        first: Whether this is the first layer.
    """

    def __init__(self, settings: So3kratesSettings, contraction: Contraction, *, first: bool) -> None:
        super().__init__()
        self.heads = (settings.n_heads, settings.features // settings.n_heads)
        self.feature = Coefficients(settings, settings.n_heads, first=first)
        self.geometric = Coefficients(settings, len(settings.degrees), first=first)
        self.value = HeadLinear(settings.features, settings.n_heads)
        self.contraction = contraction

    def forward(
        self, x: Float[Tensor, "A F"], euclidean: Float[Tensor, "A M"] | None, pairs: Pairs
    ) -> tuple[Float[Tensor, "A F"], Float[Tensor, "A M"]]:
        """Return what is to be added to features and Euclidean variables.

        Args:
            x: Invariant features.
            euclidean: Euclidean variables; None before the first layer, where they are zero.
            pairs: Neighbour pairs.
        """
        invariants = None
        if euclidean is not None:
            difference = euclidean.index_select(0, pairs.second) - euclidean.index_select(0, pairs.first)
            invariants = self.contraction.invariants(difference)
        message = self._gather_features(self.feature(x, invariants, pairs) * pairs.cutoff, self.value(x), pairs)
        directed = self.contraction.expand(self.geometric(x, invariants, pairs)) * pairs.harmonics
        return message, x.new_zeros(len(x), directed.shape[1]).index_add(0, pairs.centre, directed)

    def _gather_features(
        self, coefficients: Float[Tensor, "D H"], value: Float[Tensor, "A F"], pairs: Pairs
    ) -> Float[Tensor, "A F"]:
        """Sum neighbours' values with one dense matrix per molecule and head: less traffic than a message per pair."""
        batch, width = pairs.n_molecules, pairs.width
        heads, size = self.heads
        n_atoms = batch * width if pairs.slot is None else len(pairs.slot)
        spare = (0, 0, 0, len(value) - n_atoms)
        value = value[:n_atoms]
        table = coefficients.new_zeros(batch * width * width, heads).index_copy(0, pairs.cell, coefficients)
        if pairs.slot is not None:
            value = value.new_zeros(batch * width, value.shape[1]).index_copy(0, pairs.slot, value)
        matrix = table.view(batch, width, width, heads).permute(0, 3, 1, 2).reshape(batch * heads, width, width)
        columns = value.view(batch, width, heads, size).transpose(1, 2).reshape(batch * heads, width, size)
        summed = torch.bmm(matrix, columns).view(batch, heads, width, size).transpose(1, 2)
        summed = summed.reshape(batch * width, heads * size)
        return nn.functional.pad(summed if pairs.slot is None else summed.index_select(0, pairs.slot), spare)


__all__ = ["ALIGNMENT", "Attention", "Coefficients", "Contraction", "Filter", "HeadLinear", "Pairs", "aligned"]
