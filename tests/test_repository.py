"""What holds for the repository as a whole: sizes, names, documentation, packaging."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

import pesx
from pesx.cli import main

ROOT = Path(__file__).parents[1]
FOLDERS = ("pesx", "analysis", "tests", "workflows", "benchmarks")
PYTHON = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
SOURCES = sorted(path for folder in ("pesx", "analysis") for path in (ROOT / folder).rglob("*.py"))
TEXTS = sorted(
    path
    for path in (*ROOT.iterdir(), *(p for f in (*FOLDERS, "docs", "examples", ".ci") for p in (ROOT / f).rglob("*")))
    if path.is_file() and path.suffix in {".py", ".md", ".toml", ".txt", ".yml", ".xyz", ".json", ""}
)

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
MOST_POSITIONAL = 4

UNTESTED = {
    "pesx/connect/jobs.py": "values only; the tests of rounds, judge and connecting make and read each of them",
    "pesx/errors.py": "classes without behaviour of their own; the tests of every caller match their messages",
    "pesx/landscape/records.py": "columns only; the tests of the store write and read each of them",
    "pesx/outcome.py": "a table; tests of quench, guards and sieve read it",
    "pesx/protocols.py": "signatures only; tests of the parts check against them",
    "pesx/typing.py": "aliases only",
}
"""Files without a test file of their own, and why."""

KERNELS = "pesx/so3krates/fused/"
"""Code that is compiled as one; it is tested as one, and its functions cannot have keyword-only arguments."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring."""
    body = function.body
    documented = body[0].end_lineno - body[0].lineno + 1 if ast.get_docstring(function) is not None else 0
    return function.end_lineno - function.lineno + 1 - documented


def public_parts(path: Path) -> list[tuple[str, ast.AST]]:
    """Return the module, its public classes and functions, and the public methods of the classes."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text())
    parts: list[tuple[str, ast.AST]] = [(name(path), tree)]
    for node in tree.body:
        if not isinstance(node, kinds) or node.name.startswith("_"):
            continue
        parts.append((f"{name(path)}: {node.name}", node))
        if isinstance(node, ast.ClassDef):
            methods = [item for item in node.body if isinstance(item, kinds) and not item.name.startswith("_")]
            parts += [(f"{name(path)}: {node.name}.{method.name}", method) for method in methods]
    return parts


def test_no_file_is_long():
    lengths = {name(path): len(path.read_text().splitlines()) for path in PYTHON}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_long():
    long = {
        f"{name(path)}: {function.name}": code_lines(function)
        for path in PYTHON
        for function in functions(path)
        if code_lines(function) > LONGEST_FUNCTION
    }
    assert long == {}


def test_public_functions_take_few_positional_arguments():
    many = []
    for path in SOURCES:
        for function in functions(path) if not name(path).startswith(KERNELS) else ():
            arguments = [item.arg for item in (*function.args.posonlyargs, *function.args.args)]
            arguments = arguments[arguments[:1] in (["self"], ["cls"]) :]
            if len(arguments) > MOST_POSITIONAL and not function.name.startswith("_"):
                many.append(f"{name(path)}: {function.name}")
    assert many == []


def test_every_public_part_is_documented():
    silent = [place for path in SOURCES for place, node in public_parts(path) if not _docstring(node, path)]
    assert silent == []


def _docstring(node: ast.AST, path: Path) -> bool:
    is_empty_package = path.name == "__init__.py" and not path.read_text().strip()
    return is_empty_package or ast.get_docstring(node) is not None


def test_only_the_command_line_imports_the_analysis():
    """The import linter cannot see it: the folder becomes ``pesx.analysis`` only when it is installed."""
    wrong = [
        name(path)
        for path in (ROOT / "pesx").rglob("*.py")
        if "cli" not in path.parts and re.search(r"^\s*(from|import) pesx\.analysis", path.read_text(), re.M)
    ]
    assert wrong == []
    drawing = re.compile(r"^\s*(from|import) (matplotlib|pandas|plotly)", re.M)
    assert [name(path) for path in (ROOT / "pesx").rglob("*.py") if drawing.search(path.read_text())] == []


def test_nothing_is_left_for_later():
    marks = re.compile("|".join(("Not" + "ImplementedError", "TO" + "DO", "FIX" + "ME", "X" + "XX")))
    assert [name(path) for path in PYTHON if marks.search(path.read_text())] == []


def test_no_text_names_a_place_on_one_machine():
    places = re.compile(r"(?<![\w.:/])/(?:home|Users|root|work|mnt|opt|tmp|scratch)/\w")
    found = {name(path): places.findall(path.read_text()) for path in TEXTS if path != Path(__file__)}
    assert {path: hits for path, hits in found.items() if hits} == {}


def test_no_text_tells_how_the_work_was_done():
    words = re.compile(r"\b(?:sessions?|helpers?|(?<!ing )(?<!user )(?<!user-)agents?|sittings?)\b", re.I)
    texts = {name(path): path.read_text().replace('scope="session"', "") for path in TEXTS if path != Path(__file__)}
    assert {path: hits for path, text in texts.items() if (hits := words.findall(text))} == {}


def test_every_source_file_has_its_test_file():
    missing = []
    for path in SOURCES:
        mirrored = ROOT / "tests" / path.relative_to(ROOT).with_name(f"test_{path.name}")
        is_exempt = path.name == "__init__.py" or name(path) in UNTESTED or name(path).startswith(KERNELS)
        if not is_exempt and not mirrored.is_file():
            missing.append(name(path))
    assert missing == []


def test_every_exception_is_one():
    for path in UNTESTED:
        mirrored = ROOT / "tests" / Path(path).with_name(f"test_{Path(path).name}")
        assert (ROOT / path).is_file()
        assert not mirrored.is_file(), f"{path} has a test file; take it out of the exceptions"


def test_public_names_are_sorted_and_there():
    assert pesx.__all__ == sorted(pesx.__all__)
    assert all(getattr(pesx, public) is not None for public in pesx.__all__)
    assert set(pesx._HOMES) == set(pesx.__all__)
    for public, home in pesx._HOMES.items():
        assert getattr(import_module(home), public) is getattr(pesx, public)


def test_public_names_are_those_of_the_documentation():
    section = re.search(r"^## Public names\n(.*?)(?=^## |\Z)", (ROOT / "docs/index.md").read_text(), re.S | re.M)
    assert section is not None
    assert re.findall(r"^\| `(\w+)` \|", section[1], re.M) == pesx.__all__


def test_packages_of_the_wheel_are_the_folders():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(ROOT) for path in SOURCES}
    expected = {
        ".".join(("pesx", *folder.parts) if folder.parts[0] == "analysis" else folder.parts) for folder in folders
    }
    assert sorted(listed) == sorted(expected)
    assert [name(ROOT / folder) for folder in sorted(folders) if not (ROOT / folder / "__init__.py").is_file()] == []


def test_links_of_the_documentation_lead_somewhere():
    broken = []
    for page in (path for path in TEXTS if path.suffix == ".md"):
        prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(), flags=re.S | re.M)
        for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", prose):
            is_remote = target.startswith(("http:", "https:")) or not target
            if not is_remote and not (page.parent / target).exists():
                broken.append(f"{name(page)}: {target}")
    assert broken == []


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert set(re.findall(r"[\w/]+\.md", navigation)) == pages


def help_of(capsys, *command: str) -> str:
    assert main([*command, "--help"]) == 0
    return capsys.readouterr().out


def test_every_command_and_flag_is_documented(capsys):
    text = (ROOT / "docs/cli.md").read_text()
    commands = re.findall(r"^    (\w+)  ", help_of(capsys), re.M)
    assert re.findall(r"^## pesx (\w+)$", text, re.M) == commands
    for command in commands:
        section = re.search(rf"^## pesx {command}\n(.*?)(?=^## |\Z)", text, re.S | re.M)[1]
        known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", help_of(capsys, command))) - {"-h", "--help"}
        named = set(re.findall(r"^\| `(--?[a-z][a-z-]*)", section, re.M))
        assert named == known, command


@pytest.mark.slow
def test_wheel_holds_the_package_alone(tmp_path):
    # From a copy, because building leaves a folder behind whose old files would get into the next wheel.
    copied = shutil.copytree(
        ROOT, tmp_path / "copy", ignore=shutil.ignore_patterns(".*", "build", "runs", "*.egg-info")
    )
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, copied], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {entry.split("/")[0].partition("-")[0] for entry in names} == {"pesx"}
    expected = {name(path) for path in SOURCES} - {name(path) for path in (ROOT / "analysis").rglob("*.py")}
    expected |= {"pesx/py.typed"} | {f"pesx/{name(path)}" for path in (ROOT / "analysis").rglob("*.py")}
    assert expected <= set(names)
    assert any(entry.startswith("pesx/data/") and entry.endswith(".safetensors") for entry in names)
