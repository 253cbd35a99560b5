"""Correct the cheap labels by what the accurate ones add to them, then learn from them as if they were accurate.

Delta learning (Ramakrishnan et al. 2015, doi:10.1021/acs.jctc.5b00099) for labels instead of models: the correction is learnt
from structures with labels of both levels, so it is free of the error of a network for the cheap level, and nothing of it is
left to be computed when the model is used. Where several networks for the correction disagree, labels count less, as biased
ones do in ASTEROID. With a start, every other network goes on from it: networks from one kind of weights err alike.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pesx.training.bias import weigh_by
from pesx.training.correction import corrected as corrected_labels
from pesx.training.correction import differences
from pesx.training.dataset import merge
from pesx.training.recipes.recipe import Labels, Stages


def corrected(stages: Stages, labels: Labels) -> Mapping[str, Any]:
    """Train the correction, then a model on the corrected labels beside the accurate ones, then finetune it on these."""
    cheap = labels.need_cheap("corrected")
    pairs = differences(labels.accurate, cheap)
    of_correction = stages.settings.of("correction")
    networks = [
        stages.train(
            f"correction-{number + 1}",
            pairs,
            settings=replace(of_correction, seed=of_correction.seed + number),
            start=stages.start if number % 2 else None,
        )
        for number in range(stages.settings.correction.networks)
    ]
    found = corrected_labels(cheap, networks, labels.accurate.levels[0])
    facts: dict[str, Any] = {"pairs": len(pairs), "networks": len(networks)}
    data = found.data
    if len(networks) > 1:
        weighted = weigh_by(found.spread, data, stages.settings.bias)
        data, facts["spread"] = weighted.data, weighted.as_table()
    taught = stages.train("corrected", merge([labels.accurate, data]), start=stages.start)
    stages.train("finetune", labels.accurate, start=taught)
    return {"correction": facts}
