"""Tasks on a real cluster of this machine."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pesx.cli import main
from pesx.engines.workers import Failed, Refused
from pesx.errors import EngineError, InputError
from pesx.labelling.store import LabelStore

pytest.importorskip("ray")
from pesx.distributed.cluster import Cluster
from pesx.distributed.pool import RayPool

pytestmark = pytest.mark.slow


class Squares:
    """Squares numbers, and does worse with some."""

    def __call__(self) -> Callable[[int], float]:
        return self.work

    @staticmethod
    def work(number: int) -> float:
        if number == 3:
            raise EngineError("not three")
        if number == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 7:
            raise ZeroDivisionError("seven")
        if number == 100:
            raise InputError("no hundreds")
        return number**2


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as found:
        yield found


def test_every_task_has_a_result_or_a_reason(cluster: Cluster) -> None:
    with RayPool(Squares(), cluster=cluster, n_workers=2) as pool:
        results = dict(pool.run(range(10)))
    assert isinstance(results[3], Refused)
    assert isinstance(results[5], Failed)
    assert results[5].died
    assert isinstance(results[7], Failed)
    assert not results[7].died
    assert {number: results[number] for number in (0, 1, 2, 4, 6, 8, 9)} == {n: n**2 for n in (0, 1, 2, 4, 6, 8, 9)}


def test_what_only_the_caller_can_put_right_is_raised(cluster: Cluster) -> None:
    with RayPool(Squares(), cluster=cluster, n_workers=1) as pool, pytest.raises(InputError, match="no hundreds"):
        list(pool.run([1, 100]))


def test_labels_of_a_cluster_are_those_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("tblite")
    frames = tmp_path / "water.xyz"
    water = "3\n\nO 0 0 0.{}\nH 0 0.76 0.6\nH 0 -0.76 0.6\n"
    frames.write_text("".join(water.format(digit) for digit in range(6)))
    energies = []
    for name, flags in (("here", []), ("there", ["--ray", "auto", "--workers", "2"])):
        out = tmp_path / f"{name}.db"
        assert main(["label", "--frames", str(frames), "--engine", "gfn2", "--out", str(out), *flags]) == 0
        with LabelStore(out) as store:
            energies.append([sorted(store.frames(one.id)["energy"].tolist()) for one in store.molecules()])
    assert energies[0] == energies[1]
