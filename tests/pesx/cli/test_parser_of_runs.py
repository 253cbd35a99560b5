import pytest

from pesx.cli.parser import parse
from pesx.errors import ConfigError


@pytest.mark.parametrize("command", ["connect", "verify", "report"])
def test_a_run_is_all_that_is_needed(command: str):
    arguments = parse([command, "RUN"])
    assert (arguments.command, arguments.run) == (command, "RUN")


@pytest.mark.parametrize(
    ("words", "missing"), [(["plot", "disconnectivity", "RUN"], "-o"), (["novelty", "RUN"], "--data")]
)
def test_what_cannot_be_guessed_is_asked_for(words: list[str], missing: str):
    with pytest.raises(ConfigError, match=missing):
        parse(words)


def test_numbers_of_connect_are_whole():
    assert parse(["connect", "RUN", "--max-evaluations", "1e6"]).max_evaluations == 1_000_000
    with pytest.raises(ConfigError, match="whole number"):
        parse(["connect", "RUN", "--bands", "few"])
