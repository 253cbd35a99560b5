"""ASTEROID: learn from cheap frames as far as their bias allows, then from the accurate ones.

Bukharin et al. 2023, ICML, arXiv:2306.03109.
"""

from collections.abc import Mapping
from typing import Any

from pesx.errors import InputError
from pesx.training.bias import weigh
from pesx.training.recipes.recipe import Labels, Stages


def asteroid(stages: Stages, labels: Labels) -> Mapping[str, Any]:
    """Estimate the bias of the cheap frames, pretrain on them with weights that follow from it, then finetune."""
    cheap = labels.need_cheap("asteroid")
    if not any(molecule.has_forces.any() for molecule in cheap.molecules):
        raise InputError(
            "Expected forces of cheap frames for the recipe asteroid, which weighs them; came none. Label them with forces, or "
            "choose pretrain-finetune."
        )
    judge = stages.train("bias", labels.accurate)
    weighted = weigh(judge, cheap, stages.settings.bias)
    pretrained = stages.train("pretrain", weighted.data, start=stages.start)
    stages.train("finetune", labels.accurate, start=pretrained)
    return {"bias": weighted.as_table()}
