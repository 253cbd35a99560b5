import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from pesx import read_molecule

FOLDER = Path(__file__).parents[2] / "benchmarks"
DATA = Path(__file__).parents[3] / "shared" / "data" / "pepconf"
GLYCINE = "CC(=O)NCC(N)=O"


@pytest.fixture
def pepconf(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return import_module("pepconf")


@pytest.fixture
def data(tmp_path):
    """A set of one peptide with three conformers and one other molecule, in the form of PEPCONF."""
    folder = tmp_path / "set" / "dipeptide"
    folder.mkdir(parents=True)
    rows = []
    for name, smiles in (("GLY", GLYCINE), ("SER", "CC(=O)N[C@@H](CO)C(N)=O")):
        molecule = read_molecule(smiles)
        for number in range(3):
            stretched = (molecule.positions * (1 + 0.01 * number)).tolist()
            atoms = "".join(
                f"{symbol} {x} {y} {z}\n" for symbol, (x, y, z) in zip(molecule.symbols, stretched, strict=True)
            )
            (folder / f"{name}_{number}.xyz").write_text(f"{molecule.n_atoms}\n0 1\n{atoms}")
            rows += [f"{len(rows) + 1} , {name}_{number} , {5.0 * number}"] if number else []
    (folder / "dipeptide.csv").write_text("\n".join(["# , Model , Ref. (kcal/mol)", *rows]) + "\n")
    return folder.parent


@pytest.mark.parametrize(
    ("smiles", "parts"),
    [
        ("CC(=O)N[C@@H](C)C(=O)NCC(=O)NC", {"Ala": 1, "Gly": 1, "acetyl": 1, "methylamide": 1}),
        ("O=CNCC(=O)N[C@H](C)C(N)=O", {"Ala": 1, "Gly": 1, "formyl": 1, "amide": 1}),
        ("NCC(=O)O", {"Gly": 1, "acid": 1}),
        ("O=C1CNC(=O)CN1", {"Gly": 2}),
        ("CC(=O)N(C)CC(=O)NC", {}),
        ("CC(=O)N[C@@H](CO)C(=O)NC", {}),
        ("CC(=O)N[C@@H](CC(N)=O)C(N)=O", {}),
        ("CC(=O)NC", {}),
    ],
)
def test_residues_are_known_by_their_bonds(pepconf, smiles, parts):
    assert pepconf.parts_of(read_molecule(smiles)) == parts


def test_peptides_and_their_classes_are_found(pepconf, data):
    (peptide,) = pepconf.read_peptides(data)
    assert (peptide.name, peptide.kind, peptide.parts) == ("GLY", "dipeptide", {"Gly": 1, "acetyl": 1, "amide": 1})
    np.testing.assert_allclose(peptide.reference, [0.0, 5.0, 10.0])


def test_deviations_do_not_depend_on_the_zero(pepconf):
    reference = np.array([0.0, 2.0, 4.0])
    assert pepconf.deviations(reference - 7.0, reference) == {"centred": 0.0, "above_lowest": 0.0, "same_lowest": True}
    half = pepconf.deviations(reference / 2, reference)
    assert (half["centred"], half["above_lowest"]) == (pytest.approx(2 / 3), 1.5)
    assert not pepconf.deviations(-reference, reference)["same_lowest"]


def test_groups_are_means_over_molecules_with_an_interval_around(pepconf):
    random = np.random.default_rng(0)
    references = [np.array([0.0, 2.0, 4.0]) for _ in range(30)]
    energies = [reference + random.normal(size=3) for reference in references]
    found = pepconf.summary(energies, references, seed=1)
    each = [pepconf.deviations(*pair)["centred"] for pair in zip(energies, references, strict=True)]
    assert found["centred"] == pytest.approx(np.mean(each))
    low, high = found["centred_interval"]
    # The interval of a mean is about two standard errors to each side.
    assert high - low == pytest.approx(4 * np.std(each) / np.sqrt(30), rel=0.15)
    assert low < found["centred"] < high
    assert found["correlation_interval"][0] < found["correlation"] < found["correlation_interval"][1] < 1
    scaled = pepconf.summary([3 * one for one in references], references, seed=1)
    assert scaled["correlation"] == pytest.approx(1)
    assert pepconf.summary(energies[:1], references[:1], seed=1)["centred_interval"] is None


def test_a_column_that_lacks_molecules_is_compared_where_it_is(pepconf, data):
    (peptide,) = pepconf.read_peptides(data)
    columns = {"all": {"GLY": peptide.reference}, "none": {}}
    found = pepconf.groups([peptide], columns, {"GLY": peptide.reference}, seed=0)
    assert {group: list(rows) for group, rows in found.items()} == {"dipeptide": ["all"], "all": ["all"]}
    (first, *_) = pepconf.worst([peptide], {"GLY": peptide.reference * np.array([1.0, 1.0, 4.0])})
    assert first["conformer"] == "GLY_2"
    assert first["deviation"] == pytest.approx(20.0)


@pytest.mark.parametrize("words", [["--level", "pbe/def2-svp"], ["--limit", "0"]])
def test_wrong_calls_are_refused(pepconf, words):
    with pytest.raises(SystemExit) as stopped:
        pepconf.parse(["set", *words])
    assert stopped.value.code == 2


def timings(labels):
    """How long each task took whose energies are kept."""
    found = {}
    for path in labels.rglob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            found[path.relative_to(labels).as_posix()] = connection.execute("SELECT key, seconds FROM tasks").fetchall()
    return found


@pytest.mark.slow
def test_energies_of_engines_are_kept(data, tmp_path):
    out, labels = tmp_path / "pepconf.json", tmp_path / "labels"
    words = [sys.executable, FOLDER / "pepconf.py", data, "--labels", labels, "--out", out, "--threads", "1"]
    words += ["--engine", "gfn1"]
    subprocess.run(words, check=True)
    found = json.loads(out.read_text())["results"]
    assert set(found["groups"]["all"]) == {"model", "GFN2-xTB", "GFN1-xTB"}
    # What is stretched evenly rises about alike in the model and at the level that it was trained on.
    assert found["model_from_gfn2"]["all"]["model"]["correlation"] > 0.9
    before = timings(labels)
    assert len(before) == 2
    subprocess.run(words, check=True)
    assert timings(labels) == before
    assert json.loads(out.read_text())["results"] == found


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs pepconf in shared/data beside the checkout")
def test_the_set_has_eight_peptides_of_alanine_and_glycine(pepconf):
    peptides = pepconf.read_peptides(DATA)
    assert [peptide.name for peptide in peptides] == [
        "GLY_GLY",
        "ALA_GLY",
        "ALA_ALA",
        "CYHEXG",
        "GGAAGG",
        "AAGAGG10",
        "AAGGAG10",
        "GAGAGAGA",
    ]
    assert {peptide.kind for peptide in peptides} == {"dipeptide", "cyclic", "bioactive"}
    assert all(len(peptide.frames) == 6 and peptide.frames.charge == 0 for peptide in peptides)
