"""What to label: molecules, how many structures from which source, and with which engine. Read from TOML."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pesx.config import from_table, read_toml, require
from pesx.errors import ConfigError
from pesx.labelling.peptides import peptide_name, peptide_smiles

SOURCES = ("embedded", "scanned", "distorted", "thermal", "simulated", "dynamics", "quenched")
"""How structures are made; the last two run on the engine."""

ON_ENGINE = ("dynamics", "quenched")
"""Sources that need the forces of the engine."""

SIMULATED = "simulated"
"""The source that needs a model."""


@dataclass(frozen=True)
class Dynamics:
    """Langevin trajectories.

    Attributes:
        temperatures: K; trajectories take them in turn.
        n_frames: Frames kept of one trajectory.
        interval: Steps between kept frames.
        warm_up: Steps before the first kept frame.
        timestep: fs.
        friction: 1/fs.
    """

    temperatures: tuple[float, ...] = (300.0, 500.0, 700.0, 1000.0)
    n_frames: int = 10
    interval: int = 100
    warm_up: int = 200
    timestep: float = 1.0
    friction: float = 0.02

    def __post_init__(self) -> None:
        if not self.temperatures or not all(temperature > 0 for temperature in self.temperatures):
            raise ConfigError(f"Expected temperatures > 0 K, came {self.temperatures}.")
        require(
            self, above_zero=("timestep",), at_least_zero=("warm_up", "friction"), at_least_one=("n_frames", "interval")
        )


@dataclass(frozen=True)
class Relaxations:
    """Relaxations on the engine.

    Attributes:
        n_frames: Points kept of one path, the minimum included.
        force_limit: Largest force component at the end, eV/angstrom.
        max_steps: Steps at most.
    """

    n_frames: int = 12
    force_limit: float = 0.01
    max_steps: int = 250

    def __post_init__(self) -> None:
        require(self, above_zero=("force_limit",), at_least_one=("n_frames", "max_steps"))


@dataclass(frozen=True)
class Molecules:
    """Molecules that get the same number of structures.

    Attributes:
        frames: Structures of each molecule.
        sequences: Capped peptides, such as ``Ala-Gly``.
        smiles: Any other molecules, by name.
    """

    frames: int
    sequences: tuple[str, ...] = ()
    smiles: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self, at_least_one=("frames",))
        if not self.sequences and not self.smiles:
            raise ConfigError("Expected sequences or smiles in every [[molecules]], came neither.")

    def by_name(self) -> dict[str, str]:
        """Return the SMILES of each molecule."""
        return {peptide_name(sequence): peptide_smiles(sequence) for sequence in self.sequences} | dict(self.smiles)


@dataclass(frozen=True)
class Plan:
    """A whole labelling run.

    Attributes:
        molecules: What to label.
        engine: Name for :func:`pesx.engines.make_engine`.
        level: Level of theory for engines that compute more than one.
        seed: All geometries follow from it.
        force_limit: Structures with a force norm above this are not kept as labels, eV/angstrom.
        energies_only: Whether labels are without forces, which some engines then need not compute.
        batch: Structures in one task, for the sources that are no trajectories.
        mix: Share of each source; the shares of all molecules.
        model: File of the model whose trajectories are ``simulated``.
        thermal: Trajectories on the classical force field.
        simulated: Trajectories on the model, one label for each kept frame.
        dynamics: Trajectories on the engine.
        relaxations: Relaxations on the engine.
    """

    molecules: tuple[Molecules, ...]
    engine: str = "gfn2"
    level: str | None = None
    seed: int = 0
    force_limit: float = 30.0
    energies_only: bool = False
    batch: int = 20
    mix: Mapping[str, float] = field(
        default_factory=lambda: {
            "embedded": 0.10,
            "scanned": 0.26,
            "distorted": 0.22,
            "thermal": 0.28,
            "dynamics": 0.07,
            "quenched": 0.07,
        }
    )
    model: str | None = None
    thermal: Dynamics = Dynamics()
    simulated: Dynamics = Dynamics(temperatures=(300.0, 500.0), n_frames=5, interval=50, warm_up=150)
    dynamics: Dynamics = Dynamics(temperatures=(300.0, 500.0), n_frames=10, interval=10, warm_up=20)
    relaxations: Relaxations = Relaxations()

    def __post_init__(self) -> None:
        unknown = [source for source in self.mix if source not in SOURCES]
        if unknown:
            raise ConfigError(f"Expected sources out of {', '.join(SOURCES)} in [mix], came {unknown[0]!r}.")
        if not all(share >= 0 for share in self.mix.values()) or not sum(self.mix.values()) > 0:
            raise ConfigError("Expected shares >= 0 in [mix], at least one above 0.")
        require(self, above_zero=("force_limit",), at_least_zero=("seed",), at_least_one=("batch",))
        if (self.mix.get(SIMULATED, 0.0) > 0) != (self.model is not None):
            raise ConfigError(
                "Expected a model if and only if the simulated source has a share; give both `model` and "
                "`simulated` in [mix], or neither."
            )
        if self.energies_only and any(self.mix.get(source, 0.0) > 0 for source in ON_ENGINE):
            raise ConfigError(
                f"Expected no share for {' and '.join(ON_ENGINE)} in [mix] beside energies_only, for they need forces. "
                "Leave them out of [mix]."
            )
        names = [name for group in self.molecules for name in group.by_name()]
        if not names:
            raise ConfigError("Expected at least one [[molecules]].")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(f"Expected every molecule once, came {twice[0]!r} twice.")

    def to_json(self) -> str:
        """Return all settings as one line of text; equal plans give equal text."""
        return json.dumps(asdict(self), sort_keys=True)


def read_plan(path: str | Path) -> Plan:
    """Read a plan from a TOML file.

    Raises:
        ConfigError: There is no such file, it is no TOML, or a key or value is wrong.
    """
    return from_table(Plan, read_toml(path))


__all__ = ["ON_ENGINE", "SIMULATED", "SOURCES", "Dynamics", "Molecules", "Plan", "Relaxations", "read_plan"]
