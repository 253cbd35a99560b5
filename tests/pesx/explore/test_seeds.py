import pytest
import torch

from pesx.errors import ConfigError
from pesx.explore.seeds import Conformers, RandomSphere
from pesx.moves.displace import Displace
from pesx.streams import Streams
from pesx.typing import Positions


def seeded(seeds: RandomSphere | Conformers, walkers: list[int], hop: int = 0) -> Positions:
    streams = Streams(7, walkers, [hop] * len(walkers))
    return seeds(torch.tensor(walkers), torch.full((len(walkers),), hop), streams)


@pytest.mark.parametrize("n_atoms", [2, 13, 55])
def test_atoms_fill_a_sphere_that_grows_with_their_number(n_atoms: int) -> None:
    distance = seeded(RandomSphere(n_atoms, 1.0), list(range(50))).norm(dim=-1).flatten()
    radius = 0.5 * (n_atoms / 0.45) ** (1 / 3)
    assert float(distance.max()) <= radius
    # Uniform in the volume: half of the atoms lie within the half of it that is near the centre.
    assert float((distance < radius / 2 ** (1 / 3)).double().mean()) == pytest.approx(0.5, abs=0.1)


def test_a_walker_starts_where_it_does_alone_and_elsewhere_each_time() -> None:
    seeds = RandomSphere(5)
    together = seeded(seeds, [3, 0, 8])
    assert torch.equal(seeded(seeds, [8])[0], together[2])
    assert not torch.isclose(seeded(seeds, [8], hop=1)[0], together[2]).any()


def test_geometries_are_dealt_first_as_they_are_then_displaced() -> None:
    geometries = torch.arange(2 * 4 * 3, dtype=torch.float64).view(2, 4, 3)
    seeds = Conformers(geometries, Displace(0.3))
    first = seeded(seeds, [0, 1, 2, 3])
    assert torch.equal(first[:2], geometries)
    for positions, own in ((first[2:], geometries), (seeded(seeds, [0, 1], hop=1), geometries)):
        shift = (positions - own).abs()
        assert float(shift.min()) > 0
        assert float(shift.max()) <= 0.3


def test_no_geometry_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        Conformers(torch.zeros(0, 4, 3, dtype=torch.float64), Displace())
