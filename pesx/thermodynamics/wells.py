"""Harmonic wells: the partition function of one stationary point, in logarithms, and its derivatives.

Z = exp(log_multiplicity - E / kT) times that of its oscillators, and where asked that of its rotation. The multiplicity
takes the place of a symmetry number. Translation, the same for all, is left out.
"""

from dataclasses import dataclass, replace
from math import log, pi, sqrt
from typing import Literal, Self, get_args

import numpy as np

from pesx.config import require
from pesx.errors import ConfigError, InputError
from pesx.landscape.network import StationaryPoints
from pesx.landscape.records import Array
from pesx.units import ACCELERATION, ENERGY_UNITS

HBAR = 0.6582119569509067
"""eV fs; exact (CODATA 2018, doi:10.1103/RevModPhys.93.025010)."""

WAVENUMBER = 1.239841984332e-4
"""Energy of a quantum of 1 cm^-1, eV; exact."""

Statistics = Literal["none", "classical", "quantum", "quasi-rrho"]

STATISTICS: tuple[str, ...] = get_args(Statistics)

_ROTOR_INERTIA = 602.214076
"""u angstrom^2 (1e-44 kg m^2): no soft mode turns more than this (Grimme 2012)."""

_LINEAR = 1e-6
"""A moment of inertia this much smaller than the largest is that about the axis of a linear molecule."""


@dataclass(frozen=True)
class Scale:
    """What the units of an energy mean for motion; lengths are angstrom and masses u, or reduced.

    Attributes:
        quantum: hbar omega of an oscillator whose mass-weighted eigenvalue is 1, in the unit of energy.
        frequency: Its angular frequency per unit of ``time``.
        wavenumber: Energy of 1 cm^-1 in the unit of energy; NaN in reduced units.
        time: Unit of time of rates.
    """

    quantum: float
    frequency: float
    wavenumber: float
    time: str

    @classmethod
    def of(cls, unit: str) -> Self:
        """Return the scale of a unit of energy; any but those of ``ENERGY_UNITS`` is taken as reduced.

        In reduced units there is no hbar; it is set to 1, and cancels from all that is classical but the zero of free
        energies and entropies. Time is in sigma sqrt(m / epsilon), with the masses that the eigenvalues are weighted by.
        """
        if unit.lower() not in ENERGY_UNITS:
            return cls(quantum=1.0, frequency=1.0, wavenumber=float("nan"), time="sigma sqrt(m/epsilon)")
        size = ENERGY_UNITS[unit.lower()]
        per_fs = sqrt(ACCELERATION * size)
        return cls(HBAR * per_fs / size, 1e15 * per_fs, WAVENUMBER / size, "s")


@dataclass(frozen=True)
class Harmonic:
    """How the motion in a well is counted.

    Attributes:
        statistics: ``none`` compares energies alone; ``classical`` needs the products of frequencies; ``quantum`` needs each
            frequency; ``quasi-rrho`` is quantum, with the entropy of soft modes led over to that of a free rotor (Grimme 2012,
            doi:10.1002/chem.201200497), where that of an oscillator would diverge.
        has_rotation: Whether rigid rotation counts, by the moments of inertia.
        cutoff: Where oscillator and rotor count half each, cm^-1.
    """

    statistics: str = "classical"
    has_rotation: bool = False
    cutoff: float = 100.0

    def __post_init__(self) -> None:
        require(self, above_zero=("cutoff",))
        if self.statistics not in STATISTICS:
            raise ConfigError(
                f"Expected statistics to be one of {STATISTICS}; came {self.statistics!r}. Choose one of them."
            )

    @property
    def needs_frequencies(self) -> bool:
        """Whether each frequency has to be known, and not just their product."""
        return self.statistics in ("quantum", "quasi-rrho")


@dataclass(frozen=True)
class Wells:
    """Stationary points as harmonic wells, one numpy array per column.

    Attributes:
        energy: Of the stationary points, (M,).
        log_multiplicity: See :mod:`~pesx.thermodynamics.multiplicity`, (M,); a constant added to all changes entropies alone.
        n_modes: Oscillators of each: 3N - 6 in a minimum, one less in a transition state.
        log_quanta: Sum of the logarithms of hbar omega, (M,); NaN where not known.
        scale: Of the unit of energy.
        quanta: hbar omega of each oscillator, (M, n_modes), in the unit of energy; None where not known.
        moments: Principal moments of inertia, (M, 3), u angstrom^2; None where not known.
    """

    energy: Array
    log_multiplicity: Array
    n_modes: int
    log_quanta: Array
    scale: Scale
    quanta: Array | None = None
    moments: Array | None = None

    def __post_init__(self) -> None:
        n = len(self.energy)
        shapes = {
            "log_multiplicity": (self.log_multiplicity, (n,)),
            "log_quanta": (self.log_quanta, (n,)),
            "quanta": (self.quanta, (n, self.n_modes)),
            "moments": (self.moments, (n, 3)),
        }
        for name, (column, shape) in shapes.items():
            if column is not None and column.shape != shape:
                raise InputError(f"Expected {name} of shape {shape}; came {column.shape}. Give one row for each well.")

    @classmethod
    def of(cls, points: StationaryPoints, *, n_modes: int, unit: str = "eV", log_group_order: float = 0.0) -> Self:
        """Make wells of the points of a network: order of the point group, product of frequencies, moments of inertia.

        Args:
            points: Minima or transition states.
            n_modes: See the class.
            unit: Of energies; that of log products is this per angstrom^2 and u.
            log_group_order: What is common to all multiplicities; see
                :func:`~pesx.thermodynamics.multiplicity.log_group_order`.
        """
        scale, names = Scale.of(unit), [f"inertia_{axis}" for axis in (1, 2, 3)]
        has_moments = all(name in points.properties for name in names)
        return cls(
            energy=points.energy,
            log_multiplicity=log_group_order - np.log(points.order),
            n_modes=n_modes,
            log_quanta=n_modes * log(scale.quantum) + 0.5 * points.log_product,
            scale=scale,
            moments=np.stack([points.properties[name] for name in names], axis=1) if has_moments else None,
        )

    def with_eigenvalues(self, eigenvalues: Array) -> Self:
        """Return the wells with every frequency known, from the positive eigenvalues of the mass-weighted Hessian (M, n_modes).

        Raises:
            InputError: One is zero or negative, or their number is wrong.
        """
        if not (eigenvalues > 0).all():
            raise InputError(
                "Expected positive eigenvalues; came others. Leave out the mode along the path of a transition state, and "
                "translations and rotations."
            )
        quanta = self.scale.quantum * np.sqrt(eigenvalues)
        return replace(self, quanta=quanta, log_quanta=np.log(quanta).sum(axis=1))

    def __len__(self) -> int:
        return len(self.energy)


@dataclass(frozen=True)
class Thermal:
    """What each well contributes at one temperature, one numpy array (M,) per column.

    Attributes:
        log_partition: Logarithm of the partition function; minus the free energy over kT.
        energy: Mean energy.
        slope: Minus the derivative of ``log_partition`` by 1/kT. The energy, but for quasi-RRHO, whose entropy belongs to
            another energy than it has.
        heat_capacity: Derivative of the energy by kT: in units of k.
    """

    log_partition: Array
    energy: Array
    slope: Array
    heat_capacity: Array

    def plus(self, other: "Thermal") -> "Thermal":
        """Return the contributions of both, of independent motions."""
        return Thermal(
            self.log_partition + other.log_partition,
            self.energy + other.energy,
            self.slope + other.slope,
            self.heat_capacity + other.heat_capacity,
        )


def thermal(wells: Wells, kT: float, harmonic: Harmonic | None = None) -> Thermal:  # noqa: N803
    """Return partition functions, energies and heat capacities of wells.

    Args:
        wells: Minima or transition states.
        kT: Thermal energy in the unit of energies.
        harmonic: None for classical oscillators.

    Raises:
        InputError: Something that the statistics need is not known, or kT is not above zero.
    """
    harmonic = harmonic or Harmonic()
    if not 0 < kT < np.inf:
        raise InputError(f"Expected a thermal energy above 0; came {kT}. Give k times the temperature.")
    nothing = np.zeros(len(wells))
    depth = Thermal(wells.log_multiplicity - wells.energy / kT, wells.energy, wells.energy, nothing)
    total = depth.plus(_oscillators(wells, kT, harmonic))
    return total.plus(_rotors(wells, kT)) if harmonic.has_rotation else total


def _oscillators(wells: Wells, kT: float, harmonic: Harmonic) -> Thermal:  # noqa: N803
    if harmonic.statistics == "none":
        nothing = np.zeros(len(wells))
        return Thermal(nothing, nothing, nothing, nothing)
    if harmonic.statistics == "classical":
        _require_known(wells, wells.log_quanta[:, None], what="products of frequencies", advice="Use statistics='none'")
        each = np.full(len(wells), float(wells.n_modes))
        return Thermal(wells.n_modes * log(kT) - wells.log_quanta, kT * each, kT * each, each)
    if not np.isfinite(wells.scale.wavenumber):
        raise InputError("Expected energies in eV; came reduced units, which have no hbar. Use statistics='classical'.")
    advice = "Use statistics='classical', which needs their product alone"
    quanta = _require_known(wells, wells.quanta, what="frequencies", advice=advice)
    ratio = quanta / kT
    occupation = np.exp(-ratio) / -np.expm1(-ratio)
    energy = quanta * (0.5 + occupation)
    capacity = ratio**2 * occupation * (1.0 + occupation)
    log_partition, slope = -0.5 * ratio - np.log(-np.expm1(-ratio)), energy
    if harmonic.statistics == "quasi-rrho":
        share = 1.0 / (1.0 + (harmonic.cutoff * wells.scale.wavenumber / quanta) ** 4)
        entropy = share * (log_partition + energy / kT) + (1.0 - share) * _rotor_entropy(quanta, kT, wells.scale)
        log_partition = entropy - energy / kT
        slope = energy + kT * (1.0 - share) * (0.5 - capacity)
    return Thermal(*(column.sum(axis=1) for column in (log_partition, energy, slope, capacity)))


def _rotor_entropy(quanta: Array, kT: float, scale: Scale) -> Array:  # noqa: N803
    """Return the entropy of free rotors that would have the frequencies of oscillators, in units of k (Grimme 2012)."""
    # Moments of inertia over hbar squared.
    own, most = 0.5 / quanta, _ROTOR_INERTIA / scale.quantum**2
    entropy: Array = 0.5 + 0.5 * np.log(2.0 * pi * kT * own * most / (own + most))
    return entropy


def _rotors(wells: Wells, kT: float) -> Thermal:  # noqa: N803
    """Return the contributions of rigid rotation; symmetry numbers are in the multiplicity."""
    moments = np.sort(
        _require_known(wells, wells.moments, what="moments of inertia", advice="Leave rotation out"), axis=1
    )
    turns = 2.0 * kT * moments / wells.scale.quantum**2
    is_atom, is_linear = moments[:, 2] <= 0.0, moments[:, 0] <= _LINEAR * moments[:, 2]
    with np.errstate(divide="ignore"):
        bent = 0.5 * log(pi) + 0.5 * np.log(turns).sum(axis=1)
        linear = np.log(turns[:, 2])
    cases = [is_atom, is_linear]
    half = 0.5 * np.select(cases, [0.0, 2.0], 3.0)
    return Thermal(np.select(cases, [0.0, linear], bent), kT * half, kT * half, half)


def _require_known(wells: Wells, column: Array | None, *, what: str, advice: str) -> Array:
    """Return a column of which every row is known."""
    n_known = 0 if column is None else int(np.isfinite(column).all(axis=1).sum())
    if column is None or n_known < len(wells):
        raise InputError(
            f"Expected the {what} of all {len(wells)} stationary points; came those of {n_known}. {advice}."
        )
    return column
