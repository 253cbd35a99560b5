"""What was run and what came out: facts, outcomes, estimates of what is unseen."""

from typing import Any

import numpy as np
import torch

from pesx.landscape.completeness import WARNING, completeness, recapture
from pesx.outcome import Outcome
from pesx.units import KCAL_PER_MOL

from .material import Array, Material


def overview(material: Material) -> dict[str, Any]:
    """Return the facts of a run, how its quenches ended, and what is known about what it has not seen."""
    return {
        "title": material.run.name,
        "formula": material.run.molecule.formula,
        "figures": _figures(material),
        "facts": _facts(material),
        "outcomes": outcomes(material.run.quenches.outcome),
        "estimates": _estimates(material),
        "warning": WARNING,
    }


def outcomes(codes: Array) -> list[dict[str, Any]]:
    """Return how many quenches had each outcome, the most frequent first."""
    found, counts = np.unique(codes, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [
        {"name": name_of(int(found[row])), "meaning": Outcome(int(found[row])).sentence, "count": int(counts[row])}
        for row in order
    ]


def name_of(code: int) -> str:
    """Return the name of an outcome for a person."""
    return Outcome(code).name.replace("_", " ").lower()


def duration(seconds: float) -> str:
    """Return a time for a person."""
    if seconds < 90:
        return f"{seconds:.3g} s"
    minutes = seconds / 60
    return f"{minutes:.3g} min" if minutes < 90 else f"{minutes / 60:.3g} h"


def _figures(material: Material) -> list[dict[str, str]]:
    """Return the few numbers that stand at the top."""
    run = material.run
    energy = material.energy
    lowest = float(np.nanmin(energy)) if np.isfinite(energy).any() else None
    decimals, unit = (6, "ε") if material.network.unit == "epsilon" else (4, "eV")
    new = material.is_new
    shown = [
        ("minima", f"{len(run.minima):,}"),
        ("transition states", f"{len(run.transition_states):,}"),
        ("quenches", f"{len(run.quenches):,}"),
        (f"lowest energy, {unit}", "none" if lowest is None else f"{lowest:.{decimals}f}"),
    ]
    if material.novelty:
        shown.append(("new minima", f"{int(np.nansum(new)):,} of {int(np.isfinite(new).sum()):,}"))
    if "seconds" in run.provenance:
        shown.append(("wall time", duration(float(run.provenance["seconds"]))))
    return [{"label": label, "value": value} for label, value in shown]


def _facts(material: Material) -> list[list[str]]:
    run, settings = material.run, material.settings
    written = run.provenance
    potential = written.get("potential", {})
    molecule = run.molecule
    facts = [
        ("Molecule", f"{run.name}, {molecule.formula}, {molecule.n_atoms} atoms"),
        ("Charge and multiplicity", f"{molecule.charge}, {molecule.multiplicity}"),
        ("Potential", str(potential.get("name", "")) or run.meta.get("potential", "")),
        ("Level of theory", str(potential.get("level", "")) or run.meta.get("level", "")),
        ("Model", str(potential.get("model", ""))[:12]),
        ("Method", "" if settings is None else settings.method),
        ("Energy window", "" if settings is None else _window(material)),
        (
            "Mirror images",
            "" if settings is None else {"distinct": "distinct minima", "merge": "one minimum"}[settings.mirror],
        ),
        ("Seed", str(written.get("seed", ""))),
        ("Stopped because the run", _reason(str(written.get("status", "")))),
        ("Force evaluations", f"{material.n_evaluations:,}"),
        ("Occupancy of the batch", f"{written['occupancy']:.0%}" if "occupancy" in written else ""),
        ("Device and precision", f"{written['device']}, {written['dtype']}" if "device" in written else ""),
        ("Versions", ", ".join(f"{name} {value}" for name, value in written.get("versions", {}).items())),
        ("Run folder", run.folder.resolve().name),
    ]
    return [[name, value] for name, value in facts if value]


def _window(material: Material) -> str:
    assert material.settings is not None
    window = material.settings.energy_window
    if window is None or not np.isfinite(window):
        return "none"
    return f"{window / KCAL_PER_MOL:.4g} kcal/mol" if material.network.unit == "eV" else f"{window:.4g} ε"


def _reason(status: str) -> str:
    return "is still going on, or was killed" if status == "running" else status


def _estimates(material: Material) -> list[dict[str, str]]:
    """Return what visit counts, and the two halves of the walkers, say about the minima not yet seen."""
    run = material.run
    seen = completeness(run.minima.visits)
    if not seen.n_visits:
        return []
    level = f"{seen.confidence:.0%}"
    rows = [
        {
            "name": "Unseen mass (Good–Turing)",
            "value": f"{seen.unseen_mass:.2g}",
            "interval": f"below {seen.unseen_mass_upper:.2g} at {level}",
            "meaning": f"{seen.n_once} minima were seen once, {seen.n_twice} twice, in {seen.n_visits:,} visits",
        },
        {
            "name": "Number of minima, at least (Chao1)",
            "value": f"{seen.n_estimated:.0f}",
            "interval": f"{seen.n_estimated_lower:.0f} to {seen.n_estimated_upper:.0f} at {level}",
            "meaning": f"{seen.n_minima} were found",
        },
    ]
    first, second = halves(material)
    if len(np.unique(run.quenches.walker[run.quenches.walker >= 0])) > 1 and first.any() and second.any():
        again = recapture(torch.from_numpy(first), torch.from_numpy(second))
        rows.append(
            {
                "name": "Number of minima, capture–recapture (Chapman)",
                "value": f"{again.n_estimated:.0f}",
                "interval": f"{again.n_estimated_lower:.0f} to {again.n_estimated_upper:.0f} at {level}",
                "meaning": f"one half of the walkers saw {again.n_first}, the other {again.n_second}, both {again.n_both}",
            }
        )
    return rows


def halves(material: Material) -> tuple[Array, Array]:
    """Return which minima the walkers with even numbers saw, and which those with odd ones did, (M,) each."""
    quenches = material.run.quenches
    seen = []
    for parity in (0, 1):
        is_theirs = (quenches.walker >= 0) & (quenches.walker % 2 == parity) & (quenches.minimum >= 0)
        seen.append(np.bincount(quenches.minimum[is_theirs], minlength=len(material.run.minima)) > 0)
    return seen[0], seen[1]


__all__ = ["duration", "halves", "name_of", "outcomes", "overview"]
