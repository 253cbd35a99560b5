import pytest

from pesx.labelling.store import LABELLED, LabelStore

FRAMES = """3
Properties=species:S:1:pos:R:3 name=water
O 0.0 0.0 0.0
H 0.96 0.0 0.0
H -0.24 0.93 0.0
3
Properties=species:S:1:pos:R:3 name=water
O 0.0 0.0 0.0
H 1.00 0.0 0.0
H -0.24 0.93 0.0
"""


@pytest.fixture
def frames(tmp_path):
    path = tmp_path / "frames.extxyz"
    path.write_text(FRAMES)
    return path


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """An engine of one's own in the working directory, by name."""
    (tmp_path / "own_engine.py").write_text("from ase.calculators.lj import LennardJones\nmake = LennardJones\n")
    monkeypatch.chdir(tmp_path)
    return "own_engine:make"


def test_frames_of_a_file(pesx, frames, engine, tmp_path):
    out = tmp_path / "labels.db"
    answer = pesx("label", "--frames", frames, "--engine", engine, "--force-limit", "1e9", "--out", out)
    assert answer.code == 0, answer.err
    assert answer.out == ""
    with LabelStore(out) as store:
        assert sum(count for _, _, outcome, count in store.counts() if outcome == LABELLED) == 2


def test_no_label_at_all_is_a_failure(pesx, frames, engine, tmp_path):
    arguments = ("label", "--frames", frames, "--engine", engine, "--force-limit", "1e-9", "--out", tmp_path / "a.db")
    first, second = pesx(*arguments), pesx(*arguments)
    assert (first.code, second.code) == (1, 1)
    assert "1 tasks done" in first.err
    assert "0 tasks done" in second.err


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (["no_such_module_anywhere:make"], "no_such_module_anywhere"),
        (["pyscf", "--level", "foo/bar"], "FOO"),
        (["pyscf", "--level", "pbe/bar"], "basis"),
    ],
)
def test_an_engine_that_cannot_be_had_is_a_wrong_call(pesx, frames, engine, words, tmp_path):
    for _ in range(2):
        answer = pesx("label", "--frames", frames, "--engine", *engine, "--out", tmp_path / "labels.db")
        assert answer.code == 2
        assert words in answer.err.splitlines()[-1]
    assert not (tmp_path / "labels.db").exists()


def test_a_file_that_holds_something_else_is_left_alone(pesx, frames):
    answer = pesx("label", "--frames", frames, "--out", frames)
    assert answer.code == 2
    assert "frames.extxyz is not one" in answer.message
    assert frames.read_text() == FRAMES


def test_a_frame_that_makes_no_sense_is_named(pesx, frames, tmp_path):
    frames.write_text(FRAMES + "1\nProperties=species:S:1:pos:R:3 charge=abc\nO 0 0 0\n")
    answer = pesx("label", "--frames", frames, "--out", tmp_path / "labels.db")
    assert answer.code == 2
    assert "frames.extxyz, frame 2: expected a whole number for charge" in answer.message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "came neither"),
        (["plan.toml", "--frames", "x.extxyz"], "came both"),
        (["none.toml"], "none.toml"),
        (["none.toml", "--engine", "gfn1"], "--engine only beside --frames"),
        (["none.toml", "--energies-only"], "--energies-only only beside --frames"),
        (["none.toml", "--workers", "0"], "--workers"),
        (["none.toml", "--threads", "0"], "--threads"),
        (["--frames", "none.extxyz"], "none.extxyz"),
        (["--frames", "none.extxyz", "--force-limit", "nan"], "force limit above 0"),
    ],
)
def test_wrong_calls(pesx, arguments, words, tmp_path):
    answer = pesx("label", *arguments, "--out", tmp_path / "labels.db")
    assert answer.code == 2
    assert words in answer.message
