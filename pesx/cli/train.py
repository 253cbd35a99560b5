"""``pesx train``: a model from labelled structures."""

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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

_EXTXYZ = (".extxyz", ".xyz")


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
    with clean_stdout(), _without_empty_folders(Path(arguments.out)):
        data = merge([load_labels(path, arguments.level) for path in arguments.data])
        unseen = {name: load_labels(path, arguments.level) for name, path in tests.items()}
        make = _in_one_go if arguments.recipe is None else _by_recipe
        model = make(arguments, settings, data, unseen)
    say(f"Wrote {model}.")
    return 0


def _in_one_go(arguments: Namespace, settings: RecipeSettings, data: Dataset, tests: dict[str, Dataset]) -> Path:
    _refuse_strange_tests(tests, data.levels, settings.training.model.elements)
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
    cheap = (
        merge([load_labels(path, level, flag="cheap-level") for path in arguments.cheap]) if arguments.cheap else None
    )
    _require_one_level(data)
    levels = data.levels if cheap is None else data.levels + cheap.levels
    _refuse_strange_tests(tests, levels, settings.training.model.elements)
    return train_by_recipe(
        arguments.recipe,
        settings,
        Labels(data, cheap),
        arguments.out,
        resume=arguments.resume,
        tests=tests,
        start=None if arguments.start is None else checkpoint.load(arguments.start)[0],
    )


def _refuse_what_does_not_fit(arguments: Namespace) -> None:
    only_in_one_go = {"target": arguments.target}
    only_by_recipe = {"cheap": arguments.cheap, "cheap-level": arguments.cheap_level}
    without = arguments.recipe is None
    for name, value in (only_by_recipe if without else only_in_one_go).items():
        if value:
            beside = (
                "only beside --recipe; came none" if without else "only without --recipe; a recipe has its own stages"
            )
            raise ConfigError(f"Expected --{name} {beside}. Leave one of the two out.")
    files = [*arguments.data, *arguments.test, *(arguments.cheap or ())]
    if arguments.level is not None and not any(Path(path).suffix in _EXTXYZ for path in files):
        raise ConfigError(
            "Expected --level only beside extxyz files, which do not say theirs; came other files, which do. Leave it out."
        )


def _refuse_strange_tests(tests: Mapping[str, Dataset], levels: Sequence[str], elements: Sequence[int]) -> None:
    """Refuse tests of which the model will have nothing to say, before hours are spent on it."""
    for name, frames in tests.items():
        unknown = [level for level in frames.levels if level not in levels]
        if unknown:
            raise InputError(
                f"--test {name}: expected labels at a level of theory of the data, {', '.join(map(repr, levels))}, came "
                f"{unknown[0]!r}. Leave it out, or name the level alike in both."
            )
        strange = sorted(set(frames.elements) - set(elements))
        if strange:
            raise InputError(
                f"--test {name}: expected only the elements of the [model] table, {list(elements)}, came {strange}. Leave out "
                "these molecules."
            )


def _require_one_level(data: Dataset) -> None:
    """Refuse several accurate levels, which most recipes would meet in their second stage, after the first is done."""
    if len(data.levels) > 1:
        raise ConfigError(
            f"Expected labels of one level of theory for --data beside --recipe; came {', '.join(map(repr, data.levels))}. "
            "Leave out all but one."
        )


@contextmanager
def _without_empty_folders(out: Path) -> Iterator[None]:
    """Take away the folders of a training that was refused before it wrote anything."""
    was_there = out.exists()
    try:
        yield
    except BaseException:
        if not was_there:
            for folder in sorted((one for one in out.rglob("*") if one.is_dir()), reverse=True):
                with suppress(OSError):
                    folder.rmdir()
            with suppress(OSError):
                out.rmdir()
        raise


def load_labels(path: str, level: str | None, *, flag: str = "level") -> Dataset:
    """Read a file of labels: of ``pesx label``, an extxyz file, or a data file in TOML.

    Args:
        path: The file.
        level: Level of theory of the labels, which extxyz files do not say.
        flag: Name of the option that gives it, for messages.

    Raises:
        InputError: There is none, or a label in it cannot be used.
        ConfigError: The level is missing.
    """
    if not Path(path).is_file():
        raise InputError(f"Expected a file of labels at {path}; there is none. Make one with pesx label.")
    if Path(path).suffix == ".toml":
        return read_data_file(path)
    if Path(path).suffix in _EXTXYZ:
        if level is None:
            raise ConfigError(f"Expected --{flag} beside {path}; came none. Name the level of theory of its labels.")
        return _named(path, ExtxyzFrames(path, level=level))
    with LabelStore(path) as store:
        return _named(path, store)


def _named(path: str, source: LabelStore | ExtxyzFrames) -> Dataset:
    """Read all frames; a message names the file, which a source of frames need not know."""
    try:
        return load(source)
    except InputError as error:
        if path in str(error):
            raise
        raise InputError(f"{path}: {error}") from error
