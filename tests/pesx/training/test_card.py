import hashlib
import json

import pytest

from pesx.config import from_table
from pesx.training.card import model_card
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
