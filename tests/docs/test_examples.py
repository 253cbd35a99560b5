"""Every example of README and documentation runs as it stands."""

import re
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
