import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from pesx.errors import ConfigError, InputError, WrongFolderError
from pesx.so3krates import checkpoint
from pesx.so3krates.model import So3kratesSettings
from pesx.training import trainer
from pesx.training.dataset import Dataset, MoleculeFrames, without_labels
from pesx.training.frames import FrameTable
from pesx.training.progress import Reporter
from pesx.training.reference import References
from pesx.training.score import check_temperatures, even_weight, rademacher, score_loss, step_probes
from pesx.training.settings import TrainingSettings
from pesx.training.step import make_loss_step
from pesx.training.trainer import CURVES, MODEL, train
from pesx.units import BOLTZMANN

STIFFNESS, LENGTH = 5.0, 1.2
FRAMES = np.array([0, 3, 7])


def thermal_springs(n_frames: int, kelvin: tuple[float, ...], seed: int = 0) -> MoleculeFrames:
    """Exact Boltzmann samples of two atoms on a spring; the distance r has the density r^2 exp(-E(r) / kT)."""
    random = np.random.default_rng(seed)
    temperature = np.resize(kelvin, n_frames).astype(float)
    grid = np.linspace(0.3, 2.4, 4000)
    distance = np.empty(n_frames)
    for one in kelvin:
        rows = temperature == one
        density = grid**2 * np.exp(-0.5 * STIFFNESS * (grid - LENGTH) ** 2 / (BOLTZMANN * one))
        cumulative = np.cumsum(density) / density.sum()
        distance[rows] = np.interp(random.random(rows.sum()), cumulative, grid)
    direction = random.normal(size=(n_frames, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    positions = np.stack([np.zeros((n_frames, 3)), distance[:, None] * direction], axis=1)
    pull = -STIFFNESS * (distance - LENGTH)[:, None] * direction
    return MoleculeFrames(
        name="spring",
        level="springs",
        numbers=np.array([8, 1]),
        charge=0,
        multiplicity=1,
        positions=positions.astype(np.float32),
        energy=0.5 * STIFFNESS * (distance - LENGTH) ** 2 - 200.0,
        forces=np.stack([-pull, pull], axis=1).astype(np.float32),
        temperature=temperature,
        trajectory=np.arange(n_frames) // 5,
        force_weight=np.ones((n_frames, 2), dtype=np.float32),
    )


def table_of(molecule: MoleculeFrames) -> FrameTable:
    references = {molecule.level: References(dict.fromkeys(map(int, molecule.numbers), 0.0), 1)}
    return FrameTable(Dataset((molecule,)), references, cutoff=4.0)


@pytest.mark.parametrize("kelvin", [(300.0,), (200.0, 600.0)])
def test_the_stiffness_of_a_spring_follows_from_its_samples(kelvin):
    n_frames = 3000
    batch = table_of(thermal_springs(n_frames, kelvin)).batch(np.arange(n_frames))
    probes = rademacher(4, 2 * n_frames, torch.Generator().manual_seed(1))

    def objective(stiffness):
        def energies(graph):
            first, second = graph.positions.view(-1, 2, 3).unbind(1)
            return 0.5 * stiffness * ((second - first).norm(dim=1) - LENGTH) ** 2

        heat = batch.thermal_energy
        return score_loss(energies, batch, thermal_energy=heat, weight=even_weight(batch), probes=probes)

    stiffness = torch.tensor([0.0, 1.0], requires_grad=True)
    slopes = torch.stack([torch.autograd.grad(objective(k), stiffness)[0].sum() for k in stiffness])
    found = -slopes[0] / (slopes[1] - slopes[0])
    # Of a harmonic oscillator, the relative standard deviation is that of its mean square, sqrt(2 / n).
    assert float(found) == pytest.approx(STIFFNESS, rel=4 * (2 / n_frames) ** 0.5)


def single(table, model, frame=0):
    """A batch of one frame in double precision, and the function from it to energies."""
    batch = table.batch(np.array([frame]))
    batch = replace(batch, graph=replace(batch.graph, positions=batch.graph.positions.double()))
    model.double()
    return batch, model.interaction_energies


def arguments(batch, seed=0, n_probes=1):
    n_atoms = len(batch.graph.numbers)
    probes = rademacher(n_probes, n_atoms, torch.Generator().manual_seed(seed)).double()
    weight = torch.linspace(0.1, 0.5, n_atoms, dtype=torch.float64)
    heat = torch.full((batch.graph.n_molecules,), 0.03, dtype=torch.float64)
    return {"thermal_energy": heat, "weight": weight, "probes": probes}


def test_the_mean_over_all_probes_is_the_divergence(toy_table, toy_model):
    batch, energies = single(toy_table, toy_model)
    given = arguments(batch)
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=8)), dtype=torch.float64)
    every = torch.cat([torch.ones(len(signs), 1, dtype=torch.float64), signs], dim=1).view(-1, 3, 3)
    found = score_loss(energies, batch, **given | {"probes": every})

    def total(positions):
        return energies(replace(batch.graph, positions=positions)).sum()

    gradient = torch.autograd.functional.jacobian(total, batch.graph.positions)
    hessian = torch.autograd.functional.hessian(total, batch.graph.positions).reshape(9, 9)
    traces = hessian.diagonal().view(3, 3).sum(dim=1)
    expected = (given["weight"] * (0.5 * gradient.square().sum(dim=1) - 0.03 * traces)).sum()
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_its_gradient_is_that_of_central_differences(toy_table, toy_model):
    batch, energies = single(toy_table, toy_model, frame=7)
    given = arguments(batch, n_probes=2)
    score_loss(energies, batch, **given).backward()
    layer = toy_model.layers[1].attention
    for weight in (toy_model.embedding.weight, layer.feature.query.weight, toy_model.head().hidden.weight):
        assert bool(weight.grad.isfinite().all())
        place = np.unravel_index(int(weight.grad.abs().argmax()), weight.shape)
        ends = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight[place] += step
                ends.append(float(score_loss(energies, batch, **given)))
                weight[place] -= step
        assert float(weight.grad[place]) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


def test_without_weight_there_is_no_pull(toy_table, toy_model):
    batch, energies = single(toy_table, toy_model)
    given = arguments(batch)
    loss = score_loss(energies, batch, **given | {"weight": torch.zeros_like(given["weight"])})
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(p.grad is None or not p.grad.any() for p in toy_model.parameters())


def test_a_batch_is_the_sum_of_its_frames(toy_table, toy_model):
    toy_model.double()
    whole = toy_table.batch(FRAMES)
    whole = replace(whole, graph=replace(whole.graph, positions=whole.graph.positions.double()))
    given = arguments(whole)
    parts = 0.0
    for place, frame in enumerate(FRAMES):
        batch, energies = single(toy_table, toy_model, frame)
        mine = whole.graph.molecule == place
        heat = given["thermal_energy"][place : place + 1]
        chosen = {"weight": given["weight"][mine], "probes": given["probes"][:, mine]}
        parts += float(score_loss(energies, batch, thermal_energy=heat, **chosen).detach())
    assert parts == pytest.approx(float(score_loss(energies, whole, **given).detach()), rel=1e-9)


def test_padding_and_frames_without_temperature_do_not_count(toy_table, toy_model):
    frames = np.flatnonzero(np.isfinite(toy_table.temperature))[:3]
    padding = toy_table.padding(batch_frames=4, batch_pairs=40)
    losses = []
    for batch in (toy_table.batch(frames), toy_table.batch(frames, padding), toy_table.batch(np.append(frames, 0))):
        weight = even_weight(batch)
        assert float(weight.sum()) == pytest.approx(1, abs=1e-6)
        probes = step_probes(1, len(weight), seed=0, step=5)
        heat = batch.thermal_energy
        loss = score_loss(toy_model.interaction_energies, batch, thermal_energy=heat, weight=weight, probes=probes)
        losses.append(float(loss.detach()))
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)


def test_probes_follow_from_seed_and_step():
    probes = step_probes(2, 50, seed=3, step=7)
    assert torch.equal(probes, step_probes(2, 50, seed=3, step=7))
    assert set(probes.unique().tolist()) == {-1.0, 1.0}
    for other in (step_probes(2, 50, seed=3, step=8), step_probes(2, 50, seed=4, step=7)):
        assert 0.3 < float((other == probes).float().mean()) < 0.7


def test_a_frame_without_temperature_is_refused_with_the_name_of_its_molecule(toy_table, toy_model):
    settings = TrainingSettings(n_steps=1, objective="score")
    with pytest.raises(ConfigError, match=r"4 of 11 .*'molecule 0'"):
        make_loss_step(toy_model, settings, toy_table)
    check_temperatures(table_of(thermal_springs(4, (300.0,))))


MODEL_SETTINGS = So3kratesSettings(
    elements=(1, 8), features=16, n_layers=1, degrees=(1, 2), n_heads=2, cutoff=4.0, n_radial=8
)
SETTINGS = TrainingSettings(
    model=MODEL_SETTINGS,
    objective="score",
    n_steps=100,
    batch_frames=32,
    learning_rate=3e-2,
    warmup_steps=5,
    ema_decay=0.9,
    validate_every=25,
)


@pytest.fixture(scope="module")
def samples():
    return without_labels(Dataset((thermal_springs(400, (300.0, 600.0)),)))


@pytest.fixture(scope="module")
def labelled():
    return Dataset((thermal_springs(40, (300.0, 600.0), seed=1),))


class Interrupting(Reporter):
    """Ends the run in the middle, as an interruption at the keyboard would."""

    def step(self, step, done, elapsed):
        super().step(step, done, elapsed)
        if step == 60:
            raise KeyboardInterrupt


def test_forces_are_learned_from_samples_alone_and_after_an_interruption_too(samples, labelled, tmp_path, monkeypatch):
    model, card = checkpoint.load(train(SETTINGS, samples, tmp_path / "whole", validation=labelled))
    mean_force = 1e3 * np.abs(labelled.molecules[0].forces).mean()
    assert card["errors"]["validation"][0]["n_frames"] == len(labelled)
    assert card["errors"]["validation"][0]["force_mae"] < 0.4 * mean_force
    # The zero of energies comes from the frames for validation; without it this would be 200 eV.
    assert abs(card["errors"]["validation"][0]["energy_offset"]) < 100
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "Reporter", Interrupting)
        with pytest.raises(KeyboardInterrupt):
            train(replace(SETTINGS, checkpoint_every_s=1e-9), samples, tmp_path / "parts", validation=labelled)
    resumed, _ = checkpoint.load(train(SETTINGS, samples, tmp_path / "parts", validation=labelled, resume=True))
    assert checkpoint.model_hash(resumed) == checkpoint.model_hash(model)
    curve = [json.loads(line)["force_mae"] for line in (tmp_path / "whole" / CURVES).read_text().splitlines()]
    assert curve[-1] < curve[0]
    warmer = Dataset(tuple(replace(m, temperature=m.temperature + 1.0) for m in samples.molecules))
    with pytest.raises(WrongFolderError, match="same temperatures"):
        train(SETTINGS, warmer, tmp_path / "whole", validation=labelled, resume=True)


def test_something_must_tell_good_weights_from_bad_ones(samples, tmp_path):
    with pytest.raises(InputError, match="Expected labels"):
        train(SETTINGS, samples, tmp_path)
    assert not (tmp_path / MODEL).exists()


def test_frames_for_validation_may_have_no_new_elements(samples, tmp_path):
    strange = Dataset((replace(thermal_springs(10, (300.0,)), numbers=np.array([7, 1])),))
    with pytest.raises(InputError, match=r"came \[7\]"):
        train(SETTINGS, samples, tmp_path, validation=strange)


def test_unknown_objectives_are_refused():
    with pytest.raises(ConfigError, match="labels, score, came 'forces'"):
        replace(SETTINGS, objective="forces")
