"""The model card: what a model was trained on, how good it is, and how to make it again."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pesx.config import to_table
from pesx.so3krates.uncertainty import Uncertainty
from pesx.training.calibrate import Calibration
from pesx.training.dataset import Dataset
from pesx.training.evaluate import Errors
from pesx.training.reference import References
from pesx.training.settings import TrainingSettings


def model_card(
    settings: TrainingSettings,
    training: Dataset,
    validation: Dataset,
    *,
    references: Mapping[str, References],
    digest: str,
    errors: dict[str, list[Errors]],
    run: dict[str, Any],
) -> dict[str, Any]:
    """Return the card as plain values.

    Args:
        settings: Of the training.
        training: Frames trained on.
        validation: Frames held out.
        references: Reference energies that were taken from the labels, by level, the one the model answers with first.
        digest: SHA-256 of all frames.
        errors: Errors by name of the set of frames.
        run: Facts about the run, such as its steps and time.

    Returns:
        The card; its ``hash`` is the SHA-256 of everything else in it, as JSON with sorted keys.
    """
    card: dict[str, Any] = {
        "level_of_theory": next(iter(references)),
        "elements": training.elements,
        "data_sha256": digest,
        "training_frames": _counts(training),
        "validation_frames": _counts(validation),
        "reference_energies_eV": {
            level: {str(number): energy for number, energy in found.energies.items()}
            for level, found in references.items()
        },
        "reference_rank": {level: found.rank for level, found in references.items()},
        "units": {"force": "meV/angstrom", "energy": "kcal/mol, mean removed for each molecule"},
        "errors": {name: [item.as_table() for item in items] for name, items in errors.items()},
        "settings": to_table(settings),
        "run": run,
    }
    return _hashed(card)


def with_uncertainty(
    card: Mapping[str, Any],
    uncertainty: Uncertainty,
    *,
    data: Dataset,
    held_out: Dataset,
    measured: Mapping[str, Calibration],
) -> dict[str, Any]:
    """Return the card of a model whose uncertainty was calibrated.

    Args:
        card: Of the model as it was trained, or brought in.
        uncertainty: What was found.
        data: Frames whose features it rests on.
        held_out: Frames on which its scale was found.
        measured: How it compares with errors, by name of the set of frames.
    """
    facts = {
        "method": "last-layer prediction rigidity, doi:10.1088/2632-2153/ad805f",
        "level_of_theory": uncertainty.level,
        "alpha_eV": uncertainty.alpha,
        "ridge": uncertainty.ridge,
        "data_sha256": data.digest(),
        "data_frames": len(data),
        "held_out_sha256": held_out.digest(),
        "units": "kcal/mol, mean removed for each molecule",
        "calibration": {name: one.as_table() for name, one in measured.items()},
    }
    return with_facts(card, uncertainty=facts)


def with_facts(card: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """Return a card with further facts, as plain values, in the place of those it has under the same names."""
    return _hashed({**{key: value for key, value in card.items() if key != "hash"}, **facts})


def _hashed(card: dict[str, Any]) -> dict[str, Any]:
    return {**card, "hash": hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()}


def _counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Return the number of frames by level and molecule."""
    return {level: {one.name: len(one) for one in dataset.at(level).molecules} for level in dataset.levels}
