"""Training from labelled frames to a model file.

The order of frames follows from (seed, pass), so the place in the data is all that a checkpoint has to say about
randomness: on CPU a run that was killed and continued ends with the weights of one that was not.
"""

import copy
import hashlib
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pesx.config import to_table
from pesx.errors import ConfigError, InputError, WrongFolderError
from pesx.so3krates import checkpoint
from pesx.so3krates.model import So3krates, So3kratesSettings
from pesx.training.card import model_card
from pesx.training.dataset import Dataset
from pesx.training.evaluate import Errors, errors_of, evaluate
from pesx.training.muon import make_optimisers
from pesx.training.prepare import Prepared, prepare
from pesx.training.progress import Reporter
from pesx.training.resume import Position, Trained, load_state, save_state
from pesx.training.schedule import ema_decay, learning_rate, progress
from pesx.training.settings import TrainingSettings
from pesx.training.step import LossStep, make_loss_step

STATE = "state.safetensors"
BEST = "best.safetensors"
MODEL = "model.safetensors"
CURVES = "curves.jsonl"

FORCE_UNIT = 35.0
"""meV/angstrom; with :data:`ENERGY_UNIT`, errors that count as equally bad when the best weights are chosen."""

ENERGY_UNIT = 0.4
"""kcal/mol."""

_MILD = 0.5
"""Frames with a greater weight have forces below ``loss.large_force``."""

FREE = ("n_steps", "time_budget_s", "validate_every", "checkpoint_every_s", "compile", "threads")
"""Settings that may differ when a training is resumed: how long it lasts, how often it is looked at, and how it runs."""

MOST_SKIPPED = 100
"""Training stops after so many gradients that were not finite."""


def train(
    settings: TrainingSettings,
    data: Dataset,
    out_folder: str | Path,
    *,
    resume: bool = False,
    start: So3krates | None = None,
    target: str | None = None,
    validation: Dataset | None = None,
    tests: Mapping[str, Dataset] | None = None,
) -> Path:
    """Train a model and write it, with its card, to ``model.safetensors`` in a folder.

    The weights are the running average with the best validation at the target level. Measurements along the way are in
    ``curves.jsonl``.

    Args:
        settings: Of network and training.
        data: Labelled frames, at one or several levels of theory; each level gets a head.
        out_folder: Made if it does not exist.
        resume: Continue the run in this folder if there is one.
        start: Weights to begin with; None for random weights. Levels it does not have begin with the weights of its
            first head. If it has a baseline, that stays as it is, and the rest is trained.
        target: The level of theory that the model answers with; None if there is one only.
        validation: Labelled frames that choose the best weights and are not trained on, at the target level too; None to
            hold out a part of the data. Training without labels needs them.
        tests: Further frames, by name, whose errors go into the card.

    Returns:
        The model file.

    Raises:
        ConfigError: The settings do not fit the data: a target, a temperature or the weights of a baseline are missing.
        InputError: The frames cannot be split, none is of the target level, those for validation have no labels or other
            elements, training diverged, or the start is of another shape.
        WrongFolderError: The folder holds a run and ``resume`` is false, or it holds another one.
        RunFolderError: The run in the folder is unreadable.
    """
    folder = Path(out_folder)
    if (folder / STATE).exists() and not resume:
        raise WrongFolderError(
            f"Expected a new folder, but {folder} holds a training run. Resume it, or choose another."
        )
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    prepared = prepare(settings, data, start, target, validation=validation)
    run = _Run(settings, prepared, folder, start)
    run.require_fit(tests or {})
    run.restore()
    if run.is_finished(tests or ()):
        return folder / MODEL
    with Reporter(folder / CURVES, run.at.step) as reporter:
        reporter.say(
            f"{len(prepared.table)} frames for training, {len(prepared.validation_table)} for validation, "
            f"{sum(p.numel() for p in run.trained.model.parameters())} weights, {run.loss_step.how}"
        )
        run.advance(reporter)
    return run.finish(tests or {})


def score(errors: Errors) -> float:
    """Return the number by which weights are chosen, lower is better: the errors that are known in units of their targets."""
    return (errors.force_mae or 0.0) / FORCE_UNIT + (errors.energy_mae or 0.0) / ENERGY_UNIT


def identity(settings: TrainingSettings) -> dict[str, Any]:
    """Return the settings that a training keeps to its end, by name; those of nested tables with a point in between."""
    table = to_table(settings)
    nested = {f"{outer}.{name}": value for outer in ("model", "loss") for name, value in table.pop(outer).items()}
    if settings.objective == "labels":
        # States written before there was a choice go on.
        del table["objective"], table["score_probes"]
    if not settings.target_share:
        del table["target_share"]
    return nested | {name: value for name, value in table.items() if name not in FREE}


def take_over(model: So3krates, start: So3krates) -> None:
    """Copy the weights of a model of the same shape; heads of levels that it does not have become copies of its first.

    Raises:
        InputError: The shapes differ.
    """
    wanted, given = model.settings.as_dict(), start.settings.as_dict()
    keys = wanted.keys() | given.keys()
    other = sorted(key for key in keys if key != "levels" and wanted.get(key) != given.get(key))
    if other:
        raise InputError(
            f"Expected a start with the network of the settings, came one with another {', '.join(other)}. Give the [model] "
            "table that it was trained with."
        )
    shared = {name: tensor for name, tensor in start.state_dict().items() if not name.startswith("heads.")}
    model.load_state_dict(shared, strict=False)
    for index, level in enumerate(model.settings.levels):
        known = start.settings.levels
        model.head(index).load_state_dict(start.head(known.index(level) if level in known else 0).state_dict())


def _shape(settings: TrainingSettings, prepared: Prepared, start: So3krates | None) -> So3kratesSettings:
    """Return the shape of the network: that of the settings, with the levels of the data and the baseline of the start."""
    if start is None:
        if settings.model.baseline is not None:
            raise ConfigError(
                "Expected a start beside the settings of a baseline, came none, so its weights are missing. Give the model "
                "that pesx.so3krates.model.with_baseline makes of it."
            )
        return replace(settings.model, levels=tuple(prepared.references))
    baseline = settings.model.baseline or start.settings.baseline
    return replace(settings.model, levels=tuple(prepared.references), baseline=baseline)


class _Run:
    """One training run in memory: weights, their average, the optimisers, and where it stands."""

    def __init__(
        self, settings: TrainingSettings, prepared: Prepared, folder: Path, start: So3krates | None = None
    ) -> None:
        self.settings = settings
        self.prepared = prepared
        self.folder = folder
        self.at = Position()
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            model = So3krates(_shape(settings, prepared, start))
        model.check_elements(torch.tensor(prepared.training.elements))
        for molecule in (*prepared.training.molecules, *prepared.validation.molecules):
            model.check_electrons(molecule.charge, molecule.multiplicity)
        if start is not None:
            take_over(model, start)
        for index, references in enumerate(prepared.references.values()):
            model.set_reference_energies(references.energies, index)
        optimisers = make_optimisers(model, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        self.trained = Trained(model, copy.deepcopy(model), optimisers)
        # The held-out frames are named too: they are what a resumed training must not have seen.
        held_out = prepared.validation.digest()
        self._start = "random weights" if start is None else checkpoint.model_hash(start)
        self._identity = {
            "data": prepared.digest,
            "held-out frames": held_out,
            "start": self._start,
            **identity(settings),
        }
        if settings.objective == "score":
            self._identity["temperatures"] = hashlib.sha256(prepared.table.temperature.tobytes()).hexdigest()
        # Weights are to be chosen by the frames a molecule visits; a few hot ones would drown them in the mean.
        order = prepared.validation_table.order(seed=settings.seed, epoch=0, together=1)
        is_mild = prepared.validation_table.weight[order] > _MILD
        chosen = order[is_mild] if is_mild.any() else order
        self._validation_frames = np.sort(chosen[: settings.validation_frames])

    @cached_property
    def loss_step(self) -> LossStep:
        """From frames to their loss; compiling it takes long, and a training that is over needs none."""
        return make_loss_step(self.trained.model, self.settings, self.prepared.table)

    def is_finished(self, tests: Collection[str]) -> bool:
        """Return whether nothing is left to do: the steps are made, and the model is written with its errors on the tests."""
        path = self.folder / MODEL
        if progress(self.settings, self.at.step, self.at.elapsed) < 1 or not path.exists():
            return False
        card = checkpoint.load(path)[1]
        # A model can be older than the state, of a training that was shorter then.
        return bool(card["run"]["step"] == self.at.step and set(tests) <= card["errors"].keys())

    def require_fit(self, tests: Mapping[str, Dataset]) -> None:
        """Refuse tests with atoms or electrons that the model does not know before time is spent on training it."""
        for name, frames in tests.items():
            try:
                self.trained.model.check_elements(torch.tensor(frames.elements))
                for molecule in frames.molecules:
                    self.trained.model.check_electrons(molecule.charge, molecule.multiplicity)
            except InputError as error:
                raise InputError(f"Test {name!r}: {error}") from error

    def restore(self) -> None:
        """Continue from the state in the folder, if there is one."""
        path = self.folder / STATE
        if path.exists():
            self.at = load_state(path, self.trained, identity=self._identity)

    def advance(self, reporter: Reporter) -> None:
        """Train until the steps or the time are used up."""
        settings, at = self.settings, self.at
        began = time.perf_counter() - at.elapsed
        saved_at, losses = at.elapsed, []
        batches = self._batches()
        while (done := progress(settings, at.step, at.elapsed)) < 1:
            losses.append(self._step(next(batches), done))
            at.elapsed = time.perf_counter() - began
            if at.step % settings.validate_every == 0:
                self._validate(reporter, float(np.nanmean(losses)), done)
                losses = []
            if at.elapsed - saved_at > settings.checkpoint_every_s:
                self._save()
                saved_at = at.elapsed
            reporter.step(at.step, done, at.elapsed)
        if losses:
            self._validate(reporter, float(np.nanmean(losses)), 1.0)
        self._save()

    def finish(self, tests: Mapping[str, Dataset]) -> Path:
        """Evaluate the best weights on all held-out frames and write the model with its card."""
        best, _ = checkpoint.load(self.folder / BEST)
        prepared = self.prepared
        table = prepared.validation_table
        errors = {"validation": errors_of(best, table, np.arange(len(table)))}
        errors |= {name: evaluate(best, data) for name, data in tests.items()}
        card = model_card(
            self.settings,
            prepared.training,
            prepared.validation,
            references=prepared.references,
            digest=prepared.digest,
            errors=errors,
            run={**asdict(self.at), "start": self._start, "how": self.loss_step.how},
        )
        checkpoint.save(self.folder / MODEL, best, card)
        return self.folder / MODEL

    def _batches(self) -> Iterator[NDArray[np.int64]]:
        """Go through the data without end, from where the run stands; the place is moved on by :meth:`_step`."""
        settings, table, at = self.settings, self.prepared.table, self.at
        while True:
            order = table.order(
                seed=settings.seed,
                epoch=at.epoch,
                together=settings.batch_frames,
                target_share=settings.target_share,
            )
            cut = table.packed(order, batch_frames=settings.batch_frames, batch_pairs=settings.batch_pairs)
            yield from islice(cut, at.batch, None)
            at.epoch, at.batch = at.epoch + 1, 0

    def _step(self, frames: NDArray[np.int64], done: float) -> float:
        settings, at = self.settings, self.at
        for group in (group for optimiser in self.trained.optimisers for group in optimiser.param_groups):
            group["lr"] = learning_rate(settings, at.step, done)
        self.trained.model.zero_grad(set_to_none=True)
        loss = self.loss_step(frames, settings.loss.energy_weight_at(done), at.step)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.trained.model.parameters(), settings.clip_norm, foreach=True)
        if torch.isfinite(norm):
            for optimiser in self.trained.optimisers:
                optimiser.step()
            self._average()
        else:
            at.skipped += 1
            if at.skipped > MOST_SKIPPED:
                raise InputError(
                    f"Expected finite gradients, came {at.skipped} that were not, the last at step {at.step}. "
                    "Lower the learning rate, or look for bad labels."
                )
        at.step += 1
        at.batch += 1
        return float(loss.detach())

    def _average(self) -> None:
        keep = ema_decay(self.settings, self.at.step)
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.trained.averaged.parameters()), list(self.trained.model.parameters()), 1 - keep
            )

    def _validate(self, reporter: Reporter, train_loss: float, done: float) -> None:
        table, at = self.prepared.validation_table, self.at
        errors = errors_of(self.trained.averaged, table, self._validation_frames)[0]
        record: dict[str, Any] = {
            "step": at.step,
            "epoch": at.epoch,
            "elapsed_s": round(at.elapsed, 1),
            "learning_rate": learning_rate(self.settings, at.step, done),
            "train_loss": train_loss,
            **{key: errors.as_table()[key] for key in ("force_mae", "force_rmse", "energy_mae", "energy_rmse")},
        }
        reporter.measured(record)
        if score(errors) < at.best_score:
            at.best_score, at.best_step = score(errors), at.step
            checkpoint.save(self.folder / BEST, self.trained.averaged, {"validation": record})

    def _save(self) -> None:
        save_state(self.folder / STATE, self.at, self.trained, identity=self._identity)
