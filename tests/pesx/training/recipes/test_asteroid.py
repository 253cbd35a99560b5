from dataclasses import replace

import numpy as np
import pytest

from pesx.errors import InputError, WrongFolderError
from pesx.so3krates import checkpoint
from pesx.training.dataset import Dataset
from pesx.training.recipes import train_by_recipe
from pesx.training.trainer import CURVES, MODEL


def test_a_recipe_goes_on_where_it_was_stopped(settings, labels, tmp_path):
    whole = train_by_recipe("asteroid", settings, labels, tmp_path / "whole")
    broken = tmp_path / "broken"
    short = replace(settings, stages={"pretrain": {"n_steps": 9}, "finetune": {"n_steps": 3}})
    train_by_recipe("asteroid", short, labels, broken)
    (broken / MODEL).unlink()
    with pytest.raises(WrongFolderError):
        train_by_recipe("asteroid", settings, labels, broken)
    first = (broken / "2-pretrain" / CURVES).read_text()
    resumed = train_by_recipe("asteroid", settings, labels, broken, resume=True)
    assert (broken / "2-pretrain" / CURVES).read_text() == first
    (one, card), (other, _) = checkpoint.load(whole), checkpoint.load(resumed)
    assert one.settings == other.settings
    assert 0 < card["recipe"]["bias"]["effective_share"] <= 1


def test_cheap_frames_without_forces_are_refused_before_any_stage(settings, labels, tmp_path):
    molecules = [replace(molecule, forces=np.full_like(molecule.forces, np.nan)) for molecule in labels.cheap.molecules]
    with pytest.raises(InputError, match=r"Expected forces of cheap frames for the recipe asteroid"):
        train_by_recipe("asteroid", settings, replace(labels, cheap=Dataset(tuple(molecules))), tmp_path)
    assert not any(tmp_path.iterdir())
