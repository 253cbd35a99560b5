"""Every example of README and documentation runs as it stands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/quickstart.md", "docs/extending.md")
LONGEST = 30


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the place and the text of every Python block of a page."""
    text = (ROOT / page).read_text()
    found = re.finditer(r"^```python\n(.*?)^```$", text, re.S | re.M)
    return [(f"{page}:{text.count(chr(10), 0, match.start()) + 1}", match[1]) for match in found]


EXAMPLES = [block for page in PAGES for block in blocks(page)]


def test_there_is_an_example_of_each_role():
    roles = ("potential", "move", "guard", "identity", "explorer", "engine")
    headings = re.findall(r"^## An? (\w+)$", (ROOT / "docs/extending.md").read_text(), re.M)
    assert tuple(headings) == roles
    assert len(blocks("docs/extending.md")) == len(roles)


@pytest.mark.parametrize(("place", "code"), EXAMPLES, ids=[place for place, _ in EXAMPLES])
def test_example_runs(place, code, tmp_path, monkeypatch):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, place, "exec"), {"__name__": "example"})


@pytest.mark.parametrize(("place", "code"), EXAMPLES, ids=[place for place, _ in EXAMPLES])
def test_example_is_short(place, code):
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= LONGEST, f"{place} has {len(lines)} lines"


@pytest.mark.slow
def test_the_first_run_of_the_quickstart_ends_as_the_page_shows(tmp_path):
    page = (ROOT / "docs/quickstart.md").read_text()
    command, shown = re.search(r"^```bash\npesx (.*?)\n```\n.*?^```\n(.*?)^```$", page, re.S | re.M).groups()
    run = [sys.executable, "-m", "pesx", *shlex.split(command)]
    done = subprocess.run(run, cwd=tmp_path, check=True, capture_output=True, text=True)
    said = [" ".join(line.split()) for line in (done.stdout + done.stderr).splitlines()]
    for line in filter(None, shown.splitlines()):
        pattern = re.escape(" ".join(line.split())).replace(re.escape("..."), ".+")
        assert any(re.fullmatch(pattern, other) for other in said), line
