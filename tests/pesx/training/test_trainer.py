import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from pesx.errors import ConfigError, InputError, RunFolderError, WrongFolderError
from pesx.so3krates import checkpoint
from pesx.so3krates.model import So3krates, So3kratesSettings, with_baseline
from pesx.training import trainer
from pesx.training.dataset import Dataset, merge
from pesx.training.evaluate import evaluate
from pesx.training.loss import LossSettings
from pesx.training.progress import Reporter
from pesx.training.settings import TrainingSettings
from pesx.training.trainer import BEST, CURVES, MODEL, STATE, train

MODEL_SETTINGS = So3kratesSettings(features=16, n_layers=1, degrees=(1, 2), n_heads=2, cutoff=4.0, n_radial=8)
SETTINGS = TrainingSettings(
    model=MODEL_SETTINGS,
    n_steps=12,
    batch_frames=4,
    batch_pairs=30,
    learning_rate=3e-3,
    warmup_steps=3,
    validation_fraction=0.2,
    validate_every=5,
)


@pytest.fixture(scope="module")
def data(make_springs):
    return Dataset((make_springs([8, 1, 1], 40, 0), make_springs([6, 1, 1, 1, 1], 40, 1)))


def weights(folder):
    model, _ = checkpoint.load(folder / MODEL)
    return model.state_dict()


class Interrupting(Reporter):
    """Ends the run in the middle, as an interruption at the keyboard would."""

    def step(self, step, done, elapsed):
        super().step(step, done, elapsed)
        if step == 8:
            raise KeyboardInterrupt


def test_interrupted_and_resumed_gives_identical_weights(data, tmp_path, monkeypatch):
    settings = replace(SETTINGS, checkpoint_every_s=1e-9)
    train(settings, data, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "Reporter", Interrupting)
        with pytest.raises(KeyboardInterrupt):
            train(settings, data, tmp_path / "parts")
    assert not (tmp_path / "parts" / MODEL).exists()
    train(settings, data, tmp_path / "parts", resume=True)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    curves = [(tmp_path / name / CURVES).read_text().splitlines() for name in ("whole", "parts")]
    steps = [[json.loads(line)["step"] for line in lines] for lines in curves]
    assert steps == [[5, 10, 12]] * 2


@pytest.mark.parametrize("seed", [0, 1])
def test_training_learns_springs(data, tmp_path, seed):
    settings = replace(
        SETTINGS, n_steps=150, validate_every=50, learning_rate=3e-2, seed=seed, loss=LossSettings(energy_weight=0.3)
    )
    path = train(settings, data, tmp_path)
    model, card = checkpoint.load(path)
    before = np.abs(np.concatenate([molecule.forces.ravel() for molecule in data.molecules])).mean()
    assert card["errors"]["validation"][0]["force_mae"] < 0.5 * 1e3 * before
    assert card["level_of_theory"] == "springs"
    assert card["elements"] == [1, 6, 8]
    assert sum(sum(card[key]["springs"].values()) for key in ("training_frames", "validation_frames")) == len(data)
    assert model.settings.levels == ("springs",)


def test_a_training_can_begin_with_a_model_and_keeps_its_references(data, tmp_path):
    start, _ = checkpoint.load(train(SETTINGS, data, tmp_path / "first"))
    shifted = Dataset(tuple(replace(m, energy=m.energy + 0.01) for m in data.molecules))
    settings = replace(SETTINGS, n_steps=1, learning_rate=1e-9)
    path = train(settings, shifted, tmp_path / "second", start=start)
    model, card = checkpoint.load(path)
    assert card["run"]["start"] == checkpoint.model_hash(start)
    for name, tensor in start.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, rtol=0, atol=1e-6)
    with pytest.raises(WrongFolderError, match="same start"):
        train(settings, shifted, tmp_path / "second", resume=True)


def test_a_start_of_another_shape_is_refused(data, tmp_path):
    other = So3krates(replace(MODEL_SETTINGS, n_layers=2, levels=data.levels))
    with pytest.raises(InputError, match="n_layers"):
        train(SETTINGS, data, tmp_path, start=other)


def test_ions_need_a_model_with_charge_embedding(data, tmp_path):
    ions = Dataset(tuple(replace(molecule, charge=1) for molecule in data.molecules))
    with pytest.raises(InputError, match="without charge embedding"):
        train(SETTINGS, ions, tmp_path / "refused")
    settings = replace(SETTINGS, model=replace(MODEL_SETTINGS, charge_embedding=True, electrostatics=True))
    model, _ = checkpoint.load(train(settings, ions, tmp_path / "trained"))
    assert model.settings.charge_embedding
    with pytest.raises(InputError, match="without charge embedding"):
        evaluate(checkpoint.load(train(SETTINGS, data, tmp_path / "neutral"))[0], ions)


def test_evaluation_groups_and_offsets(data, tmp_path):
    model, _ = checkpoint.load(train(SETTINGS, data, tmp_path))
    plain = evaluate(model, data)
    shifted = Dataset(tuple(replace(m, energy=m.energy + 1.0) for m in data.molecules))
    moved = evaluate(model, shifted)
    names = [(errors.name, errors.temperature) for errors in plain]
    assert names[0] == ("all", None)
    assert len(names) == 1 + 2 + 4
    assert ("springs 5", 500.0) in names
    for a, b in zip(plain, moved, strict=True):
        assert b.energy_mae == pytest.approx(a.energy_mae, abs=1e-3)
        assert a.energy_offset - b.energy_offset == pytest.approx(23.0605, abs=1e-2)
        assert a.force_mae == b.force_mae
    assert plain[0].n_frames == plain[1].n_frames + plain[2].n_frames


def test_a_running_folder_is_not_overwritten(data, tmp_path):
    train(SETTINGS, data, tmp_path)
    with pytest.raises(WrongFolderError, match="Resume"):
        train(SETTINGS, data, tmp_path)


def test_resume_refuses_other_data(data, make_springs, tmp_path):
    train(SETTINGS, data, tmp_path)
    other = Dataset((make_springs([8, 1, 1], 40, 5), make_springs([6, 1, 1, 1, 1], 40, 6)))
    with pytest.raises(WrongFolderError, match="same data"):
        train(SETTINGS, other, tmp_path, resume=True)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A folder with a training that is over; resumed without more steps it does nothing."""
    folder = tmp_path_factory.mktemp("finished")
    train(SETTINGS, data, folder)
    return folder


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("max_force", {"max_force": 8.0}),
        ("validation_fraction", {"validation_fraction": 0.4}),
        ("batch_frames", {"batch_frames": 3}),
        ("batch_pairs", {"batch_pairs": 31}),
        ("weight_decay", {"weight_decay": 0.1}),
        ("seed", {"seed": 1}),
        (r"loss\.energy_weight", {"loss": LossSettings(energy_weight=0.3)}),
        (r"model\.cutoff", {"model": replace(MODEL_SETTINGS, cutoff=3.9)}),
    ],
)
def test_resume_refuses_other_settings_and_names_them(data, finished, name, settings):
    with pytest.raises(WrongFolderError, match=f"same .*{name},"):
        train(replace(SETTINGS, **settings), data, finished, resume=True)


def test_resume_refuses_another_split_of_the_same_frames(data, tmp_path):
    train(SETTINGS, data, tmp_path)
    regrouped = Dataset(tuple(replace(m, trajectory=m.trajectory[::-1] // 2) for m in data.molecules))
    assert regrouped.digest() == data.digest()
    with pytest.raises(WrongFolderError, match="same held-out frames"):
        train(SETTINGS, regrouped, tmp_path, resume=True)


def test_a_training_can_be_prolonged(data, tmp_path):
    train(SETTINGS, data, tmp_path)
    longer = replace(SETTINGS, n_steps=16, validate_every=4, checkpoint_every_s=5.0)
    _, card = checkpoint.load(train(longer, data, tmp_path, resume=True))
    assert card["run"]["step"] == 16


def test_a_damaged_state_is_named(data, tmp_path):
    train(SETTINGS, data, tmp_path)
    (tmp_path / STATE).write_bytes((tmp_path / STATE).read_bytes()[:1000])
    with pytest.raises(RunFolderError, match="cannot be read"):
        train(SETTINGS, data, tmp_path, resume=True)


def test_unknown_elements_are_named_before_training(data, tmp_path):
    settings = replace(SETTINGS, model=replace(MODEL_SETTINGS, elements=(1, 6)))
    with pytest.raises(InputError, match="8"):
        train(settings, data, tmp_path)


def test_a_test_that_the_model_cannot_answer_is_named_before_training(data, tmp_path):
    ions = Dataset(tuple(replace(molecule, charge=1, multiplicity=2) for molecule in data.molecules))
    with pytest.raises(InputError, match=r"Test 'ions': Expected a neutral molecule"):
        train(SETTINGS, data, tmp_path, tests={"ions": ions})
    assert not (tmp_path / CURVES).exists()


def test_time_budget_ends_the_run_with_annealed_rate(data, tmp_path):
    settings = replace(SETTINGS, n_steps=0, time_budget_s=0.5, validate_every=10_000)
    train(settings, data, tmp_path)
    last = json.loads((tmp_path / CURVES).read_text().splitlines()[-1])
    assert last["learning_rate"] == 0
    assert (tmp_path / BEST).exists()


def stiffer(data, by, **changes):
    """The same structures at another level, at which all springs are stiffer."""
    return Dataset(
        tuple(replace(m, level="stiff", energy=by * m.energy, forces=by * m.forces, **changes) for m in data.molecules)
    )


def test_two_levels_of_theory_are_learned_by_one_network(data, tmp_path):
    both = merge([data, stiffer(data, 1.5)])
    settings = replace(SETTINGS, n_steps=150, validate_every=50, learning_rate=3e-2)
    path = train(settings, both, tmp_path, target="stiff", tests={"soft": data, "stiff": stiffer(data, 1.5)})
    model, card = checkpoint.load(path)
    assert model.settings.levels == ("stiff", "springs")
    assert card["level_of_theory"] == "stiff"
    assert {item["level"] for item in card["errors"]["validation"]} == {"stiff"}
    mean_force = 1e3 * np.abs(np.concatenate([molecule.forces.ravel() for molecule in data.molecules])).mean()
    for name, scale in (("soft", 1.0), ("stiff", 1.5)):
        assert card["errors"][name][0]["force_mae"] < 0.5 * scale * mean_force


def test_several_levels_need_a_target_that_has_labels(data, tmp_path):
    both = merge([data, stiffer(data, 2.0)])
    with pytest.raises(ConfigError, match="'springs', 'stiff'"):
        train(SETTINGS, both, tmp_path)
    with pytest.raises(InputError, match="'b3lyp'"):
        train(SETTINGS, both, tmp_path, target="b3lyp")


def test_a_training_at_another_level_begins_with_the_mean_error_removed(data, tmp_path):
    start, _ = checkpoint.load(train(SETTINGS, data, tmp_path / "first"))
    moved = stiffer(data, 1.0)
    moved = Dataset(tuple(replace(m, energy=m.energy - 7.0 * len(m.numbers)) for m in moved.molecules))
    path = train(replace(SETTINGS, n_steps=1, learning_rate=1e-9), moved, tmp_path / "second", start=start)
    (before, *_), (after, *_) = (evaluate(*pair) for pair in ((start, data), (checkpoint.load(path)[0], moved)))
    assert after.force_mae == pytest.approx(before.force_mae, rel=1e-4)
    assert abs(after.energy_offset) < 2 * before.energy_rmse


@pytest.mark.parametrize("label", ["energy", "forces"])
def test_one_kind_of_labels_is_enough(data, tmp_path, label):
    other = {"energy": "forces", "forces": "energy"}[label]
    only = Dataset(tuple(replace(m, **{other: np.full_like(getattr(m, other), np.nan)}) for m in data.molecules))
    loss = LossSettings(energy_weight=1.0, final_energy_weight=1.0)
    settings = replace(SETTINGS, n_steps=80, validate_every=20, learning_rate=3e-2, loss=loss)
    errors = checkpoint.load(train(settings, only, tmp_path))[1]["errors"]
    curve = [json.loads(line)["train_loss"] for line in (tmp_path / CURVES).read_text().splitlines()]
    assert curve[-1] < 0.6 * curve[0]
    assert errors["validation"][0][{"energy": "force_mae", "forces": "energy_mae"}[label]] is None


def test_a_correction_is_trained_and_its_baseline_stays(data, tmp_path):
    baseline, _ = checkpoint.load(train(SETTINGS, data, tmp_path / "baseline"))
    start = with_baseline(replace(MODEL_SETTINGS, n_layers=2), baseline, seed=0)
    settings = replace(SETTINGS, model=replace(MODEL_SETTINGS, n_layers=2), n_steps=60, learning_rate=2e-2)
    target = stiffer(data, 1.5)
    target = Dataset(tuple(replace(m, energy=m.energy - 7.0 * len(m.numbers)) for m in target.molecules))
    model, card = checkpoint.load(train(settings, target, tmp_path / "correction", start=start))
    assert checkpoint.model_hash(model.baseline) == checkpoint.model_hash(baseline)
    assert model.settings.levels == ("stiff",)
    assert not torch.equal(model.embedding.weight, start.embedding.weight)
    assert card["errors"]["validation"][0]["force_mae"] < evaluate_forces(start, target)
    with pytest.raises(ConfigError, match="Expected a start"):
        train(replace(settings, model=start.settings), target, tmp_path / "none")
    with pytest.raises(InputError, match="baseline"):
        train(replace(settings, model=start.settings), target, tmp_path / "other", start=start.networks()[0])


def evaluate_forces(model, data):
    """The mean force error of a model that does not know the level of the data, meV/angstrom."""
    level = model.settings.levels[0]
    known = Dataset(tuple(replace(molecule, level=level) for molecule in data.molecules))
    return evaluate(model, known)[0].force_mae


def test_frames_for_validation_can_be_given(data, tmp_path):
    held_out = Dataset((data.molecules[0].take(np.arange(7)),))
    _, card = checkpoint.load(train(SETTINGS, data, tmp_path, validation=held_out))
    assert card["errors"]["validation"][0]["n_frames"] == 7
    assert sum(card["training_frames"]["springs"].values()) == len(data)


def test_a_finished_training_is_left_alone_until_there_is_more_to_do(data, tmp_path):
    path = train(SETTINGS, data, tmp_path)
    written = path.stat().st_mtime_ns
    assert train(SETTINGS, data, tmp_path, resume=True) == path
    assert path.stat().st_mtime_ns == written
    train(SETTINGS, data, tmp_path, resume=True, tests={"again": data})
    assert set(checkpoint.load(path)[1]["errors"]) == {"validation", "again"}


def test_a_model_older_than_the_state_is_written_anew(data, tmp_path):
    """What a kill leaves behind between the last state of a prolonged training and its model."""
    old = train(SETTINGS, data, tmp_path).read_bytes()
    longer = replace(SETTINGS, n_steps=SETTINGS.n_steps + 2)
    path = train(longer, data, tmp_path, resume=True)
    path.write_bytes(old)
    train(longer, data, tmp_path, resume=True)
    assert checkpoint.load(path)[1]["run"]["step"] == longer.n_steps
