"""One run of ``pesx explore``: from settings to a search in a run folder, new or resumed."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from math import inf
from pathlib import Path
from typing import NamedTuple, Self

import torch

from pesx.chemistry.read import read_molecule
from pesx.distributed.bench import RayBench
from pesx.distributed.cluster import Cluster
from pesx.distributed.plan import BenchPlan, PotentialPlan
from pesx.errors import InputError, WrongFolderError
from pesx.explore.exploration import Exploration, Parts, Sizes, walkers_for
from pesx.explore.ledger import Ledger
from pesx.explore.presets import cluster_parts, molecule_parts, surface_parts
from pesx.explore.stop import Progress
from pesx.files import write_whole
from pesx.guards.molecular import MolecularGuard
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.export import update_extxyz
from pesx.landscape.schema import FILE_NAME, LOCK_NAME
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.protocols import Potential
from pesx.registry import REDUCED, Source, let_go, make_potential, own_faults
from pesx.settings import (
    LIMITS,
    ExploreSettings,
    is_reduced,
    read_settings,
    settled,
    with_limits,
    write_settings,
)
from pesx.threads import one_thread_each
from pesx.versions import versions

_EXPORT_EVERY = 30.0
"""Seconds between two updates of minima.extxyz."""

_WRITTEN = ("config.toml", "provenance.json", "minima.extxyz")
"""What a run writes, and writes anew, beside its database."""


class Run:
    """A search in its folder; made by :meth:`start` or :meth:`resume`, closed after use.

    Attributes:
        folder: The run folder.
        settings: What was asked for, and what was chosen where nothing was.
        molecule: What is explored.
        source: Where the potential comes from.
        exploration: The search.
    """

    def __init__(
        self, store: RunStore, settings: ExploreSettings, made: "_Made", cluster: Cluster | None = None
    ) -> None:
        self.folder, self.settings, self.molecule, self.source = store.folder, settings, store.molecule, made.source
        self._store = store
        self._exported = time.monotonic()
        sizes, bench = _sizes(settings, cluster), None
        if cluster is not None:
            bench = _ray_bench(cluster, settings, self.molecule, made.source)
        self.exploration = Exploration(
            made.parts,
            sizes,
            archive=made.archive,
            ledger=Ledger(store),
            template=self.molecule.positions,
            bench=bench,
        )

    @classmethod
    def start(cls, settings: ExploreSettings, folder: Path | str) -> Self:
        """Set up a new run.

        Nothing is written before everything that can be wrong with the settings has been looked at.

        Args:
            settings: What is asked for.
            folder: The run folder; must not hold a run, nor files of the names that a run writes.

        Raises:
            InputError: Something in the settings, or the folder, cannot be used.
            RunFolderError: The folder cannot be written.
        """
        folder = Path(folder)
        _require_own(folder)
        molecule = read_molecule(settings.molecule, charge=settings.charge, multiplicity=settings.multiplicity)
        with ExitStack() as undo:
            cluster = _connected(settings, undo)
            settings = settled(settings, n_gpus=None if cluster is None else cluster.n_devices("cuda"))
            made = _make(settings, molecule)
            undo.callback(let_go, made.parts.stages.potential)
            store = RunStore.create(folder, molecule, _meta(settings, made.source))
            undo.callback(_discard, folder)
            undo.callback(store.close)
            write_settings(settings, folder)
            run = cls(store, settings, made, cluster)
            run.write_provenance("running")
            undo.pop_all()
        return run

    @classmethod
    def resume(cls, folder: Path | str, *, molecule: Molecule | None = None, **limits: object) -> Self:
        """Set up a run to go on from where it stopped.

        Args:
            folder: The run folder.
            molecule: If given, must be the molecule of the run, in any geometry that keeps its chemistry.
            limits: Settings out of :data:`LIMITS` to change, or the ``model``, if its file has moved. Others may be
                repeated, but not changed.

        Raises:
            ConfigError: A setting is unknown, or another than before and no limit.
            WrongFolderError: No run there, or one of another molecule or another model.
            RunFolderError: The run is damaged, of a newer version, or another process is writing to it.
        """
        path = Path(folder)
        with ExitStack() as undo:
            store = RunStore.resume(path, molecule)
            undo.callback(store.close)
            stored = read_settings(path)
            settings = with_limits(stored, limits, store)
            cluster = _connected(settings, undo)
            settings = settled(settings, n_gpus=None if cluster is None else cluster.n_devices("cuda"))
            if molecule is not None:
                _require_same_chemistry(store, molecule, settings)
            made = _make(settings, store.molecule, digest=store.meta.get("model", ""))
            undo.callback(let_go, made.parts.stages.potential)
            run = cls(store, settings, made, cluster)
            if settings != stored:
                write_settings(settings, path)
            run.write_provenance("running")
            undo.pop_all()
        return run

    def go(self, on_progress: Callable[[Progress], None] | None = None) -> str:
        """Explore until a reason to stop, keep the exports up to date, and return the reason."""

        def observe(progress: Progress) -> None:
            if time.monotonic() - self._exported > _EXPORT_EVERY:
                self.export()
            if on_progress is not None:
                on_progress(progress)

        with one_thread_each(), own_faults(self.settings.potential):
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
        """Write RUN/provenance.json: what made these results; ``running`` until the run ends in good order."""
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
        write_whole(self.folder / "provenance.json", json.dumps(content, indent=2) + "\n")

    def close(self) -> None:
        """Let go of the run folder, and of the potential where it holds anything, such as worker processes."""
        self._store.close()
        self.exploration.bench.close()
        let_go(self.exploration.parts.stages.potential)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _meta(settings: ExploreSettings, source: Source) -> dict[str, str]:
    """Return what the database of a run keeps about where its energies come from."""
    unit = "epsilon" if is_reduced(settings) else "eV"
    return {"model": source.digest, "level": source.level, "energy_unit": unit}


def _require_own(folder: Path) -> None:
    """Refuse a folder whose files a new run would write over; one with a run is refused by its store."""
    there = [name for name in _WRITTEN if (folder / name).exists()]
    if there and not (folder / FILE_NAME).exists():
        raise InputError(
            f"Expected a folder of its own for a new run; {folder} holds {', '.join(there)}, which the run would write "
            "over. Choose another folder with --out, or move that away."
        )


def _require_same_chemistry(store: RunStore, molecule: Molecule, settings: ExploreSettings) -> None:
    """Refuse a stereoisomer of the molecule of a run: atoms and bonds are the same, handedness is in the positions."""
    if len(molecule.bonds) == 0:
        return
    guard = MolecularGuard(store.molecule, amides=settings.amides)
    was, came = guard.keys(torch.stack([store.molecule.positions, molecule.positions]))
    centres, amides, *doubles = zip(was.split("|"), came.split("|"), strict=True)
    fixed = [centres, *doubles] + ([amides] if settings.amides == "keep" else [])
    if any(one != other for one, other in fixed):
        raise WrongFolderError(
            f"Expected the stereoisomer of {molecule.formula} that {store.folder} was made with, {was}; came {came}. "
            "Leave the molecule out to go on with that run, or start a new one in another folder."
        )


def _discard(folder: Path) -> None:
    """Remove what a run that could not be set up has written, so that the folder can be used again."""
    for name in (FILE_NAME, LOCK_NAME, *_WRITTEN):
        (folder / name).unlink(missing_ok=True)


def _connected(settings: ExploreSettings, undo: ExitStack) -> Cluster | None:
    """Return the cluster that the work is to be spread over, if any."""
    return undo.enter_context(Cluster(settings.ray)) if settings.ray else None


def _ray_bench(cluster: Cluster, settings: ExploreSettings, molecule: Molecule, source: Source) -> RayBench:
    potential = PotentialPlan.of(
        settings.potential, settings.model, source.digest, molecule=molecule, device=settings.device
    )
    plan = BenchPlan(potential, settings.replicas, _dtype(settings))
    return RayBench(cluster, plan, n_slots=settings.replicas, n_workers=settings.workers, device=settings.device)


class _Made(NamedTuple):
    """What a run is made of, beside its store."""

    source: Source
    parts: Parts
    archive: MinimaArchive


def _make(settings: ExploreSettings, molecule: Molecule, *, digest: str | None = None) -> _Made:
    """Return potential and parts for settings that are settled.

    Args:
        settings: What is asked for.
        molecule: What is explored.
        digest: Hash of the model that it must be; any where None.
    """
    _require_fit(settings.potential, molecule)
    potential, source = make_potential(
        settings.potential,
        molecule,
        model=settings.model,
        # What drives a cluster need not have a GPU.
        device="cpu" if settings.ray else settings.device,
        n_workers=max(1, settings.workers),
    )
    try:
        if digest not in (None, source.digest):
            raise WrongFolderError(
                f"Expected the model that the run was made with ({digest[:12]}); came one with the hash "
                f"{source.digest[:12]}. Give that model with --model, or start a new run."
            )
        return _Made(source, *_parts(settings, molecule, potential))
    except BaseException:
        let_go(potential)
        raise


def _require_fit(potential: str, molecule: Molecule) -> None:
    """Refuse a molecule that is none for this potential.

    Raises:
        InputError: It has or lacks bonds, or has too many atoms.
    """
    n_bonds = len(molecule.bonds)
    if potential == "lennard-jones" and n_bonds:
        raise InputError(
            f"Expected a cluster of like atoms without bonds for the potential 'lennard-jones'; came {molecule.formula} "
            f"with {n_bonds} bonds. Name a cluster such as LJ13, or choose another --potential for this molecule."
        )
    if potential == "muller-brown" and molecule.n_atoms > 1:
        raise InputError(
            f"Expected one atom for the potential 'muller-brown'; came {molecule.formula} with {molecule.n_atoms}. "
            "Use --molecule '[Ar]'."
        )
    if potential not in REDUCED and not n_bonds:
        raise InputError(
            f"Expected a molecule with bonds for the potential {potential!r}; came {molecule.formula} without. "
            "For a cluster use --potential lennard-jones."
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


def _sizes(settings: ExploreSettings, cluster: Cluster | None) -> Sizes:
    """Return the sizes of the batch, for settings that are settled."""
    n_slots = settings.replicas
    if cluster is not None:
        n_slots *= settings.workers or max(1, cluster.n_devices(settings.device))
    return Sizes(
        n_walkers=walkers_for(n_slots),
        n_slots=n_slots,
        seed=settings.seed,
        dtype=_dtype(settings),
        # The archive of what drives a cluster is in the memory of its own machine.
        device="cpu" if cluster is not None else settings.device,
        has_ladder=settings.ladder > 1,
    )


def _dtype(settings: ExploreSettings) -> torch.dtype:
    return torch.float32 if settings.precision == "float32" else torch.float64


__all__ = ["LIMITS", "ExploreSettings", "Run", "is_reduced", "read_settings"]
