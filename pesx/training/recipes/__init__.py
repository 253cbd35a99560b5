"""Ways from a few accurate and many cheap labels to one model."""

from collections.abc import Mapping
from pathlib import Path

from pesx.errors import ConfigError
from pesx.so3krates.model import So3krates
from pesx.training.dataset import Dataset
from pesx.training.recipes.asteroid import asteroid
from pesx.training.recipes.asteroid_unlabelled import asteroid_unlabelled
from pesx.training.recipes.corrected import corrected
from pesx.training.recipes.delta import delta
from pesx.training.recipes.multi_head import multi_head
from pesx.training.recipes.pretrain_finetune import pretrain_finetune
from pesx.training.recipes.recipe import Labels, Recipe, RecipeSettings, Stages, read_recipe_settings, recipe_settings
from pesx.training.recipes.scratch import scratch

RECIPES: Mapping[str, Recipe] = {
    "scratch": scratch,
    "pretrain-finetune": pretrain_finetune,
    "asteroid": asteroid,
    "asteroid-unlabelled": asteroid_unlabelled,
    "delta": delta,
    "corrected": corrected,
    "multi-head": multi_head,
}

FROM_A_START = ("pretrain-finetune", "asteroid", "delta", "corrected")
"""Recipes whose training on cheap frames can go on from a model that knows the cheap level already."""


def train_by_recipe(
    recipe: str,
    settings: RecipeSettings,
    labels: Labels,
    out_folder: str | Path,
    *,
    resume: bool = False,
    tests: Mapping[str, Dataset] | None = None,
    elsewhere: Mapping[str, Path] | None = None,
    start: So3krates | None = None,
) -> Path:
    """Run all stages of a recipe and write its model, with its card, to ``model.safetensors`` in a folder.

    Args:
        recipe: One of :data:`RECIPES`.
        settings: Of the recipe.
        labels: What to learn from.
        out_folder: Made if it does not exist; every stage has a folder in it.
        resume: Go on with what was begun in this folder.
        tests: Further frames, by name, whose errors go into the cards.
        elsewhere: See :class:`Stages`.
        start: See :class:`Stages`; for recipes of :data:`FROM_A_START`.

    Returns:
        The model file.

    Raises:
        ConfigError: There is no such recipe, it cannot use a start, or there are no cheap frames for one that needs them.
        InputError: See :func:`pesx.training.trainer.train`.
        WrongFolderError: A folder holds another training.
    """
    if recipe not in RECIPES:
        raise ConfigError(f"Expected a recipe out of {', '.join(RECIPES)}; came {recipe!r}.")
    if start is not None and recipe not in FROM_A_START:
        raise ConfigError(
            f"Expected a start only for {', '.join(FROM_A_START)}; came one for {recipe}, which begins with random weights. "
            "Leave it out, or choose one of these."
        )
    stages = Stages(settings, Path(out_folder), resume=resume, tests=tests, elsewhere=elsewhere, start=start)
    return stages.finish(recipe, RECIPES[recipe](stages, labels))


__all__ = [
    "FROM_A_START",
    "RECIPES",
    "Labels",
    "Recipe",
    "RecipeSettings",
    "Stages",
    "read_recipe_settings",
    "recipe_settings",
    "train_by_recipe",
]
