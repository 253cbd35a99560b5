import dataclasses

import pytest

from pesx.errors import ConfigError
from pesx.so3krates.settings import FIRST, So3kratesSettings

SMALL = So3kratesSettings(features=48)


@pytest.mark.parametrize(
    "change",
    [
        {"radial_basis": "fourier"},
        {"cutoff_function": "step"},
        {"readout_features": 0},
        {"layer_norm_epsilon": 0.0},
        {"electrostatic_damping": -1.0},
        {"long_range_cutoff": 1.5},
    ],
)
def test_options_out_of_range_are_refused(change: dict) -> None:
    with pytest.raises(ConfigError, match="Expected"):
        dataclasses.replace(SMALL, **change)


def test_names_that_are_unknown_are_named_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match=r"physnet, bernstein, .*'fourier'"):
        So3kratesSettings(radial_basis="fourier")


def test_all_options_survive_the_way_through_plain_values() -> None:
    settings = dataclasses.replace(SMALL, radial_basis="bessel", long_range_cutoff=12.0, zbl=True, readout_features=16)
    assert So3kratesSettings.from_dict(settings.as_dict()) == settings


def test_identity_holds_what_was_there_first_and_options_in_use() -> None:
    assert tuple(SMALL.identity()) == FIRST
    assert set(dataclasses.replace(SMALL, zbl=True).identity()) == {*FIRST, "zbl"}


def test_width_of_readouts_is_that_of_features_unless_given() -> None:
    assert SMALL.readout_width == 48
    assert dataclasses.replace(SMALL, readout_features=16).readout_width == 16


def test_either_part_makes_a_model_long_ranged() -> None:
    assert not SMALL.is_long_ranged
    assert dataclasses.replace(SMALL, dispersion=True).is_long_ranged
    assert dataclasses.replace(SMALL, electrostatics=True).is_long_ranged
