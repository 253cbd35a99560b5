from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms

from pesx.chemistry.read import read_molecule
from pesx.dynamics.starts import read_starts, relaxed
from pesx.errors import InputError
from pesx.state import Evaluation

ALANINE = "C[C@H](N)C(=O)O"


def test_the_molecule_is_taken_to_its_minimum(springs: Any) -> None:
    molecule = read_molecule("CCO")
    pairs = torch.combinations(torch.arange(molecule.n_atoms), 2)
    lengths = 1.03 * (molecule.positions[pairs[:, 0]] - molecule.positions[pairs[:, 1]]).norm(dim=1)
    potential = springs(pairs, lengths, 5.0)
    positions = relaxed(potential, molecule)
    assert positions.dtype == torch.float64
    assert potential(positions).forces.norm(dim=2).max() <= 1e-3
    assert potential(molecule.positions[None]).forces.norm(dim=2).max() > 0.1


def test_a_molecule_that_has_no_minimum_is_refused() -> None:
    def pushed(positions: torch.Tensor) -> Evaluation:
        push = torch.zeros_like(positions)
        push[:, 0, 0] = 1.0
        return Evaluation(-positions[:, 0, 0].double(), push)

    with pytest.raises(InputError, match="Expected a molecule that relaxes"):
        relaxed(pushed, read_molecule("CCO"))


def test_minima_are_read_and_must_be_of_the_molecule(tmp_path: Path) -> None:
    molecule = read_molecule(ALANINE)
    path = tmp_path / "minima.extxyz"
    own = [Atoms(molecule.symbols, molecule.positions.numpy() + shift) for shift in (0.0, 1.0)]
    ase.io.write(path, own)
    assert np.abs(read_starts(path, molecule).numpy() - np.stack([a.positions for a in own])).max() < 1e-7

    torn = own[0].copy()
    torn.positions[0] += 5.0
    mirrored = Atoms(molecule.symbols, molecule.positions.numpy() * [-1, 1, 1])
    for wrong, said in ((torn, "frame 1"), (mirrored, "stereocentre"), (own[0][::-1], "another order in frame 1")):
        ase.io.write(path, [own[0], wrong])
        with pytest.raises(InputError, match=said):
            read_starts(path, molecule)


@pytest.mark.parametrize("content", [None, "", "nonsense\n"])
def test_files_without_structures_are_refused(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "minima.extxyz"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match="Expected"):
        read_starts(path, read_molecule("CCO"))
