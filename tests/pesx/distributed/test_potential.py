"""Batches shared among workers of a real cluster of this machine."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pesx.cli import main
from pesx.errors import EngineError
from pesx.landscape.store import RunStore
from pesx.potentials.lennard_jones import LennardJones
from pesx.state import Evaluation
from pesx.typing import Positions

pytest.importorskip("ray")
from pesx.distributed.cluster import Cluster
from pesx.distributed.potential import RayPotential

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as found:
        yield found


def batch(n: int) -> Positions:
    return 2.0 * torch.randn(n, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_every_row_has_the_bits_of_one_process(cluster: Cluster, n: int) -> None:
    potential = RayPotential(cluster, LennardJones, n_workers=2)
    try:
        there, here = potential(batch(n)), LennardJones()(batch(n))
    finally:
        potential.close()
    assert torch.equal(there.energy, here.energy)
    assert torch.equal(there.forces, here.forces)


class Mortal:
    """Dies over rows far out, and once over its first call of all."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __call__(self) -> "Mortal":
        self.evaluate = LennardJones()
        return self

    def answer(self, positions: Positions) -> Evaluation:
        if not os.path.exists(self.mark):
            open(self.mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        if (positions > 900.0).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return self.evaluate(positions)


class Made:
    """Makes that potential."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __call__(self) -> object:
        return Mortal(self.mark)().answer


def test_another_worker_answers_for_one_that_died(cluster: Cluster, tmp_path: Path) -> None:
    potential = RayPotential(cluster, Made(f"{tmp_path}/mark"), n_workers=1)
    assert torch.equal(potential(batch(2)).energy, LennardJones()(batch(2)).energy)
    with pytest.raises(EngineError, match="one part of a batch"):
        potential(batch(2) + 1000.0)
    potential.close()


def test_dynamics_on_a_cluster_have_the_bits_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("tblite")
    flags = [
        "--every",
        "5fs",
        "--molecule",
        "CCO",
        "--potential",
        "gfn2",
        "--replicas",
        "2",
        "--temperature",
        "300",
        "--time",
        "10fs",
    ]
    for name, more in (("here", []), ("there", ["--ray", "auto", "--workers", "2"])):
        assert main(["md", *flags, "--out", str(tmp_path / name), *more]) == 0
    found = [sorted((tmp_path / name / "energies").glob("*")) for name in ("here", "there")]
    assert [path.read_bytes() for path in found[0]] == [path.read_bytes() for path in found[1]]


def test_paths_on_a_cluster_are_those_of_one_process(tmp_path: Path) -> None:
    run = ["explore", "--molecule", "LJ6", "--mirror", "merge", "--potential", "lennard-jones", "--n-minima", "2"]
    assert main([*run, "--out", str(tmp_path / "run")]) == 0
    found = []
    for name, more in (("here", []), ("there", ["--ray", "auto", "--workers", "2"])):
        shutil.copytree(tmp_path / "run", tmp_path / name)
        assert main(["connect", str(tmp_path / name), "--around", "0", *more]) == 0
        with RunStore.read(tmp_path / name) as store:
            found.append(store.transition_states())
    # Not to the bit: a cluster knows forces alone, and second derivatives are differences of them there.
    assert found[0].energy.tolist() == pytest.approx(found[1].energy.tolist(), abs=1e-8)
