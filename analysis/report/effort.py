"""What the run cost, what each move earned, and what the guards kept out."""

from typing import Any

import numpy as np

from pesx.landscape.network import count_text
from pesx.outcome import Outcome

from .material import Material, left_out
from .overview import duration, name_of


def effort(material: Material) -> dict[str, Any]:
    """Return quenches, force evaluations and new minima of each move, and the cost of all that was done."""
    run = material.run
    if not len(run.quenches):
        return left_out("There is nothing to say about timing, because no quench has ended yet.")
    first = np.zeros(len(run.quenches), dtype=bool)
    found_by = run.minima.quench.numpy()
    first[found_by[(found_by >= 0) & (found_by < len(first))]] = True
    moves = []
    is_search = run.quenches.walker >= 0
    for move in sorted(set(run.quenches.move[is_search].tolist())):
        mask = is_search & (run.quenches.move == move)
        cost, new = int(run.quenches.n_evaluations[mask].sum()), int(first[mask].sum())
        moves.append(
            {
                "move": move,
                "quenches": int(mask.sum()),
                "evaluations": cost,
                "minima": new,
                "per_minimum": round(cost / new) if new else None,
            }
        )
    moves.sort(key=lambda row: -row["evaluations"])
    return {"moves": moves, "facts": _facts(material)}


def _facts(material: Material) -> list[list[str]]:
    run = material.run
    seconds = float(run.provenance.get("seconds", 0.0))
    cost = material.n_evaluations
    facts = [["Quenches", f"{len(run.quenches):,}"], ["Force evaluations of the exploration", f"{cost:,}"]]
    if seconds > 0:
        facts += [
            ["Wall time", duration(seconds)],
            ["Force evaluations a second", f"{cost / seconds:.3g}"],
            ["Minima a minute", f"{60 * len(run.minima) / seconds:.3g}"],
        ]
    if len(run.minima):
        facts.append(["Force evaluations a minimum", f"{cost / len(run.minima):,.0f}"])
    if len(run.connections):
        joining = int(run.connections.n_evaluations.sum() + run.searches.n_evaluations.sum())
        facts.append(["Pairs of minima tried, searches", f"{len(run.connections):,}, {len(run.searches):,}"])
        facts.append(["Force evaluations for transition states", f"{joining:,}"])
        if len(run.transition_states):
            facts.append(["The same, for each", f"{joining / len(run.transition_states):,.0f}"])
    if len(run.verifications):
        facts.append(["Calls of reference engines", f"{int(run.verifications.n_evaluations.sum()):,}"])
    return facts


def violations(material: Material) -> dict[str, Any]:
    """Return how many structures outside the chemistry of the input were kept, by the rule that they broke."""
    codes = material.run.violations.outcome.numpy()
    n_quenches = len(material.run.quenches)
    if not n_quenches:
        return left_out("There are no violations to show, because no quench has ended yet.")
    if not len(codes):
        return left_out(
            f"No structure outside the chemistry of the input was kept, of {count_text(n_quenches, 'quench', 'quenches')}."
        )
    found, counts = np.unique(codes, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {
        "kinds": [
            {"name": name_of(int(found[row])), "meaning": Outcome(int(found[row])).sentence, "count": int(counts[row])}
            for row in order
        ],
        "n_quenches": n_quenches,
    }


__all__ = ["effort", "violations"]
