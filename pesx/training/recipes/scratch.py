"""Train on the accurate frames alone."""

from collections.abc import Mapping
from typing import Any

from pesx.training.recipes.recipe import Labels, Stages


def scratch(stages: Stages, labels: Labels) -> Mapping[str, Any]:
    """Train on the accurate frames from random weights; cheap frames are not looked at."""
    stages.train("scratch", labels.accurate)
    return {}
