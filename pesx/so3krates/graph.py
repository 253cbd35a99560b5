"""The ragged batch a network sees: flat atoms, and each neighbour pair once.

Two front ends make it: :func:`collate` for different molecules side by side (training) and :func:`replicas` for many
geometries of one molecule (everything else). The search for pairs carries no gradient; vectors are recomputed from
the positions with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pesx.errors import InputError
from pesx.typing import Float, Int, Positions, Tensor

CLOSEST = 1e-3
"""Angstrom. Distances below count as this, so that coincident atoms have finite gradients."""


@dataclass(frozen=True)
class GraphBatch:
    """Atoms of several molecules in one row, and their neighbour pairs, each listed once.

    Attributes:
        positions: Angstrom.
        numbers: Atomic numbers.
        molecule: Number of the molecule that owns each atom, ascending.
        slot: Place of each atom in a padded (molecule, atom) table, flattened; equal to 0, 1, 2, ... without padding.
        pair_i: First atom of each pair.
        pair_j: Second atom of each pair.
        n_molecules: How many molecules.
        width: Atoms of the largest molecule, the width of the padded table.
        charge: Total charge of each molecule, e; None where all are neutral.
        n_unpaired: Unpaired electrons of each molecule; None where there are none.
    """

    positions: Float[Tensor, "A 3"]
    numbers: Int[Tensor, "A"]
    molecule: Int[Tensor, "A"]
    slot: Int[Tensor, "A"]
    pair_i: Int[Tensor, "P"]
    pair_j: Int[Tensor, "P"]
    n_molecules: int
    width: int
    charge: Float[Tensor, "G"] | None = None
    n_unpaired: Float[Tensor, "G"] | None = None

    @property
    def is_dense(self) -> bool:
        """Whether all molecules have the same number of atoms, so that the padded table has no holes."""
        return len(self.numbers) == self.n_molecules * self.width

    def vectors(self) -> Float[Tensor, "P 3"]:
        """Return the vectors from the first to the second atom of each pair, angstrom, differentiable."""
        return self.positions.index_select(0, self.pair_j) - self.positions.index_select(0, self.pair_i)

    @property
    def mean_neighbours(self) -> float:
        """Average number of neighbours of an atom; the usual normalisation of attention coefficients."""
        return 2.0 * len(self.pair_i) / max(1, len(self.numbers))


def lengths(vectors: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
    """Return the lengths of vectors, angstrom, and :data:`CLOSEST` for shorter ones."""
    return vectors.square().sum(dim=-1).clamp(min=CLOSEST * CLOSEST).sqrt()


def neighbour_pairs(positions: Positions, cutoff: float) -> tuple[Int[Tensor, "P"], Int[Tensor, "P"], Int[Tensor, "P"]]:
    """Find all pairs i < j closer than the cutoff in every replica; pairs with a non-finite distance are left out.

    Args:
        positions: Angstrom.
        cutoff: Angstrom.

    Returns:
        Replica, first atom and second atom of each pair, sorted by all three.
    """
    fixed = positions.detach()
    n_atoms = fixed.shape[1]
    first, second = torch.triu_indices(n_atoms, n_atoms, offset=1, device=fixed.device)
    separation = fixed.index_select(1, second) - fixed.index_select(1, first)
    near = separation.square().sum(dim=-1) < cutoff * cutoff
    replica, pair = near.nonzero(as_tuple=True)
    return replica, first[pair], second[pair]


def replicas(
    numbers: Int[Tensor, "N"], positions: Positions, cutoff: float, *, charge: int = 0, n_unpaired: int = 0
) -> GraphBatch:
    """Build the batch of several geometries of one molecule.

    Args:
        numbers: Atomic numbers.
        positions: Angstrom; gradients flow through.
        cutoff: Angstrom.
        charge: Total charge, e.
        n_unpaired: Unpaired electrons.
    """
    n_atoms = positions.shape[1]
    replica, first, second = neighbour_pairs(positions, cutoff)
    pairs = replica * n_atoms + first, replica * n_atoms + second
    return replicas_with(numbers, positions, pairs, charge=charge, n_unpaired=n_unpaired)


def replicas_with(
    numbers: Int[Tensor, "N"],
    positions: Positions,
    pairs: tuple[Int[Tensor, "P"], Int[Tensor, "P"]],
    *,
    charge: int = 0,
    n_unpaired: int = 0,
) -> GraphBatch:
    """Build the batch of several geometries of one molecule whose neighbour pairs are known.

    Args:
        numbers: Atomic numbers.
        positions: Angstrom; gradients flow through.
        pairs: First and second atoms, counted through all replicas.
        charge: Total charge, e.
        n_unpaired: Unpaired electrons.
    """
    n_replicas, n_atoms, _ = positions.shape
    slot = torch.arange(n_replicas * n_atoms, device=positions.device)
    return GraphBatch(
        positions=positions.reshape(-1, 3),
        numbers=numbers.repeat(n_replicas),
        molecule=slot // max(1, n_atoms),
        slot=slot,
        pair_i=pairs[0],
        pair_j=pairs[1],
        n_molecules=n_replicas,
        width=n_atoms,
        charge=positions.new_full((n_replicas,), charge) if charge else None,
        n_unpaired=positions.new_full((n_replicas,), n_unpaired) if n_unpaired else None,
    )


def collate(
    numbers: Sequence[Int[Tensor, "_"]],
    positions: Sequence[Float[Tensor, "_ 3"]],
    cutoff: float,
    *,
    pairs: Sequence[tuple[Int[Tensor, "_"], Int[Tensor, "_"]]] | None = None,
    charges: Sequence[int] | None = None,
    n_unpaired: Sequence[int] | None = None,
) -> GraphBatch:
    """Build the batch of different molecules, one geometry each.

    Args:
        numbers: Atomic numbers of each molecule.
        positions: Angstrom, of each molecule; gradients flow through.
        cutoff: Angstrom.
        pairs: First and second atoms of the pairs within the cutoff, if they are known from before.
        charges: Total charge of each molecule, e; None where all are neutral.
        n_unpaired: Unpaired electrons of each molecule; None where there are none.

    Raises:
        InputError: The batch is empty, or atoms and positions do not fit together.
    """
    if not numbers:
        raise InputError("Expected at least one molecule to collate, came none.")
    sizes = [len(z) for z in numbers]
    for index, (size, geometry) in enumerate(zip(sizes, positions, strict=True)):
        if geometry.shape != (size, 3):
            raise InputError(
                f"Expected positions of shape ({size}, 3) for molecule {index}, came {tuple(geometry.shape)}."
            )
    device = positions[0].device
    if pairs is None:
        pairs = [neighbour_pairs(geometry[None], cutoff)[1:] for geometry in positions]
    count = torch.tensor(sizes, device=device)
    start = count.cumsum(0) - count
    n_pairs = torch.tensor([len(i) for i, _ in pairs], device=device)
    offset = start.repeat_interleave(n_pairs)
    molecule = torch.arange(len(sizes), device=device).repeat_interleave(count)
    width = max(sizes)
    within = torch.arange(len(molecule), device=device) - start[molecule]
    return GraphBatch(
        positions=torch.cat(list(positions)),
        numbers=torch.cat(list(numbers)),
        molecule=molecule,
        slot=molecule * width + within,
        pair_i=torch.cat([i for i, _ in pairs]) + offset,
        pair_j=torch.cat([j for _, j in pairs]) + offset,
        n_molecules=len(sizes),
        width=width,
        charge=None if charges is None else positions[0].new_tensor(charges),
        n_unpaired=None if n_unpaired is None else positions[0].new_tensor(n_unpaired),
    )


__all__ = ["CLOSEST", "GraphBatch", "collate", "lengths", "neighbour_pairs", "replicas", "replicas_with"]
