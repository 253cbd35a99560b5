"""Transition states of a run: from its folder to what joins its minima, and back into its folder."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Self

import torch

from pesx.chemistry.perceive import perceive
from pesx.config import require
from pesx.connect.connecting import Connecting
from pesx.connect.jobs import Joined
from pesx.connect.ledger import Ledger
from pesx.connect.pairs import fingerprint_distances, torsion_distances
from pesx.connect.parts import Parts, Sizes
from pesx.connect.presets import cluster_parts, molecule_parts, surface_parts
from pesx.connect.rounds import Rounds, RoundSettings
from pesx.distributed.potential import potential_on
from pesx.errors import InputError, WrongFolderError
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.records import Array
from pesx.landscape.rules import cluster_archive, molecular_archive, surface_archive
from pesx.landscape.store import RunStore
from pesx.molecule import Molecule
from pesx.protocols import Potential
from pesx.registry import REDUCED, Source, let_go, own_faults
from pesx.settings import ExploreSettings, read_settings
from pesx.threads import one_thread_each


@dataclass(frozen=True)
class ConnectSettings:
    """What is asked for.

    Attributes:
        pairs: Which pairs to try.
        max_evaluations: Force evaluations after which to stop.
        max_seconds: Time after which to stop.
        n_bands: Bands at a time.
        n_searches: Searches at a time.
        seed: Of searches that start around minima.
        model: Model file, if that of the run has moved; empty for that of the run.
        device: As for exploring; empty for that of the run.
        workers: Processes, for potentials that are engines; with ``ray``, workers. 0 is one process, or one worker for each
            device of the cluster.
        ray: Address of a Ray cluster to evaluate on, or auto; empty for this process.
    """

    pairs: RoundSettings = field(default_factory=RoundSettings)
    max_evaluations: float = inf
    max_seconds: float = inf
    n_bands: int = 8
    n_searches: int = 32
    seed: int = 0
    model: str = ""
    device: str = ""
    workers: int = 0
    ray: str = ""

    def __post_init__(self) -> None:
        require(self, above_zero=["max_evaluations", "max_seconds"], at_least_zero=["seed", "workers"])
        require(self, at_least_one=["n_bands", "n_searches"])


class Pathways:
    """The search for transition states in the folder of a run; made by :meth:`open`, closed after use.

    Attributes:
        store: The database of the run.
        connecting: The search.
    """

    def __init__(
        self, store: RunStore, settings: ConnectSettings, potential: Potential, explored: ExploreSettings
    ) -> None:
        self.store, self.settings, self._potential, self._explored = store, settings, potential, explored
        is_float32 = explored.precision == "float32"
        sizes = Sizes(
            n_bands=settings.n_bands,
            n_searches=settings.n_searches,
            dtype=torch.float32 if is_float32 else torch.float64,
            device="cpu" if settings.ray else settings.device or explored.device,
            seed=settings.seed,
        )
        ledger = Ledger(store)
        self._minima, transition_states = (_archive(explored, store.molecule) for _ in range(2))
        ledger.restore(self._minima, transition_states)
        parts = _parts(explored, store.molecule, potential)
        pairs = settings.pairs
        if pairs.n_around is None:
            pairs = replace(pairs, n_around=parts.around.number(len(self._minima)))
        self._rounds = Rounds(pairs, store.quenches(), minima=self._minima, distances=self._distances, ledger=ledger)
        self.connecting = Connecting(
            parts,
            sizes,
            minima=self._minima,
            transition_states=transition_states,
            ledger=ledger,
        )

    @classmethod
    def open(cls, folder: Path | str, settings: ConnectSettings | None = None) -> Self:
        """Set up the search in a run folder; it goes on where one before has stopped.

        Args:
            folder: The run folder.
            settings: What is asked for; None for the defaults.

        Raises:
            WrongFolderError: No run there, or the model is another.
            RunFolderError: Another process is writing to the run, or it is damaged.
            InputError: There are no minima.
        """
        asked = settings or ConnectSettings()
        store = RunStore.resume(Path(folder))
        try:
            explored = read_settings(Path(folder))
            if not store.n_minima:
                raise InputError(f"Expected a run with minima in {folder}; came one without. Explore first.")
            potential, source = potential_on(
                asked.ray,
                explored.potential,
                store.molecule,
                model=asked.model or explored.model,
                device=asked.device or explored.device,
                n_workers=asked.workers,
            )
            _require_same_model(store, source)
            return cls(store, asked, potential, explored)
        except BaseException:
            store.close()
            raise

    def go(self, observe: Callable[[Joined], None] = lambda _: None) -> str:
        """Join minima until a reason to stop, and return the reason."""
        with one_thread_each(), own_faults(self._explored.potential):
            return self.connecting.run(self._rounds, stop=self._stop, observe=observe)

    def _stop(self, progress: Joined) -> str | None:
        if progress.n_evaluations >= self.settings.max_evaluations:
            return "the force evaluations allowed are spent"
        if progress.seconds >= self.settings.max_seconds:
            return "the time allowed is over"
        return None

    def _distances(self) -> Array:
        positions = self._minima.positions
        if len(self.store.molecule.bonds):
            quads = perceive(self.store.molecule).torsions.quads
            if len(quads):
                return torsion_distances(positions, quads)
        return fingerprint_distances(self._minima.identity.fingerprint(positions))

    def close(self) -> None:
        """Let go of the run folder, and of the potential where it holds anything, such as worker processes."""
        self.store.close()
        let_go(self._potential)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _require_same_model(store: RunStore, source: Source) -> None:
    made_with = store.meta.get("model", "")
    if made_with != source.digest:
        raise WrongFolderError(
            f"Expected the model that the run was made with ({made_with[:12]}); came one with the hash "
            f"{source.digest[:12]}. Give that model with --model."
        )


def _archive(explored: ExploreSettings, molecule: Molecule) -> MinimaArchive:
    if explored.potential == "muller-brown":
        return surface_archive()
    if explored.potential in REDUCED:
        return cluster_archive(molecule, explored.mirror)
    return molecular_archive(molecule, explored.mirror)


def _parts(explored: ExploreSettings, molecule: Molecule, potential: Potential) -> Parts:
    window = inf if explored.energy_window is None else explored.energy_window
    if explored.potential == "muller-brown":
        return surface_parts(potential)
    if explored.potential in REDUCED:
        return cluster_parts(potential, molecule, mirror=explored.mirror, energy_window=window)
    return molecule_parts(potential, molecule, mirror=explored.mirror, amides=explored.amides, energy_window=window)


__all__ = ["ConnectSettings", "Pathways"]
