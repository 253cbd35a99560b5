import sys

import pytest

from pesx.distributed.cluster import Cluster
from pesx.errors import ConfigError, MissingExtraError


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pesx\[distributed\]"):
        Cluster()


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere", "127.0.0.1:many"])
def test_an_address_where_nothing_answers_is_said(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match=address):
        Cluster(address)
