"""The scripts beside the model's recipe."""

import importlib.util
import json
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator

from pesx.chemistry.perceive import to_rdkit
from pesx.chemistry.read import read_molecule
from pesx.geometry.torsion import torsion_angles
from pesx.labelling.store import Frame, LabelWriter
from pesx.landscape.records import Quenches, StoredMinima, Verifications
from pesx.landscape.store import RunStore
from pesx.so3krates.checkpoint import PACKAGED, load, model_hash
from pesx.training.correction import differences
from pesx.training.sources.data_file import read_data_file, read_file
from pesx.training.sources.settings import FileSettings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "workflows" / "ala_gly_model"


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_accurate_labels_are_whole():
    data = read_data_file(FOLDER / "accurate.toml")
    assert data.levels == ("B3LYP-D4/def2-SVP (RIJK, grid 1)",)
    counts = {molecule.name: len(molecule) for molecule in data.molecules}
    assert counts["Ac-Ala-NHMe"] + counts["Ac-Gly-NHMe"] >= 300
    for molecule in data.molecules:
        assert np.isfinite(molecule.energy).all()
        assert np.abs(molecule.forces.sum(axis=1)).max() < 1e-3


def test_no_basin_of_the_test_labels_was_trained_on():
    hold_out = script("hold_out")
    molecule = read_molecule(str(ROOT / "examples" / "ala3.xyz"))
    sides = []
    for name in ("accurate", "accurate_test"):
        with np.load(FOLDER / name / "Ac-Ala3-NHMe.npz") as labels:
            assert labels["z"].tolist() == molecule.numbers.tolist()
            is_minimum = labels["source"] == "given"
            frames = [ase.Atoms(labels["z"], place) for place in labels["R"][is_minimum]]
            sides.append(set(hold_out.basins(frames, molecule)))
            n_frames = len(labels["E"])
    assert n_frames >= 60
    assert len(sides[0]) > 5
    assert not sides[0] & sides[1]


def test_torsions_of_the_backbone_are_those_of_the_chain():
    hold_out = script("hold_out")
    molecule = read_molecule(str(ROOT / "examples" / "ala3.xyz"))
    phi, psi, omega = hold_out.backbone(to_rdkit(molecule)[0])
    assert (len(phi), len(psi), len(omega)) == (3, 3, 4)
    symbols = [
        "".join(molecule.symbols[atom] for atom in quad) for quads in (phi, psi, omega) for quad in quads.tolist()
    ]
    assert symbols == ["CNCC"] * 3 + ["NCCN"] * 3 + ["CCNC"] * 4
    angles = torch.rad2deg(torsion_angles(molecule.positions[None], omega)).abs()
    assert (angles > 150.0).all()


@pytest.mark.parametrize(
    ("phi", "psi", "expected"), [(-65, -40, "A"), (-120, 130, "B"), (-80, 75, "C"), (60, 45, "L"), (60, -60, "D")]
)
def test_known_conformers_are_in_their_regions(phi: float, psi: float, expected: str):
    assert script("hold_out").region(phi, psi) == expected


def test_no_basin_is_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hold_out = script("hold_out")
    example = ROOT / "examples" / "ala3.xyz"
    molecule = read_molecule(str(example))
    phi, *_ = hold_out.backbone(to_rdkit(molecule)[0])
    start = ase.io.read(example)
    frames = []
    for turn in range(0, 360, 15):
        frame = start.copy()
        frame.set_dihedral(*phi[1].tolist(), turn, mask=_behind(molecule, phi[1]))
        frame.info = {"energy": 0.01 * turn / 360}
        frames.append(frame)
    ase.io.write(tmp_path / "minima.extxyz", frames, format="extxyz")
    out = {side: tmp_path / f"{side}.extxyz" for side in ("train", "test")}
    words = [str(example), str(tmp_path / "minima.extxyz"), "--train", str(out["train"]), "--test", str(out["test"])]
    monkeypatch.setattr(sys, "argv", ["hold_out.py", *words])
    hold_out.main()
    sides = {side: ase.io.read(path, ":") for side, path in out.items()}
    basins = {side: set(hold_out.basins(found, molecule)) for side, found in sides.items()}
    assert not basins["train"] & basins["test"]
    assert sum(map(len, sides.values())) == len(frames)
    assert all(basins.values())


def _behind(molecule, quad: torch.Tensor) -> list[int]:
    """Return the atoms on the far side of the middle bond of a torsion."""
    near: dict[int, set[int]] = {}
    for i, j in molecule.bonds.tolist():
        near.setdefault(i, set()).add(j)
        near.setdefault(j, set()).add(i)
    fixed, pivot = quad[1].item(), quad[2].item()
    reached, todo = {pivot}, [pivot]
    while todo:
        for atom in near[todo.pop()] - reached - {fixed}:
            reached.add(atom)
            todo.append(atom)
    return [int(atom in reached) for atom in range(molecule.n_atoms)]


def test_all_minima_are_chosen_but_few_thermal_frames():
    source = np.array(["given", "thermal", "between", "thermal", "thermal", "given"])
    assert script("choose_energies").rows(source, 2).tolist() == [0, 2, 5, 1, 3]


def test_transition_states_of_another_molecule_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    labels = FOLDER / "accurate" / "Ac-Gly-NHMe.npz"
    with RunStore.create(tmp_path / "run", read_molecule(str(ROOT / "examples" / "ala3.xyz")), {}):
        pass
    words = [str(labels), str(tmp_path / "run"), "--out", str(tmp_path / "chosen.extxyz")]
    monkeypatch.setattr(sys, "argv", ["choose_energies.py", *words])
    with pytest.raises(SystemExit, match="is of another"):
        script("choose_energies").main()
    assert not (tmp_path / "chosen.extxyz").exists()


def test_accurate_structures_are_found_again_among_those_written_for_another_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        sys, "argv", ["structures.py", str(FOLDER / "accurate.toml"), "--out", str(tmp_path / "cheap.extxyz")]
    )
    script("structures").main()
    written = ase.io.read(tmp_path / "cheap.extxyz", ":")
    for atoms in written:
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((len(atoms), 3)))
    ase.io.write(tmp_path / "labels.extxyz", written, format="extxyz")
    accurate = read_data_file(FOLDER / "accurate.toml")
    cheap = read_file(FileSettings(str(tmp_path / "labels.extxyz"), level="none"))
    found = differences(accurate, cheap)
    assert len(found) == len(accurate) == len(written)
    for difference, whole in zip(found.molecules, accurate.molecules, strict=True):
        np.testing.assert_array_equal(difference.forces, whole.forces)


@pytest.mark.parametrize("energies_only", [False, True])
def test_packed_labels_are_read_as_they_were(energies_only: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(0)
    places = random.normal(scale=0.1, size=(4, 3, 3)) + np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    forces = random.normal(size=(4, 3, 3))
    meta = {"level": "made up", "engine": "made up", "plan": ""}
    with LabelWriter(tmp_path / "labels.db", meta, notes={}, energies_only=energies_only) as writer:
        number = writer.add_molecule("water", np.array([8, 1, 1]), charge=0, multiplicity=1, smiles="O")
        frames = [
            Frame(place, "given", str(index), energy=-2000.0 - index, forces=None if energies_only else force)
            for index, (place, force) in enumerate(zip(places, forces, strict=True))
        ]
        writer.add_task("one", number, frames, outcome="ok", seconds=1.0)
    monkeypatch.setattr(sys, "argv", ["pack.py", str(tmp_path / "labels.db"), "--out", str(tmp_path / "packed")])
    script("pack").main()
    (molecule,) = read_data_file(tmp_path / "packed.toml").molecules
    assert (molecule.name, molecule.level) == ("water", "made up")
    np.testing.assert_allclose(molecule.energy, [-2000.0, -2001.0, -2002.0, -2003.0])
    np.testing.assert_allclose(molecule.positions, places, atol=1e-6)
    if energies_only:
        assert not molecule.has_forces.any()
    else:
        np.testing.assert_allclose(molecule.forces, forces, atol=1e-6)


def test_what_became_of_minima_goes_into_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    molecule, n = read_molecule("CCO"), 3
    every, ones = np.arange(n), torch.ones(n).double()
    with RunStore.create(tmp_path / "run", molecule, {}) as store, store.transaction():
        quench = {"walker": every, "hop": every, "move": np.full(n, "seed", dtype=object), "outcome": np.full(n, 1)}
        quench |= {"energy": -1.0 * every, "n_evaluations": every, "minimum": every, "started_from": every}
        store.add_quenches(Quenches(**quench, is_accepted=np.full(n, fill_value=True)))
        places = molecule.positions.expand(n, -1, -1)
        counts = torch.ones(n).long()
        store.add_minima(StoredMinima(places, torch.tensor(-1.0 * every), *[ones] * 3, counts * 0, counts, ["key"] * n))
        rows = {"minimum": every[:2], "level": np.full(2, "other", dtype=object), "outcome": np.full(2, 1)}
        rows |= {name: np.zeros(2) for name in ("unrelaxed_energy", "energy", "heavy_rmsd")}
        store.add_verifications(
            Verifications(**rows, rmsd=np.array([0.1, 0.9]), n_evaluations=np.array([4, 5]), positions=places[:2])
        )
    words = [
        str(ROOT / "pesx" / "data" / PACKAGED),
        "--minima",
        f"ethanol={tmp_path / 'run'}",
        "--out",
        str(tmp_path / "new.safetensors"),
    ]
    monkeypatch.setattr(sys, "argv", ["found_card.py", *words])
    script("found_card").main()
    model, card = load(tmp_path / "new.safetensors")
    (found,) = card["minima"]["ethanol"]
    assert (found["minima"], found["level"], found["n_evaluations"]) == (3, "other", 9)
    assert found["all_atoms"]["count"] == 1
    assert model_hash(model) == model_hash(load(None)[0])


def test_how_long_dynamics_stays_in_chemistry_goes_into_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    numbers = {
        "n": 32,
        "n_failed": 1,
        "watched_ps": 1600.0,
        "failures_per_ns": {"value": 0.6, "lower": 0.0, "upper": 3.5},
    }
    one = {"target_k": 500.0, "survival": {**numbers, "curve": {}}, "causes": {"bond_broken": 1}, "trajectories": []}
    audit, out = tmp_path / "audit.json", tmp_path / "new.safetensors"
    words = [str(ROOT / "pesx" / "data" / PACKAGED), "--dynamics", f"ethanol={audit}", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["found_card.py", *words])
    audit.write_text(json.dumps({"temperatures": [one]}))
    script("found_card").main()
    model, card = load(out)
    assert card["minima"] == load(None)[1]["minima"]  # stays
    assert card["dynamics"] == {"ethanol": [{"target_k": 500.0, **numbers, "causes": {"bond_broken": 1}}]}
    assert model_hash(model) == model_hash(load(None)[0])
    audit.write_text("{}")
    with pytest.raises(SystemExit, match=r"audit\.json of pesx audit"):
        script("found_card").main()
