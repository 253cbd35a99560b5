import subprocess
import sys
from dataclasses import fields
from typing import get_args

import pytest

from pesx.cli.parser import parse
from pesx.errors import ConfigError
from pesx.explore.presets import Amides, Method, Mirror
from pesx.landscape.export import FORMATS
from pesx.settings import ExploreSettings, Precision

COMMANDS = ("explore", "minima", "export", "label", "train", "plugins")

_HELP = """
import sys, time
from pesx.cli import main
for command in ([], ["explore"], ["minima"], ["export"], ["label"], ["train"], ["plugins"]):
    assert main([*command, "--help"]) == 0
heavy = {"torch", "numpy", "scipy", "rdkit", "ase", "e3nn", "rich", "networkx"} & set(sys.modules)
assert not heavy, heavy
assert time.process_time() < 0.5, time.process_time()
"""


def test_all_help_together_loads_nothing_heavy_and_takes_less_than_half_a_second():
    done = subprocess.run([sys.executable, "-c", _HELP], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: pesx") == 7


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_module_and_help(command, pesx):
    answer = pesx(command, "--help")
    assert answer.code == 0
    assert f"usage: pesx {command}" in answer.out


def test_help_names_every_choice(pesx):
    text = pesx("explore", "--help").out + pesx("export", "--help").out
    for known in (get_args(Method), get_args(Mirror), get_args(Amides), get_args(Precision), FORMATS):
        assert "|".join(known) in text


def test_every_setting_of_an_exploration_has_a_flag(pesx):
    text = pesx("explore", "--help").out
    for item in fields(ExploreSettings):
        assert f"--{item.name.replace('_', '-')} " in text


def test_flags_that_are_not_given_are_absent():
    given = set(vars(parse(["explore", "--molecule", "LJ7"])))
    assert given == {"command", "version", "molecule", "resume", "json"}


@pytest.mark.parametrize(("text", "number"), [("400000", 400000), ("4e5", 400000), ("-1", -1)])
def test_whole_numbers(text, number):
    assert parse(["explore", f"--max-quenches={text}"]).max_quenches == number


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["explore", "--n-minma", "5"], "Did you mean --n-minima?"),
        (["explore", "--n-min", "5"], "Did you mean --n-minima?"),
        (["explore", "--frobnicate"], "See pesx explore --help"),
        (["explore", "--n-minima", "2.5"], "whole number; came '2.5'"),
        (["explore", "--n-minima", "many"], "whole number; came 'many'"),
        (["explore", "--n-minima"], "--n-minima"),
        (["explore", "--max-time", "-5s"], "as in --max-time=-5"),
        (["export", "RUN"], "--format"),
        (["minima"], "RUN"),
        (["explode"], "'explode'"),
        ([], "expected a command"),
    ],
)
def test_wrong_calls(arguments, words):
    with pytest.raises(ConfigError) as caught:
        parse(arguments)
    assert words.lower() in str(caught.value).lower()
