import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pesx import RunStore
from pesx.distributed.cluster import Cluster
from pesx.errors import ConfigError, MissingExtraError

HEAD, OTHER, PORT = "10.77.0.1", "10.77.0.2", "6380"
OUTSIDE = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "OMP_NUM_THREADS": "1"}


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


@contextmanager
def two_machines() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a cable between them: all that machines share is the file system."""
    names = tuple(f"pesx-{os.getpid()}-{side}" for side in "ab")
    try:
        try:
            for name in names:
                ip("netns", "add", name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces cannot be made here: {error.stderr.decode().strip()}")
        ip("link", "add", "pesx-a", "netns", names[0], "type", "veth", "peer", "name", "pesx-b", "netns", names[1])
        for name, end, address in zip(names, ("pesx-a", "pesx-b"), (HEAD, OTHER), strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True, timeout=30)


def wait_for_nodes(machine: str, n_nodes: int) -> None:
    ask = f"import ray; ray.init('{HEAD}:{PORT}', logging_level='ERROR'); print(len(ray.nodes()))"
    command = ["ip", "netns", "exec", machine, sys.executable, "-W", "ignore", "-c", ask]
    end = time.monotonic() + 120.0
    while time.monotonic() < end:
        try:
            asked = subprocess.run(command, env=OUTSIDE, capture_output=True, text=True, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            continue
        if asked.stdout.split()[-1:] == [str(n_nodes)]:
            return
        time.sleep(1.0)
    raise AssertionError(f"{n_nodes} nodes of Ray did not come up: {asked.stderr[-500:]}")


@contextmanager
def node(machine: str, n_nodes: int, *words: str) -> Iterator[None]:
    """A node of Ray on a machine, as long as the context lasts; it begins when so many nodes are there."""
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *words]
    command = ["ip", "netns", "exec", machine, *ray]
    with subprocess.Popen(
        command, env=OUTSIDE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as running:
        try:
            wait_for_nodes(machine, n_nodes)
            yield
        finally:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pesx\[distributed\]"):
        Cluster()


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere", "127.0.0.1:many"])
def test_an_address_where_nothing_answers_is_said(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match=address):
        Cluster(address)


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("ip") is None or not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="making network namespaces takes ip and root",
)
def test_a_worker_of_another_machine_joins_by_address(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    head = ["--head", f"--node-ip-address={HEAD}", f"--port={PORT}", "--num-cpus=0", "--include-dashboard=false"]
    # A folder of its own, or others would take this cluster for theirs; a short one, as sockets have to fit in.
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    head += [f"--temp-dir={folder}"]
    other = [f"--address={HEAD}:{PORT}", f"--node-ip-address={OTHER}", "--num-cpus=1"]
    search = [sys.executable, "-m", "pesx", "explore", "--molecule", "LJ7", "--potential", "lennard-jones"]
    search += ["--n-minima", "4", "--ray", f"{HEAD}:{PORT}", "--workers", "1", "--out", str(tmp_path / "run")]
    # The machine of the driver has no processor to lend, so what is found was found on the other one.
    with two_machines() as (a, b), node(a, 1, *head), node(b, 2, *other):
        done = subprocess.run(
            ["ip", "netns", "exec", a, *search], env=OUTSIDE, capture_output=True, text=True, timeout=120
        )
    shutil.rmtree(folder, ignore_errors=True)
    assert done.returncode == 0, done.stderr + done.stdout
    with RunStore.read(tmp_path / "run") as store:
        assert len(store.minima()) >= 4
