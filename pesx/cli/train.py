"""``pesx train``: a model from labelled structures."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from pesx.cli.streams import clean_stdout, say
from pesx.errors import ConfigError, InputError
from pesx.labelling.store import LabelStore
from pesx.so3krates import checkpoint
from pesx.training.dataset import Dataset, load, merge
from pesx.training.extxyz import ExtxyzFrames
from pesx.training.settings import read_settings
from pesx.training.trainer import train


def run(arguments: Namespace) -> int:
    """Train, say where the model is, and return the exit code."""
    settings = read_settings(arguments.settings)
    if arguments.threads is not None:
        settings = replace(settings, threads=arguments.threads)
    tests = {Path(path).stem: path for path in arguments.test}
    if len(tests) < len(arguments.test):
        raise ConfigError("Expected files of different names for --test; came two of one name. Rename one.")
    with clean_stdout():
        data = merge([_load(path, arguments.level) for path in arguments.data])
        model = train(
            settings,
            data,
            arguments.out,
            resume=arguments.resume,
            target=arguments.target,
            start=None if arguments.start is None else checkpoint.load(arguments.start)[0],
            tests={name: _load(path, arguments.level) for name, path in tests.items()},
        )
    say(f"Wrote {model}.")
    return 0


def _load(path: str, level: str | None) -> Dataset:
    if not Path(path).is_file():
        raise InputError(f"Expected a file of labels at {path}; there is none. Make one with pesx label.")
    if Path(path).suffix in (".extxyz", ".xyz"):
        if level is None:
            raise ConfigError(f"Expected --level beside {path}; came none. Name the level of theory of its labels.")
        return load(ExtxyzFrames(path, level=level))
    with LabelStore(path) as store:
        return load(store)
