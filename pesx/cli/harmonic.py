"""What commands about temperature have in common: the minima of a run as harmonic wells, and temperatures."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pesx.cli.amounts import read_energy
from pesx.cli.streams import clean_stdout, say
from pesx.errors import ConfigError, InputError, WrongFolderError
from pesx.landscape.network import Network, count_text
from pesx.landscape.records import Array, StoredMinima, StoredTransitionStates
from pesx.landscape.rules import cluster_archive, molecular_archive
from pesx.landscape.store import RunStore
from pesx.landscape.symmetry import with_point_groups
from pesx.landscape.twins import without_twin
from pesx.molecule import Molecule
from pesx.registry import REDUCED, let_go, make_potential, own_faults
from pesx.settings import ExploreSettings, read_settings
from pesx.thermodynamics.harmonic_network import HarmonicNetwork
from pesx.thermodynamics.multiplicity import log_group_order
from pesx.thermodynamics.vibrations import Motion, Vibrations, compute_vibrations
from pesx.thermodynamics.wells import Harmonic
from pesx.threads import one_thread_each
from pesx.units import KCAL_PER_MOL

_HOT, _COLD = 0.5, 0.01
"""Temperatures of figures in reduced units, as shares of the gap between the two lowest minima."""

_TWINS = 1e-4
"""Minima closer in energy than this are mirror images of each other, as far as a range of temperatures is concerned."""

_KELVIN = (50.0, 600.0)
_STEPS = 100
_MOST_STEPS = 100_000


@dataclass(frozen=True)
class HarmonicRun:
    """A run whose minima are harmonic wells.

    Attributes:
        wells: Minima and transition states.
        landscape: All of the run, also what is no part of the wells.
        mirror: What the run made of mirror images.
        is_reduced: Whether energies have no unit; temperatures are then energies too.
        notes: What was left out, and how motion is counted.
    """

    wells: HarmonicNetwork
    landscape: Network
    mirror: str
    is_reduced: bool
    notes: tuple[str, ...]

    @property
    def network(self) -> Network:
        """The minima and what joins them."""
        return self.wells.network

    @property
    def energy_scale(self) -> float:
        """Unit in which energies are shown, in that of the run."""
        return 1.0 if self.is_reduced else KCAL_PER_MOL

    @property
    def energy_unit(self) -> str:
        """Its name."""
        return "epsilon" if self.is_reduced else "kcal/mol"

    def temperature_text(self, temperature: float) -> str:
        """Return a temperature with its unit."""
        return f"kT = {temperature:g} epsilon" if self.is_reduced else f"{temperature:g} K"


def open_harmonic(arguments: Namespace, *, needs_transition_states: bool) -> HarmonicRun:
    """Return the wells of a run; what is not known of its vibrations is computed and stored.

    Args:
        arguments: With ``run``, ``window``, ``quasi_rrho``, ``stored``, ``model`` and ``device``.
        needs_transition_states: Whether those count too.

    Raises:
        InputError: There is no run or no minimum, or the potential of the run is not there.
    """
    folder = Path(arguments.run)
    with RunStore.read(folder) as store, store.snapshot():
        molecule, is_reduced = store.molecule, store.energy_unit != "eV"
        minima, states, unit = store.minima(), store.transition_states(), store.energy_unit
        vibrations, digest = Vibrations.of(store), store.meta.get("model", "")
    settings = read_settings(folder)
    if is_reduced and arguments.quasi_rrho:
        raise ConfigError(
            "Expected a run in eV for --quasi-rrho; came one in reduced units, without hbar. Leave it out."
        )
    network = landscape = Network.from_records(minima, states, masses=molecule.masses, unit=unit)
    if not len(network.minima):
        raise InputError(f"Expected minima in {folder}; it has none. Explore first, or let the run go on.")
    if not needs_transition_states:
        network = network.take_transition_states(np.arange(0))
    network, notes = _inside(network, arguments.window, is_reduced)
    network = with_point_groups(network, (minima.positions, states.positions), molecule.numbers, mirror=settings.mirror)
    harmonic = harmonic_of(is_reduced=is_reduced, is_quasi_rrho=arguments.quasi_rrho)
    motion = _motion(settings, molecule, is_reduced)
    unknown = vibrations.unknown(network, every=harmonic.needs_frequencies)
    n_unknown = sum(len(numbers) for numbers in unknown.values())
    if n_unknown and not arguments.stored:
        vibrations = _computed(arguments, unknown, (settings, molecule, digest), motion)
    twinless = _twinless(settings, molecule, {"minima": minima, "transition_states": states})
    wells = HarmonicNetwork.of(
        network, vibrations, n_atoms=molecule.n_atoms, motion=motion, harmonic=harmonic, twinless=twinless
    )
    notes += _twins_text(wells.network, twinless)
    left_out = [f"left out: {', '.join(wells.left_out)}"] * bool(wells.left_out)
    return HarmonicRun(wells, landscape, settings.mirror, is_reduced, (*notes, *left_out, _counted(harmonic)))


def harmonic_of(*, is_reduced: bool, is_quasi_rrho: bool) -> Harmonic:
    """Return how motion is counted: in reduced units without hbar, else with quanta and rigid rotation."""
    if is_reduced:
        return Harmonic("classical")
    return Harmonic("quasi-rrho" if is_quasi_rrho else "quantum", has_rotation=True)


def temperatures(arguments: Namespace, run: HarmonicRun, *, is_needed: bool) -> Array:
    """Return the temperatures that were asked for, ascending, (K,).

    Args:
        arguments: With ``temperature``, ``lowest_temperature``, ``highest_temperature`` and ``steps``.
        run: For what is usual in its units.
        is_needed: Whether some must be given; otherwise a usual range is chosen.

    Raises:
        ConfigError: None are given, or one is not above 0.
    """
    low, high, steps = arguments.lowest_temperature, arguments.highest_temperature, arguments.steps
    has_range = low is not None or high is not None
    if arguments.temperature and (has_range or steps is not None):
        raise ConfigError("Expected --temperature or a range --from --to --steps; came both. Leave one out.")
    if arguments.temperature:
        return np.unique(positive(arguments.temperature, "--temperature"))
    if is_needed and not has_range:
        raise ConfigError("Expected --temperature, or a range --from --to; came neither. Give one of them.")
    if has_range and (low is None or high is None):
        raise ConfigError("Expected both --from and --to; came one of them. Give the other too.")
    usual = _usual_range(run)
    first, last = positive([low], "--from")[0] if has_range else usual[0], high if has_range else usual[1]
    if not first < last < np.inf:
        raise ConfigError(f"Expected --to above --from; came {last:g} and {first:g}. Choose a larger one.")
    n = _STEPS if steps is None else steps
    if not 2 <= n <= _MOST_STEPS:
        raise ConfigError(f"Expected --steps from 2 to {_MOST_STEPS}; came {n}. Choose another number.")
    return np.linspace(first, last, n)


def positive(values: list[float], flag: str) -> Array:
    """Return temperatures.

    Raises:
        ConfigError: One is not above 0.
    """
    for value in values:
        if not 0 < value < np.inf:
            raise ConfigError(f"Expected {flag} above 0; came {value:g}. Give a temperature in K, or in well depths.")
    return np.array(values, dtype=np.float64)


def _usual_range(run: HarmonicRun) -> tuple[float, float]:
    if not run.is_reduced:
        return _KELVIN
    height = run.network.minima.energy - run.network.minima.energy.min()
    gap = float(min(height[height > _TWINS], default=1.0))
    return _COLD * gap, _HOT * gap


def _inside(network: Network, window: str | None, is_reduced: bool) -> tuple[Network, list[str]]:
    """Return the minima up to an energy above the lowest, and what to say about the others."""
    if window is None:
        return network, []
    limit = network.minima.energy.min() + read_energy(window, is_reduced=is_reduced, name="--window")
    keep = network.minima.energy <= limit
    n_above = int((~keep).sum())
    return network.take(keep), [f"not counted: {count_text(n_above, 'minimum', 'minima')} above {window}"] * bool(
        n_above
    )


def _twinless(
    settings: ExploreSettings, molecule: Molecule, points: dict[str, StoredMinima | StoredTransitionStates]
) -> dict[str, Array]:
    """Return the numbers of the points whose mirror image should be there, but was not found."""
    is_reachable = log_group_order(molecule, "merge") > log_group_order(molecule, "distinct")
    if settings.mirror == "merge" or molecule.n_atoms < 4 or not is_reachable:
        return {}
    archive = cluster_archive if settings.potential in REDUCED else molecular_archive
    return {kind: np.flatnonzero(without_twin(some, archive(molecule, "distinct"))) for kind, some in points.items()}


def _twins_text(network: Network, twinless: dict[str, Array]) -> list[str]:
    """Return what to say about the points that count twice."""
    points = {"minima": network.minima, "transition_states": network.transition_states}
    counts = {kind: int(np.isin(points[kind].number, numbers).sum()) for kind, numbers in twinless.items()}
    words = {"minima": ("minimum", "minima"), "transition_states": ("transition state", "transition states")}
    parts = [count_text(count, *words[kind]) for kind, count in counts.items() if count]
    return [f"counted twice, because the mirror image was not found: {' and '.join(parts)}"] * bool(parts)


def _motion(settings: ExploreSettings, molecule: Molecule, is_reduced: bool) -> Motion:
    if settings.potential == "muller-brown":
        return Motion(coordinates=torch.tensor([0, 1]), is_free=False)
    return Motion(masses=None if is_reduced else molecule.masses)


def _computed(
    arguments: Namespace,
    unknown: dict[str, Array],
    made_with: tuple[ExploreSettings, Molecule, str],
    motion: Motion,
) -> Vibrations:
    """Compute vibrations from the potential of the run."""
    settings, molecule, digest = made_with
    n = sum(len(numbers) for numbers in unknown.values())
    device = arguments.device or settings.device
    potential, source = make_potential(
        settings.potential, molecule, model=arguments.model or settings.model, device=device
    )
    if source.digest != digest:
        raise WrongFolderError(
            f"Expected the model that the run was made with ({digest[:12]}); came one with the hash {source.digest[:12]}. "
            "Give that model with --model, or leave out what is not known with --stored."
        )
    try:
        with clean_stdout(), one_thread_each(), own_faults(settings.potential), _bar(n) as on_done:
            found = compute_vibrations(arguments.run, potential, unknown, motion=motion, on_done=on_done)
    finally:
        let_go(potential)
    if not found.is_stored:
        say("The vibrations could not be stored, because another process writes to the run; they count all the same.")
    return found


@contextmanager
def _bar(n: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("vibrations"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("vibrations", total=n)
        yield lambda done: progress.advance(bar, done)


def _counted(harmonic: Harmonic) -> str:
    words = {
        "classical": "classical harmonic vibrations with their kinetic energy, no rotation",
        "quantum": "quantum harmonic vibrations and rigid rotation",
        "quasi-rrho": "quantum vibrations, soft modes with the entropy of rotors (quasi-RRHO), and rigid rotation",
    }
    return f"{words[harmonic.statistics]}, no translation"
