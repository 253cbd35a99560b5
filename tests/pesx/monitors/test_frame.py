import json

from pesx.monitors import Cause, Event


def test_event_as_json():
    event = Event(3, 7, 0.07, Cause.NON_FINITE, (1, 2), float("nan"), "Gone.")
    found = json.loads(json.dumps(event.as_json(), allow_nan=False))
    assert found["cause"] == "NON_FINITE"
    assert found["value"] is None
    assert found["atoms"] == [1, 2]
    assert Event(0, 0, 0.0, Cause.HOT, (), float("inf"), "Hot.").as_json()["value"] is None
    assert Event(0, 0, 0.0, Cause.HOT, (), 700.0, "Hot.").as_json()["value"] == 700.0
