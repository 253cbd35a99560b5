from functools import partial

import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.connect.around import Around
from pesx.connect.presets import cluster_parts
from pesx.errors import ConfigError
from pesx.potentials.lennard_jones import LennardJones
from pesx.state import Minima

MINIMUM = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_starts_are_as_far_away_as_they_may():
    starts, n_evaluations = Around(kick=0.5, reach=4.0)(MINIMUM, 60, seeded())
    away = (starts - MINIMUM).flatten(1).norm(dim=1)
    assert ((away > 0.499) & (away < 2.001)).all()
    assert away.min() < 0.8
    assert away.max() > 1.7
    assert n_evaluations == 0


def test_starts_stay_where_the_potential_depends_on_them():
    around = Around(is_free_to_move=torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64))
    starts, _ = around(MINIMUM, 5, seeded())
    assert torch.equal(starts[..., 1], MINIMUM[:, 1].expand(5, -1))
    assert ((starts - MINIMUM).flatten(1).norm(dim=1) - around.kick).abs().max() < 1e-12


def test_what_is_pressed_flat_relaxes_in_its_plane():
    """In a plane, the lowest minimum of seven atoms is the hexagon around one of them."""
    around = cluster_parts(LennardJones(), read_molecule("LJ7"), mirror="merge", energy_window=float("inf")).around
    starts, n_evaluations = around(MINIMUM, 80, seeded())
    flat = starts[:: around.flat_each]
    thickness = torch.linalg.svdvals(flat - flat.mean(dim=1, keepdim=True))[:, 2]
    assert thickness.max() < 0.1  # as far as it is nudged off the plane
    assert thickness.min() > 1e-3
    assert n_evaluations > len(flat)
    bonds = [int((torch.pdist(one) < 1.2).sum()) for one in flat]
    assert max(bonds) == 12
    assert torch.equal(starts, around(MINIMUM, 80, seeded())[0])


def test_what_breaks_in_the_plane_is_displaced_instead():
    def broken(positions: torch.Tensor) -> Minima:
        nothing = torch.full((len(positions),), torch.nan, dtype=torch.float64)
        count = torch.ones(len(positions), dtype=torch.long)
        return Minima(positions * torch.nan, nothing, nothing, count, count)

    starts, n_evaluations = Around(flat_each=2, relax=broken)(MINIMUM, 4, seeded())
    assert torch.isfinite(starts).all()
    assert n_evaluations == 2


@pytest.mark.parametrize("wrong", [partial(Around, kick=0.0), partial(Around, reach=0.5), partial(Around, flat_each=0)])
def test_settings_out_of_range_are_refused(wrong: partial[Around]):
    with pytest.raises(ConfigError, match=next(iter(wrong.keywords))):
        wrong()


@pytest.mark.parametrize(("n_minima", "n"), [(1, 100), (100, 100), (1500, 6), (20_000, 0)])
def test_many_minima_share_the_searches(n_minima: int, n: int):
    parts = cluster_parts(LennardJones(), read_molecule("LJ7"), mirror="merge", energy_window=float("inf"))
    assert parts.around.number(n_minima) == n
    assert Around().number(n_minima) == 0
