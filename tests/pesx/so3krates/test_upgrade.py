from pesx.so3krates.settings import FIRST, So3kratesSettings
from pesx.so3krates.upgrade import VERSION, upgraded

OLD = {name: value for name, value in So3kratesSettings(features=48).as_dict().items() if name in FIRST}


def test_version_1_becomes_the_network_that_it_was() -> None:
    new = upgraded(OLD, 1)
    assert So3kratesSettings.from_dict(new) == So3kratesSettings(features=48)
    assert {name: new[name] for name in FIRST} == OLD
    assert So3kratesSettings.from_dict(new).identity() == OLD


def test_settings_of_today_stay_as_they_are() -> None:
    today = So3kratesSettings(zbl=True).as_dict()
    assert upgraded(today, VERSION) == today
