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
    """An engine of one's own, by name; the worker processes find it on their path."""
    (tmp_path / "own_engine.py").write_text("from ase.calculators.lj import LennardJones\nmake = LennardJones\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.syspath_prepend(tmp_path)
    return "own_engine:make"


def test_frames_of_a_file(pesx, frames, engine, tmp_path):
    out = tmp_path / "labels.db"
    answer = pesx("label", "--frames", frames, "--engine", engine, "--force-limit", "1e9", "--out", out)
    assert answer.code == 0, answer.err
    assert answer.out == ""
    with LabelStore(out) as store:
        assert sum(count for _, _, outcome, count in store.counts() if outcome == LABELLED) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "came neither"),
        (["plan.toml", "--frames", "x.extxyz"], "came both"),
        (["none.toml"], "none.toml"),
        (["none.toml", "--engine", "gfn1"], "--engine only beside --frames"),
        (["none.toml", "--workers", "0"], "--workers"),
        (["--frames", "none.extxyz"], "none.extxyz"),
    ],
)
def test_wrong_calls(pesx, arguments, words, tmp_path):
    answer = pesx("label", *arguments, "--out", tmp_path / "labels.db")
    assert answer.code == 2
    assert words in answer.message
