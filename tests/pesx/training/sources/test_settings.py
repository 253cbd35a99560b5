import pytest

from pesx.errors import ConfigError
from pesx.training.sources.settings import DataSettings, FileSettings


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"energy_unit": "Ry"}, "a.npz, energy_unit: Expected a unit of energy, came 'Ry'"),
        ({"length_unit": "pm"}, "length_unit"),
        ({"force_unit": "eV"}, "force_unit"),
        ({"labels": ("energy", "stress")}, "labels out of energy, forces, came 'stress'"),
        ({"keys": {"box": "L"}}, "keys out of energy, forces, positions, numbers, came 'box'"),
        ({"start": -1}, "start"),
        ({"step": 0}, "step"),
        ({"start": 5, "stop": 5}, "stop above start"),
        ({"temperature": 0.0}, "temperature above 0"),
        ({"multiplicity": 0}, "multiplicity of at least 1"),
        ({"trajectory_frames": 0}, "trajectory_frames of at least 1"),
    ],
)
def test_what_is_out_of_range(wrong, words):
    with pytest.raises(ConfigError, match=words):
        FileSettings("a.npz", **wrong)


def test_a_data_file_names_files():
    with pytest.raises(ConfigError, match="files"):
        DataSettings(())
