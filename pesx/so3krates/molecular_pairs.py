"""All pairs of atoms of the same molecule, whatever their distance: what long-range interactions run over."""

from dataclasses import dataclass

import torch

from pesx.so3krates.graph import GraphBatch, lengths
from pesx.typing import Bool, Float, Int, Tensor

LANES = 64
"""Lists of pairs are filled up to a multiple of this.

Torch computes what is left over behind whole registers by other means, so the bits of a last pair would depend on how many
there are.
"""


@dataclass(frozen=True)
class MolecularPairs:
    """Pairs of a batch, each once, molecule by molecule; holes count as pairs at 1 angstrom.

    Attributes:
        first: First atom; 0 in a hole.
        second: Second atom; 0 in a hole.
        distance: Angstrom, differentiable.
        is_pair: False in a hole.
    """

    first: Int[Tensor, "Q"]
    second: Int[Tensor, "Q"]
    distance: Float[Tensor, "Q"]
    is_pair: Bool[Tensor, "Q"]

    def per_atom(self, energy: Float[Tensor, "Q"], n_atoms: int) -> Float[Tensor, "A"]:
        """Give the energy of each pair to its first atom; sums over a molecule are what matters."""
        return energy.new_zeros(n_atoms).index_add(0, self.first, energy.where(self.is_pair, 0.0))


def molecular_pairs(graph: GraphBatch) -> MolecularPairs:
    """List all pairs within the molecules of a batch; the shapes depend on number and width of molecules only."""
    device, n_atoms = graph.positions.device, len(graph.numbers)
    cells = graph.n_molecules * graph.width
    row, column = torch.triu_indices(graph.width, graph.width, offset=1, device=device)
    start = torch.arange(graph.n_molecules, device=device)[:, None] * graph.width
    spare = -(graph.n_molecules * len(row)) % LANES
    first = torch.nn.functional.pad((start + row).flatten(), (0, spare), value=cells)
    second = torch.nn.functional.pad((start + column).flatten(), (0, spare), value=cells)
    # The cell behind the last one, and every cell without an atom, are holes.
    atom = torch.full((cells + 1,), n_atoms, device=device)
    atom = atom.index_copy(0, graph.slot, torch.arange(n_atoms, device=device))
    first, second = atom.index_select(0, first), atom.index_select(0, second)
    is_pair = (first < n_atoms) & (second < n_atoms)
    first, second = first.where(is_pair, 0), second.where(is_pair, 0)
    vectors = graph.positions.index_select(0, second) - graph.positions.index_select(0, first)
    return MolecularPairs(first, second, lengths(vectors).where(is_pair, 1.0), is_pair)


__all__ = ["LANES", "MolecularPairs", "molecular_pairs"]
