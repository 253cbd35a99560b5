"""ASTEROID without cheap labels: learn the shape of the surface from where molecules are found at a known temperature.

Score matching on Boltzmann samples, then training on the accurate frames. Bukharin et al. 2023, ICML, arXiv:2306.03109.

Forces from a few thousand samples are off by a quarter. What cheap labels leave is small and wants small steps
(``stages.finetune``); this is not, so the stage on labels has a name of its own, and steps as large as from random weights.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pesx.training.dataset import Dataset, without_labels
from pesx.training.recipes.recipe import Labels, Stages

SAMPLES = "score matching"
"""Stands for the level of theory of samples, whose labels are not looked at."""


def asteroid_unlabelled(stages: Stages, labels: Labels) -> Mapping[str, Any]:
    """Match the score of the cheap frames, whose labels are not looked at, then train on the accurate ones."""
    cheap = without_labels(labels.need_cheap("asteroid-unlabelled"))
    settings = replace(stages.settings.of("score"), objective="score")
    judges = labels.accurate if labels.judges is None else labels.judges
    pretrained = stages.train("score", _at_own_level(cheap), settings=settings, validation=_at_own_level(judges))
    stages.train("labels", labels.accurate, start=pretrained)
    return {}


def _at_own_level(data: Dataset) -> Dataset:
    """Return the frames at a level of their own.

    The samples leave the zero of the network's energies open, so the accurate level must be new to the next stage, which
    then fits the reference energies to what the network leaves.
    """
    return Dataset(tuple(replace(molecule, level=SAMPLES) for molecule in data.molecules))
