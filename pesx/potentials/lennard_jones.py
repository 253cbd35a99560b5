"""Lennard-Jones clusters in reduced units: the energy in units of the well depth, lengths in units of sigma.

V = 4 sum over pairs (r^-12 - r^-6), all pairs, no cutoff (Jones 1924, doi:10.1098/rspa.1924.0081).
"""

from dataclasses import dataclass

import torch

from pesx.errors import ConfigError
from pesx.state import Evaluation
from pesx.typing import Energies, Float, Forces, Positions, Tensor


@dataclass(frozen=True)
class LennardJones:
    """Lennard-Jones cluster of like atoms, in reduced units.

    Coincident atoms give NaN or infinity in their own row only.

    Attributes:
        block_pairs: Pairs worked on at a time; the default keeps the work inside a processor's second-level cache. It
            does not change a single bit of the result.
    """

    block_pairs: int = 65536

    def __post_init__(self) -> None:
        if self.block_pairs < 1:
            raise ConfigError(
                f"block_pairs: expected a number of at least 1, came {self.block_pairs}; leave it out for the default."
            )

    @torch.no_grad()
    def __call__(self, positions: Positions) -> Evaluation:
        """Return energies (well depths) and forces (well depths per sigma)."""
        n_atoms = positions.shape[1]
        if n_atoms < 2:
            return Evaluation(positions.new_zeros(positions.shape[0]), torch.zeros_like(positions))
        rows = max(16, 2 * self.block_pairs // (n_atoms * (n_atoms - 1)))
        if positions.shape[0] <= rows or positions.device.type != "cpu":
            return Evaluation(*_evaluate(positions))
        energies, forces = zip(
            *[_evaluate(positions[start : start + rows]) for start in range(0, positions.shape[0], rows)], strict=True
        )
        return Evaluation(torch.cat(energies), torch.cat(forces))

    @torch.no_grad()
    def hessian(self, positions: Positions) -> Float[Tensor, "B D D"]:
        """Return the second derivatives of the energy (D = 3N), well depths per sigma squared."""
        n_replicas, n_atoms, _ = positions.shape
        difference = positions[:, :, None] - positions[:, None]
        itself = torch.eye(n_atoms, dtype=torch.bool, device=positions.device)
        s1 = (difference * difference).sum(-1).masked_fill(itself, torch.inf).reciprocal()
        s3 = s1 * s1 * s1
        slope = -24.0 * s1 * s3 * (2.0 * s3 - 1.0)
        bend = s1 * s1 * s3 * (672.0 * s3 - 192.0)
        pairs = bend[..., None, None] * difference[..., :, None] * difference[..., None, :]
        pairs = pairs + slope[..., None, None] * torch.eye(3, dtype=positions.dtype, device=positions.device)
        blocks = torch.where(itself[None, :, :, None, None], pairs.sum(2)[:, :, None], -pairs)
        return blocks.permute(0, 1, 3, 2, 4).reshape(n_replicas, 3 * n_atoms, 3 * n_atoms)


def _evaluate(positions: Positions) -> tuple[Energies, Forces]:
    """Return energies and forces of one block of rows.

    Pairs are laid out by the offset k = 1 ... N/2 between atom numbers on a ring, so every array is a strided view
    of the coordinates written twice in a row: no index lists and no pair twice. The replica is the innermost axis and
    sums over pairs are additions of whole slices, so a row sees the same operations in the same order in any batch.
    """
    n_rows, n_atoms, _ = positions.shape
    n_offsets = n_atoms // 2
    new = positions.new_empty
    ring = new((3, 2 * n_atoms, n_rows))
    ring[:, :n_atoms] = positions.permute(2, 1, 0)
    ring[:, n_atoms:] = ring[:, :n_atoms]
    shape = (n_offsets, 3, n_atoms, n_rows)
    ahead = ring.as_strided(shape, (n_rows, 2 * n_atoms * n_rows, n_rows, 1), n_rows)
    difference = torch.sub(ahead, ring[:, :n_atoms], out=new(shape))
    energy, slope = _pair_terms(difference)
    if n_atoms % 2 == 0:
        # The largest offset meets each of its pairs from both ends.
        energy[-1] *= 0.5
        slope[-1] *= 0.5
    # Pulls on the first atom of each pair, twice in a row like the coordinates, to be read from the second atom too.
    pull = new((n_offsets, 3, 2 * n_atoms, n_rows))
    torch.mul(difference, slope.unsqueeze(1), out=pull[:, :, n_atoms:])
    pull[:, :, :n_atoms] = pull[:, :, n_atoms:]
    strides = ((6 * n_atoms - 1) * n_rows, 2 * n_atoms * n_rows, n_rows, 1)
    behind = pull.as_strided(shape, strides, (n_atoms - 1) * n_rows)
    forces = _sum_slices(torch.sub(behind, pull[:, :, n_atoms:], out=difference))
    total = _sum_slices(energy.view(n_offsets * n_atoms, n_rows))
    return 4.0 * total, torch.mul(forces.permute(2, 1, 0), 24.0, out=new(positions.shape))


def _pair_terms(difference: Float[Tensor, "K 3 N B"]) -> tuple[Float[Tensor, "K N B"], Float[Tensor, "K N B"]]:
    """Return r^-12 - r^-6 and (2 r^-12 - r^-6) / r^2 of each pair.

    Products and sums are kept apart, because a fused one rounds differently at the end of a vector.
    """
    x, y, z = difference.unbind(1)
    s1 = x * x
    scratch = y * y
    s1 += scratch
    torch.mul(z, z, out=scratch)
    s1 += scratch
    s1.reciprocal_()
    s3 = torch.mul(s1, s1, out=scratch)
    s3 = s3 * s1
    energy = torch.sub(s3, 1.0, out=scratch)
    energy *= s3
    slope = s3
    slope += energy
    slope += energy
    slope *= s1
    return energy, slope


def _sum_slices(terms: Tensor) -> Tensor:
    """Sum over the first axis by halves, in place."""
    n_left = terms.shape[0]
    while n_left > 1:
        half = n_left // 2
        terms[:half] += terms[n_left - half : n_left]
        n_left -= half
    return terms[0]
