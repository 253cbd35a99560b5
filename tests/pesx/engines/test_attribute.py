import sys
from pathlib import Path

import pytest

from pesx.engines.attribute import load_attribute
from pesx.errors import InputError


def test_finds_modules_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_in_the_working_directory.py").write_text("thing = 3")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert load_attribute("module_in_the_working_directory:thing") == 3
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module_anywhere:thing", "No module named"),
        ("math:no_such_thing", "no such name"),
        ("math", "module:attribute"),
        ("math:", "module:attribute"),
        ("broken_module_for_tests:thing", "SyntaxError: invalid syntax"),
        ("ending_module_for_tests:thing", "SystemExit: 3"),
    ],
)
def test_says_what_is_wrong(name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_module_for_tests.py").write_text("this is no Python")
    (tmp_path / "ending_module_for_tests.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        load_attribute(name)
