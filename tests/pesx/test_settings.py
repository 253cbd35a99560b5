from dataclasses import replace
from math import inf, nan

import pytest
import torch

from pesx.config import from_table, read_toml, to_table
from pesx.errors import ConfigError, RunFolderError
from pesx.settings import DEFAULT_WINDOW, ExploreSettings, read_settings, settled, write_settings

LJ8 = ExploreSettings("LJ8", potential="lennard-jones")


def test_settings_come_back_as_they_were_written(tmp_path):
    settings = replace(LJ8, energy_window=inf, method="basin-hopping", max_time=7200.5, patience=inf, charge=0)
    write_settings(settings, tmp_path)
    assert read_settings(tmp_path) == settings
    assert from_table(ExploreSettings, read_toml(tmp_path / "config.toml")) == settings
    assert from_table(ExploreSettings, to_table(settings)) == settings


def test_a_folder_without_settings(tmp_path):
    with pytest.raises(RunFolderError, match=r"config\.toml"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("n_minima", 0, "at least 1"),
        ("max_time", -1.0, "at least 0"),
        ("max_time", nan, "at least 0"),
        ("patience", nan, "at least 0"),
        ("energy_window", 0.0, "above 0"),
        ("energy_window", nan, "above 0"),
        ("ladder", 0.5, "from 1"),
        ("ladder", nan, "from 1"),
        ("ladder", inf, "from 1"),
        ("workers", -1, "from 0"),
        ("workers", nan, "from 0"),
        ("seed", -1, "from 0"),
        ("seed", 2**64, "to 18446744073709551615"),
        ("replicas", 10**30, "from 0"),
    ],
)
def test_settings_out_of_range(name, value, words):
    with pytest.raises(ConfigError, match=rf"--{name.replace('_', '-')}\b.*{words}.*; came {value}"):
        replace(LJ8, **{name: value})


def test_the_largest_seed():
    assert replace(LJ8, seed=2**64 - 1).seed == 2**64 - 1


@pytest.mark.parametrize("value", [0, inf])
def test_no_limit_of_time_and_patience(value):
    stop = replace(LJ8, max_time=value, patience=value).stop
    assert (stop.max_seconds, stop.patience) == (None, inf)


def test_what_is_left_open_is_chosen():
    own = settled(replace(LJ8, potential="my:own", device="auto"))
    assert (own.replicas, own.energy_window, own.device, own.precision) == (32, DEFAULT_WINDOW, "cpu", "float64")
    assert settled(LJ8).energy_window == inf
    learned = settled(replace(LJ8, potential="so3krates"))
    has_gpu = torch.cuda.is_available()
    assert (learned.replicas, learned.device) == ((512, "cuda") if has_gpu else (32, "cpu"))
    assert learned.precision == "float32"


def test_what_was_said_is_kept():
    settings = replace(LJ8, potential="so3krates", replicas=7, energy_window=0.3, device="cpu", precision="float64")
    assert settled(settings) == settings
    assert settled(settled(LJ8)) == settled(LJ8)


def test_another_device_keeps_the_replicas():
    # Tensors of the device meta have no data; that makes it one beside the CPU on every machine.
    assert settled(replace(LJ8, potential="so3krates", device="meta")).replicas == 512
    chosen = settled(replace(LJ8, potential="so3krates", device="cpu"))
    assert settled(replace(chosen, device="meta")).replicas == 32


@pytest.mark.parametrize("potential", ["my:own", "gfn2", "lennard-jones"])
def test_a_device_that_the_potential_would_not_use_is_refused(potential):
    with pytest.raises(ConfigError, match=r"--device auto or cpu .*; came 'cuda'"):
        settled(replace(LJ8, potential=potential, device="cuda"))
