"""Minima of a run relaxed with a reference engine, each stored as soon as it is done; and what came of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pesx.engines.engine import Engine
from pesx.engines.workers import Failed
from pesx.identity.molecular import Mirror
from pesx.landscape.records import Array, Verifications
from pesx.landscape.store import RunStore
from pesx.outcome import Outcome
from pesx.verification.compare import Comparison, relative_error, rows_of, stayed
from pesx.verification.proportions import Proportion
from pesx.verification.relaxation import Relaxation, relax_each

_UNFINISHED = (Outcome.OUT_OF_STEPS, Outcome.NON_FINITE, Outcome.RUNAWAY)


def open_minima(store: RunStore, numbers: Sequence[int], level: str) -> list[int]:
    """Return those of some minima that have not been verified at a level of theory, in the order given."""
    verified = store.verifications()
    done = set(verified.minimum[verified.level == level].tolist())
    return [number for number in numbers if number not in done]


def verify(
    store: RunStore,
    numbers: Sequence[int],
    engine: Engine,
    *,
    settings: Relaxation | None = None,
    mirror: Mirror = "distinct",
    n_workers: int = 1,
    on_done: Callable[[int], None] | None = None,
) -> dict[int, str]:
    """Relax minima of a run with an engine, and store each as soon as it is done.

    Args:
        store: The run, opened to write; its molecule has bonds.
        numbers: Which minima; what is stored of them at this level is replaced.
        engine: What relaxes them.
        settings: When a relaxation is done; None for the defaults.
        mirror: Whether mirror images are the same minimum in this run.
        n_workers: Processes, one thread each.
        on_done: Called with the number of each minimum that is done or has failed.

    Returns:
        Why a minimum has no result this time, by its number: the worker died over it, or the engine raised what it should not.

    Raises:
        InputError: The engine cannot have this molecule, or its program is not installed.
    """
    starts = store.minima().positions[list(numbers)]
    comparison = Comparison(store.molecule, mirror)
    failures: dict[int, str] = {}
    results = relax_each(store.molecule, starts, engine, settings=settings or Relaxation(), n_workers=n_workers)
    for row, result in results:
        number = numbers[row]
        if isinstance(result, Failed):
            failures[number] = result.reason
        else:
            found = comparison.judge(number, engine.level, starts[row : row + 1], result)
            with store.transaction():
                store.add_verifications(found)
        if on_done is not None:
            on_done(number)
    return failures


@dataclass(frozen=True)
class Summary:
    """What came of minima at a level of theory. Errors of relative energies are mean absolute ones, kcal/mol.

    Attributes:
        level: Level of theory.
        not_converged: Minima whose relaxation did not converge.
        changed_chemistry: Minima that lost a bond, or changed handedness or an amide.
        all_atoms: Minima that stayed within 0.3 angstrom RMSD of all atoms.
        heavy_atoms: The same for heavy atoms.
        median_rmsd: Of all atoms of those that kept their chemistry, angstrom.
        median_heavy_rmsd: The same for heavy atoms.
        error_unrelaxed: Of all minima as they were; None where fewer than two have an energy.
        error_kept: Between the minimum and where its relaxation ended, of those that kept their chemistry.
        error_stayed: The same, of those that stayed within 0.3 angstrom RMSD of all atoms.
        n_evaluations: Calls of the engine.
    """

    level: str
    not_converged: int
    changed_chemistry: int
    all_atoms: Proportion
    heavy_atoms: Proportion
    median_rmsd: float | None
    median_heavy_rmsd: float | None
    error_unrelaxed: float | None
    error_kept: float | None
    error_stayed: float | None
    n_evaluations: int

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        parts = {name: value for name, value in vars(self).items() if not isinstance(value, Proportion)}
        return {**parts, "all_atoms": self.all_atoms.as_json(), "heavy_atoms": self.heavy_atoms.as_json()}


def summarise(verified: Verifications, energy: Array, level: str, *, rows: Array | None = None) -> Summary:
    """Count and average what was verified at one level of theory.

    Args:
        verified: The table.
        energy: Of all minima of the run by the potential that found them, eV.
        level: Level of theory; rows of others are left out.
        rows: A mask of the rows to look at; all where None.
    """
    is_wanted = (verified.level == level) & (True if rows is None else rows)
    found = rows_of(verified, np.flatnonzero(is_wanted))
    own = energy[found.minimum]
    is_kept = found.outcome == int(Outcome.CONVERGED)
    has_stopped = np.isin(found.outcome, [int(outcome) for outcome in _UNFINISHED])
    stays, n = stayed(found), len(found)
    return Summary(
        level=level,
        not_converged=int(has_stopped.sum()),
        changed_chemistry=int((~is_kept & ~has_stopped).sum()),
        all_atoms=Proportion(int(stays.sum()), n),
        heavy_atoms=Proportion(int(stayed(found, heavy=True).sum()), n),
        median_rmsd=_median(found.rmsd[is_kept]),
        median_heavy_rmsd=_median(found.heavy_rmsd[is_kept]),
        error_unrelaxed=relative_error(own, found.unrelaxed_energy, np.ones(n, dtype=bool)),
        error_kept=relative_error(own, found.energy, is_kept),
        error_stayed=relative_error(own, found.energy, stays),
        n_evaluations=int(found.n_evaluations.sum()),
    )


def _median(values: Array) -> float | None:
    return float(np.median(values)) if len(values) else None


__all__ = ["Summary", "open_minima", "summarise", "verify"]
