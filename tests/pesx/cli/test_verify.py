import json
from argparse import Namespace

import numpy as np
import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.cli.verify import chosen
from pesx.landscape.records import Quenches, StoredMinima
from pesx.landscape.store import RunStore
from pesx.settings import ExploreSettings, write_settings


@pytest.fixture
def ethanols(tmp_path):
    """A run of ethanol whose two minima are its embedded geometry and the same a little distorted."""
    molecule = read_molecule("CCO")
    noise = torch.randn(molecule.positions.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    starts = torch.stack([molecule.positions, molecule.positions + 0.02 * noise])
    nothing = torch.full((2,), torch.nan, dtype=torch.float64)
    zero, count = np.zeros(2, dtype=int), torch.arange(2)
    names = ("walker", "hop", "outcome", "energy", "n_evaluations", "started_from", "is_accepted")
    folder = tmp_path / "ethanol"
    with RunStore.create(folder, molecule) as store, store.transaction():
        energy = torch.tensor([0.1, 0.0], dtype=torch.float64)
        store.add_minima(StoredMinima(starts, energy, nothing, nothing, nothing, count, count, ["|"] * 2))
        store.add_quenches(Quenches(**dict.fromkeys(names, zero), move=np.array(["seed"] * 2), minimum=np.arange(2)))
    write_settings(ExploreSettings("CCO", energy_window=1.0), folder)
    return folder


def test_ethanol_survives_and_is_not_relaxed_twice(pesx, ethanols):
    first = pesx("verify", ethanols, "--lowest", "1", "--json")
    assert first.code == 0, first.err
    assert json.loads(first.out)["all_atoms"] == pytest.approx(
        {"count": 1, "total": 1, "share": 1.0, "lower": 0.2065, "upper": 1.0}, abs=1e-4
    )
    with RunStore.read(ethanols) as store:
        verified = store.verifications()
    assert (verified.minimum.tolist(), verified.level.tolist()) == ([1], ["GFN2-xTB"])
    again = pesx("verify", ethanols, "--minima", "1")
    assert "1 of 1 minima are done already" in again.err
    assert "1 of 1, 100% (21% to 100%)" in again.out


def ask(**flags):
    nothing = dict.fromkeys(("minima", "lowest", "sample")) | {"new": False, "known": False, "seed": 0}
    return Namespace(**(nothing | flags))


@pytest.fixture
def minima():
    energy = torch.tensor([0.5, 0.1, 0.3, 0.2, 0.4])
    column = torch.zeros(5)
    return StoredMinima(torch.zeros(5, 1, 3), energy, column, column, column, column, column, [""] * 5)


def test_which_minima(minima, tmp_path):
    assert chosen(ask(), minima, tmp_path) == [0, 1, 2, 3, 4]
    assert chosen(ask(minima="3,0,3"), minima, tmp_path) == [3, 0]
    assert chosen(ask(lowest=2), minima, tmp_path) == [1, 3]
    assert sorted(chosen(ask(sample=9), minima, tmp_path)) == [0, 1, 2, 3, 4]
    small, large = (chosen(ask(sample=n, seed=3), minima, tmp_path) for n in (2, 4))
    assert large[:2] == small
    assert any(
        chosen(ask(sample=5, seed=seed), minima, tmp_path) != chosen(ask(sample=5), minima, tmp_path) for seed in (1, 2)
    )


def test_new_and_known_minima(minima, tmp_path):
    (tmp_path / "novelty.csv").write_text("minimum,new\n4,no\n1,yes\n0,yes\n")
    assert chosen(ask(new=True), minima, tmp_path) == [0, 1]
    assert chosen(ask(known=True), minima, tmp_path) == [4]
    assert chosen(ask(new=True, lowest=1), minima, tmp_path) == [1]
    assert chosen(ask(new=True, sample=1), minima, tmp_path)[0] in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--minima", "1,x"], "3,17,20"),
        (["--minima", "7"], "out of the 2"),
        (["--sample", "0"], "--sample of at least 1"),
        (["--sample", "1", "--lowest", "1"], "--sample, --lowest"),
        (["--new", "--known"], "--new, --known"),
        (["--new"], "Run pesx novelty first"),
        (["--fmax", "0"], "fmax"),
        (["--level", "b3lyp"], "b3lyp"),
        (["--engine", "gfn3"], "gfn3"),
    ],
)
def test_wrong_calls(pesx, ethanols, arguments, words):
    answer = pesx("verify", ethanols, *arguments)
    assert answer.code == 2
    assert words in answer.message


def test_a_cluster_has_no_reference(pesx, lj7):
    answer = pesx("verify", lj7)
    assert answer.code == 2
    assert "with bonds" in answer.message
