"""What a training works on: frames for training and validation, and the zero of energies at each level."""

from dataclasses import dataclass

from pesx.errors import ConfigError, InputError
from pesx.so3krates.model import So3krates
from pesx.training.dataset import Dataset, without_hot_frames
from pesx.training.evaluate import references_above
from pesx.training.frames import FrameTable
from pesx.training.reference import References, fit_references
from pesx.training.settings import TrainingSettings
from pesx.training.split import split


@dataclass(frozen=True)
class Prepared:
    """What training works on: the frames, cut in two, and their references by level, the target level first."""

    training: Dataset
    validation: Dataset
    references: dict[str, References]
    table: FrameTable
    validation_table: FrameTable
    digest: str


def prepare(
    settings: TrainingSettings,
    data: Dataset,
    start: So3krates | None = None,
    target: str | None = None,
    *,
    validation: Dataset | None = None,
) -> Prepared:
    """Split the frames, fit the references and find the neighbours; the same settings always give the same result.

    Args:
        settings: Of the training.
        data: Labelled frames.
        start: Model whose references are kept at levels that it has, because its weights stand above them; None to fit all.
        target: See :func:`pesx.training.trainer.train`.
        validation: See :func:`pesx.training.trainer.train`.
    """
    levels = _levels(data, target)
    training = without_hot_frames(data, settings.max_force)
    if validation is None:
        training, validation = split(training, settings.validation_fraction, seed=settings.seed)
    validation = validation.at(levels[0])
    _check_validation(validation, training)
    known = _with_energies(training, validation)
    found = fit_references(known) if start is None else references_above(start, known)
    references = {level: found[level] for level in levels}
    cutoff = settings.model.cutoff
    return Prepared(
        training=training,
        validation=validation,
        references=references,
        table=FrameTable(training, references, cutoff=cutoff, large_force=settings.loss.large_force),
        validation_table=FrameTable(validation, references, cutoff=cutoff, large_force=settings.loss.large_force),
        digest=data.digest(),
    )


def _levels(data: Dataset, target: str | None) -> tuple[str, ...]:
    """Return all levels of the data, the target first."""
    if target is None:
        if len(data.levels) > 1:
            raise ConfigError(
                f"Expected a target beside labels at several levels of theory, came none. Name the level that the model is to "
                f"answer with, out of {', '.join(map(repr, data.levels))}."
            )
        return data.levels
    data.at(target)
    return (target, *(level for level in data.levels if level != target))


def _check_validation(validation: Dataset, training: Dataset) -> None:
    if not any(molecule.has_energy.any() or molecule.has_forces.any() for molecule in validation.molecules):
        raise InputError(
            "Expected labels of some frames for validation, came none: nothing would tell good weights from bad ones. Give "
            "labelled frames for validation apart from the data."
        )
    strange = sorted(set(validation.elements) - set(training.elements))
    if strange:
        raise InputError(
            f"Expected only the elements of the training, {training.elements}, in the frames for validation; came {strange}. "
            "Leave out the molecules with these."
        )


def _with_energies(training: Dataset, validation: Dataset) -> Dataset:
    """Add the frames for validation at levels where training has no absolute energies, to set the zero of energies alone."""
    known = {one.level for one in training.molecules if one.has_energy.any() and not one.is_relative}
    return Dataset((*training.molecules, *(one for one in validation.molecules if one.level not in known)))
