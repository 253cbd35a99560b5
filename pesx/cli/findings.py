"""What a search brought: tables and sentences for a person, and one object for a program."""

from dataclasses import asdict, dataclass
from math import inf, isfinite, isnan
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from pesx.cli.amounts import time_text
from pesx.cli.display import energy_text
from pesx.explore.stop import Progress
from pesx.landscape.completeness import completeness
from pesx.landscape.records import StoredMinima
from pesx.outcome import Outcome
from pesx.units import KCAL_PER_MOL

_TOP = 10


@dataclass(frozen=True)
class Listing:
    """The minima of a run inside an energy window, lowest first.

    Attributes:
        minima: All minima of the run.
        rows: Numbers of those listed, by energy.
        is_reduced: Whether energies have no unit.
        uncertainty: Of the height of each above the lowest, eV, for the first of them or all; None where not asked for.
    """

    minima: StoredMinima
    rows: list[int]
    is_reduced: bool
    uncertainty: list[float] | None = None

    @classmethod
    def of(cls, minima: StoredMinima, *, window: float | None, is_reduced: bool) -> "Listing":
        """Choose and sort the minima; a window (eV, or reduced units) of None is without end."""
        order = torch.argsort(minima.energy, stable=True)
        if len(minima):
            limit = minima.energy.min() + (inf if window is None else window)
            order = order[minima.energy[order] <= limit]
        return cls(minima, order.tolist(), is_reduced)

    @property
    def energies(self) -> list[float]:
        """Energies of the minima listed, eV or reduced units."""
        return self.minima.energy[self.rows].tolist()

    def records(self, n: int | None = None) -> list[dict[str, Any]]:
        """Return the lowest minima, all where no number is given, as plain values.

        Energies are eV, those above the lowest minimum kcal/mol; both reduced units in a run without units.
        """
        minima, rows = self.minima, self.rows[:n]
        lowest = float(minima.energy[rows[0]]) if rows else 0.0
        unit = 1.0 if self.is_reduced else KCAL_PER_MOL
        sigmas = [None] * len(rows) if self.uncertainty is None else self.uncertainty[:n]
        return [
            {
                "minimum": row,
                "relative_energy": (energy - lowest) / unit,
                **({} if sigma is None else {"uncertainty": sigma / unit}),
                "energy": energy,
                "visits": int(minima.visits[row]),
                "lowest_curvature": _finite(float(minima.lowest_curvature[row])),
                "chemistry": minima.keys[row],
            }
            for row, energy, sigma in zip(rows, minima.energy[rows].tolist(), sigmas, strict=True)
        ]

    def table(self, n: int | None = None) -> Table:
        """Return the lowest minima, all where no number is given, as a table for a person."""
        has_chemistry = any(self.minima.keys[row] for row in self.rows[:n])
        relative, energy = ("above lowest", "energy") if self.is_reduced else ("kcal/mol", "energy, eV")
        table = Table(box=None, padding=(0, 3, 0, 0))
        sigma = () if self.uncertainty is None else ("\u00b1",)
        for name in ("minimum", relative, *sigma, energy, "visits", "curvature"):
            table.add_column(name, justify="right", no_wrap=True)
        if has_chemistry:
            table.add_column("chemistry", no_wrap=True)
        for record in self.records(n):
            curvature = record["lowest_curvature"]
            cells = [
                str(record["minimum"]),
                f"{record['relative_energy']:.6f}" if self.is_reduced else f"{record['relative_energy']:.3f}",
                *([f"{record['uncertainty']:.3f}"] if sigma else []),
                f"{record['energy']:.6f}",
                str(record["visits"]),
                "" if curvature is None else f"{curvature:.4g}",
            ]
            table.add_row(*cells, *([record["chemistry"]] if has_chemistry else []))
        return table


@dataclass(frozen=True)
class Report:
    """The end of a run.

    Attributes:
        reason: Why it stopped.
        folder: The run folder.
        onward: Command that goes on with it.
        progress: Where it stands.
        listing: The minima inside its window.
    """

    reason: str
    folder: str
    onward: str
    progress: Progress
    listing: Listing

    def show(self, console: Console) -> None:
        """Print it for a person."""
        progress, listing = self.progress, self.listing
        lowest = energy_text(progress.lowest, is_reduced=listing.is_reduced)
        console.print(f"\nStopped: {self.reason}.", soft_wrap=True)
        console.print(
            f"{progress.n_minima} minima in the energy window, {progress.n_stored} stored; lowest {lowest}; "
            f"{time_text(progress.seconds)}, {progress.n_evaluations} force evaluations, "
            f"occupancy {progress.occupancy:.0%}.",
            soft_wrap=True,
        )
        if listing.rows:
            console.print()
            console.print(listing.table(_TOP))
            if len(listing.rows) > _TOP:
                console.print(f"and {len(listing.rows) - _TOP} more.")
        if progress.outcomes:
            console.print()
            console.print(_outcomes(progress))
            console.print()
        console.print(completeness(progress.visits).sentence, soft_wrap=True)
        console.print(f"\nRun folder: {self.folder}\nGo on with:  {self.onward}", soft_wrap=True)

    def as_json(self) -> dict[str, Any]:
        """Return it for a program: plain values, energies in eV or reduced units."""
        progress = self.progress
        outcomes = {Outcome(code).name.lower(): count for code, count in sorted(progress.outcomes.items())}
        estimates = {name: _finite(value) for name, value in asdict(completeness(progress.visits)).items()}
        return {
            "reason": self.reason,
            "folder": self.folder,
            "unit": "reduced" if self.listing.is_reduced else "eV",
            "n_minima": progress.n_minima,
            "lowest": _finite(progress.lowest),
            "energies": self.listing.energies,
            "quenches": progress.n_quenches,
            "evaluations": progress.n_evaluations,
            "occupancy": progress.occupancy,
            "seconds": progress.seconds,
            "outcomes": outcomes,
            "completeness": estimates,
        }


def _outcomes(progress: Progress) -> Table:
    table = Table("quenches", "outcome", box=None, padding=(0, 3, 0, 0))
    table.columns[0].justify = "right"
    for code, count in sorted(progress.outcomes.items(), key=lambda item: -item[1]):
        table.add_row(str(count), Outcome(code).sentence)
    return table


def _finite(value: float) -> float | None:
    """JSON has no number for these."""
    return value if isfinite(value) and not isnan(value) else None
