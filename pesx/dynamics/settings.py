"""What can be asked for of ``pesx md``."""

from dataclasses import dataclass
from math import inf, isclose
from typing import Any, Literal

from pesx.dynamics.langevin import Langevin
from pesx.dynamics.motion import Integrator
from pesx.dynamics.noise import Noise
from pesx.dynamics.nose_hoover import NoseHoover
from pesx.dynamics.verlet import VelocityVerlet
from pesx.errors import ConfigError
from pesx.typing import Float, Tensor

IntegratorName = Literal["langevin", "verlet", "nose-hoover"]
FormatName = Literal["dcd", "xtc", "hdf5", "extxyz"]

_FS_PER_PS = 1000.0
_RANGES: dict[str, tuple[float, float, str]] = {
    "replicas": (1, 2**20, "Ask for one or more."),
    "time": (0, inf, "50 ps is --time 50ps."),
    "timestep": (1e-3, 100, "0.5 fs suits molecules with hydrogen, 1 to 2 fs with heavier ones (--h-mass)."),
    "friction": (0, 1e3, "1/ps is usual."),
    "relaxation": (1e-3, 1e6, "100 fs is usual."),
    "every": (1e-3, inf, "100 fs is usual."),
    "seed": (0, 2**64 - 1, "Any number in this range will do."),
    "checkpoint": (0, inf, "30 s is usual."),
    "workers": (0, 2**16, "0 suits the machine."),
}
"""Least and largest value of each number among the settings, and advice."""

_COLDEST, _HOTTEST = 1e-3, 1e5
"""K."""


@dataclass(frozen=True)
class DynamicsSettings:
    """What a user can set.

    Attributes:
        molecule: Structure file or SMILES.
        temperature: Of the thermostats, K; with ``verlet`` of the velocities at the start.
        replicas: At each temperature.
        time: Of each replica, ps.
        timestep: fs.
        integrator: How replicas move.
        friction: Of ``langevin``, 1/ps.
        relaxation: Time scale of ``nose-hoover``, fs.
        every: Between frames, fs; the monitors look then.
        format: Of the trajectories.
        h_mass: Of hydrogens, u, taken from the atoms they are bonded to; None for what they have.
        start: File of minima to start from, dealt to the replicas; None to start from the molecule, relaxed.
        amides: Whether an amide that turns over ends its replica (``keep``) or is recorded only.
        uncertainty: Record where that of the energy is beyond this, eV; None to leave it.
        potential: See :func:`pesx.registry.make_potential`.
        model: Model file of a learned potential; None for the one in the package.
        charge: Total charge, e; None for what the input says.
        multiplicity: Spin multiplicity; None for what the input says.
        seed: Of velocities and noise.
        device: auto, cpu, cuda, ...
        precision: Of the forces; positions and velocities are float64 always.
        checkpoint: Wall time between checkpoints, s.
        workers: Processes, for potentials that are engines; with ``ray``, workers. 0 is one process, or one worker for each
            device of the cluster.
        ray: Address of a Ray cluster to evaluate on, or auto; empty for this process.
    """

    molecule: str
    temperature: tuple[float, ...] = (300.0,)
    replicas: int = 1
    time: float = 10.0
    timestep: float = 0.5
    integrator: IntegratorName = "langevin"
    friction: float = 1.0
    relaxation: float = 100.0
    every: float = 100.0
    format: FormatName = "dcd"
    h_mass: float | None = None
    start: str | None = None
    amides: Literal["keep", "allow"] = "keep"
    uncertainty: float | None = None
    potential: str = "so3krates"
    model: str | None = None
    charge: int | None = None
    multiplicity: int | None = None
    seed: int = 0
    device: str = "auto"
    precision: Literal["auto", "float32", "float64"] = "auto"
    checkpoint: float = 30.0
    workers: int = 0
    ray: str = ""

    def __post_init__(self) -> None:
        """Check ranges, and that frames fall on steps."""
        for name, (least, most, advice) in _RANGES.items():
            value = getattr(self, name)
            # Every comparison with NaN is false.
            if not least <= value <= most:
                range_ = f"of at least {least}" if most == inf else f"from {least} to {most}"
                raise ConfigError(f"Expected {name} (--{name}) {range_}; came {value}. {advice}")
        if not self.temperature:
            raise ConfigError("Expected a temperature (--temperature) or more; came none. Give one, such as 300.")
        for value in self.temperature:
            if not _COLDEST <= value <= _HOTTEST:
                raise ConfigError(
                    f"Expected temperatures (--temperature) from {_COLDEST} to {_HOTTEST:g} K; came {value}. Correct it."
                )
        if self.uncertainty is not None and not self.uncertainty > 0:
            raise ConfigError(f"Expected --uncertainty above 0; came {self.uncertainty}. Give an energy.")
        self._require_multiple("every", self.every, "timestep", self.timestep)
        if not 0 < self.time < inf:
            raise ConfigError(f"Expected time (--time) above 0 and finite; came {self.time}. 50 ps is --time 50ps.")
        self._require_multiple("time", self.time * _FS_PER_PS, "every", self.every)

    @property
    def steps_between_frames(self) -> int:
        """Steps from one frame to the next."""
        return round(self.every / self.timestep)

    @property
    def n_steps(self) -> int:
        """Steps of each replica."""
        return round(self.time * _FS_PER_PS / self.every) * self.steps_between_frames

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Temperature of each replica, K."""
        return tuple(temperature for temperature in self.temperature for _ in range(self.replicas))

    def integrator_of(self, masses: Float[Tensor, "N"]) -> Integrator[Any]:
        """Return the integrator for atoms of these masses, eV fs^2/angstrom^2."""
        if self.integrator == "verlet":
            return VelocityVerlet(masses, self.timestep)
        if self.integrator == "nose-hoover":
            return NoseHoover(masses, self.timestep, relaxation=self.relaxation)
        return Langevin(masses, self.timestep, self.friction / _FS_PER_PS, Noise(self.seed))

    def _require_multiple(self, name: str, value: float, of: str, unit: float) -> None:
        """Check that one time is a whole number of others, fs."""
        count = value / unit
        if count < 0.5 or not isclose(count, round(count), rel_tol=1e-9, abs_tol=1e-6):
            near = max(1, round(count)) * unit
            raise ConfigError(
                f"Expected --{name} as a whole number of --{of} ({unit:g} fs); came {value:g} fs. {near:g} fs would do."
            )


__all__ = ["DynamicsSettings", "FormatName", "IntegratorName"]
