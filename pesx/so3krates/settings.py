"""The shape of a model, as numbers and names that fit into the header of a file."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from pesx.errors import ConfigError
from pesx.so3krates.cutoff import CUTOFF_FUNCTIONS
from pesx.so3krates.harmonics import KNOWN_DEGREES
from pesx.so3krates.radial import RADIAL_BASES


@dataclass(frozen=True)
class So3kratesSettings:
    """The shape of a model.

    Attributes:
        elements: Atomic numbers the model knows, ascending.
        features: Invariant features per atom; divisible by 4, by ``n_heads`` and by the number of degrees.
        n_layers: Layers; information travels ``n_layers`` times the cutoff.
        n_heads: Heads of the feature attention.
        degrees: Degrees l of the Euclidean variables.
        cutoff: Angstrom.
        n_radial: Radial basis functions.
        mean_neighbours: Divisor of the attention coefficients: the average number of neighbours in the training data.
        residual_mlp: Whether each layer refines the features after attention.
        layer_norm: Whether each layer normalises the features after attention.
        levels: Levels of theory, one energy head each.
        radial_basis: A key of :data:`pesx.so3krates.radial.RADIAL_BASES`.
        cutoff_function: A key of :data:`pesx.so3krates.cutoff.CUTOFF_FUNCTIONS`.
        charge_embedding: Whether the features begin with the total charge of the molecule.
        spin_embedding: Whether the features begin with the number of unpaired electrons of the molecule.
        residual_mlp_2: Whether each layer refines the features after the exchange.
        layer_norm_2: Whether each layer normalises the features at its end.
        layer_norm_epsilon: Added to the variance in these norms.
        readout_features: Width of the hidden layer of readouts; None for ``features``.
        element_shift: Whether the energy head learns a shift of each element, beside the scale.
        zbl: Whether screened nuclear repulsion is added.
        electrostatics: Whether the Coulomb energy of predicted partial charges is added.
        electrostatic_damping: Distance below which it is damped, angstrom.
        dispersion: Whether dispersion with predicted Hirshfeld ratios is added.
        dispersion_damping: Factor of the distance below which it is damped.
        dispersion_switch: Width of the shell below ``long_range_cutoff`` where dispersion goes to zero, angstrom.
        long_range_cutoff: Of electrostatics and dispersion, angstrom; None for all pairs of a molecule.
        baseline: Of a network that is trained already, whose energy this one corrects; None to stand alone. It must know all
            elements and see no farther.
    """

    elements: tuple[int, ...] = (1, 6, 7, 8)
    features: int = 96
    n_layers: int = 3
    n_heads: int = 4
    degrees: tuple[int, ...] = (1, 2, 3)
    cutoff: float = 5.0
    n_radial: int = 32
    mean_neighbours: float = 16.0
    residual_mlp: bool = True
    layer_norm: bool = False
    levels: tuple[str, ...] = ("default",)
    radial_basis: str = "physnet"
    cutoff_function: str = "polynomial"
    charge_embedding: bool = False
    spin_embedding: bool = False
    residual_mlp_2: bool = False
    layer_norm_2: bool = False
    layer_norm_epsilon: float = 1e-5
    readout_features: int | None = None
    element_shift: bool = False
    zbl: bool = False
    electrostatics: bool = False
    electrostatic_damping: float = 4.0
    dispersion: bool = False
    dispersion_damping: float = 1.2
    dispersion_switch: float = 2.0
    long_range_cutoff: float | None = None
    baseline: "So3kratesSettings | None" = None

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check_names(self)
        _check_baseline(self)
        for divisor in (4, self.n_heads, len(self.degrees)):
            if self.features % divisor:
                raise ConfigError(
                    f"Expected features divisible by 4, by n_heads ({self.n_heads}) and by the number of degrees "
                    f"({len(self.degrees)}), came {self.features}."
                )

    @property
    def readout_width(self) -> int:
        """Width of the hidden layer of readouts."""
        return self.features if self.readout_features is None else self.readout_features

    @property
    def is_long_ranged(self) -> bool:
        """Whether atoms of one molecule interact at any distance."""
        return self.electrostatics or self.dispersion

    def parts(self) -> "list[So3kratesSettings]":
        """Return these settings without the baseline, then those of the baseline, if there is one."""
        return [self] if self.baseline is None else [replace(self, baseline=None), *self.baseline.parts()]

    def with_long_range_cutoff(self, cutoff: float | None) -> "So3kratesSettings":
        """Return the settings with another :attr:`long_range_cutoff`, of the baseline too, where there is a long range."""
        baseline = self.baseline and self.baseline.with_long_range_cutoff(cutoff)
        own = cutoff if self.is_long_ranged else self.long_range_cutoff
        return replace(self, baseline=baseline, long_range_cutoff=own)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain numbers, strings, lists and tables; for files.

        Without a baseline there is no word of it, so that a pesx that does not know baselines can read the file.
        """
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        del values["baseline"]
        return values if self.baseline is None else {**values, "baseline": self.baseline.as_dict()}

    def identity(self) -> dict[str, Any]:
        """Return what tells models apart: the settings without options that are as in models made before there were any.

        So the hash of an old model, which run folders hold, stays what it was.
        """
        usual = _USUAL.as_dict()
        own = {key: value for key, value in self.as_dict().items() if key in FIRST or value != usual.get(key)}
        return own if self.baseline is None else {**own, "baseline": self.baseline.identity()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "So3kratesSettings":
        """Return the settings written by :meth:`as_dict`.

        Raises:
            ConfigError: A name is unknown or a value is out of range.
        """
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        try:
            if plain.get("baseline") is not None:
                plain["baseline"] = cls.from_dict(plain["baseline"])
            return cls(**plain)
        except TypeError as error:
            raise ConfigError(f"Expected the settings of a SO3krates model, came {sorted(values)}.") from error


def _check_numbers(settings: So3kratesSettings) -> None:
    positive = (
        *("features", "n_layers", "n_heads", "cutoff", "n_radial", "mean_neighbours", "layer_norm_epsilon"),
        *("electrostatic_damping", "dispersion_damping", "dispersion_switch"),
    )
    for name in positive:
        if not getattr(settings, name) > 0:
            raise ConfigError(f"Expected {name} above 0, came {getattr(settings, name)}.")
    if settings.readout_features is not None and not settings.readout_features > 0:
        raise ConfigError(f"Expected readout_features above 0, came {settings.readout_features}.")
    if settings.long_range_cutoff is not None and not settings.long_range_cutoff > settings.dispersion_switch:
        raise ConfigError(
            f"Expected long_range_cutoff above dispersion_switch ({settings.dispersion_switch}), came "
            f"{settings.long_range_cutoff}; leave it out for all pairs of a molecule."
        )


def _check_names(settings: So3kratesSettings) -> None:
    for name in ("elements", "degrees", "levels"):
        values = getattr(settings, name)
        if not values or len(set(values)) != len(values):
            raise ConfigError(f"Expected {name} without repetition and not empty, came {values}.")
    if tuple(sorted(settings.elements)) != settings.elements or settings.elements[0] < 1:
        raise ConfigError(f"Expected elements as ascending atomic numbers from 1, came {settings.elements}.")
    if not set(settings.degrees) <= set(KNOWN_DEGREES):
        raise ConfigError(f"Expected degrees among {KNOWN_DEGREES}, came {settings.degrees}.")
    for name, known in (("radial_basis", RADIAL_BASES), ("cutoff_function", CUTOFF_FUNCTIONS)):
        if getattr(settings, name) not in known:
            raise ConfigError(f"Expected {name} among {', '.join(known)}, came {getattr(settings, name)!r}.")


def _check_baseline(settings: So3kratesSettings) -> None:
    baseline = settings.baseline
    if baseline is None:
        return
    strange = sorted(set(settings.elements) - set(baseline.elements))
    if strange:
        raise ConfigError(
            f"Expected elements that the baseline knows, {list(baseline.elements)}, came {strange} too. Leave them out, or "
            "take another baseline."
        )
    if baseline.cutoff > settings.cutoff:
        raise ConfigError(
            f"Expected a cutoff of at least that of the baseline ({baseline.cutoff} angstrom), came {settings.cutoff}. Raise "
            "it: both are given the same pairs."
        )


FIRST = (
    *("elements", "features", "n_layers", "n_heads", "degrees", "cutoff", "n_radial", "mean_neighbours"),
    *("residual_mlp", "layer_norm", "levels"),
)
"""Settings that every model file has; the others came later, as options."""

_USUAL = So3kratesSettings()

__all__ = ["FIRST", "So3kratesSettings"]
