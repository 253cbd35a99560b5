"""One run of ``pesx md``: from settings to replicas in motion in a run folder, new or resumed."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch

from pesx.chemistry.read import read_molecule
from pesx.config import from_table, read_toml, to_table, to_toml
from pesx.distributed.potential import potential_on
from pesx.dynamics.checkpoint import FILE_NAME as CHECKPOINT
from pesx.dynamics.checkpoint import Checkpoint
from pesx.dynamics.folder import Lock, files_of, require_empty
from pesx.dynamics.formats.extxyz import Extxyz
from pesx.dynamics.masses import inertial, repartitioned
from pesx.dynamics.motion import Integrator, Motion, thermal_velocities
from pesx.dynamics.record import Record
from pesx.dynamics.settings import DynamicsSettings
from pesx.dynamics.simulation import Parts, Progress, Schedule, Simulation
from pesx.dynamics.starts import read_starts, relaxed
from pesx.dynamics.topology import Topology, in_file_order
from pesx.dynamics.writer import Writer
from pesx.errors import ConfigError, InputError, RunFolderError, WrongFolderError
from pesx.files import write_whole
from pesx.landscape.rows import molecule_from_text, molecule_to_text
from pesx.molecule import Molecule
from pesx.monitors.cause import FAILURES, Cause
from pesx.monitors.monitors import Monitors
from pesx.protocols import Potential
from pesx.registry import REDUCED, Source, choose_device, let_go, own_faults
from pesx.streams import Streams
from pesx.threads import one_thread_each
from pesx.typing import Positions
from pesx.units import BOLTZMANN
from pesx.versions import versions

LIMITS = ("time", "workers", "device", "model", "checkpoint", "ray")
"""Settings that may differ when a run is resumed; any other would make it another run."""

_CONFIG, _PROVENANCE, _TOPOLOGY = "config.toml", "provenance.json", "topology.pdb"

_DRIFT_LIMIT = 5.0
"""meV per atom and ps; as much as heating by 40 K in a picosecond."""


class MolecularDynamics:
    """Replicas in motion in their folder; made by :meth:`start` or :meth:`resume`, closed after use.

    Attributes:
        folder: The run folder.
        settings: What was asked for, and what was chosen where nothing was.
        molecule: Its atoms in the order of the trajectories.
        source: Where the potential comes from.
        simulation: The replicas.
    """

    def __init__(self, folder: Path, settings: DynamicsSettings, made: "_Made", starts: Positions) -> None:
        self.folder, self.settings, self.molecule, self.source = folder, settings, made.molecule, made.source
        self._made, self._n_starts = made, len(starts)
        self._writer = Writer(files_of(folder, settings, Topology.of(made.molecule)))
        around = Extxyz(made.molecule.symbols, made.molecule.charge, made.molecule.multiplicity)
        constants = {"order": made.order, "model": made.source.digest, "bound_to": molecule_to_text(made.bound_to)}
        constants["molecule"] = molecule_to_text(made.molecule)
        self._record = Record(folder, self._writer, around, {**constants, "n_starts": self._n_starts})
        schedule = Schedule(settings.n_steps, settings.steps_between_frames, checkpoint_seconds=settings.checkpoint)
        integrator = _integrator(settings, made.molecule)
        motion = _set_off(integrator, settings, starts)
        self.simulation = Simulation(_parts(settings, made, integrator), schedule, motion, self._record)

    @classmethod
    def start(cls, settings: DynamicsSettings, folder: Path | str) -> Self:
        """Set up a new run.

        The molecule is relaxed first, unless there are minima to start from. Nothing is written before that.

        Args:
            settings: What is asked for.
            folder: The run folder; must not hold a run.

        Raises:
            InputError: Something in the settings, or the folder, cannot be used.
        """
        path = Path(folder)
        require_empty(path)
        molecule = read_molecule(settings.molecule, charge=settings.charge, multiplicity=settings.multiplicity)
        settings = _settled(settings, molecule)
        given = None if settings.start is None else read_starts(settings.start, molecule)
        molecule, order = in_file_order(molecule)
        made = _make(settings, molecule, order)
        try:
            with own_faults(settings.potential), one_thread_each():
                starts = relaxed(made.potential, molecule) if given is None else given[:, order]
            made = replace(made, molecule=replace(molecule, positions=starts[0]))
            path.mkdir(parents=True, exist_ok=True)
            made = replace(made, lock=Lock.held(path))
            run = cls(path, settings, made, starts)
            for name in ("trajectories", "energies", "events"):
                (path / name).mkdir(exist_ok=True)
            write_whole(path / _TOPOLOGY, Topology.of(made.molecule).as_pdb(starts[0]))
            write_whole(path / _CONFIG, _as_toml(settings))
            run.write_provenance("running")
        except BaseException:
            made.close()
            raise
        return run

    @classmethod
    def resume(cls, folder: Path | str, **limits: object) -> Self:
        """Set up a run to go on from its last checkpoint; what was written after it is cut off.

        Args:
            folder: The run folder.
            limits: Settings out of :data:`LIMITS` to change; others may be repeated, but not changed.

        Raises:
            ConfigError: A setting is unknown, or another than before and no limit.
            WrongFolderError: No run there, or one of another model.
            RunFolderError: The run is damaged, or another process is writing to it.
        """
        path = Path(folder)
        checkpoint = Checkpoint.read(path / CHECKPOINT)
        stored = _read_settings(path)
        bound_to, molecule = (molecule_from_text(checkpoint.values[name]) for name in ("bound_to", "molecule"))
        settings = _settled(_with_limits(stored, limits, path), molecule)
        made = _make(settings, bound_to, checkpoint.values["order"], digest=checkpoint.values["model"])
        try:
            made = replace(made, molecule=molecule, lock=Lock.held(path))
            n_starts = int(checkpoint.values["n_starts"])
            run = cls(path, settings, made, molecule.positions.expand(n_starts, -1, -1))
            run.simulation.restore(checkpoint)
            write_whole(path / _CONFIG, _as_toml(settings))
            run.write_provenance("running")
        except BaseException:
            made.close()
            raise
        return run

    def go(self, observe: Callable[[Progress], None] = lambda _: None) -> str:
        """Run to the end or until interrupted, and return why it stopped."""
        try:
            with one_thread_each(), own_faults(self.settings.potential), self._writer:
                is_over = self.simulation.run(observe)
        except OSError as error:
            status = f"stopped: {error.strerror or error}"
            self.write_provenance(status, must=False)
            raise
        status = self._reason() if is_over else "interrupted"
        self.write_provenance(status)
        return status

    def write_provenance(self, status: str, *, must: bool = True) -> None:
        """Write RUN/provenance.json: what made these trajectories, and how each replica ended.

        Args:
            status: ``running`` until the run ends in good order.
            must: Whether it is an error if that cannot be written.
        """
        settings, molecule = self.settings, self.molecule
        content = {
            "status": status,
            "molecule": {"formula": molecule.formula, "name": molecule.name, "digest": molecule.digest},
            "atom_order": self._made.order,
            "potential": {"name": self.source.name, "level": self.source.level, "model": self.source.digest},
            "device": settings.device,
            "dtype": settings.precision,
            "seed": settings.seed,
            "versions": versions("torch", "numpy", "mdtraj"),
            "time_ps": self.simulation.time,
            "causes": dict(sorted(Counter(ended.cause for ended in self._record.ended.values()).items())),
            "replicas": self.replicas(),
        }
        try:
            write_whole(self.folder / _PROVENANCE, json.dumps(content, indent=2) + "\n")
        except OSError:
            if must:
                raise

    def replicas(self) -> list[dict[str, Any]]:
        """Return how each replica stands: its temperature, its start, and whether and why it failed."""
        settings = self.settings
        rows = []
        for number, temperature in enumerate(settings.temperatures):
            row: dict[str, Any] = {"replica": number, "temperature": temperature, "start": number % self._n_starts}
            ended = self._record.ended.get(number)
            failure = {} if ended is None else {"failed_at_ps": ended.time_ps, "cause": ended.cause}
            rows.append(row | {"time_ps": self.simulation.time if ended is None else ended.time_ps} | failure)
        return rows

    def close(self) -> None:
        """Let go of the run folder, and of the potential where it holds anything, such as worker processes."""
        self._made.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _reason(self) -> str:
        all_failed = len(self._record.ended) == self.simulation.n_replicas
        return "all replicas failed" if all_failed else "the time asked for is simulated"


@dataclass(frozen=True)
class _Made:
    """What a run is made of, beside its settings.

    Attributes:
        bound_to: The molecule in the geometry in which the potential was given it; one of a user's own may depend on that.
        molecule: In the first start, which is what the monitors compare with.
        order: Numbers of its atoms in the input.
        potential: Of the forces.
        source: Where it comes from.
        lock: Of the folder.
    """

    bound_to: Molecule
    molecule: Molecule
    order: list[int]
    potential: Potential
    source: Source
    lock: Lock | None = None

    def close(self) -> None:
        """Let go of all of it."""
        let_go(self.potential)
        if self.lock is not None:
            self.lock.release()


def _make(settings: DynamicsSettings, molecule: Molecule, order: list[int], *, digest: str | None = None) -> _Made:
    """Return the parts that stay the same in a resumed run.

    Args:
        settings: Settled.
        molecule: In the order of the trajectories.
        order: Numbers of its atoms in the input.
        digest: Hash of the model that it must be; any where None.
    """
    potential, source = potential_on(
        settings.ray,
        settings.potential,
        molecule,
        model=settings.model,
        device=settings.device,
        n_workers=settings.workers,
    )
    made = _Made(molecule, molecule, order, potential, source)
    if digest not in (None, source.digest):
        made.close()
        raise WrongFolderError(
            f"Expected the model that the run was made with ({digest[:12]}); came one with the hash "
            f"{source.digest[:12]}. Give that model with --model, or start a new run."
        )
    return made


def _integrator(settings: DynamicsSettings, molecule: Molecule) -> Integrator[Any]:
    masses = molecule.masses if settings.h_mass is None else repartitioned(molecule, settings.h_mass)
    return settings.integrator_of(inertial(masses).to(settings.device))


def _set_off(integrator: Integrator[Any], settings: DynamicsSettings, starts: Positions) -> Motion:
    """Return the replicas at their starts, with velocities of their temperatures."""
    temperatures = torch.tensor(settings.temperatures, dtype=torch.float64)
    n_replicas = len(temperatures)
    positions = starts.double()[torch.arange(n_replicas) % len(starts)].to(settings.device)
    thermal = (BOLTZMANN * temperatures).to(settings.device)
    # Stream 0 of each replica; noise has the others.
    streams = Streams(settings.seed, range(n_replicas), [0] * n_replicas, device=settings.device)
    motion: Motion = replace(
        integrator.init(positions), velocities=thermal_velocities(positions, integrator.masses, thermal, streams)
    )
    return motion if settings.integrator == "verlet" else replace(motion, kT=thermal)


def _parts(settings: DynamicsSettings, made: _Made, integrator: Integrator[Any]) -> Parts:
    failures = FAILURES if settings.amides == "keep" else FAILURES - {Cause.AMIDE_FLIPPED}
    uncertainty = None
    if settings.uncertainty is not None:
        uncertainty = getattr(made.potential, "uncertainty", None)
        if uncertainty is None:
            raise ConfigError(
                f"Expected a potential with an uncertainty for --uncertainty; came {settings.potential!r}. Leave one out."
            )
        uncertainty(made.molecule.positions[None])  # which says what is missing if it is not calibrated
    monitors = Monitors(
        made.molecule,
        failures=failures,
        drift_limit=None if settings.integrator == "langevin" else _DRIFT_LIMIT,
        uncertainty_limit=settings.uncertainty,
        n_fixed=6 if made.molecule.n_atoms > 2 else 5,
    )
    dtype = torch.float32 if settings.precision == "float32" else torch.float64
    return Parts(made.potential, integrator, monitors, dtype=dtype, device=settings.device, uncertainty=uncertainty)


def _settled(settings: DynamicsSettings, molecule: Molecule) -> DynamicsSettings:
    """Return the settings with everything chosen that was left to suit the machine.

    Raises:
        InputError: The potential has units of its own, the molecule has no bonds, or the device does not exist.
    """
    if settings.potential in REDUCED:
        raise InputError(
            f"Expected a potential in eV and angstrom; came {settings.potential!r}, whose units are its own, so that "
            "picoseconds and kelvin mean nothing. Choose another --potential, or use pesx.dynamics in Python."
        )
    if not len(molecule.bonds):
        raise InputError(f"Expected a molecule with bonds; came {molecule.formula} without. Give another molecule.")
    is_learned = settings.potential == "so3krates"
    if not is_learned and settings.device not in ("auto", "cpu"):
        raise ConfigError(
            f"Expected --device auto or cpu for the potential {settings.potential!r}; came {settings.device!r}. Leave it out."
        )
    precision = settings.precision
    if precision == "auto":
        precision = "float32" if is_learned else "float64"
    # On a cluster the workers have the devices.
    device = choose_device(settings.device) if is_learned and not settings.ray else "cpu"
    return replace(settings, device=device, precision=precision)


def _read_settings(folder: Path) -> DynamicsSettings:
    try:
        return from_table(DynamicsSettings, read_toml(folder / _CONFIG))
    except ConfigError as error:
        raise RunFolderError(f"Expected the settings of a run in {folder / _CONFIG}: {error}") from error


def _with_limits(stored: DynamicsSettings, limits: Mapping[str, Any], folder: Path) -> DynamicsSettings:
    wanted = from_table(DynamicsSettings, limits, base=stored)
    for name in sorted(limits.keys() - set(LIMITS)):
        was, came = getattr(stored, name), getattr(wanted, name)
        if came != was:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(
                f"Expected {flag} {was}, which {folder} was made with; came {came}. Leave it out to go on with that run, "
                "or start a new one in another folder."
            )
    return wanted


def _as_toml(settings: DynamicsSettings) -> str:
    return to_toml(to_table(settings), heading="All settings of this run.")


__all__ = ["LIMITS", "DynamicsSettings", "MolecularDynamics"]
