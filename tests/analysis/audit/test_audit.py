"""Planted faults in real thermal motion: each found at its frame, with its cause, and nothing else."""

import re
from dataclasses import replace
from pathlib import Path

import ase
import ase.units
import h5py
import mdtraj
import numpy as np
import pytest
import torch
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from pesx.analysis.audit.audit import AuditSettings, audit_trajectory, groups
from pesx.analysis.audit.observables import Observer
from pesx.analysis.audit.topologies import read_topology, topology_of
from pesx.analysis.audit.trajectories import Trajectory
from pesx.chemistry import perceive, read_molecule
from pesx.dynamics.formats.dcd import Dcd
from pesx.dynamics.snapshot import Snapshot
from pesx.dynamics.topology import Topology, in_file_order
from pesx.geometry.torsion import rotate_about_bond
from pesx.labelling.trajectories import langevin
from pesx.monitors import FAILURES, Cause, Monitors
from pesx.registry import make_potential

ALA3 = Path(__file__).parents[3] / "examples/ala3.xyz"
INTERVAL = 0.002
N_FRAMES = 400
AT = 150
"""Frame of the fault: 0.3 ps, with half a picosecond to follow."""


@pytest.fixture(scope="module")
def molecule():
    return read_molecule(ALA3)


@pytest.fixture(scope="module")
def thermal(molecule):
    """Positions (angstrom) and velocities (angstrom/fs) of 0.8 ps at 300 K with the packaged model, every second step."""
    potential, _ = make_potential("so3krates", molecule)

    def evaluate(positions):
        now = potential(torch.from_numpy(positions)[None].float())
        return float(now.energy[0]), now.forces[0].double().numpy()

    steps = langevin(
        evaluate,
        molecule.positions.numpy(),
        molecule.masses.numpy(),
        temperature=300.0,
        timestep=1.0,
        friction=0.02,
        rng=np.random.default_rng(7),
    )
    path = np.array([next(steps)[0] for _ in range(2 * N_FRAMES + 2)])
    return path[1:-1:2], (path[2::2] - path[:-2:2]) / 2.0


def frames(thermal):
    return torch.from_numpy(thermal[0].copy())


def stretched(x, molecule):
    """The methyl group of the second residue, CB, is 1 angstrom further from CA."""
    methyls = perceive(molecule).methyls
    carbon = next(
        row for row, (i, _) in enumerate(methyls.bonds.tolist()) if i in perceive(molecule).centres[1].tolist()
    )
    i, j = methyls.bonds[carbon].tolist()
    along = torch.nn.functional.normalize(x[AT:, j] - x[AT:, i], dim=-1)
    x[AT:, methyls.moving[carbon]] += along[:, None]
    return x, {i, j}


def proton_moved(x, molecule):
    """The hydrogen of an amide sits on the oxygen of the next one."""
    _, _, n, _ = perceive(molecule).amides[0].tolist()
    hydrogen = next(a for a in neighbours(molecule, n) if molecule.numbers[a] == 1)
    _, c, _, _ = perceive(molecule).amides[-1].tolist()
    oxygen = next(a for a in neighbours(molecule, c) if molecule.numbers[a] == 8)
    x[AT:, hydrogen] = x[AT:, oxygen] + 0.98 * torch.nn.functional.normalize(x[AT:, oxygen] - x[AT:, c], dim=-1)
    return x, {hydrogen, n, oxygen}


def mirrored(x, molecule):
    """The side chain and the hydrogen of a residue are reflected in the plane of its backbone."""
    alpha = int(perceive(molecule).centres[1, 0])
    near = neighbours(molecule, alpha)
    side = next(a for a in near if [int(molecule.numbers[b]) for b in neighbours(molecule, a)].count(1) == 3)
    hydrogen = next(a for a in near if molecule.numbers[a] == 1)
    backbone = [a for a in near if a not in (side, hydrogen)]
    u, v = (x[AT:, a] - x[AT:, alpha] for a in backbone)
    normal = torch.nn.functional.normalize(torch.linalg.cross(u, v), dim=-1)
    for atom in (hydrogen, side, *(a for a in neighbours(molecule, side) if a != alpha)):
        arm = x[AT:, atom] - x[AT:, alpha]
        x[AT:, atom] -= 2 * (arm * normal).sum(-1, keepdim=True) * normal
    return x, {alpha}


def made_cis(x, molecule):
    """The last amide is turned by half a turn."""
    rotors = perceive(molecule).amide_rotors
    bond, moving = rotors.bonds[-1], rotors.moving[-1]
    x[AT:] = rotate_about_bond(x[AT:], bond, moving, torch.full((len(x) - AT,), torch.pi, dtype=x.dtype))
    return x, set(bond.tolist())


def fragment_gone(x, molecule):
    """A methyl group is 8 angstrom further away."""
    rotors = perceive(molecule).methyls
    i, j = rotors.bonds[0].tolist()
    along = torch.nn.functional.normalize(x[AT:, j] - x[AT:, i], dim=-1)
    x[AT:, rotors.moving[0]] += 8.0 * along[:, None]
    return x, set(rotors.moving[0].nonzero()[:, 0].tolist())


def hydrogen_gone(x, molecule):
    """A hydrogen of a methyl group is 5 angstrom further away."""
    rotors = perceive(molecule).methyls
    carbon = int(rotors.bonds[0, 1])
    hydrogen = next(a for a in neighbours(molecule, carbon) if molecule.numbers[a] == 1)
    x[AT:, hydrogen] += 5.0 * torch.nn.functional.normalize(x[AT:, hydrogen] - x[AT:, carbon], dim=-1)
    return x, {hydrogen, carbon}


def nan_frame(x, molecule):  # noqa: ARG001
    """One coordinate of one frame is NaN."""
    x[AT, 5, 1] = torch.nan
    return x, {5}


def neighbours(molecule, atom):
    return [j if i == atom else i for i, j in molecule.bonds.tolist() if atom in (i, j)]


FAULTS = {
    stretched: Cause.BOND_BROKEN,
    proton_moved: Cause.PROTON_TRANSFERRED,
    mirrored: Cause.CENTRE_INVERTED,
    made_cis: Cause.AMIDE_FLIPPED,
    fragment_gone: Cause.FRAGMENTED,
    hydrogen_gone: Cause.HYDROGEN_LOST,
    nan_frame: Cause.NON_FINITE,
}


def save(path, positions, molecule):
    mdtraj.Trajectory(np.asarray(positions) / 10.0, topology_of(molecule)).save(str(path))
    return path


def save_hdf5(path, positions, velocities):
    """As MDTraj writes it: nm, ps."""
    with h5py.File(path, "w") as file:
        file["coordinates"] = np.asarray(positions, dtype=np.float32) / 10.0
        file["velocities"] = np.asarray(velocities, dtype=np.float32) * 100.0
        file["time"] = np.arange(len(positions)) * INTERVAL
    return path


def audited(path, molecule, *, chunk=None, target=300.0, settings=AuditSettings(to_the_end=True), **changes):  # noqa: B008
    interval = None if path.suffix == ".h5" else INTERVAL
    trajectory = Trajectory(path, topology_of(molecule), interval=interval, chunk=chunk)
    return audit_trajectory(trajectory, Monitors(molecule, **changes), Observer(molecule), settings, target=target)


def told(result):
    return [(event.frame, event.cause) for event in result.events]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("chunk", [None, 7])
def test_planted_faults(fault, chunk, thermal, molecule, tmp_path):
    x, atoms = fault(frames(thermal), molecule)
    result = audited(save(tmp_path / "a.dcd", x, molecule), molecule, chunk=chunk)
    assert told(result) == [(AT, FAULTS[fault])]
    assert set(result.events[0].atoms) == atoms
    assert result.failure == result.events[0]
    assert result.watched == pytest.approx(AT * INTERVAL)
    assert result.n_frames == N_FRAMES


def test_nothing_is_flagged_in_sound_motion(thermal, molecule, tmp_path):
    result = audited(save_hdf5(tmp_path / "a.h5", *thermal), molecule)
    assert result.events == ()
    assert result.failure is None
    assert result.watched == pytest.approx((N_FRAMES - 1) * INTERVAL)
    assert result.published.bond_deviation is result.published.hydrogen_drift is result.published.explosion is None


@pytest.mark.parametrize("chunk", [None, 7])
def test_hot_replica(chunk, thermal, molecule, tmp_path):
    positions, velocities = thermal
    velocities = velocities.copy()
    velocities[AT:] *= 2.0
    result = audited(save_hdf5(tmp_path / "a.h5", positions, velocities), molecule, chunk=chunk)
    assert told(result) == [(AT, Cause.HOT)]


def test_hot_needs_a_target(thermal, molecule, tmp_path):
    positions, velocities = thermal
    result = audited(save_hdf5(tmp_path / "a.h5", positions, 2 * velocities), molecule, target=None)
    assert result.events == ()
    assert any("--temperature" in note for note in result.notes)


@pytest.mark.parametrize("suffix", ["dcd", "xtc", "extxyz", "trr", "xyz"])
@pytest.mark.parametrize("chunk", [None, 64])
def test_truncated_file(suffix, chunk, thermal, molecule, tmp_path):
    """The file ends in the last quarter of its last frame: that frame is told, all before it are read, none fails."""
    x = frames(thermal)[:200]
    path = tmp_path / f"a.{suffix}"
    write_extxyz(path, x, molecule) if suffix == "extxyz" else save(path, x, molecule)
    content = path.read_bytes()
    path.write_bytes(content[:-40])
    result = audited(path, molecule, chunk=chunk)
    assert told(result) == [(199, Cause.TRUNCATED)]
    assert (result.n_frames, result.failure) == (199, None)
    assert audited(path, molecule, failures=FAILURES | {Cause.TRUNCATED}).failure.cause == Cause.TRUNCATED


def write_extxyz(path, x, molecule):
    blocks = []
    for number, frame in enumerate(x.tolist()):
        rows = "".join(f"{s} {a:.6f} {b:.6f} {c:.6f}\n" for s, (a, b, c) in zip(molecule.symbols, frame, strict=True))
        comment = f"Properties=species:S:1:pos:R:3 time_ps={number * INTERVAL:.4f}"
        blocks.append(f"{molecule.n_atoms}\n{comment}\n{rows}")
    path.write_text("".join(blocks))


def test_stops_at_the_first_failure(thermal, molecule, tmp_path):
    x, _ = stretched(frames(thermal), molecule)
    x[AT + 120 :, 0] = torch.nan
    path = save(tmp_path / "a.dcd", x, molecule)
    for chunk in (None, 7, 50):
        result = audited(path, molecule, chunk=chunk, settings=AuditSettings())
        assert told(result) == [(AT, Cause.BOND_BROKEN)]
        assert result.n_frames == AT + round(0.1 / INTERVAL) + 1
    assert told(audited(path, molecule)) == [(AT, Cause.BOND_BROKEN), (AT + 120, Cause.NON_FINITE)]


def test_policies(thermal, molecule, tmp_path):
    x, _ = made_cis(frames(thermal), molecule)
    path = save(tmp_path / "a.dcd", x, molecule)
    result = audited(path, molecule, failures=FAILURES - {Cause.AMIDE_FLIPPED})
    assert told(result) == [(AT, Cause.AMIDE_FLIPPED)]
    assert result.failure is None


def test_a_short_excursion_does_not_count(thermal, molecule, tmp_path):
    sound = frames(thermal)
    x, _ = stretched(frames(thermal), molecule)
    x[AT + 20 :] = sound[AT + 20 :]  # 40 fs
    path = save(tmp_path / "a.dcd", x, molecule)
    assert told(audited(path, molecule)) == []
    assert told(audited(path, molecule, persistence=0.03)) == [(AT, Cause.BOND_BROKEN)]


@pytest.mark.parametrize("fault", [None, stretched, fragment_gone], ids=["sound", "stretched", "fragment"])
def test_chunks_change_nothing(fault, thermal, molecule, tmp_path):
    x = frames(thermal) if fault is None else fault(frames(thermal), molecule)[0]
    path = save_hdf5(tmp_path / "a.h5", x, thermal[1])
    settings = AuditSettings(observe_every=0.0)
    results = [audited(path, molecule, chunk=chunk, settings=settings) for chunk in (None, 1, 37)]
    first = results[0]
    for other in results[1:]:
        assert other.as_json() == first.as_json()
        assert (other.spectrum is None) == (first.spectrum is None)
        a, b = first.blocks.total(), other.blocks.total()
        assert a.n == b.n == (N_FRAMES if fault is None else AT)
        assert (a.distances == b.distances).all()
        assert (a.maps == b.maps).all()
        assert a.element_temperature == pytest.approx(b.element_temperature)


def test_groups(thermal, molecule, tmp_path):
    sound = audited(save_hdf5(tmp_path / "a.h5", *thermal), molecule)
    broken = audited(save(tmp_path / "b.dcd", stretched(frames(thermal), molecule)[0], molecule), molecule)
    cold = audited(save_hdf5(tmp_path / "c.h5", *thermal), molecule, target=None)
    found = groups([sound, broken, cold], molecule)
    assert [group.target for group in found] == [300.0, None]
    assert found[0].causes == {Cause.BOND_BROKEN: 1}
    assert found[0].survival.survival.tolist() == [1.0, 0.5]
    assert found[0].survival.n_censored == 1
    assert found[0].equipartition.elements == ("H", "C", "N", "O")
    assert found[0].sums.n == sound.blocks.total().n + broken.blocks.total().n


def test_what_a_run_told_counts(thermal, molecule, tmp_path):
    """A run looks more often than it writes: what it told is the verdict, if it was earlier."""
    path = save(tmp_path / "a.dcd", stretched(frames(thermal), molecule)[0], molecule)
    event = replace(audited(path, molecule).failure, cause=Cause.CLASH, time=0.1)
    trajectory = Trajectory(path, topology_of(molecule), interval=INTERVAL)
    result = audit_trajectory(trajectory, Monitors(molecule), Observer(molecule), known=[event])
    assert result.failure == event
    assert result.watched == pytest.approx(0.1)


@pytest.mark.slow
def test_no_false_alarm_with_xtb_at_500_kelvin(molecule, tmp_path):
    """2 ps by GFN2-xTB and ASE's Langevin, judged with velocities."""
    tblite = pytest.importorskip("tblite.ase", reason="needs tblite")
    atoms = ase.Atoms(molecule.symbols, molecule.positions.numpy())
    atoms.calc = tblite.TBLite(method="GFN2-xTB", verbosity=0)
    rng = np.random.default_rng(1)
    MaxwellBoltzmannDistribution(atoms, temperature_K=500.0, rng=rng)
    dynamics = Langevin(atoms, ase.units.fs, temperature_K=500.0, friction=0.01 / ase.units.fs, rng=rng, fixcm=False)
    frames = []
    for _ in range(1000):
        dynamics.run(2)
        frames.append((atoms.positions.copy(), atoms.get_velocities() * ase.units.fs))
    positions, velocities = map(np.array, zip(*frames, strict=True))
    result = audited(save_hdf5(tmp_path / "a.h5", positions, velocities), molecule, target=500.0)
    assert result.events == ()
    assert 350.0 < result.temperature < 650.0


@pytest.mark.slow
def test_no_false_alarm_with_amber(molecule, tmp_path):
    """20 ps at 300 K by OpenMM with AMBER14, started from the PDB file that pesx md writes."""
    openmm = pytest.importorskip("openmm", reason="needs OpenMM")
    app, unit = pytest.importorskip("openmm.app"), pytest.importorskip("openmm.unit")
    named, _ = in_file_order(molecule)
    path = tmp_path / "topology.pdb"
    path.write_text(Topology.of(named).as_pdb(named.positions))
    start = app.PDBFile(str(path))
    field = app.ForceField("amber14/protein.ff14SB.xml")
    system = field.createSystem(start.topology, nonbondedMethod=app.NoCutoff, constraints=None)
    integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 1 * unit.femtosecond)
    integrator.setRandomNumberSeed(1)
    simulation = app.Simulation(start.topology, system, integrator, openmm.Platform.getPlatformByName("Reference"))
    simulation.context.setPositions(start.positions)
    simulation.minimizeEnergy()
    simulation.context.setVelocitiesToTemperature(300 * unit.kelvin, 1)
    simulation.reporters.append(app.DCDReporter(str(tmp_path / "a.dcd"), 10))
    simulation.step(20_000)
    del simulation
    known = read_topology(path)
    trajectory = Trajectory(tmp_path / "a.dcd", known.topology)  # its header says the interval
    settings = AuditSettings(to_the_end=True)
    result = audit_trajectory(trajectory, Monitors(known.molecule), Observer(known.molecule), settings, target=300.0)
    assert result.events == ()
    assert result.watched == pytest.approx(19.99, rel=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks cannot be reset on this system")
def test_memory_is_bounded(thermal, molecule, tmp_path):
    """A file of 300 MB is audited with less than 100 MB beyond what a small one takes."""
    dcd = Dcd(molecule.n_atoms, timestep=1.0, every=2)
    x = np.concatenate([thermal[0], thermal[0][::-1]])
    zero = np.zeros(len(x))
    track = Snapshot(zero.astype(int), zero, x, np.zeros_like(x), np.zeros_like(x), zero, zero, zero, zero)
    frames = dcd.encode(track)
    peaks = []
    for megabytes in (3, 300):
        path = tmp_path / f"{megabytes}.dcd"
        path.write_bytes(dcd.header() + frames * (megabytes * 1_000_000 // len(frames)))
        dcd.mend(path)
        audited_file = Trajectory(path, topology_of(molecule))
        Path("/proc/self/clear_refs").write_text("5")  # else tests before this one would have set the peak
        result = audit_trajectory(audited_file, Monitors(molecule), Observer(molecule), target=300.0)
        assert result.events == ()
        assert result.n_frames > megabytes * 1800
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        peaks.append(int(peak) / 1024)
    assert peaks[1] - peaks[0] < 100
