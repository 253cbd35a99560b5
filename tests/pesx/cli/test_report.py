import json
import re
import shutil

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from pesx.chemistry.embed import molecule_from_smiles
from pesx.landscape.records import StoredMinima
from pesx.landscape.store import RunStore


def shown(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.S)[1])


@pytest.fixture
def glycine(tmp_path):
    """A run of Ac-Gly-NHMe without quenches, with minima of these energies."""
    molecule = molecule_from_smiles("CC(=O)NCC(=O)NC", name="Ac-Gly-NHMe")

    def make(*energy):
        folder, n = tmp_path / "glycine", len(energy)
        nothing = torch.full((n,), torch.nan, dtype=torch.float64)
        count = torch.zeros(n, dtype=torch.int64)
        with RunStore.create(folder, molecule) as store:
            if n:
                with store.transaction():
                    store._insert("quenches", [(0, 0, 0, "seed", 1, None, 1, None, None, 1)], 10)
                    positions = molecule.positions.expand(n, -1, -1)
                    energies = torch.tensor(energy, dtype=torch.float64)
                    store.add_minima(
                        StoredMinima(positions, energies, nothing, nothing, nothing, count, count, [""] * n)
                    )
        return folder

    return make


def frames_of(symbols, positions, path):
    image = Atoms(symbols, positions, info={"name": "frame"})
    image.calc = SinglePointCalculator(image, energy=0.0, forces=np.zeros((len(image), 3)))
    ase.io.write(path, [image, image])
    return path


def test_a_run_has_a_page_of_its_own(pesx, lj7):
    answer = pesx("report", lj7)
    assert answer.code == 0
    assert answer.out == ""
    assert "report.html" in answer.err
    assert "no network" in answer.err
    content = shown(lj7 / "report.html")
    assert len(content["minima"]["number"]) == 4
    assert content["overview"]["title"] == "LJ7"
    assert content["structures"]["touching"] > 0
    assert content["graph"]["notes"][1] == "no way between them is known"


def test_another_file(pesx, finished, tmp_path):
    page = tmp_path / "mine.html"
    assert pesx("report", finished, "-o", page).code == 0
    assert page.is_file()
    assert not (finished / "report.html").exists()


def test_an_empty_run(pesx, glycine):
    folder = glycine()
    assert pesx("report", folder).code == 0
    content = shown(folder / "report.html")
    parts = ("graph", "discovery", "energies", "ramachandran", "reference", "violations", "effort")
    assert all(content[part]["left_out"].endswith(".") for part in parts)


@pytest.mark.parametrize("energy", [(-1.0,), (float("inf"),), (-1.0, float("inf"))])
def test_one_minimum_and_energies_that_are_none(pesx, glycine, energy):
    folder = glycine(*energy)
    assert pesx("report", folder).code == 0
    content = shown(folder / "report.html")
    assert content["minima"]["energy"] == [value if value < 0 else None for value in energy]
    assert ("left_out" in content["graph"]) == (energy == (float("inf"),))


def test_training_frames(pesx, glycine, tmp_path):
    folder = glycine(-1.0)
    molecule = molecule_from_smiles("CC(=O)NCC(=O)NC")
    data = frames_of(molecule.symbols, molecule.positions.numpy(), tmp_path / "frames.extxyz")
    assert pesx("report", folder, "--data", data, "--level", "springs").code == 0
    (residue,) = shown(folder / "report.html")["ramachandran"]["residues"]
    assert len(residue["frames"]["phi"]) == 2


def test_frames_of_another_molecule(pesx, glycine, tmp_path):
    data = frames_of("OO", [[0, 0, 0], [0, 0, 1.2]], tmp_path / "other.extxyz")
    answer = pesx("report", glycine(-1.0), "--data", data, "--level", "springs")
    assert answer.code == 2
    assert "Expected frames of Ac-Gly-NHMe" in answer.message


def test_novelty_of_another_run(pesx, lj7):
    (lj7 / "novelty.csv").write_text("minimum,new\n12,yes\n")
    answer = pesx("report", lj7)
    assert answer.code == 2
    assert "came number 12" in answer.message
    assert not (lj7 / "report.html").exists()


def test_a_damaged_database(pesx, lj7):
    (lj7 / "landscape.db").write_bytes(b"no database at all" * 100)
    answer = pesx("report", lj7)
    assert answer.code == 1
    assert "not a sound SQLite database" in answer.message


def test_wrong_calls(pesx, lj7, tmp_path):
    assert "no such folder" in pesx("report", tmp_path / "nowhere").message
    assert "landscape.db" in pesx("report", tmp_path).message
    assert "ends in .html" in pesx("report", lj7, "-o", tmp_path / "report.pdf").message
    assert "beside --data" in pesx("report", lj7, "--level", "gfn2").message
    assert "none.db" in pesx("report", lj7, "--data", tmp_path / "none.db").message
    assert "nowhere" in pesx("report", lj7, "-o", tmp_path / "nowhere" / "report.html").message
    shutil.rmtree(lj7)
    assert pesx("report", lj7).code != 0
    assert "Did you mean --data" in pesx("report", lj7, "--dat", "x").message
