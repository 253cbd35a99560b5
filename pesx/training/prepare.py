"""What a training works on: frames for training and validation, and the zero of energies at each level."""

from dataclasses import dataclass, replace

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

    Raises:
        ConfigError: A target is missing.
        InputError: The network lacks an element or the embedding of a charge or spin, no frame is left to train on, or those
            for validation have no labels or other elements.
    """
    levels = _levels(data, target)
    _check_elements(settings, data, start)
    _check_electrons(settings, data, start)
    training = without_hot_frames(data, settings.max_force)
    if not training.molecules:
        raise InputError(
            f"Expected frames with forces up to max_force = {settings.max_force:g} eV/angstrom, came {len(data)}, all with "
            "larger ones. Check the unit of the forces, or raise max_force."
        )
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


def _check_elements(settings: TrainingSettings, data: Dataset, start: So3krates | None) -> None:
    """Refuse elements that the network does not have, before anything is fitted."""
    where = "the [model] table"
    known = settings.model.elements
    if start is not None and not set(data.elements) <= set(start.settings.elements):
        where, known = "the start", start.settings.elements
    strange = sorted(set(data.elements) - set(known))
    if strange:
        names = [one.name for one in data.molecules if set(strange) & set(one.numbers.tolist())]
        raise InputError(
            f"Expected only the elements of {where}, {list(known)}, in the frames; came {strange}, first in {names[0]!r} "
            f"({len(names)} of {len(data.molecules)} molecules). Leave these out, or train a network with these elements."
        )


def _check_electrons(settings: TrainingSettings, data: Dataset, start: So3krates | None) -> None:
    """Refuse molecules that the network could not tell from neutral ones with closed shells."""
    baseline = settings.model.baseline or (None if start is None else start.settings.baseline)
    parts = replace(settings.model, baseline=baseline).parts()
    charged = [one for one in data.molecules if one.charge != 0]
    open_shell = [one for one in data.molecules if one.multiplicity != 1]
    if charged and not any(part.charge_embedding for part in parts):
        raise InputError(
            f"Expected neutral molecules for a network without charge embedding; came charge {charged[0].charge} of "
            f"{charged[0].name!r} ({len(charged)} of {len(data.molecules)} molecules). Leave these out, or set "
            "charge_embedding = true in the [model] table."
        )
    if open_shell and not any(part.spin_embedding for part in parts):
        raise InputError(
            f"Expected closed shells for a network without spin embedding; came multiplicity {open_shell[0].multiplicity} of "
            f"{open_shell[0].name!r} ({len(open_shell)} of {len(data.molecules)} molecules). Leave these out, or set "
            "spin_embedding = true in the [model] table."
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
