"""Data files: TOML that names files of labels, their formats, units and levels of theory."""

from dataclasses import replace
from pathlib import Path

from pesx.config import from_table, read_toml
from pesx.errors import ConfigError, InputError
from pesx.training.dataset import Dataset, MoleculeFrames, load, merge
from pesx.training.sources import extxyz, hdf5, npz, pepconf, qm22
from pesx.training.sources.columns import Columns
from pesx.training.sources.file_frames import FileFrames
from pesx.training.sources.format import Format
from pesx.training.sources.settings import DataSettings, FileSettings

FORMATS: dict[str, Format] = {one.name: one for one in (module.FORMAT for module in (extxyz, npz, hdf5, qm22, pepconf))}
"""By name."""


def read_data_file(path: str | Path) -> Dataset:
    """Return the frames of all files that a data file names.

    Args:
        path: TOML with the settings of :class:`pesx.training.sources.settings.DataSettings`.

    Raises:
        ConfigError: A setting is unknown, missing or out of range; nothing was read.
        InputError: A file cannot be read, or its labels cannot be used.
        MissingExtraError: A format needs a package that is not installed.
    """
    path = Path(path)
    table = read_toml(path)
    try:
        settings = from_table(DataSettings, table)
        files = [_completed(one, path.parent) for one in settings.files]
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return _read_files(files, settings.level)


def read_data(settings: DataSettings, folder: str | Path) -> Dataset:
    """Return the frames of all files that settings name; relative paths start from a folder.

    Raises:
        ConfigError: A setting is missing or out of range; nothing was read.
        InputError: A file cannot be read, or its labels cannot be used.
        MissingExtraError: A format needs a package that is not installed.
    """
    return _read_files([_completed(one, Path(folder)) for one in settings.files], settings.level)


def _read_files(files: list[FileSettings], level: str) -> Dataset:
    datasets = [read_file(one, level) for one in files]
    _require_one_zero(files, datasets)
    return merge(datasets)


def read_file(settings: FileSettings, level: str = "") -> Dataset:
    """Return the frames of one file.

    Args:
        settings: Of the file.
        level: Level of theory of frames for which neither the file nor its settings name one.

    Raises:
        ConfigError: The format, a unit or the level of theory is missing.
        InputError: The file cannot be read, or its labels cannot be used.
        MissingExtraError: The format needs a package that is not installed.
    """
    form = format_of(settings)
    settings = form.completed(settings)
    columns = form.read(settings)
    if not any(map(len, columns)):
        raise InputError(f"{settings.path}: expected frames, came none. Name a file with structures and labels.")
    _require_labels(settings, columns)
    by_level: dict[str, list[Columns]] = {}
    for one in columns:
        by_level.setdefault(one.level, []).append(one)
    molecules: list[MoleculeFrames] = []
    for said, of_level in by_level.items():
        source = FileFrames(settings if said else replace(settings, level=settings.level or level), of_level)
        molecules += load(source).molecules if source.molecules() else ()
    if not molecules:
        raise InputError(
            f"{settings.path}: expected frames, but of {sum(map(len, columns))} in {len(columns)} molecules none is left. "
            "Correct elements, start and stop."
        )
    return Dataset(tuple(molecules))


def format_of(settings: FileSettings) -> Format:
    """Return the format of a file, by its settings or its ending.

    Raises:
        ConfigError: Neither says it.
    """
    if settings.format:
        if settings.format not in FORMATS:
            raise ConfigError(
                f"{settings.path}: expected a format out of {', '.join(FORMATS)}, came {settings.format!r}. Choose one."
            )
        return FORMATS[settings.format]
    ending = Path(settings.path).suffix.lower()
    for one in FORMATS.values():
        if ending in one.suffixes:
            return one
    raise ConfigError(
        f"{settings.path}: expected its format, which the ending does not say. Write format = one of {', '.join(FORMATS)}."
    )


def _completed(settings: FileSettings, folder: Path) -> FileSettings:
    path = folder / settings.path
    if not path.exists():
        raise ConfigError(f"Expected labels at {path}; there is nothing. Correct the path.")
    settings = replace(settings, path=str(path))
    return format_of(settings).completed(settings)


def _require_labels(settings: FileSettings, columns: list[Columns]) -> None:
    if settings.labels is None and all(one.energy is None and one.forces is None for one in columns):
        raise InputError(
            f"{settings.path}: expected energies or forces, found neither under their usual names. Name them by `keys`, or "
            "write labels = [] for structures alone."
        )


def _require_one_zero(files: list[FileSettings], datasets: list[Dataset]) -> None:
    """Refuse relative energies of one molecule from two files: their zeros are not the same, and would be mixed up."""
    owner: dict[tuple[object, ...], str] = {}
    for settings, dataset in zip(files, datasets, strict=True):
        for one in dataset.molecules if settings.relative else ():
            key = (one.name, one.level, one.numbers.tobytes(), one.charge, one.multiplicity)
            other = owner.setdefault(key, settings.path)
            if other != settings.path:
                raise InputError(
                    f"Expected relative energies of {one.name!r} from one file, came {other} and {settings.path}, whose zeros "
                    "may differ. Give one of them another `name`, or put them into one file."
                )
