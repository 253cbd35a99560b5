"""What a data file says about the files of labels it names."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pesx.config import require
from pesx.errors import ConfigError
from pesx.training.sources.units import energy_factor, force_factor, length_factor

LABELS = ("energy", "forces")
COLUMNS = (*LABELS, "positions", "numbers")


@dataclass(frozen=True)
class FileSettings:
    """One file of labelled frames.

    Attributes:
        path: The file; where it is relative, from the folder of the data file.
        format: A name out of :data:`pesx.training.sources.data_file.FORMATS`; by the ending where that is clear.
        level: Level of theory of the labels; that of the data file where not given.
        energy_unit: Such as ``kcal/mol``; required where the format does not fix it, as are the next two.
        length_unit: Such as ``angstrom``.
        force_unit: Such as ``kcal/mol/angstrom``.
        labels: Out of ``energy`` and ``forces``: those to use, which every frame then must have; empty for structures
            alone. Where not given, whatever each frame has.
        gradients: Whether what the file has for forces are gradients; as usual for the format where not given.
        relative: Whether the energies of a molecule share a zero that is not known; as usual for the format where not given.
        temperature: Of the Boltzmann samples, K, for frames that do not say one.
        name: Of the molecule, where the file does not say one; else its formula.
        charge: Total charge, e, where the file does not say one; else 0.
        multiplicity: 2S+1, where the file does not say one; else 1.
        elements: Atomic numbers; molecules with any other are left out. Empty for all.
        start: First frame to use of each molecule, counted from 0.
        stop: Frame of each molecule before which to stop.
        step: Use every so many frames.
        trajectory_frames: So many frames in a row are one trajectory, which goes into the validation set as a whole; 1 for
            frames drawn independently. Where not given, 20 if frames in a row are alike, else 1, and 2 for relative
            energies. Trajectories that the file names are kept.
        keys: Names of ``energy``, ``forces``, ``positions`` and ``numbers`` in the file, where they are unusual.
    """

    path: str
    format: str = ""
    level: str = ""
    energy_unit: str = ""
    length_unit: str = ""
    force_unit: str = ""
    labels: tuple[str, ...] | None = None
    gradients: bool | None = None
    relative: bool | None = None
    temperature: float | None = None
    name: str = ""
    charge: int | None = None
    multiplicity: int | None = None
    elements: tuple[int, ...] = ()
    start: int = 0
    stop: int | None = None
    step: int = 1
    trajectory_frames: int | None = None
    keys: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        factors = {"energy_unit": energy_factor, "length_unit": length_factor, "force_unit": force_factor}
        for name, factor in factors.items():
            if getattr(self, name):
                try:
                    factor(getattr(self, name))
                except ConfigError as error:
                    raise ConfigError(f"{self.path}, {name}: {error}") from error
        for what, names, known in (("labels", self.labels or (), LABELS), ("keys", self.keys, COLUMNS)):
            unknown = [name for name in names if name not in known]
            if unknown:
                raise ConfigError(f"Expected {what} out of {', '.join(known)}, came {unknown[0]!r}. Correct it.")
        require(self, at_least_zero=("start",), at_least_one=("step",))
        given = [name for name in ("multiplicity", "trajectory_frames") if getattr(self, name) is not None]
        require(self, at_least_one=given, above_zero=() if self.temperature is None else ("temperature",))
        if self.stop is not None and self.stop <= self.start:
            raise ConfigError(
                f"Expected stop above start ({self.start}), came {self.stop}. No frame lies between them."
            )


@dataclass(frozen=True)
class DataSettings:
    """Files of labelled frames that belong together.

    Attributes:
        files: The files.
        level: Level of theory of all whose own settings and frames do not name one.
    """

    files: tuple[FileSettings, ...]
    level: str = ""

    def __post_init__(self) -> None:
        if not self.files:
            raise ConfigError("Expected at least one [[files]], came none. Name the files of labels.")
