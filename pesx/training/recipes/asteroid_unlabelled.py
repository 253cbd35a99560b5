"""ASTEROID without cheap labels: learn the shape of the surface from where molecules are found at a known temperature.

Score matching on Boltzmann samples, then training on the accurate frames. Bukharin et al. 2023, ICML, arXiv:2306.03109.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pesx.training.dataset import Dataset, without_labels
from pesx.training.recipes.recipe import Labels, Stages


def asteroid_unlabelled(stages: Stages, labels: Labels) -> Mapping[str, Any]:
    """Match the score of the cheap frames, whose labels are not looked at, then train on the accurate ones."""
    cheap = without_labels(labels.need_cheap("asteroid-unlabelled"))
    level = labels.accurate.levels[0]
    samples = Dataset(tuple(replace(molecule, level=level) for molecule in cheap.molecules))
    settings = replace(stages.settings.of("pretrain"), objective="score")
    pretrained = stages.train("pretrain", samples, settings=settings, validation=labels.accurate)
    stages.train("finetune", labels.accurate, start=pretrained)
    return {}
