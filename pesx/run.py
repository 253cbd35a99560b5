"""One run of ``pesx explore``: from settings to a search in a run folder, new or resumed."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Literal, Self

import torch

from pesx.chemistry.read import read_molecule
from pesx.config import from_table, read_toml, to_table, to_toml
from pesx.errors import ConfigError, InputError, RunFolderError
from pesx.explore.exploration import Exploration, Parts, Sizes
from pesx.explore.ledger import Ledger
from pesx.explore.presets import Method, cluster_parts, molecule_parts, surface_parts
from pesx.explore.stop import Progress, Stop
from pesx.guards.molecular import Amides
from pesx.identity.molecular import Mirror
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.export import update_extxyz
from pesx.landscape.schema import FILE_NAME, LOCK_NAME
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.protocols import Potential
from pesx.registry import REDUCED, Source, choose_device, make_potential
from pesx.threads import one_thread_each
from pesx.units import KCAL_PER_MOL
from pesx.versions import versions

Precision = Literal["auto", "float32", "float64"]

_EXPORT_EVERY = 30.0
"""Seconds between two updates of minima.extxyz."""


@dataclass(frozen=True)
class ExploreSettings:
    """What a user can set. What is left at its default is chosen to suit the molecule and the machine.

    Attributes:
        molecule: Structure file, SMILES, or a name such as LJ13.
        n_minima: Distinct minima inside the energy window to stop at.
        method: How to explore.
        potential: See :func:`pesx.registry.make_potential`.
        model: Model file of a learned potential; None for the one in the package.
        replicas: Replicas in one batch; 0 to suit the machine.
        energy_window: Height above the lowest minimum up to which minima are stored, eV (well depths for clusters).
        mirror: Whether mirror images are distinct minima or the same.
        amides: Whether amides may turn between cis and trans; the key of each minimum spells which it has.
        max_evaluations: Force evaluations to stop at, over all replicas; 0 for no limit.
        max_quenches: Quenches to stop at; 0 for no limit.
        max_time: Seconds to stop at; 0 for no limit.
        patience: Stop after this many quenches without a new minimum, per minimum found; 0 for never.
        charge: Total charge, e; None for what the input says.
        multiplicity: Spin multiplicity; None for what the input says.
        ladder: Ratio of the highest to the lowest temperature of basin hopping with replica exchange; 1 for none.
        seed: Of everything random.
        device: auto, cpu, cuda, ...
        precision: Of the rough quenches; the stored minima are float64 always.
        workers: Processes, for potentials that are engines.
    """

    molecule: str
    n_minima: int = 100
    method: Method = "mixed"
    potential: str = "so3krates"
    model: str | None = None
    replicas: int = 0
    energy_window: float | None = None
    mirror: Mirror = "distinct"
    amides: Amides = "allow"
    max_evaluations: int = 0
    max_quenches: int = 0
    max_time: float = 0.0
    patience: float = 30.0
    charge: int | None = None
    multiplicity: int | None = None
    ladder: float = 1.0
    seed: int = 0
    device: str = "auto"
    precision: Precision = "auto"
    workers: int = 1

    def __post_init__(self) -> None:
        if self.n_minima < 1:
            raise ConfigError(f"n_minima: expected a whole number of at least 1, came {self.n_minima}.")
        for name in ("replicas", "max_evaluations", "max_quenches", "max_time", "patience", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: expected a number of at least 0, came {getattr(self, name)}.")
        if self.energy_window is not None and not self.energy_window > 0:
            raise ConfigError(f"energy_window: expected an energy above 0, came {self.energy_window}.")
        if self.ladder < 1 or self.workers < 1:
            raise ConfigError(f"ladder and workers: expected at least 1, came {self.ladder} and {self.workers}.")

    @property
    def stop(self) -> Stop:
        """The limits of the search."""
        return Stop(
            n_minima=self.n_minima,
            max_evaluations=self.max_evaluations or None,
            max_quenches=self.max_quenches or None,
            max_seconds=self.max_time or None,
            patience=self.patience or inf,
        )


LIMITS = ("n_minima", "max_evaluations", "max_quenches", "max_time", "patience", "workers", "device")
"""Settings that may differ when a run is resumed; any other would make it another run."""


class Run:
    """A search in its folder; made by :meth:`start` or :meth:`resume`, closed after use.

    Attributes:
        folder: The run folder.
        settings: What was asked for.
        molecule: What is explored.
        source: Where the potential comes from.
        exploration: The search.
    """

    def __init__(self, store: RunStore, settings: ExploreSettings, potential: Potential, source: Source) -> None:
        self.folder, self.settings, self.molecule, self.source = store.folder, settings, store.molecule, source
        self._store = store
        self._exported = time.monotonic()
        parts, archive = _parts(settings, self.molecule, potential)
        sizes = _sizes(settings, is_learned=settings.potential == "so3krates")
        ledger = Ledger(store)
        self.exploration = Exploration(parts, sizes, archive=archive, ledger=ledger, template=self.molecule.positions)

    @classmethod
    def start(cls, settings: ExploreSettings, folder: Path | str) -> Self:
        """Set up a new run.

        Args:
            settings: What is asked for.
            folder: The run folder; must not hold a run.

        Raises:
            InputError: Something in the settings cannot be used.
            RunFolderError: The folder holds a run, or cannot be written.
        """
        molecule = read_molecule(settings.molecule, charge=settings.charge, multiplicity=settings.multiplicity)
        if settings.energy_window is None:
            settings = replace(settings, energy_window=None if is_reduced(settings) else DEFAULT_WINDOW)
        potential, source = _potential(settings, molecule)
        store = RunStore.create(folder, molecule, _meta(settings, source))
        try:
            # Before the set-up, which can take a while: a run killed in it can be resumed like any other.
            _write_settings(settings, store.folder)
            run = cls(store, settings, potential, source)
            run.write_provenance("running")
        except BaseException:
            store.close()
            _discard(store.folder)
            raise
        return run

    @classmethod
    def resume(cls, folder: Path | str, *, molecule: Molecule | None = None, **limits: object) -> Self:
        """Set up a run to go on from where it stopped.

        Args:
            folder: The run folder.
            molecule: If given, must be the molecule of the run.
            limits: Settings out of :data:`LIMITS` to change, or the ``model``, if its file has moved.

        Raises:
            RunFolderError: No run there, one of another molecule or another model, or of a newer version.
        """
        path = Path(folder)
        store = RunStore.resume(path, molecule)
        try:
            settings = replace(read_settings(path), **limits)  # type: ignore[arg-type]
            potential, source = _potential(settings, store.molecule)
            if source.digest != store.meta.get("model", ""):
                raise RunFolderError(
                    f"Expected the model that {path} was made with ({store.meta.get('model', '')[:12]}); came one with the "
                    f"hash {source.digest[:12]}. Give that model with --model, or start a new run."
                )
            run = cls(store, settings, potential, source)
            if limits:
                _write_settings(settings, path)
            return run
        except BaseException:
            store.close()
            raise

    def go(self, on_progress: Callable[[Progress], None] | None = None) -> str:
        """Explore until a reason to stop, keep the exports up to date, and return the reason."""

        def observe(progress: Progress) -> None:
            if time.monotonic() - self._exported > _EXPORT_EVERY:
                self.export()
            if on_progress is not None:
                on_progress(progress)

        with one_thread_each():
            reason = self.exploration.run(self.settings.stop, observe)
        self.export()
        self.write_provenance(reason)
        return reason

    def export(self) -> None:
        """Bring RUN/minima.extxyz up to date."""
        self.exploration.commit()
        update_extxyz(self._store, self.folder / "minima.extxyz")
        self._exported = time.monotonic()

    def write_provenance(self, status: str) -> None:
        """Write RUN/provenance.json: what made these results."""
        progress = self.exploration.progress()
        content = {
            "status": status,
            "molecule": {"formula": self.molecule.formula, "name": self.molecule.name, "digest": self.molecule.digest},
            "potential": {"name": self.source.name, "level": self.source.level, "model": self.source.digest},
            "device": self.exploration.sizes.device,
            "dtype": str(self.exploration.sizes.dtype).removeprefix("torch."),
            "seed": self.settings.seed,
            "versions": versions("torch", "numpy", "rdkit"),
            "seconds": round(progress.seconds, 3),
            "n_minima": progress.n_minima,
            "n_quenches": progress.n_quenches,
            "n_evaluations": progress.n_evaluations,
            "occupancy": round(progress.occupancy, 4),
            "outcomes": {Outcome(code).name.lower(): count for code, count in sorted(progress.outcomes.items())},
        }
        (self.folder / "provenance.json").write_text(json.dumps(content, indent=2) + "\n")

    def close(self) -> None:
        """Let go of the run folder, and of the potential where it holds anything, such as worker processes."""
        self._store.close()
        if callable(end := getattr(self.exploration.parts.potential, "close", None)):
            end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


DEFAULT_WINDOW = 20.0 * KCAL_PER_MOL
"""20 kcal/mol in eV: what matters at room temperature, and the minima that lie on the ways between."""


def is_reduced(settings: ExploreSettings) -> bool:
    """Return whether the energies of this run have no unit."""
    return settings.potential in REDUCED


def read_settings(folder: Path) -> ExploreSettings:
    """Return the settings a run was started with.

    Raises:
        RunFolderError: The folder has no readable config.toml.
    """
    try:
        return from_table(ExploreSettings, read_toml(folder / "config.toml"))
    except ConfigError as error:
        raise RunFolderError(f"Expected the settings of a run in {folder / 'config.toml'}: {error}") from error


def _meta(settings: ExploreSettings, source: Source) -> dict[str, str]:
    """Return what the database of a run keeps about where its energies come from."""
    unit = "epsilon" if is_reduced(settings) else "eV"
    return {"model": source.digest, "level": source.level, "energy_unit": unit}


def _write_settings(settings: ExploreSettings, folder: Path) -> None:
    """Write RUN/config.toml; a reader never sees half of it."""
    partial = folder / "config.toml.partial"
    partial.write_text(to_toml(to_table(settings), heading="All settings of this run."))
    partial.replace(folder / "config.toml")


def _discard(folder: Path) -> None:
    """Remove what a run that could not be set up has written, so that the folder can be used again."""
    for name in (FILE_NAME, LOCK_NAME, "config.toml", "config.toml.partial", "provenance.json"):
        (folder / name).unlink(missing_ok=True)


def _potential(settings: ExploreSettings, molecule: Molecule) -> tuple[Potential, Source]:
    return make_potential(
        settings.potential,
        molecule,
        model=settings.model,
        device=choose_device(settings.device),
        n_workers=settings.workers,
    )


def _parts(settings: ExploreSettings, molecule: Molecule, potential: Potential) -> tuple[Parts, MinimaArchive]:
    """Return the parts that suit the potential and the molecule."""
    window = inf if settings.energy_window is None else settings.energy_window
    if settings.potential == "muller-brown":
        return surface_parts(potential, method=settings.method)
    if settings.potential in REDUCED:
        return cluster_parts(
            potential,
            molecule,
            method=settings.method,
            mirror=settings.mirror,
            energy_window=window,
            ladder=settings.ladder,
        )
    if len(molecule.bonds) == 0:
        raise InputError(
            f"Expected a molecule with bonds for the potential {settings.potential!r}; came {molecule.formula} without. "
            "For a cluster use --potential lennard-jones."
        )
    return molecule_parts(
        potential,
        molecule,
        method=settings.method,
        mirror=settings.mirror,
        amides=settings.amides,
        energy_window=window,
        n_seeds=64,
        seed=settings.seed,
        ladder=settings.ladder,
    )


def _sizes(settings: ExploreSettings, *, is_learned: bool) -> Sizes:
    """Return batch sizes that suit the machine; only learned potentials gain from float32."""
    device = choose_device(settings.device) if is_learned else "cpu"
    n_slots = settings.replicas or (32 if device == "cpu" else 512)
    dtypes = {"float32": torch.float32, "float64": torch.float64}
    return Sizes(
        # A quarter of the walkers can wait for a polish while the others fill the slots.
        n_walkers=n_slots + max(4, n_slots // 3),
        n_slots=n_slots,
        n_polish=max(4, n_slots // 3),
        seed=settings.seed,
        dtype=dtypes.get(settings.precision, torch.float32 if is_learned else torch.float64),
        device=device,
        has_ladder=settings.ladder > 1,
    )
