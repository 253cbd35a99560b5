import csv
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
import torch
from rdkit import Chem

from pesx.errors import InputError, RunFolderError
from pesx.landscape.export import FORMATS, export, update_extxyz
from pesx.landscape.graphml import read_graphml
from pesx.landscape.pathsample import read_pathsample
from pesx.landscape.records import Connections, Searches, StoredTransitionStates
from pesx.landscape.store import Quenches, RunStore, StoredMinima
from pesx.molecule import Molecule
from pesx.units import KCAL_PER_MOL

# Formaldehyde, so that there is a double bond to find.
MOLECULE = Molecule(
    numbers=torch.tensor([6, 8, 1, 1]),
    positions=torch.tensor([[0.0, 0.0, 0.0], [1.21, 0.0, 0.0], [-0.59, 0.94, 0.0], [-0.59, -0.94, 0.0]]),
    bonds=torch.tensor([[0, 1], [0, 2], [0, 3]]),
    name="formaldehyde",
)
ENERGY = [-1.0, -1.5, -1.25]
BY_ENERGY = [1, 2, 0]
VISITS = [1, 3, 2]
KEYS = ["R", 'a "quoted" key', "S"]


def positions() -> torch.Tensor:
    return MOLECULE.positions + 0.05 * torch.randn(
        3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )


def visit(minimum: list[int]) -> Quenches:
    n = len(minimum)
    count = np.arange(n)
    none = np.full(n, -1)
    return Quenches(count, count, np.full(n, "kick"), none, none, count, np.array(minimum), none, count > 0)


def fill(store: RunStore, log_product: list[float]) -> None:
    minima = StoredMinima(
        positions=positions(),
        energy=torch.tensor(ENERGY, dtype=torch.float64),
        fmax=torch.full((3,), 1e-5, dtype=torch.float64),
        lowest_curvature=torch.tensor([0.1, torch.nan, 0.3], dtype=torch.float64),
        log_product=torch.tensor(log_product, dtype=torch.float64),
        quench=torch.tensor([0, 1, 4]),
        visits=torch.zeros(3, dtype=torch.int64),
        keys=KEYS,
    )
    with store.transaction():
        store.add_minima(minima)
        store.add_quenches(visit([0, 1, 1, 1, 2, 2]))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.create(tmp_path / "run", MOLECULE) as store:
        fill(store, [1.0, 2.0, 3.0])
        yield store


def test_extxyz(store: RunStore, tmp_path: Path):
    assert export(store, "extxyz", tmp_path / "out.xyz") == 3
    frames = ase.io.read(tmp_path / "out.xyz", ":", format="extxyz")
    assert [frame.info["minimum"] for frame in frames] == BY_ENERGY
    for frame, row in zip(frames, BY_ENERGY, strict=True):
        assert frame.get_potential_energy() == ENERGY[row]
        assert frame.info["visits"] == VISITS[row]
        assert frame.info["chemistry"] == KEYS[row]
        assert frame.info["relative_kcal_per_mol"] == pytest.approx((ENERGY[row] + 1.5) / KCAL_PER_MOL, abs=1e-6)
        assert frame.numbers.tolist() == MOLECULE.numbers.tolist()
        np.testing.assert_allclose(frame.positions, positions()[row], atol=1e-9)
        assert not frame.pbc.any()


def test_extxyz_says_what_it_takes_to_label_the_minima_again(tmp_path: Path):
    radical = replace(MOLECULE, charge=1, multiplicity=2)
    with RunStore.create(tmp_path / "run", radical) as store:
        fill(store, [1.0, 2.0, 3.0])
        export(store, "extxyz", tmp_path / "out.xyz")
    for frame in ase.io.read(tmp_path / "out.xyz", ":", format="extxyz"):
        assert (frame.info["charge"], frame.info["spin"]) == (1, 2)


def test_reduced_units_stay_what_they_are(tmp_path: Path):
    with RunStore.create(tmp_path / "run", MOLECULE, {"energy_unit": "epsilon"}) as store:
        fill(store, [1.0, 2.0, 3.0])
        for name in FORMATS:
            export(store, name, tmp_path / name)
    heights = [ENERGY[row] + 1.5 for row in BY_ENERGY]
    frames = ase.io.read(tmp_path / "extxyz", ":", format="extxyz")
    assert [frame.info["relative_energy"] for frame in frames] == heights
    assert {frame.info["energy_unit"] for frame in frames} == {"epsilon"}
    with (tmp_path / "csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["relative_energy"]) for row in rows] == heights
    assert [float(row["energy"]) for row in rows] == [ENERGY[row] for row in BY_ENERGY]
    with ase.db.connect(tmp_path / "ase-db", type="db") as database:
        assert [row.relative_energy for row in database.select()] == heights
    texts = [(tmp_path / name).read_text() for name in ("extxyz", "csv", "sdf", "pathsample/units.txt")]
    assert not any(word in text for text in texts for word in ("kcal", "eV", "_ev", "angstrom"))


def test_sdf_has_bonds_and_their_orders(store: RunStore, tmp_path: Path):
    export(store, "sdf", tmp_path / "out.sdf")
    frames = list(Chem.SDMolSupplier(str(tmp_path / "out.sdf"), removeHs=False))
    assert [frame.GetIntProp("minimum") for frame in frames] == BY_ENERGY
    for frame, row in zip(frames, BY_ENERGY, strict=True):
        assert Chem.MolToSmiles(Chem.RemoveHs(frame)) == "C=O"
        assert frame.GetProp("_Name") == "formaldehyde"
        assert frame.GetIntProp("visits") == VISITS[row]
        assert frame.GetDoubleProp("energy_ev") == ENERGY[row]
        np.testing.assert_allclose(frame.GetConformer().GetPositions(), positions()[row], atol=1e-4)


def test_ase_db(store: RunStore, tmp_path: Path):
    export(store, "ase-db", tmp_path / "out.db")
    with ase.db.connect(tmp_path / "out.db") as database:
        rows = list(database.select())
    assert [row.minimum for row in rows] == BY_ENERGY
    assert [row.energy for row in rows] == [ENERGY[row] for row in BY_ENERGY]
    assert [row.data["chemistry"] for row in rows] == [KEYS[row] for row in BY_ENERGY]
    np.testing.assert_allclose(rows[0].positions, positions()[1], atol=1e-12)


def test_csv(store: RunStore, tmp_path: Path):
    export(store, "csv", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["minimum"]) for row in rows] == BY_ENERGY
    assert [float(row["energy_ev"]) for row in rows] == [ENERGY[row] for row in BY_ENERGY]
    assert [row["chemistry"] for row in rows] == [KEYS[row] for row in BY_ENERGY]
    assert [row["lowest_curvature_ev_per_angstrom2"] for row in rows] == ["", "0.3", "0.1"]
    assert [int(row["first_quench"]) for row in rows] == [1, 4, 0]


def test_pathsample(store: RunStore, tmp_path: Path):
    out = tmp_path / "database"
    export(store, "pathsample", out)
    table = np.loadtxt(out / "min.data")
    np.testing.assert_allclose(table[:, 0], ENERGY)
    np.testing.assert_allclose(table[:, 1], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(table[:, 2], 1.0)
    moments = [frame.get_moments_of_inertia() for frame in frames_in_order(store)]
    np.testing.assert_allclose(table[:, 3:], moments, rtol=1e-6)
    points = np.fromfile(out / "points.min", "<f8").reshape(3, 4, 3)
    np.testing.assert_array_equal(points, positions())
    assert "eigenvalues of the mass-weighted Hessian" in (out / "units.txt").read_text()
    export(store, "pathsample", out)
    assert sorted(path.name for path in out.iterdir()) == [
        "min.data",
        "points.min",
        "points.ts",
        "ts.data",
        "units.txt",
    ]


def add_transition_states(
    store: RunStore, log_product: list[float], energy: tuple[float, float] = (-0.5, -0.75)
) -> None:
    one = torch.ones(2, dtype=torch.float64)
    number = np.arange(2)
    with store.transaction():
        store.add_transition_states(
            StoredTransitionStates(
                positions=2 * positions()[:2],
                energy=torch.tensor(energy, dtype=torch.float64),
                fmax=one,
                curvature=-one,
                log_product=torch.tensor(log_product, dtype=torch.float64),
                first=torch.tensor([0, 1]),
                second=torch.tensor([2, 1]),
                search=torch.tensor([0, 1]),
                keys=["R", "R"],
            )
        )
        store.add_connections(
            Connections(number[:1], number[1:], np.array(["hop"]), number[1:], number[1:], number[1:])
        )
        store.add_searches(Searches(0 * number, 0 * number + 1, one.numpy(), number, number))


def test_pathsample_has_the_transition_states(store: RunStore, tmp_path: Path):
    add_transition_states(store, [4.0, 5.0])
    export(store, "pathsample", tmp_path / "out")
    table = np.loadtxt(tmp_path / "out" / "ts.data")
    np.testing.assert_allclose(table[:, :5], [[-0.5, 4.0, 1, 1, 3], [-0.75, 5.0, 1, 2, 2]])
    moments = [ase.Atoms(MOLECULE.numbers.numpy(), 2 * row.numpy()).get_moments_of_inertia() for row in positions()[:2]]
    np.testing.assert_allclose(table[:, 5:], moments, rtol=1e-6)
    points = np.fromfile(tmp_path / "out" / "points.ts", "<f8").reshape(2, 4, 3)
    np.testing.assert_array_equal(points, 2 * positions()[:2])
    network = read_pathsample(tmp_path / "out")
    assert (network.unit, network.second.tolist()) == ("eV", [2, 1])


def test_pathsample_leaves_out_what_lies_below_its_minima_and_says_so(store: RunStore, tmp_path: Path):
    add_transition_states(store, [4.0, 5.0], energy=(-2.0, -0.75))
    export(store, "pathsample", tmp_path / "out")
    assert np.loadtxt(tmp_path / "out" / "ts.data")[:2].tolist() == [-0.75, 5.0]
    assert np.fromfile(tmp_path / "out" / "points.ts", "<f8").size == 12
    assert "without 1 transition state below one of the minima" in (tmp_path / "out" / "units.txt").read_text()


def test_pathsample_needs_frequencies_of_transition_states_too(store: RunStore, tmp_path: Path):
    add_transition_states(store, [4.0, float("nan")])
    export(store, "pathsample", tmp_path / "out")
    for name in ("min.data", "ts.data"):
        assert not np.loadtxt(tmp_path / "out" / name)[:, 1].any()


def test_graphml(store: RunStore, tmp_path: Path):
    add_transition_states(store, [4.0, 5.0])
    assert export(store, "graphml", tmp_path / "out.graphml") == 3
    network = read_graphml(tmp_path / "out.graphml")
    assert network.minima.energy.tolist() == ENERGY
    assert network.minima.properties["chemistry"].tolist() == KEYS
    assert network.minima.properties["visits"].tolist() == VISITS
    assert network.transition_states.energy.tolist() == [-0.5, -0.75]
    assert (network.first.tolist(), network.second.tolist()) == ([0, 1], [2, 1])


def frames_in_order(store: RunStore) -> list[ase.Atoms]:
    return [ase.Atoms(MOLECULE.numbers.numpy(), row.numpy()) for row in store.minima().positions]


def test_pathsample_without_all_frequencies_uses_none(tmp_path: Path):
    with RunStore.create(tmp_path / "run", MOLECULE) as store:
        fill(store, [1.0, float("nan"), 3.0])
        export(store, "pathsample", tmp_path / "out")
    assert np.loadtxt(tmp_path / "out" / "min.data")[:, 1].tolist() == [0.0, 0.0, 0.0]
    assert "the lowest mode alone" in (tmp_path / "out" / "units.txt").read_text()


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_folder_will_do_and_an_empty_run_too(name: str, tmp_path: Path):
    RunStore.create(tmp_path / "run", MOLECULE).close()
    assert export(tmp_path / "run", name, tmp_path / "out") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run"]


def test_unknown_formats_are_refused(store: RunStore, tmp_path: Path):
    with pytest.raises(InputError, match="extxyz, sdf"):
        export(store, "mol2", tmp_path / "out")


def test_sdf_of_a_cluster_is_refused(tmp_path: Path):
    cluster = Molecule(numbers=torch.tensor([18, 18]), positions=torch.tensor([[0.0, 0, 0], [3.8, 0, 0]]))
    with RunStore.create(tmp_path / "run", cluster) as store, pytest.raises(InputError, match="needs bonds"):
        export(store, "sdf", tmp_path / "out.sdf")
    assert not (tmp_path / "out.sdf").exists()


def test_a_place_that_cannot_be_written(store: RunStore, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="Cannot write"):
        export(store, "csv", tmp_path / "file" / "out.csv")


def test_update_writes_only_when_something_is_new(store: RunStore):
    out = store.folder / "minima.extxyz"
    assert update_extxyz(store, out)
    before = os.stat(out).st_mtime_ns
    assert not update_extxyz(store, out)
    assert os.stat(out).st_mtime_ns == before
    with store.transaction():
        store.add_quenches(visit([0]))
    assert update_extxyz(store, out)
    frames = ase.io.read(out, ":")
    assert [frame.info["visits"] for frame in frames] == [3, 2, 2]
    assert (frames[0].info["known_minima"], frames[0].info["known_quenches"]) == (3, 7)
    out.write_text("something else\n")
    assert update_extxyz(store, out)
