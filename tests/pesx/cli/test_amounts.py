import pytest

from pesx.cli.amounts import read_energy, read_time, time_text
from pesx.errors import ConfigError
from pesx.units import KCAL_PER_MOL, KJ_PER_MOL


@pytest.mark.parametrize(
    ("text", "energy"),
    [
        ("10kcal/mol", 10 * KCAL_PER_MOL),
        (" 10 kcal/mol ", 10 * KCAL_PER_MOL),
        ("0.4eV", 0.4),
        ("400 meV", 0.4),
        ("50kJ/mol", 50 * KJ_PER_MOL),
        ("1e-1EV", 0.1),
        ("inf", float("inf")),
    ],
)
def test_energies_with_units(text, energy):
    assert read_energy(text, is_reduced=False) == pytest.approx(energy)


def test_reduced_energies_are_plain_numbers():
    assert read_energy("2.5", is_reduced=True) == 2.5
    assert read_energy("inf", is_reduced=True) == float("inf")
    with pytest.raises(ConfigError, match="without a unit"):
        read_energy("2.5eV", is_reduced=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10", "with its unit"),
        ("10 parsec", "in eV, meV"),
        ("ten eV", "Expected an amount"),
        ("nan", "Expected an amount"),
        ("-5kcal/mol", "at least 0; came '-5kcal/mol'"),
        ("", "Expected an amount"),
    ],
)
def test_energies_that_are_none(text, words):
    with pytest.raises(ConfigError, match=words) as caught:
        read_energy(text, is_reduced=False, name="--window")
    assert "--window" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("30min", 1800), ("90s", 90), ("90", 90), ("1.5 d", 129600)]
)
def test_times(text, seconds):
    assert read_time(text) == seconds


@pytest.mark.parametrize("text", ["2 weeks", "soon", "h", "-5s"])
def test_times_that_are_none(text):
    with pytest.raises(ConfigError, match="--max-time"):
        read_time(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "1 h 00 min"), (3900, "1 h 05 min")]
)
def test_times_are_written_for_people(seconds, text):
    assert time_text(seconds) == text
