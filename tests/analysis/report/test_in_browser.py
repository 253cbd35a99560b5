"""The report in a real browser, driven through its DevTools protocol over a pipe, with the network off."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pesx.analysis.report import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1300,1000",
    "--remote-debugging-pipe",
)
PATIENCE = 120.0
"""Seconds; a busy machine takes long to start a browser."""

_START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads messages from descriptor 3 and writes them to 4."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


class Browser:
    """One page of a headless Chromium. Messages are JSON with a zero byte behind each."""

    def __init__(self, profile: Path) -> None:
        ends = [*os.pipe(), *os.pipe()]
        pipes = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in ends]
        self._write_to, self._read_from = pipes[1], pipes[2]
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(pipes[0]), str(pipes[3]), *command],
            pass_fds=(pipes[0], pipes[3]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (*ends, pipes[0], pipes[3]):
            os.close(end)
        self._buffer = b""
        self._count = 0
        self._page = ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._page = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        nothing = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        self.call("Network.emulateNetworkConditions", offline=True, **nothing)

    def close(self) -> None:
        os.close(self._write_to)
        os.close(self._read_from)
        self._process.terminate()
        self._process.wait()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        own = {"sessionId": self._page} if self._page else {}
        message = {"id": self._count, "method": method, "params": parameters, **own}
        os.write(self._write_to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read_from], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._read_from, 65536)
            assert piece, "the browser has ended"
            self._buffer += piece
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, page: Path) -> None:
        self.call("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + PATIENCE
        while self.evaluate("document.body && document.body.dataset.ready") != "yes":
            assert time.monotonic() < deadline, self.errors
            time.sleep(0.05)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x: float, y: float) -> None:
        self.mouse("mouseMoved", x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def middle(self, selector: str) -> tuple[float, float]:
        """Bring an element into view and return its middle."""
        box = self.evaluate(
            f"(() => {{ const node = document.querySelector({json.dumps(selector)});"
            "node.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = node.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; })()"
        )
        return box[0], box[1]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """What the console would show in red, and exceptions."""
        found = []
        for event in self.events:
            parameters = event.get("params", {})
            is_thrown = event.get("method") == "Runtime.exceptionThrown"
            is_logged = event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning")
            is_called = event.get("method") == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning")
            found += [event] * (is_thrown or is_logged or is_called)
        return found

    @property
    def requests(self) -> list[str]:
        """Addresses that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    profile = tmp_path / "profile"
    opened = Browser(profile)
    yield opened
    opened.close()


CHOSEN = "document.querySelector('#viewer canvas').dataset.minimum"
PICTURE = "document.querySelector('#viewer canvas').toDataURL()"
NAME = "document.querySelector('.viewbar b').textContent"


def test_a_click_on_a_leaf_shows_its_structure(folder, tmp_path, browser):
    place = folder(
        [-1.0, -0.99, -0.98, -0.97], saddles=[(-0.96, 0, 1), (-0.95, 1, 2), (-0.94, 2, 3)], novelty={0: "no", 2: "yes"}
    )
    page = write_report(place, tmp_path / "report.html")
    browser.open(page)
    assert browser.evaluate(CHOSEN) == "0"  # the lowest, at first
    before = browser.evaluate(PICTURE)

    # The nodes are in the order of the minima, so the third dot is that of minimum 2.
    leaf = browser.middle("#disconnectivity-svg g circle:nth-of-type(3)")
    browser.mouse("mouseMoved", *leaf)
    assert browser.evaluate("document.getElementById('tip').textContent").startswith("Minimum 2")
    browser.click(*leaf)
    assert browser.evaluate(CHOSEN) == "2"
    assert browser.evaluate(NAME) == "Minimum 2"
    picture = browser.evaluate(PICTURE)
    assert picture != before
    assert browser.evaluate("document.querySelector('tr.chosen').dataset.minimum") == "2"

    x, y = browser.middle("#viewer canvas")
    browser.mouse("mouseMoved", x, y)
    browser.mouse("mousePressed", x, y, button="left", clickCount=1)
    browser.mouse("mouseMoved", x + 60, y + 10, button="left", buttons=1)
    browser.mouse("mouseReleased", x + 60, y + 10, button="left", clickCount=1)
    turned = browser.evaluate(PICTURE)
    assert turned != picture
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-300)
    assert browser.evaluate(PICTURE) != turned
    assert browser.errors == []
    assert {url.split(":")[0] for url in browser.requests} <= {"file", "about", "data"}
    assert [url for url in browser.requests if url.startswith("file")] == [page.as_uri()]


def test_map_table_and_menus(folder, tmp_path, browser):
    place = folder([-1.0, -0.99, -0.98, -0.97], novelty={0: "no", 2: "yes"})
    browser.open(write_report(place, tmp_path / "report.html"))
    browser.click(*browser.middle("tr[data-minimum='3']"))
    assert browser.evaluate(CHOSEN) == "3"
    dot = browser.middle("#map-svg g:not(.axes):not(.legend) circle")
    browser.click(*dot)
    assert browser.evaluate(CHOSEN) == "0"
    for number, menu in enumerate(
        browser.evaluate("[...document.querySelectorAll('select')].map((list) => list.options.length)")
    ):
        for row in range(menu):
            browser.evaluate(
                f"(() => {{ const list = document.querySelectorAll('select')[{number}]; list.selectedIndex = {row};"
                "list.dispatchEvent(new Event('change')); })()"
            )
    browser.evaluate("document.querySelectorAll('th.sorts').forEach((head) => head.click())")
    browser.evaluate("document.querySelectorAll('#graph button').forEach((button) => button.click())")
    assert browser.evaluate(CHOSEN) == "0"
    assert "NaN" not in browser.evaluate("[...document.querySelectorAll('svg')].map((svg) => svg.outerHTML).join('')")
    assert browser.errors == []


def test_data_can_be_saved(folder, tmp_path, browser):
    browser.open(write_report(folder([-1.0, -0.99], saddles=[(-0.9, 0, 1)]), tmp_path / "report.html"))
    saved = tmp_path / "saved"
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(saved))
    names = browser.evaluate(
        "[...document.querySelectorAll('figcaption a')].filter((link) => link.textContent.startsWith('CSV')).length"
    )
    assert names >= 6
    browser.click(*browser.middle("#graph figcaption a"))
    deadline = time.monotonic() + PATIENCE
    while not (found := list(saved.glob("*.csv"))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found[0].name == "disconnectivity.csv"
    header, *rows = found[0].read_text().splitlines()
    assert header == "node,kind,number,drawn at (kcal/mol),parent,place"
    assert [row.split(",")[1] for row in rows] == ["minimum", "minimum", "join"]
    assert browser.errors == []


@pytest.mark.parametrize("case", ["empty", "one", "infinite", "cluster", "flat"])
def test_runs_with_little_in_them(case: str, folder: Callable[..., Path], cluster, tmp_path, browser):
    make = {
        "empty": lambda: folder([]),
        "one": lambda: folder([-1767.0]),
        "infinite": lambda: folder([float("inf"), float("inf")]),
        "cluster": lambda: folder([-6.0], molecule=cluster, positions=cluster.positions[None], unit="epsilon"),
        "flat": lambda: folder([-1.0, -1.0, -1.0], positions=torch.zeros((3, 19, 3), dtype=torch.float64)),
    }
    browser.open(write_report(make[case](), tmp_path / "report.html"))
    assert browser.errors == []
    assert "NaN" not in browser.evaluate("[...document.querySelectorAll('svg')].map((svg) => svg.outerHTML).join('')")
    text = browser.evaluate("document.body.innerText")
    assert ("no minimum was found yet" in text) == (case == "empty")
    assert "undefined" not in text
    assert "NaN" not in text
