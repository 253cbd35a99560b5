from pathlib import Path

import ase
import ase.io
import ase.units
import h5py
import mdtraj
import numpy as np
import pytest
import torch

from pesx.analysis.audit.topologies import topology_of
from pesx.analysis.audit.trajectories import Trajectory, Truncation
from pesx.chemistry import read_molecule
from pesx.dynamics.formats.dcd import Dcd
from pesx.dynamics.formats.extxyz import Extxyz
from pesx.dynamics.snapshot import Snapshot
from pesx.errors import InputError
from pesx.units import KJ_PER_MOL

ALA3 = Path(__file__).parents[3] / "examples/ala3.xyz"


@pytest.fixture(scope="module")
def molecule():
    return read_molecule(ALA3)


@pytest.fixture(scope="module")
def x(molecule):
    generator = torch.Generator().manual_seed(0)
    return (molecule.positions + 0.1 * torch.randn(40, 42, 3, generator=generator, dtype=torch.float64)).numpy()


def read(path, molecule, **settings):
    frames = list(Trajectory(path, topology_of(molecule), **settings).pieces())
    assert not any(isinstance(frame, Truncation) for frame in frames)
    joined = {
        name: None
        if getattr(frames[0], name) is None
        else torch.cat([getattr(frame, name) for frame in frames]).numpy()
        for name in ("positions", "time", "velocities", "temperature", "energy")
    }
    return joined, len(frames)


@pytest.mark.parametrize("suffix", ["dcd", "xtc", "trr", "pdb", "xyz", "gro"])
@pytest.mark.parametrize("chunk", [None, 1, 16])
def test_formats_of_mdtraj(suffix, chunk, x, molecule, tmp_path):
    path = tmp_path / f"a.{suffix}"
    mdtraj.Trajectory(x / 10, topology_of(molecule), time=0.5 * np.arange(len(x))).save(str(path))
    says_times = suffix in ("xtc", "trr", "gro")
    found, _ = read(path, molecule, chunk=chunk, interval=None if says_times else 0.5)
    assert found["positions"] == pytest.approx(x, abs=6e-3)
    assert found["time"] == pytest.approx(0.5 * np.arange(len(x)), abs=1e-5)
    assert found["velocities"] is None


def test_interval_is_asked_for(x, molecule, tmp_path):
    path = tmp_path / "a.dcd"
    mdtraj.Trajectory(x / 10, topology_of(molecule)).save_dcd(str(path))
    with pytest.raises(InputError, match="--interval"):
        read(path, molecule)


def snapshot(x):
    n = len(x)
    values = np.linspace(-5.0, 5.0, x.size).reshape(x.shape) * 1e-3
    return Snapshot(
        replica=np.zeros(n, dtype=int),
        time=0.02 * np.arange(n),
        positions=x,
        velocities=values,
        forces=values,
        potential=np.full(n, -100.0),
        kinetic=np.linspace(1.0, 2.0, n),
        temperature=np.linspace(200.0, 400.0, n),
        conserved=np.full(n, np.nan),
    )


def test_what_pesx_md_writes(x, molecule, tmp_path):
    track = snapshot(x)
    dcd = Dcd(42, timestep=0.5, every=40)
    (tmp_path / "a.dcd").write_bytes(dcd.header() + dcd.encode(track))
    dcd.mend(tmp_path / "a.dcd")
    found, _ = read(tmp_path / "a.dcd", molecule)
    assert found["time"] == pytest.approx(track.time, rel=1e-4)
    assert found["positions"] == pytest.approx(x, abs=1e-5)
    (tmp_path / "a.extxyz").write_bytes(Extxyz(molecule.symbols).encode(track))
    for chunk in (None, 7, 40):
        found, _ = read(tmp_path / "a.extxyz", molecule, chunk=chunk)
        assert found["time"] == pytest.approx(track.time)
        assert found["velocities"] == pytest.approx(track.velocities, abs=1e-8)
        assert found["temperature"] == pytest.approx(track.temperature, abs=1e-3)
        assert found["energy"] == pytest.approx(track.potential + track.kinetic)


def test_what_ase_writes(x, molecule, tmp_path):
    """Momenta become velocities in angstrom/fs; a time is in fs."""
    path = tmp_path / "a.extxyz"
    velocities = np.random.default_rng(0).normal(0, 0.01, x.shape)
    for k, (positions, v) in enumerate(zip(x, velocities, strict=True)):
        atoms = ase.Atoms(molecule.symbols, positions, info={"time": 2.0 * k})
        atoms.set_velocities(v / ase.units.fs)
        ase.io.write(path, atoms, append=True)
    found, _ = read(path, molecule)
    assert found["velocities"] == pytest.approx(velocities, abs=1e-6)
    assert found["time"] == pytest.approx(2e-3 * np.arange(len(x)))
    assert found["energy"] is None


def test_hdf5_of_mdtraj(x, molecule, tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["coordinates"], file["time"] = (x / 10).astype(np.float32), 0.5 * np.arange(len(x))
        file["velocities"] = np.ones(x.shape, dtype=np.float32)
        file["potentialEnergy"], file["kineticEnergy"] = np.full(len(x), 2.0), np.full(len(x), 1.0)
        file["temperature"] = np.full(len(x), 310.0)
    found, n = read(path, molecule, chunk=16)
    assert n == 3
    assert found["positions"] == pytest.approx(x, abs=1e-5)
    assert found["velocities"] == pytest.approx(np.full(x.shape, 0.01))  # 1 nm/ps
    assert found["energy"] == pytest.approx(np.full(len(x), 3 * KJ_PER_MOL))
    assert found["temperature"] == pytest.approx(np.full(len(x), 310.0))


def test_bad_files(x, molecule, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "none.dcd", molecule)
    (tmp_path / "bad.dcd").write_bytes(b"no trajectory at all" * 10)
    with pytest.raises(InputError, match=r"bad\.dcd: expected a trajectory of 42 atoms"):
        read(tmp_path / "bad.dcd", molecule, interval=1.0)
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    with pytest.raises(InputError, match=r"cut\.h5"):
        read(tmp_path / "cut.h5", molecule)
    other = read_molecule("CCO")
    path = tmp_path / "ethanol.dcd"
    mdtraj.Trajectory(other.positions.numpy()[None] / 10, topology_of(other)).save_dcd(str(path))
    with pytest.raises(InputError, match="42 atoms"):
        read(path, molecule, interval=1.0)
    path = tmp_path / "back.xtc"
    mdtraj.Trajectory(x / 10, topology_of(molecule), time=np.arange(40.0) % 25).save_xtc(str(path))
    with pytest.raises(InputError, match="frame 25: expected a time after"):
        read(path, molecule)
    (tmp_path / "wrong.extxyz").write_text("3\nProperties=species:S:1:pos:R:3\n" + "H 0 0 0\n" * 3)
    with pytest.raises(InputError, match="the number of atoms, 42"):
        read(tmp_path / "wrong.extxyz", molecule)
