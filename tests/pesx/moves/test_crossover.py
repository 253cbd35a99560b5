from dataclasses import dataclass
from math import pi

import pytest
import torch

from pesx.errors import InputError
from pesx.geometry.torsion import torsion_angles
from pesx.moves.crossover import Crossover
from pesx.streams import Streams
from pesx.testing import check_move
from pesx.typing import Tensor

QUADS = torch.tensor([[k, k + 1, k + 2, k + 3] for k in range(4)])
MOVING = torch.arange(7) > QUADS[:, 2:3]


@dataclass(frozen=True)
class Pool:
    positions: Tensor


def chains(n: int, seed: int) -> Tensor:
    zigzag = torch.stack([torch.arange(7.0), torch.arange(7.0) % 2, torch.zeros(7)], dim=1).double()
    return zigzag + 0.2 * torch.randn(n, 7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def crossed(positions: Tensor, donors: Tensor, scale: float = 1.0) -> Tensor:
    n = len(positions)
    streams = Streams(0, range(n), [0] * n)
    return Crossover(QUADS, MOVING, Pool(donors))(positions, torch.full((n,), scale, dtype=torch.float64), streams)


def is_at(angles: Tensor, others: Tensor) -> Tensor:
    return (torch.remainder(angles - others + pi, 2 * pi) - pi).abs() < 1e-8


def test_it_keeps_the_contract_of_a_move() -> None:
    check_move(Crossover(QUADS, MOVING, Pool(chains(5, 1))), chains(8, 0)).raise_if_wrong()


@pytest.mark.parametrize("scale", [0.25, 1.0, 2.0])
def test_a_stretch_comes_from_the_donor_and_the_rest_stays(scale: float) -> None:
    before, donor = chains(60, 0), chains(1, 1)
    after = torsion_angles(crossed(before, donor, scale), QUADS)
    is_taken, is_kept = is_at(after, torsion_angles(donor, QUADS)), is_at(after, torsion_angles(before, QUADS))
    assert (is_taken ^ is_kept).all()
    n_edges = (is_taken[:, 1:] != is_taken[:, :-1]).sum(dim=1) + is_taken[:, 0].long() + is_taken[:, -1].long()
    assert (n_edges == 2).all(), "one stretch each, without a gap"
    assert int(is_taken.sum(dim=1).max()) <= 1 + 2 * scale


def test_every_donor_has_its_turn() -> None:
    before, donors = chains(80, 0), chains(3, 1)
    after, wanted = torsion_angles(crossed(before, donors), QUADS), torsion_angles(donors, QUADS)
    gave = torch.stack([is_at(after, own).any(dim=1) for own in wanted])
    assert gave.any(dim=1).all()
    assert (gave.sum(dim=0) == 1).all()


def test_without_donors_nothing_moves() -> None:
    before = chains(3, 0)
    assert torch.equal(crossed(before, before[:0]), before)


def test_a_molecule_without_torsions_is_refused() -> None:
    with pytest.raises(InputError, match="Displace"):
        Crossover(QUADS[:0], MOVING[:0], Pool(chains(1, 0)))
