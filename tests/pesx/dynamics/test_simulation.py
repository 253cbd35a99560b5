import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.dynamics.appended import Appended
from pesx.dynamics.checkpoint import FILE_NAME, Checkpoint
from pesx.dynamics.formats.dcd import Dcd
from pesx.dynamics.formats.energies import Energies
from pesx.dynamics.formats.extxyz import Extxyz
from pesx.dynamics.langevin import Langevin
from pesx.dynamics.masses import inertial
from pesx.dynamics.motion import thermal_velocities
from pesx.dynamics.noise import Noise
from pesx.dynamics.record import EVENTS, Record
from pesx.dynamics.simulation import Parts, Progress, Schedule, Simulation
from pesx.dynamics.writer import Writer
from pesx.errors import ConfigError
from pesx.molecule import Molecule
from pesx.monitors.monitors import Monitors
from pesx.protocols import Potential
from pesx.state import Evaluation
from pesx.streams import Streams
from pesx.typing import Positions

KT = 0.026
N_REPLICAS = 4
EVERY = 10


@dataclass(frozen=True)
class Faulty:
    """The springs of a molecule; one replica, known by a mark in its energy, fails after so many evaluations."""

    springs: Potential
    fails: Callable[[int, Positions], Positions]
    calls: list[int]

    def __call__(self, positions: Positions) -> Evaluation:
        self.calls.append(len(positions))
        now = self.springs(positions)
        return Evaluation(now.energy, now.forces + self.fails(len(self.calls), positions))


@pytest.fixture(scope="module")
def molecule() -> Molecule:
    return read_molecule("CCO")


@pytest.fixture
def potential(molecule: Molecule, springs: Any) -> Potential:
    pairs = torch.combinations(torch.arange(molecule.n_atoms), 2)
    lengths = (molecule.positions[pairs[:, 0]] - molecule.positions[pairs[:, 1]]).norm(dim=1)
    return springs(pairs, lengths, 3.0)


def made(
    molecule: Molecule,
    potential: Potential,
    folder: Path,
    *,
    n_steps: int = 100,
    replicas: tuple[int, ...] = (0, 1, 2, 3),
) -> tuple[Simulation, Writer]:
    for name in ("trajectories", "events"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    kinds = Dcd(molecule.n_atoms, 0.5, EVERY), Energies()
    writer = Writer(
        {r: tuple(Appended(folder / "trajectories" / f"{r}{kind.suffix}", kind) for kind in kinds) for r in replicas}
    )
    integrator = Langevin(inertial(molecule.masses), 0.5, 0.01, Noise(3))
    n = len(replicas)
    positions = molecule.positions.expand(n, -1, -1).clone()
    kT = torch.full((n,), KT, dtype=torch.float64)  # noqa: N806
    velocities = thermal_velocities(positions, integrator.masses, kT, Streams(3, replicas, [0] * n))
    motion = replace(integrator.init(positions), velocities=velocities, kT=kT, replica=torch.tensor(replicas))
    schedule = Schedule(n_steps, EVERY, before=3, after=2, checkpoint_seconds=1e9)
    parts = Parts(potential, integrator, Monitors(molecule, persistence=0.0), dtype=torch.float64)
    return Simulation(parts, schedule, motion, Record(folder, writer, Extxyz(molecule.symbols))), writer


def run(simulation: Simulation, writer: Writer, observe: Callable[[Progress], None] = lambda _: None) -> bool:
    with writer:
        return simulation.run(observe)


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "trajectories").iterdir())}


def times(folder: Path, replica: int) -> list[float]:
    table = np.genfromtxt(folder / "trajectories" / f"{replica}.csv", delimiter=",", names=True)
    return table["time_ps"].tolist()


def test_frames_come_at_their_times_and_progress_is_told(
    molecule: Molecule, potential: Potential, tmp_path: Path
) -> None:
    told: list[Progress] = []
    assert run(*made(molecule, potential, tmp_path), told.append)
    assert times(tmp_path, 2) == pytest.approx([0.005 * frame for frame in range(11)])
    assert [progress.n_done for progress in told] == list(range(0, 101, EVERY))
    assert told[-1].n_alive == told[-1].n_replicas == N_REPLICAS
    assert told[-1].replica_steps == 100 * N_REPLICAS
    assert list(told[-1].temperatures) == [pytest.approx(KT / 8.617333262e-5, abs=1e-3)]
    assert not (tmp_path / EVENTS).exists()


def test_a_batch_writes_what_its_replicas_write_alone(molecule: Molecule, potential: Potential, tmp_path: Path) -> None:
    run(*made(molecule, potential, tmp_path / "all"))
    for replica in (0, 3):
        run(*made(molecule, potential, tmp_path / str(replica), replicas=(replica,)))
        alone = written(tmp_path / str(replica))
        assert {name: written(tmp_path / "all")[name] for name in alone} == alone


@pytest.mark.parametrize("kind", ["torn", "nan"])
def test_a_replica_that_fails_leaves_and_the_others_go_on_unchanged(
    kind: str, molecule: Molecule, potential: Potential, tmp_path: Path
) -> None:
    run(*made(molecule, potential, tmp_path / "sound"))
    victim = 1

    def fails(call: int, positions: Positions) -> Positions:
        pull = torch.zeros_like(positions)
        if len(positions) == N_REPLICAS and call > 35:
            pull[victim, 0] = torch.nan if kind == "nan" else torch.tensor([-60.0, 0.0, 0.0])
            pull[victim, 1] = -pull[victim, 0]
        return pull

    faulty = Faulty(potential, fails, [])
    told: list[Progress] = []
    simulation, writer = made(molecule, faulty, tmp_path / "faulty")
    assert run(simulation, writer, told.append)
    expected, found = written(tmp_path / "sound"), written(tmp_path / "faulty")
    assert all(found[name] == expected[name] for name in found if not name.startswith("1."))
    assert told[-1].n_alive == N_REPLICAS - 1
    ended = simulation.record.ended[victim]
    assert list(simulation.record.ended) == [victim]
    assert 35 * 0.0005 < ended.time_ps <= 60 * 0.0005
    events = [json.loads(line) for line in (tmp_path / "faulty" / EVENTS).read_text().splitlines()]
    assert {event["replica"] for event in events} == {victim}
    assert events[0]["is_failure"]
    frames = ase.io.read(tmp_path / "faulty" / "events" / "replica_0001.extxyz", index=":")
    told_at = [frame.info["time_ps"] for frame in frames].index(pytest.approx(events[0]["told_at"]))
    last = times(tmp_path / "faulty", victim)[-1]
    if kind == "nan":
        assert ended.cause == "NON_FINITE"
        assert told_at == len(frames) - 1
        assert last == pytest.approx(events[0]["told_at"] - 0.005)  # what is not finite is in no trajectory
    else:
        assert ended.cause in ("BOND_BROKEN", "FRAGMENTED", "CLASH", "HOT", "HYDROGEN_LOST", "BOND_FORMED")
        assert told_at == len(frames) - 3  # two frames further
        assert last == pytest.approx(events[0]["told_at"] + 0.010)


def test_when_all_have_failed_it_is_over(molecule: Molecule, potential: Potential, tmp_path: Path) -> None:
    faulty = Faulty(potential, lambda call, positions: torch.full_like(positions, torch.nan if call > 5 else 0.0), [])
    simulation, writer = made(molecule, faulty, tmp_path)
    assert run(simulation, writer)
    assert simulation.n_done == EVERY
    assert len(simulation.record.ended) == N_REPLICAS


def test_interrupted_and_resumed_it_writes_the_same(molecule: Molecule, potential: Potential, tmp_path: Path) -> None:
    run(*made(molecule, potential, tmp_path / "whole"))
    simulation, writer = made(molecule, potential, tmp_path / "parts")

    def stop(progress: Progress) -> None:
        if progress.n_done == 30:
            simulation.interrupt()

    assert not run(simulation, writer, stop)
    assert simulation.n_done == 40
    assert times(tmp_path / "parts", 0)[-1] == pytest.approx(0.015)
    again, writer = made(molecule, potential, tmp_path / "parts")
    again.restore(Checkpoint.read(tmp_path / "parts" / FILE_NAME))
    assert again.n_done == 40
    assert run(again, writer)
    assert written(tmp_path / "parts") == written(tmp_path / "whole")


def test_a_run_that_is_over_goes_on_when_more_time_is_asked_for(
    molecule: Molecule, potential: Potential, tmp_path: Path
) -> None:
    run(*made(molecule, potential, tmp_path / "whole"))
    run(*made(molecule, potential, tmp_path / "parts", n_steps=60))
    assert len(times(tmp_path / "parts", 0)) == 7
    again, writer = made(molecule, potential, tmp_path / "parts")
    again.restore(Checkpoint.read(tmp_path / "parts" / FILE_NAME))
    assert run(again, writer)
    assert written(tmp_path / "parts") == written(tmp_path / "whole")


def test_a_failure_survives_a_resume(molecule: Molecule, potential: Potential, tmp_path: Path) -> None:
    def fails(call: int, positions: Positions) -> Positions:
        pull = torch.zeros_like(positions)
        if len(positions) == N_REPLICAS and call > 15:
            pull[2] = torch.nan
        return pull

    run(*made(molecule, Faulty(potential, fails, []), tmp_path, n_steps=60))
    again, writer = made(molecule, potential, tmp_path)
    again.restore(Checkpoint.read(tmp_path / FILE_NAME))
    assert list(again.record.ended) == [2]
    assert run(again, writer)
    assert len(times(tmp_path, 0)) == 11
    assert len(times(tmp_path, 2)) == 2


@pytest.mark.parametrize("wrong", [{"n_steps": 0}, {"every": 0}, {"before": -1}])
def test_schedules_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Schedule(**{"n_steps": 10, "every": 5, **wrong})
