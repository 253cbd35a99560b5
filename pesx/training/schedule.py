"""How the learning rate and the averaging of weights run over a training."""

from pesx.training.settings import TrainingSettings

EMA_HEAD_START = 10
"""Steps by which the averaging window lags behind the step count, so that early averages forget the initial weights."""


def progress(settings: TrainingSettings, step: int, elapsed: float) -> float:
    """Return the fraction of the training that is done, from 0 to 1.

    Args:
        settings: With a number of steps, a time budget, or both; the one that is further along counts.
        step: Steps made.
        elapsed: Time spent, s.
    """
    by_steps = step / settings.n_steps if settings.n_steps else 0.0
    by_time = elapsed / settings.time_budget_s if settings.time_budget_s else 0.0
    return min(max(by_steps, by_time), 1.0)


def learning_rate(settings: TrainingSettings, step: int, done: float) -> float:
    """Return the learning rate of a step: linear warm-up, then a straight line to zero at the end of the training.

    The straight line to zero is at least as good as a cosine at equal cost: Bergsma et al. 2025, arXiv:2502.15938.

    Args:
        settings: Peak learning rate and steps of warm-up.
        step: Number of the step, from 0.
        done: Fraction of the training that is done.
    """
    return settings.learning_rate * min(1.0, (step + 1) / settings.warmup_steps) * (1.0 - done)


def ema_decay(settings: TrainingSettings, step: int) -> float:
    """Return how much of the averaged weights survives a step."""
    return min(settings.ema_decay, (1 + step) / (EMA_HEAD_START + step))
