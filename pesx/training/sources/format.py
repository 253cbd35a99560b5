"""A format of files of labels: how it is read, and what it fixes that settings then need not say."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pesx.errors import ConfigError
from pesx.training.sources.columns import Columns
from pesx.training.sources.settings import FileSettings


@dataclass(frozen=True)
class Format:
    """A format of files of labels.

    Attributes:
        name: As settings call it.
        read: From settings to the molecules of the file they name.
        suffixes: Endings that belong to this format alone.
        energy_unit: Empty where the format does not fix it; so with the next two.
        length_unit: Of positions.
        force_unit: Of forces or gradients.
        gradients: Whether files usually have gradients instead of forces.
        relative: Whether energies usually share a zero that is not known.
    """

    name: str
    read: Callable[[FileSettings], list[Columns]]
    suffixes: tuple[str, ...] = ()
    energy_unit: str = ""
    length_unit: str = ""
    force_unit: str = ""
    gradients: bool = False
    relative: bool = False

    def completed(self, settings: FileSettings) -> FileSettings:
        """Return settings in which what the format fixes is filled in where they do not say it.

        Raises:
            ConfigError: Forces have a name of their own, and it is not said whether they are gradients, as files of this
                format usually have.
        """
        if self.gradients and settings.gradients is None and "forces" in settings.keys:
            raise ConfigError(
                f"{settings.path}: expected gradients = true or false beside keys.forces, came neither. Say whether "
                f"{settings.keys['forces']!r} holds gradients or forces."
            )
        return replace(
            settings,
            format=self.name,
            energy_unit=settings.energy_unit or self.energy_unit,
            length_unit=settings.length_unit or self.length_unit,
            force_unit=settings.force_unit or self.force_unit,
            gradients=self.gradients if settings.gradients is None else settings.gradients,
            relative=self.relative if settings.relative is None else settings.relative,
        )
