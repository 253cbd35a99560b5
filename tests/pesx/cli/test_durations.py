import pytest

from pesx.cli.durations import read_duration, read_rate
from pesx.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "fs"), [("0.5fs", 0.5), ("50ps", 5e4), ("1 ns", 1e6), ("2e-3us", 2e6), (".5FS", 0.5), ("1.ps", 1e3)]
)
def test_times_are_read_with_their_units(text: str, fs: float) -> None:
    assert read_duration(text, name="--time") == pytest.approx(fs)


@pytest.mark.parametrize("text", ["50", "ps", "50 min", "50ps.", "1/ps", "", "nan ps", "5s"])
def test_what_is_no_time_of_molecules_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="Expected --time as a number with fs, ps, ns or us; came"):
        read_duration(text, name="--time")


@pytest.mark.parametrize(("text", "rate"), [("1/ps", 1.0), ("0.002 / fs", 2.0), ("10/ns", 0.01)])
def test_rates_are_read_with_their_units(text: str, rate: float) -> None:
    assert read_rate(text, name="--friction") == pytest.approx(rate)


@pytest.mark.parametrize("text", ["1", "1ps", "/ps", "1/s", "1/ps/ps"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="Expected --friction"):
        read_rate(text, name="--friction")
