"""Delta learning: a network for the cheap level, and a second one for what the accurate level adds to it.

Ramakrishnan et al. 2015, doi:10.1021/acs.jctc.5b00099, with a network in the place of the cheap method.
"""

from collections.abc import Mapping
from typing import Any

from pesx.so3krates.model import with_baseline
from pesx.training.recipes.recipe import Labels, Stages


def delta(stages: Stages, labels: Labels) -> Mapping[str, Any]:
    """Train on the cheap frames, then a correction to that model, from random weights, on the accurate ones."""
    baseline = stages.train("pretrain", labels.need_cheap("delta"), start=stages.start)
    settings = stages.settings.of("correction")
    start = with_baseline(settings.model, baseline, seed=settings.seed)
    stages.train("correction", labels.accurate, start=start)
    return {}
