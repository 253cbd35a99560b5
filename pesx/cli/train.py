"""``pesx train``: a model from labelled structures."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from pesx.cli.streams import clean_stdout, say
from pesx.errors import ConfigError, InputError
from pesx.labelling.store import LabelStore
from pesx.so3krates import checkpoint
from pesx.training.dataset import Dataset, load, merge
from pesx.training.recipes import Labels, RecipeSettings, read_recipe_settings, train_by_recipe
from pesx.training.sources.data_file import read_data_file
from pesx.training.sources.extxyz import ExtxyzFrames
from pesx.training.trainer import train


def run(arguments: Namespace) -> int:
    """Train, say where the model is, and return the exit code."""
    _refuse_what_does_not_fit(arguments)
    settings = read_recipe_settings(arguments.settings)
    if arguments.recipe is None and settings.is_staged:
        raise ConfigError(f"Expected --recipe beside stages in {arguments.settings}; came none. Name a recipe.")
    if arguments.threads is not None:
        settings = replace(settings, training=replace(settings.training, threads=arguments.threads))
    tests = {Path(path).stem: path for path in arguments.test}
    if len(tests) < len(arguments.test):
        raise ConfigError("Expected files of different names for --test; came two of one name. Rename one.")
    with clean_stdout():
        data = merge([load_labels(path, arguments.level) for path in arguments.data])
        unseen = {name: load_labels(path, arguments.level) for name, path in tests.items()}
        make = _in_one_go if arguments.recipe is None else _by_recipe
        model = make(arguments, settings, data, unseen)
    say(f"Wrote {model}.")
    return 0


def _in_one_go(arguments: Namespace, settings: RecipeSettings, data: Dataset, tests: dict[str, Dataset]) -> Path:
    return train(
        settings.training,
        data,
        arguments.out,
        resume=arguments.resume,
        target=arguments.target,
        start=None if arguments.start is None else checkpoint.load(arguments.start)[0],
        tests=tests,
    )


def _by_recipe(arguments: Namespace, settings: RecipeSettings, data: Dataset, tests: dict[str, Dataset]) -> Path:
    level = arguments.cheap_level or arguments.level
    cheap = merge([load_labels(path, level) for path in arguments.cheap]) if arguments.cheap else None
    return train_by_recipe(
        arguments.recipe, settings, Labels(data, cheap), arguments.out, resume=arguments.resume, tests=tests
    )


def _refuse_what_does_not_fit(arguments: Namespace) -> None:
    only_in_one_go = {"start": arguments.start, "target": arguments.target}
    only_by_recipe = {"cheap": arguments.cheap, "cheap-level": arguments.cheap_level}
    without = arguments.recipe is None
    for name, value in (only_by_recipe if without else only_in_one_go).items():
        if value:
            beside = (
                "only beside --recipe; came none" if without else "only without --recipe; a recipe has its own stages"
            )
            raise ConfigError(f"Expected --{name} {beside}. Leave one of the two out.")


def load_labels(path: str, level: str | None) -> Dataset:
    """Read a file of labels: of ``pesx label``, an extxyz file, or a data file in TOML.

    Args:
        path: The file.
        level: Level of theory of the labels, which extxyz files do not say.

    Raises:
        InputError: There is none, or a label in it cannot be used.
        ConfigError: The level is missing.
    """
    if not Path(path).is_file():
        raise InputError(f"Expected a file of labels at {path}; there is none. Make one with pesx label.")
    if Path(path).suffix == ".toml":
        return read_data_file(path)
    if Path(path).suffix in (".extxyz", ".xyz"):
        if level is None:
            raise ConfigError(f"Expected --level beside {path}; came none. Name the level of theory of its labels.")
        return load(ExtxyzFrames(path, level=level))
    with LabelStore(path) as store:
        return load(store)
