import json

import mdtraj
import numpy as np
import pytest

from pesx.analysis.audit.topologies import topology_of
from pesx.chemistry import molecule_from_smiles


@pytest.fixture
def files(tmp_path):
    """A dipeptide that shakes, with its topology, and the same with a hydrogen that leaves after 0.6 ps."""
    molecule = molecule_from_smiles("CC(=O)N[C@@H](C)C(=O)NC")
    rng = np.random.default_rng(0)
    x = molecule.positions.numpy() + 0.03 * rng.normal(size=(100, molecule.n_atoms, 3))
    broken = x.copy()
    broken[60:, -1] += 6.0
    for name, positions in (("sound.dcd", x), ("broken.dcd", broken), ("top.pdb", molecule.positions.numpy()[None])):
        mdtraj.Trajectory(positions / 10, topology_of(molecule)).save(str(tmp_path / name))
    return tmp_path


def test_audit(files, pesx):
    names = (files / "sound.dcd", files / "broken.dcd")
    answer = pesx("audit", *names, "--topology", files / "top.pdb", "--interval", "10fs", "--temperature", 300)
    assert answer.code == 0
    assert "300 K: 2 trajectories" in answer.out
    assert "HYDROGEN_LOST in 1" in answer.out
    assert "broken.dcd: 71 frames, 0.6 ps, failed" in answer.out
    assert "dcdplugin" not in answer.out


def test_json_and_files(files, pesx):
    out = files / "audit"
    answer = pesx(
        *("audit", files / "broken.dcd", "--topology", files / "top.pdb", "--interval", "10fs", "--to-the-end"),
        *("--reference", files / "sound.dcd", "--json", "--out", out, "--figures", "svg"),
    )
    assert answer.code == 0
    found = json.loads(answer.out)
    assert found == json.loads((out / "audit.json").read_text())
    (group,) = found["temperatures"]
    assert group["causes"] == {"HYDROGEN_LOST": 1}
    assert group["trajectories"][0]["n_frames"] == 100
    assert group["trajectories"][0]["published_ps"]["hydrogen_drift"] == pytest.approx(0.6)
    assert group["compared"]["with"] == "reference sound.dcd"
    assert {path.name for path in out.glob("*.svg")} == {"survival.svg", "causes.svg", "distances.svg", "torsions.svg"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Expected trajectories, or --smoothness"),
        (["a.dcd"], "Expected the molecule of the trajectories"),
        (["a.dcd", "--topology", "none.pdb"], "does not exist"),
        (["a.dcd", "--topology", "t", "--molecule", "m"], "came both"),
        (["a.dcd", "--smoothness"], "came both"),
        (["--smoothness"], "Give one with --molecule"),
        (["a.dcd", "--amides", "maybe"], "--amides out of keep, allow"),
        (["a.dcd", "--figures", "bmp"], "--figures out of"),
    ],
)
def test_wrong_calls(arguments, message, pesx):
    answer = pesx("audit", *arguments)
    assert answer.code == 2
    assert message in answer.message


def test_wrong_values(files, pesx):
    call = ("audit", files / "sound.dcd", "--topology", files / "top.pdb")
    for more, message in (
        ((), "--interval"),
        (("--interval", "10"), "fs, ps"),
        (("--interval", "0fs"), "above 0"),
        (("--interval", "1fs", "--temperature", "1", "2"), "one for each of the 1 files"),
        (("--interval", "1fs", "--persistence", "-1fs"), ""),
    ):
        answer = pesx(*call, *more)
        assert answer.code == 2
        assert message in answer.err


@pytest.mark.slow
def test_smoothness(pesx, tmp_path):
    """The packaged model at a dipeptide: forces are those of the energy, whatever else is found."""
    path = tmp_path / "dipeptide.xyz"
    molecule = molecule_from_smiles("CC(=O)N[C@@H](C)C(=O)NC")
    rows = (f"{s} {x} {y} {z}\n" for s, (x, y, z) in zip(molecule.symbols, molecule.positions.tolist(), strict=True))
    path.write_text(f"{molecule.n_atoms}\n\n{''.join(rows)}")
    answer = pesx("audit", "--smoothness", "--molecule", path, "--json")
    assert answer.code == 0
    found = {item["test"]: item["verdict"] for item in json.loads(answer.out)}
    assert found["finite differences"] == found["bond deformation: holes"] == "pass"
