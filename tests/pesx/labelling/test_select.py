from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from scipy.spatial.transform import Rotation

from pesx.chemistry.read import read_molecule
from pesx.errors import ConfigError, InputError
from pesx.labelling.given import given_frames
from pesx.labelling.select import Selection, features, select, write_chosen
from pesx.labelling.tasks import TaskMolecule
from pesx.so3krates.checkpoint import packaged_model

_READ = read_molecule("CC(=O)NCC(=O)NC")
RESIDUE = Atoms(_READ.numbers.numpy(), _READ.positions.numpy())
WHAT = TaskMolecule("residue", "", tuple(RESIDUE.numbers.tolist()))
TURN = Rotation.from_euler("xyz", [1.0, 2.0, 3.0]).as_matrix()


@pytest.fixture
def minima(tmp_path: Path) -> Path:
    """Three stretched copies of a residue, and one whose atoms touch."""
    frames = []
    for factor in (1.0, 1.04, 0.97, 0.4):
        frame = RESIDUE.copy()
        frame.positions *= factor
        frame.info["name"] = "residue"
        frames.append(frame)
    write(tmp_path / "minima.extxyz", frames)
    return tmp_path / "minima.extxyz"


def test_features_know_neither_place_nor_names_of_atoms() -> None:
    network, _ = packaged_model()
    hydrogens = np.flatnonzero(RESIDUE.numbers == 1)
    renamed = RESIDUE.positions.copy()
    renamed[hydrogens] = renamed[hydrogens[::-1]]
    stretched = 1.02 * RESIDUE.positions
    rows = features(network, WHAT, np.stack([RESIDUE.positions, RESIDUE.positions @ TURN.T + 3.0, renamed, stretched]))
    distance = np.linalg.norm(rows - rows[0], axis=1)
    assert distance[3] > 0.0
    assert (distance[1:3] < 1e-3 * distance[3]).all()


def test_the_lowest_comes_first_and_structures_beyond_the_limit_never(minima: Path) -> None:
    (one,) = select([minima], Selection(1))
    assert one.n_candidates == 3
    np.testing.assert_allclose(one.frames[0].positions, RESIDUE.positions, atol=1e-6)
    (every,) = select([minima], Selection(9))
    assert len(every.frames) == 3
    assert every.radius == 0.0


def test_minima_what_lies_between_and_what_is_around(minima: Path, tmp_path: Path) -> None:
    settings = Selection(9, n_between=2, n_thermal=3, force_limit=1e4)
    chosen = select([minima], settings)
    sources = Counter(frame.source for frame in chosen[0].frames)
    assert sources["given"] >= 3
    assert sum(sources.values()) == 9
    assert set(sources) == {"given", "between", "thermal"}
    write_chosen(chosen, tmp_path / "chosen.extxyz")
    back = given_frames(tmp_path / "chosen.extxyz")
    assert [(one.source, one.trajectory) for one in back] == [(one.source, one.trajectory) for one in chosen[0].frames]
    np.testing.assert_allclose(back[-1].positions, chosen[0].frames[-1].positions, atol=1e-6)


def test_nothing_fit_to_choose(minima: Path) -> None:
    with pytest.raises(InputError, match="Relax them first"):
        select([minima], Selection(1, force_limit=1e-6))
    with pytest.raises(ConfigError):
        Selection(0)
