"""What monitors see, and what they say."""

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from pesx.monitors.cause import Cause
from pesx.typing import Energies, PerReplica, Positions, Velocities


@dataclass(frozen=True)
class Frame:
    """What there is to see of B replicas at one time, or of one replica at B successive times.

    Attributes:
        positions: Angstrom.
        time: Since the start, ps.
        velocities: Angstrom/fs; None where unknown.
        temperature: Kinetic temperature, K; None where unknown, then that of the velocities, if they are known.
        energy: Total (kinetic and potential) energy, eV; None where unknown.
        uncertainty: Of the potential energy, eV; None where unknown.
    """

    positions: Positions
    time: PerReplica
    velocities: Velocities | None = None
    temperature: PerReplica | None = None
    energy: Energies | None = None
    uncertainty: PerReplica | None = None


@dataclass(frozen=True)
class Event:
    """Something that went wrong.

    Attributes:
        replica: Row of the replica.
        frame: Number of the frame, from 0, at which it began; it may have been told later, when it had lasted.
        time: Of that frame, ps.
        cause: What it is.
        atoms: The atoms it is about; empty where it is about all.
        value: The number that decided, when it was told: a distance in angstrom, a triple product, a torsion in degree,
            a temperature in K, a drift in meV per atom and ps, an uncertainty in eV; NaN where there is none.
        sentence: What happened, for people.
        told: Number of the frame at which it had lasted and was told; -1 where nobody followed it.
    """

    replica: int
    frame: int
    time: float
    cause: Cause
    atoms: tuple[int, ...]
    value: float
    sentence: str
    told: int = -1

    def as_json(self) -> dict[str, Any]:
        """Return plain numbers and texts; the cause by its name, NaN and infinity as None."""
        return asdict(self) | {
            "cause": self.cause.name,
            "atoms": list(self.atoms),
            "value": self.value if isfinite(self.value) else None,
        }


__all__ = ["Event", "Frame"]
