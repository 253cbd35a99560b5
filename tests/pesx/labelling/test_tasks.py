from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from pesx.engines import Engine, PyscfEngine, XtbEngine
from pesx.engines.engine import Evaluate
from pesx.errors import InputError
from pesx.labelling.plan import SOURCES, Dynamics, Molecules, Plan, Relaxations
from pesx.labelling.store import Frame
from pesx.labelling.tasks import GivenTask, SamplingTask, TaskMolecule, sampling_tasks
from pesx.so3krates.checkpoint import PACKAGED

PLAN = Plan(
    (Molecules(70, smiles={"methanol": "CO", "ammonia": "N"}),),
    batch=6,
    mix=dict.fromkeys(SOURCES, 1.0),
    model=str(files("pesx.data") / PACKAGED),
    simulated=Dynamics(n_frames=4, interval=20, warm_up=20),
    thermal=Dynamics(n_frames=4, interval=20, warm_up=20),
    dynamics=Dynamics((300.0, 500.0), n_frames=5, interval=3, warm_up=2),
    relaxations=Relaxations(n_frames=6),
)


def _task(source: str, number: int = 0, plan: Plan = PLAN) -> SamplingTask:
    tasks = sampling_tasks(plan)
    return next(
        task for task in tasks if (task.molecule.name, task.source, task.number) == ("methanol", source, number)
    )


def test_tasks_hold_the_frames_asked_for_under_different_keys() -> None:
    tasks = sampling_tasks(PLAN)
    assert len({task.key for task in tasks}) == len(tasks)
    for name in ("methanol", "ammonia"):
        for source in SOURCES:
            mine = [task for task in tasks if (task.molecule.name, task.source) == (name, source)]
            assert sum(task.n_frames for task in mine) == 10


def test_all_molecules_and_sources_advance_together() -> None:
    tasks = sampling_tasks(replace(PLAN, molecules=(Molecules(6000, smiles={"a": "CO", "b": "N"}),)))
    half = tasks[: len(tasks) // 2]
    for name in ("a", "b"):
        for source in SOURCES:
            done, all_of_it = (
                sum(task.n_frames for task in some if (task.molecule.name, task.source) == (name, source))
                for some in (half, tasks)
            )
            assert done == pytest.approx(all_of_it / 2, rel=0.05)


@pytest.mark.parametrize("source", SOURCES)
def test_frames_are_labelled_tagged_and_repeatable(source: str) -> None:
    task = _task(source)
    engine = XtbEngine()
    frames = task.run(engine)
    assert len(frames) <= task.n_frames
    assert len(frames) >= min(4, task.n_frames)
    for frame in frames:
        assert frame.source == source
        assert frame.trajectory.startswith(task.key)
        assert np.isfinite(frame.temperature) == (source in ("thermal", "simulated", "dynamics"))
        energy, forces = engine.evaluate(np.array(task.molecule.numbers), frame.positions)
        assert frame.energy == pytest.approx(energy, abs=1e-6)
        np.testing.assert_allclose(frame.forces, forces, atol=1e-3)
    is_one_trajectory = len({frame.trajectory for frame in frames}) == 1
    assert is_one_trajectory == (source in ("thermal", "simulated", "dynamics", "quenched"))
    again = task.run(engine)
    np.testing.assert_array_equal([one.positions for one in again], [one.positions for one in frames])


def test_different_tasks_differ() -> None:
    first, second = (_task("scanned", number).run(XtbEngine())[0] for number in (0, 1))
    assert not np.allclose(first.positions, second.positions)


def test_trajectories_take_temperatures_in_turn() -> None:
    assert [_task("dynamics", number).run(XtbEngine())[0].temperature for number in (0, 1)] == [300.0, 500.0]


def test_quenches_end_in_minima_of_the_engine() -> None:
    frames = _task("quenched").run(XtbEngine())
    assert np.abs(frames[-1].forces).max() < 0.02
    assert frames[-1].energy == min(frame.energy for frame in frames)


def test_strong_forces_and_refusals_are_outcomes_with_reasons() -> None:
    water = TaskMolecule("water", "", (8, 1, 1))
    good = np.array([[0.0, 0, 0], [0.97, 0, 0], [-0.24, 0.94, 0]])
    task = GivenTask(water, 0, np.stack([good, 0.5 * good, np.zeros((3, 3))]), "given", force_limit=30.0)
    outcomes = [frame.outcome for frame in task.run(XtbEngine())]
    assert outcomes == ["ok", "force above 30 eV/angstrom", "Too close interatomic distances found"]


WATER = TaskMolecule("water", "", (8, 1, 1))
BENT = np.array([[0.0, 0, 0], [0.97, 0, 0], [-0.24, 0.94, 0]])


def test_labels_without_forces_know_no_force_limit() -> None:
    task = GivenTask(WATER, 0, np.stack([BENT, 0.5 * BENT]), "given", None, ("a", ""))
    frames = task.run(XtbEngine())
    assert [frame.outcome for frame in frames] == ["ok", "ok"]
    assert [frame.forces for frame in frames] == [None, None]
    assert [frame.trajectory for frame in frames] == ["a", "water/given/0000#01"]


def test_a_density_handed_on_changes_no_label() -> None:
    engine = PyscfEngine("pbe/sto-3g", tolerance=1e-10)
    positions = np.stack([BENT, 1.05 * BENT[:, ::-1], 0.97 * BENT])
    for frame in GivenTask(WATER, 0, positions, "given", 100.0).run(engine):
        energy, forces = engine.evaluate(np.array(WATER.numbers), frame.positions)
        assert frame.energy == pytest.approx(energy, abs=1e-6)
        np.testing.assert_allclose(frame.forces, forces, atol=1e-3)


def test_what_does_not_converge_is_recorded_and_the_next_structure_labelled_all_the_same() -> None:
    positions = np.stack([BENT, BENT])
    refused = GivenTask(WATER, 0, positions, "given", 30.0).run(PyscfEngine("pbe/sto-3g", max_cycles=1))
    assert [frame.outcome.partition(" in ")[0] for frame in refused] == ["SCF not converged"] * 2
    with np.errstate(all="ignore"):
        mixed = GivenTask(WATER, 0, np.stack([BENT * np.nan, BENT]), "given", 100.0).run(PyscfEngine("pbe/sto-3g"))
    assert [frame.outcome for frame in mixed] == ["coordinates are not finite", "ok"]


def test_a_trajectory_the_engine_refuses_ends_with_the_reason() -> None:
    frames: list[Frame] = _task("dynamics").run(XtbEngine(max_cycles=1))
    assert len(frames) == 1
    assert "not converged" in frames[0].outcome
    assert frames[0].forces is None


class _Short(Engine):
    """Forgets the force on the last atom."""

    name = "short"
    level = "none"

    def bind(self, *molecule: object, **electrons: int) -> Evaluate:
        assert (len(molecule), set(electrons)) == (1, {"charge", "multiplicity"})
        return lambda positions: (0.0, positions[:-1])


@pytest.mark.parametrize("limit", [30.0, None])
def test_an_engine_that_gives_forces_of_another_shape_is_a_wrong_call(limit: float | None) -> None:
    helium = TaskMolecule("pair", "", (2, 2))
    positions = np.array([[[0.0, 0, 0], [0, 0, 3]]])
    task = GivenTask(helium, 0, positions, "given", limit)
    with pytest.raises(InputError, match=r"forces of shape \(2, 3\) from the engine 'short', came \(1, 3\)"):
        task.run(_Short())
