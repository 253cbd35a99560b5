from dataclasses import asdict

import pytest
import torch

from pesx.errors import RunFolderError, WrongFolderError
from pesx.training.muon import Muon
from pesx.training.resume import Position, Trained, load_state, save_state

IDENTITY = {"data": "abc", "model": {"degrees": (1, 2)}, "seed": 3}
AT = Position(step=7, epoch=1, batch=2, elapsed=1.5, skipped=1, best_score=0.25, best_step=5)


def trained(seed, n_steps):
    """A network, its average, and an optimiser that has made some steps."""
    torch.manual_seed(seed)
    model, averaged = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW([model.bias], amsgrad=True)
    muon = Muon([model.weight], lr=0.1)
    for _ in range(n_steps):
        model.zero_grad()
        model(torch.randn(4, 3)).square().sum().backward()
        optimiser.step()
        muon.step()
    return Trained(model, averaged, [optimiser, muon])


@pytest.fixture
def path(tmp_path):
    save_state(tmp_path / "state", AT, trained(0, 3), identity=IDENTITY)
    return tmp_path / "state"


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_everything_comes_back(path):
    before, after = trained(0, 3), trained(1, 0)
    assert asdict(load_state(path, after, identity=IDENTITY)) == asdict(AT)
    assert same(before.model.state_dict(), after.model.state_dict())
    assert same(before.averaged.state_dict(), after.averaged.state_dict())
    for one, other in zip(before.optimisers, after.optimisers, strict=True):
        assert one.state_dict()["state"]
        for index, moments in one.state_dict()["state"].items():
            assert same(moments, other.state_dict()["state"][index])


def test_a_resumed_optimiser_makes_the_step_of_one_that_went_on(path):
    one, other = trained(0, 3), trained(1, 0)
    load_state(path, other, identity=IDENTITY)
    for parts in (one, other):
        parts.model.zero_grad()
        parts.model(torch.ones(4, 3)).square().sum().backward()
        for optimiser in parts.optimisers:
            optimiser.step()
    assert same(one.model.state_dict(), other.model.state_dict())


def test_saving_replaces_the_file_as_a_whole(path):
    save_state(path, Position(step=9), trained(2, 1), identity=IDENTITY)
    assert load_state(path, trained(1, 0), identity=IDENTITY).step == 9
    assert [file.name for file in path.parent.iterdir()] == ["state"]


@pytest.mark.parametrize("changed", IDENTITY)
def test_another_run_is_refused_and_what_differs_is_named(path, changed):
    with pytest.raises(WrongFolderError, match=f"same {changed},"):
        load_state(path, trained(1, 0), identity=IDENTITY | {changed: "other"})


@pytest.mark.parametrize("missing", IDENTITY)
def test_a_run_that_says_more_of_itself_is_another(path, missing):
    with pytest.raises(WrongFolderError, match=f"same {missing},"):
        load_state(path, trained(1, 0), identity={key: IDENTITY[key] for key in IDENTITY if key != missing})


def test_another_format_is_refused(path, monkeypatch):
    monkeypatch.setattr("pesx.training.resume.FORMAT", "0")
    with pytest.raises(RunFolderError, match="format 0"):
        load_state(path, trained(1, 0), identity=IDENTITY)


def test_half_a_file_is_refused(path):
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(RunFolderError, match="cannot be read"):
        load_state(path, trained(1, 0), identity=IDENTITY)
