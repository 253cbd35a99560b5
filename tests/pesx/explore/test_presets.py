from typing import get_args

import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.errors import ConfigError
from pesx.explore.basin_hopping import BasinHopping
from pesx.explore.minima_hopping import MinimaHopping
from pesx.explore.mixed import Mixed
from pesx.explore.presets import (
    MOLECULAR,
    REDUCED,
    Method,
    choose_explorer,
    cluster_parts,
    molecule_parts,
    surface_parts,
)
from pesx.moves.displace import Displace
from pesx.potentials.lennard_jones import LennardJones
from pesx.potentials.muller_brown import MullerBrown
from pesx.streams import Streams

LJ = LennardJones()
"""Stands in for the force field of a molecule; putting the parts together evaluates nothing."""


@pytest.mark.parametrize("method", get_args(Method))
@pytest.mark.parametrize("scales", [MOLECULAR, REDUCED])
def test_every_method_has_an_explorer_with_the_escape_among_its_moves(method, scales) -> None:
    explorer = choose_explorer(method, [Displace(), None], scales)
    used = explorer.explorers if isinstance(explorer, Mixed) else (explorer,)
    assert {type(one) for one in used} == {
        "basin-hopping": {BasinHopping},
        "minima-hopping": {MinimaHopping},
        "mixed": {BasinHopping, MinimaHopping},
    }[method]
    walkers = explorer.start(torch.zeros(8, 3, 3))
    assert (walkers.kT > 0).all()
    for one in used:
        assert not isinstance(one, MinimaHopping) or one.escape == 1


@pytest.mark.parametrize(
    ("molecule", "amides", "names"),
    [
        ("O", "keep", ("displace", "escape")),
        ("CCCC", "keep", ("displace", "torsion", "crossover", "escape")),
        ("CC(=O)NC", "allow", ("displace", "torsion", "crossover", "amide", "escape")),
    ],
)
def test_a_molecule_gets_the_moves_it_has(molecule, amides, names) -> None:
    parts, archive = molecule_parts(LJ, read_molecule(molecule), amides=amides, n_seeds=2, method="basin-hopping")
    assert set(parts.moves) <= set(names)
    assert (parts.moves[0], parts.moves[-1]) == ("displace", "escape")
    assert ("amide" in parts.moves) == ("amide" in names)
    assert isinstance(parts.explorer, BasinHopping)
    assert [move is None for move in parts.explorer.moves] == [name == "escape" for name in parts.moves]
    assert len(archive) == 0


def test_the_first_walker_starts_from_the_input_and_the_others_from_different_conformers() -> None:
    molecule = read_molecule("CCCC")
    parts, _ = molecule_parts(LJ, molecule, n_seeds=3)
    walkers = torch.arange(4)
    starts = parts.seeds(walkers, 0 * walkers, Streams(0, range(4), [0] * 4))
    assert torch.equal(starts[0], molecule.positions)
    # One of the three may have found the input again.
    assert float(torch.pdist(starts[1:].flatten(1)).min()) > 0.1


@pytest.mark.parametrize(
    ("name", "moves"), [("LJ3", ("displace", "escape")), ("LJ7", ("displace", "resite", "escape"))]
)
def test_a_cluster_gets_the_moves_it_has(name, moves) -> None:
    parts, _ = cluster_parts(LJ, read_molecule(name))
    assert parts.moves == moves


def test_fingerprints_decide_only_where_mirror_images_are_one() -> None:
    gaps = [
        cluster_parts(LJ, read_molecule("LJ7"), mirror=mirror)[1].conclusive_gap for mirror in ("distinct", "merge")
    ]
    assert gaps[0] == 0 < gaps[1]


def test_policies_that_do_not_exist_are_refused() -> None:
    for wrong in ({"mirror": "both"}, {"amides": "maybe"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            molecule_parts(LJ, read_molecule("O"), n_seeds=0, **wrong)


def test_the_ladder_is_climbed_by_basin_hopping() -> None:
    explorer = choose_explorer("basin-hopping", [Displace(), None], REDUCED, ladder=8.0)
    temperatures = explorer.start(torch.zeros(5, 3, 3)).kT
    assert float(temperatures[-1] / temperatures[0]) == pytest.approx(8.0)


def test_a_surface_is_explored_in_its_plane() -> None:
    parts, _ = surface_parts(MullerBrown())
    found = parts.stages.modes(torch.tensor([[[-0.558224, 1.441726, 0.0]]], dtype=torch.float64))
    assert int(found.n_negative) == 0
    assert float(found.lowest) > 0
