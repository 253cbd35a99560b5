"""Everything that decides a training run, readable from TOML."""

from dataclasses import dataclass, field
from pathlib import Path

from pesx.config import from_table, read_toml, require
from pesx.errors import ConfigError
from pesx.so3krates.model import So3kratesSettings
from pesx.training.loss import LossSettings

OBJECTIVES = ("labels", "score")
"""What training can minimise."""


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a training run. Give ``n_steps``, ``time_budget_s`` or both; the first to be reached ends the run.

    Attributes:
        model: The network.
        loss: Weights and scales of the loss.
        objective: What is minimised: ``"labels"``, the errors of energies and forces; or ``"score"``, the objective of
            :mod:`pesx.training.score`, for samples of thermal ensembles without labels.
        score_probes: Random vectors per step for the divergence in it.
        batch_frames: Most frames in a batch.
        batch_pairs: Most atom pairs in a batch; a frame that would exceed it goes into the next one.
        target_share: Least part of the frames in a pass that is of the target level, beside other levels: its frames come
            several times. 0 to take every frame once.
        n_steps: Optimiser steps, 0 for no limit.
        time_budget_s: Time for training, s, 0 for no limit. The learning rate reaches zero when it is spent.
        learning_rate: Peak of the schedule.
        warmup_steps: Steps from zero to the peak.
        weight_decay: Decoupled weight decay, per unit of learning rate.
        clip_norm: The gradient is scaled down to this norm.
        ema_decay: Averaging of weights; the averaged weights are the result.
        max_force: Frames with a larger force on an atom are left out of the training, eV/angstrom.
        validation_fraction: Part of the frames held out, as whole trajectories.
        validation_frames: Most frames looked at in the validations along the way, of those with forces below
            ``loss.large_force``; the last one takes all.
        validate_every: Steps between validations.
        checkpoint_every_s: Time between checkpoints, s.
        compile: Compile the training step with torch.compile; falls back to the plain step where there is no compiler.
        threads: CPU threads.
        seed: Of the weights, the split and the order of frames.
    """

    model: So3kratesSettings = field(default_factory=So3kratesSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    objective: str = "labels"
    score_probes: int = 1
    batch_frames: int = 8
    batch_pairs: int = 4096
    target_share: float = 0.0
    n_steps: int = 0
    time_budget_s: float = 0.0
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    weight_decay: float = 1e-3
    clip_norm: float = 10.0
    ema_decay: float = 0.999
    max_force: float = 40.0
    validation_fraction: float = 0.05
    validation_frames: int = 200
    validate_every: int = 500
    checkpoint_every_s: float = 60.0
    compile: bool = False
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        positive = (
            *("batch_frames", "batch_pairs", "learning_rate", "warmup_steps", "clip_norm", "max_force"),
            *("validation_frames", "validate_every", "checkpoint_every_s", "threads", "score_probes"),
        )
        require(self, above_zero=positive, at_least_zero=("n_steps", "time_budget_s", "weight_decay", "seed"))
        for name in ("ema_decay", "validation_fraction"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"Expected {name} between 0 and 1, came {getattr(self, name)!r}. Give a fraction.")
        if not 0 <= self.target_share < 1:
            raise ConfigError(f"Expected target_share from 0 to below 1, came {self.target_share!r}. Give a fraction.")
        if self.objective not in OBJECTIVES:
            raise ConfigError(f"Expected objective among {', '.join(OBJECTIVES)}, came {self.objective!r}. Choose one.")
        if not (self.n_steps or self.time_budget_s):
            raise ConfigError("Expected n_steps or time_budget_s, came neither. Say when the training is to end.")


def read_settings(path: str | Path) -> TrainingSettings:
    """Read settings from a TOML file; tables ``[model]`` and ``[loss]`` hold the nested settings.

    Raises:
        ConfigError: The file is not TOML, a key is unknown, or a value is out of range.
    """
    return from_table(TrainingSettings, read_toml(path))
