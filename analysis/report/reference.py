"""The energies of the minima against those of a reference, and which minima survive there."""

from typing import Any

import numpy as np

from pesx.landscape.records import Verifications
from pesx.units import KCAL_PER_MOL
from pesx.verification.compare import rows_of, stayed
from pesx.verification.proportions import Proportion
from pesx.verification.verify import summarise

from .material import Array, Material, left_out, plain


def reference(material: Material) -> dict[str, Any]:
    """Return a part for each level of theory at which minima were verified, the one with most of them first.

    Energies are those of the minima as they are, kcal/mol: of the potential above the lowest minimum, of the reference so that
    the mean difference is zero.
    """
    verified = material.run.verifications
    if not len(verified):
        return left_out("There is no comparison with a reference, because pesx verify was not run.")
    levels, counts = np.unique(verified.level.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {"levels": [_level(material, verified, str(levels[row])) for row in order]}


def _level(material: Material, verified: Verifications, level: str) -> dict[str, Any]:
    found = rows_of(verified, np.flatnonzero(verified.level == level))
    own = material.relative_energy[found.minimum] * material.scale / KCAL_PER_MOL
    other = found.unrelaxed_energy / KCAL_PER_MOL
    gap = own - other
    is_there = np.isfinite(gap)
    shift = float(gap[is_there].mean()) if is_there.any() else 0.0
    summary = summarise(verified, material.run.minima.energy.numpy(), level)
    survives, new = stayed(found), material.is_new[found.minimum]
    return {
        "level": level,
        "minimum": found.minimum.tolist(),
        "potential": plain(own),
        "reference": plain(other + shift),
        "survives": survives.astype(bool).tolist(),
        "rmsd": plain(found.rmsd),
        "n_without": int((~is_there).sum()),
        "facts": _facts(material, summary.as_json(), survives, new=new),
    }


def _facts(material: Material, summary: dict[str, Any], survives: Array, *, new: Array) -> list[list[str]]:
    groups = [("All", np.ones(len(new), dtype=bool))]
    if material.novelty:
        groups += [("Known", new == 0), ("New", new == 1)]
    rows = [[f"{name} minima that survive (RMSD up to 0.3 Å)", _share(survives[mask])] for name, mask in groups]
    if material.novelty:
        known, fresh = (Proportion(int(survives[mask].sum()), int(mask.sum())) for _, mask in groups[1:])
        if known.total and fresh.total:
            difference, lower, upper = (100 * value for value in fresh.minus(known))
            rows.append(["New less known", f"{difference:+.0f} ({lower:+.0f} to {upper:+.0f}) points at 95%"])
    rows += [
        ["Did not converge", str(summary["not_converged"])],
        ["Changed chemistry", str(summary["changed_chemistry"])],
        ["Median RMSD", _with(summary["median_rmsd"], "Å")],
        ["Mean absolute error of relative energies, as they are", _with(summary["error_unrelaxed"], "kcal/mol")],
        ["The same, relaxed, of those that survive", _with(summary["error_stayed"], "kcal/mol")],
    ]
    return rows


def _share(survives: Array) -> str:
    return str(Proportion(int(survives.sum()), len(survives)))


def _with(value: float | None, unit: str) -> str:
    return "none" if value is None or not np.isfinite(value) else f"{value:.3f} {unit}"


__all__ = ["reference"]
