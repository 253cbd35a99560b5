import hashlib
import json

import pytest
import torch

from pesx.config import from_table
from pesx.so3krates.uncertainty import Uncertainty
from pesx.training.calibrate import Calibration
from pesx.training.card import model_card, with_uncertainty
from pesx.training.evaluate import evaluate
from pesx.training.settings import TrainingSettings

SETTINGS = TrainingSettings(n_steps=7, learning_rate=3e-3)


@pytest.fixture
def make(toy_data, toy_references, toy_model):
    def card(settings=SETTINGS, digest="abc"):
        errors = {"validation": evaluate(toy_model, toy_data)}
        return model_card(
            settings, toy_data, toy_data, references=toy_references, digest=digest, errors=errors, run={"step": 7}
        )

    return card


def test_a_card_says_what_it_takes_to_make_the_model_again(make):
    card = json.loads(json.dumps(make()))
    assert from_table(TrainingSettings, card["settings"]) == SETTINGS
    assert card["data_sha256"] == "abc"
    assert card["level_of_theory"] == "toy"
    assert card["training_frames"] == {"toy": {"molecule 0": 6, "molecule 1": 5}}
    assert card["reference_energies_eV"] == {"toy": {"1": -10.0, "6": -10.0, "8": -10.0}}
    assert [item["name"] for item in card["errors"]["validation"]][:2] == ["all", "molecule 0"]


def test_the_hash_covers_everything_else(make):
    card = make()
    rest = {key: value for key, value in card.items() if key != "hash"}
    assert card["hash"] == hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    assert make()["hash"] == card["hash"]
    assert make(digest="abd")["hash"] != card["hash"]


def test_a_calibration_is_added_and_the_hash_covers_it(make, toy_data):
    known = Uncertainty.of(torch.eye(25), ridge=0.5, level="toy").with_alpha(0.1)
    measured = {"held_out": Calibration(11, 2, 0.5, 0.4, 0.25, 0.7, 0.95, 0.0625)}
    card = json.loads(json.dumps(with_uncertainty(make(), known, data=toy_data, held_out=toy_data, measured=measured)))
    rest = {key: value for key, value in card.items() if key != "hash"}
    assert card["hash"] == hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest() != make()["hash"]
    assert {key: card[key] for key in make() if key != "hash"} == {k: v for k, v in rest.items() if k != "uncertainty"}
    found = card["uncertainty"]
    assert (found["alpha_eV"], found["ridge"], found["level_of_theory"], found["data_frames"]) == (0.1, 0.5, "toy", 11)
    assert found["calibration"]["held_out"]["rank_correlation"] == 0.25
    assert with_uncertainty({}, known, data=toy_data, held_out=toy_data, measured=measured)["uncertainty"] == found
