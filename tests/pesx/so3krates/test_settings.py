import dataclasses
import json

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


def test_a_baseline_survives_the_way_through_plain_values_and_tells_models_apart() -> None:
    settings = dataclasses.replace(SMALL, baseline=dataclasses.replace(SMALL, n_layers=2, zbl=True, cutoff=4.5))
    found = So3kratesSettings.from_dict(json.loads(json.dumps(settings.as_dict())))
    assert found == settings
    assert set(settings.identity()) == {*FIRST, "baseline"}
    assert set(settings.identity()["baseline"]) == {*FIRST, "zbl"}
    assert "baseline" not in SMALL.as_dict()
    assert settings.parts() == [SMALL, settings.baseline]


@pytest.mark.parametrize(("change", "message"), [({"elements": (1, 6)}, r"came \[7, 8\]"), ({"cutoff": 5.5}, "cutoff")])
def test_a_baseline_knows_all_elements_and_sees_no_farther(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(SMALL, baseline=dataclasses.replace(SMALL, **change))
