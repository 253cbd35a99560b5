"""Pretrain on the cheap frames, all of them alike, then go on with the accurate ones."""

from collections.abc import Mapping
from typing import Any

from pesx.training.recipes.recipe import Labels, Stages


def pretrain_finetune(stages: Stages, labels: Labels) -> Mapping[str, Any]:
    """Train on the cheap frames, then on the accurate ones."""
    pretrained = stages.train("pretrain", labels.need_cheap("pretrain-finetune"), start=stages.start)
    stages.train("finetune", labels.accurate, start=pretrained)
    return {}
