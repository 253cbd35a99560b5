import pytest

from pesx.errors import ConfigError
from pesx.training.sources.format import Format
from pesx.training.sources.settings import FileSettings

FORMAT = Format("made up", lambda _: [], energy_unit="hartree", gradients=True)


def test_what_a_format_fixes_is_filled_in():
    settings = FORMAT.completed(FileSettings("a"))
    assert (settings.format, settings.energy_unit, settings.length_unit) == ("made up", "hartree", "")
    assert (settings.gradients, settings.relative) == (True, False)


def test_what_settings_say_stays():
    settings = FORMAT.completed(FileSettings("a", energy_unit="eV", gradients=False, relative=True))
    assert (settings.energy_unit, settings.gradients, settings.relative) == ("eV", False, True)


def test_a_column_of_forces_of_another_name_may_hold_either():
    with pytest.raises(ConfigError, match="'dft_forces' holds gradients or forces"):
        FORMAT.completed(FileSettings("a", keys={"forces": "dft_forces"}))
    assert not FORMAT.completed(FileSettings("a", gradients=False, keys={"forces": "dft_forces"})).gradients
