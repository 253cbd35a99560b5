"""The model card: what a model was trained on, how good it is, and how to make it again."""

import hashlib
import json
from typing import Any

from pesx.config import to_table
from pesx.training.dataset import Dataset
from pesx.training.evaluate import Errors
from pesx.training.reference import References
from pesx.training.settings import TrainingSettings


def model_card(
    settings: TrainingSettings,
    training: Dataset,
    validation: Dataset,
    *,
    references: References,
    digest: str,
    errors: dict[str, list[Errors]],
    run: dict[str, Any],
) -> dict[str, Any]:
    """Return the card as plain values.

    Args:
        settings: Of the training.
        training: Frames trained on.
        validation: Frames held out.
        references: Reference energies that were taken from the labels.
        digest: SHA-256 of all frames.
        errors: Errors by name of the set of frames.
        run: Facts about the run, such as its steps and time.

    Returns:
        The card; its ``hash`` is the SHA-256 of everything else in it, as JSON with sorted keys.
    """
    card: dict[str, Any] = {
        "level_of_theory": training.level,
        "elements": training.elements,
        "data_sha256": digest,
        "training_frames": {molecule.name: len(molecule) for molecule in training.molecules},
        "validation_frames": {molecule.name: len(molecule) for molecule in validation.molecules},
        "reference_energies_eV": {str(number): energy for number, energy in references.energies.items()},
        "reference_rank": references.rank,
        "units": {"force": "meV/angstrom", "energy": "kcal/mol, mean removed for each molecule"},
        "errors": {name: [item.as_table() for item in items] for name, items in errors.items()},
        "settings": to_table(settings),
        "run": run,
    }
    return {**card, "hash": hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()}
