"""What weights from biases make of a mixture of two engines: how they separate them, and what that gains."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import rankdata
from scipy.stats import t as student

from pesx.analysis.style import BLUE, COLUMN_WIDTH, GREY, ORANGE, STYLE, undated
from pesx.errors import InputError

Array = NDArray[Any]
Weights = Mapping[tuple[str, float, int], Mapping[str, Array]]
"""Bias (eV/angstrom), weight and origin of the frames, by weighting, share of bad labels and seed."""

ERRORS = {"force_mae": "force error (meV/Å)", "energy_mae": "energy error (kcal/mol)"}

_CONFIDENCE = 0.95


def write_report(
    out: Path,
    results: Sequence[Mapping[str, Any]],
    weights: Weights,
    *,
    reference: str,
    force_errors: Mapping[str, Array],
) -> str:
    """Write ``results.jsonl``, ``summary.json``, ``table.md`` and the figure; return the table.

    Args:
        out: Folder.
        results: Of the finished trainings; those without a share of bad labels belong to all mixtures.
        weights: Of those with weights.
        reference: Way that the others are compared with.
        force_errors: Of the frames with labels of both engines and accurate ones, eV/angstrom, by engine, the good one first.

    Raises:
        InputError: Nothing is finished with which another could be compared.
    """
    shares = sorted({one["bad_share"] for one in results if one["way"] == reference})
    if not shares:
        raise InputError(f"Expected finished trainings of {reference} in {out}; there are none yet. Train some.")
    gains = [row for share in shares for row in gains_of(results, reference=reference, bad_share=share)]
    apart = [row for share in shares for row in separations(weights, bad_share=share)]
    (out / "results.jsonl").write_text("".join(json.dumps(one) + "\n" for one in results), encoding="utf-8")
    engines = {name: quantiles(errors) for name, errors in force_errors.items()}
    most = area_under_curve(*force_errors.values())
    summary = {"engines": engines, "area_under_curve_of_errors": most, "gains": gains, "separation": apart}
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    text = _engines(engines, most) + _gains(gains, reference) + (_separation(apart) if apart else "")
    (out / "table.md").write_text(text, encoding="utf-8")
    if apart:
        for ending in ("svg", "png"):
            draw_separation(weights, gains, out / f"two_engines.{ending}", reference=reference)
    return text


def interval(values: Array) -> tuple[float, float | None, float | None]:
    """Return the mean and its 95 % interval by Student's t; None for its ends where there is one value only."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None, None
    half = float(student.ppf((1 + _CONFIDENCE) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def gains_of(results: Sequence[Mapping[str, Any]], *, reference: str, bad_share: float) -> list[dict[str, Any]]:
    """Return for each way its mean errors and the differences from the reference, over the seeds that both have."""
    by_way: dict[str, dict[int, Mapping[str, Any]]] = {}
    for one in results:
        if one["bad_share"] in (None, bad_share):
            by_way.setdefault(one["way"], {})[one["seed"]] = one
    rows = []
    for way, of_seed in by_way.items():
        seeds = sorted(of_seed.keys() & by_way[reference].keys())
        if not seeds:
            continue
        row: dict[str, Any] = {"way": way, "bad_share": bad_share, "n_seeds": len(seeds)}
        before = [of_seed[seed]["pretrained_force_mae"] for seed in seeds if "pretrained_force_mae" in of_seed[seed]]
        row["pretrained_force_mae"] = float(np.mean(before)) if before else None
        for name in ERRORS:
            own, other = (np.array([one[seed][name] for seed in seeds]) for one in (of_seed, by_way[reference]))
            row[name] = float(own.mean())
            if way != reference:
                row[f"{name}_difference"] = interval(own - other)
        rows.append(row)
    return rows


def separations(weights: Weights, *, bad_share: float) -> list[dict[str, Any]]:
    """Return for each weighting how biases and weights differ between the engines, averaged over the seeds."""
    ways = list(dict.fromkeys(way for way, share, _ in weights if share == bad_share))
    rows = []
    for way in ways:
        seeds = sorted(seed for one, share, seed in weights if (one, share) == (way, bad_share))
        found = [separation(**weights[way, bad_share, seed]) for seed in seeds]
        means = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
        rows.append({"way": way, "bad_share": bad_share, "n_seeds": len(seeds), **means})
    return rows


def separation(*, bias: Array, weight: Array, is_bad: Array) -> dict[str, float]:
    """Return how biases and weights differ between the engines.

    Args:
        bias: Of each frame, eV/angstrom.
        weight: Of each frame.
        is_bad: Which frames the bad engine has labelled.
    """
    return {
        "area_under_curve": area_under_curve(bias[~is_bad], bias[is_bad]),
        "bias_good": float(np.median(bias[~is_bad])),
        "bias_bad": float(np.median(bias[is_bad])),
        "weight_good": float(weight[~is_bad].mean()),
        "weight_bad": float(weight[is_bad].mean()),
        "good_part_of_weight": float(weight[~is_bad].sum() / weight.sum()),
        "effective_share": float(weight.sum() ** 2 / np.square(weight).sum() / len(weight)),
    }


def area_under_curve(good: Array, bad: Array) -> float:
    """Return the probability that a value of the bad is larger than one of the good, the area under the ROC curve.

    1 if the values tell them apart, 0.5 if they say nothing.
    """
    ranks = rankdata(np.concatenate([good, bad]))
    return float((ranks[len(good) :].sum() - len(bad) * (len(bad) + 1) / 2) / (len(good) * len(bad)))


def quantiles(errors: Array) -> dict[str, float]:
    """Return the mean and some quantiles."""
    return {"mean": float(errors.mean())} | {
        f"{100 * q:.0f} %": float(np.quantile(errors, q)) for q in (0.05, 0.5, 0.95)
    }


def _engines(engines: Mapping[str, Mapping[str, float]], most: float) -> str:
    head = "## Engines\n\nMean absolute force error of a frame against the accurate labels, meV/Å.\n\n"
    columns = list(next(iter(engines.values())))
    lines = [f"| engine | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    lines += [
        f"| {name} | " + " | ".join(f"{1e3 * one[column]:.0f}" for column in columns) + " |"
        for name, one in engines.items()
    ]
    return head + "\n".join(lines) + f"\n\nAUC of these errors, which is that of a perfect judge: {most:.3f}.\n"


def _gains(rows: Sequence[Mapping[str, Any]], reference: str) -> str:
    text = f"\n## Errors\n\nIn parentheses: less those of {reference}, paired by seed, with the 95 % interval.\n\n"
    text += (
        "| bad labels | | seeds | pretrained, force | force (meV/Å) | energy (kcal/mol) |\n|---|---|---|---|---|---|\n"
    )
    for row in rows:
        before = "" if row["pretrained_force_mae"] is None else f"{row['pretrained_force_mae']:.0f}"
        cells = [_with_difference(row, "force_mae", 1), _with_difference(row, "energy_mae", 3)]
        text += (
            f"| {100 * row['bad_share']:.0f} % | {row['way']} | {row['n_seeds']} | {before} | {' | '.join(cells)} |\n"
        )
    return text


def _with_difference(row: Mapping[str, Any], name: str, digits: int) -> str:
    if f"{name}_difference" not in row:
        return f"{row[name]:.{digits}f}"
    middle, low, high = row[f"{name}_difference"]
    sure = "one seed" if low is None else f"{low:+.{digits}f} to {high:+.{digits}f}"
    return f"{row[name]:.{digits}f} ({middle:+.{digits}f}; {sure})"


def _separation(rows: Sequence[Mapping[str, Any]]) -> str:
    text = "\n## Separation\n\nMeans over the seeds. AUC: probability that a bad label has the larger bias.\n\n"
    columns = ("bad labels", "weighting", "AUC", "bias good, bad (meV/Å)", "mean weight good, bad")
    text += f"| {' | '.join(columns)} | good part of all weight | effective share |\n|---|---|---|---|---|---|---|\n"
    for row in rows:
        text += (
            f"| {100 * row['bad_share']:.0f} % | {row['way']} | {row['area_under_curve']:.3f} "
            f"| {1e3 * row['bias_good']:.0f}, {1e3 * row['bias_bad']:.0f} | {row['weight_good']:.2f}, {row['weight_bad']:.2f} "
            f"| {100 * row['good_part_of_weight']:.0f} % | {row['effective_share']:.2f} |\n"
        )
    return text


def draw_separation(weights: Weights, gains: Sequence[Mapping[str, Any]], path: Path, *, reference: str) -> None:
    """Draw for each mixture the biases of both engines, the weights that follow from them, and what they gain.

    Args:
        weights: See :data:`Weights`.
        gains: See :func:`gains_of`.
        path: Figure file; its ending chooses the format.
        reference: Way that the others are compared with.
    """
    shares = sorted({share for _, share, _ in weights})
    with rc_context(STYLE):
        figure = Figure(figsize=(2.1 * COLUMN_WIDTH, 2.2 * len(shares)), layout="constrained")
        FigureCanvasAgg(figure)
        every = figure.subplots(len(shares), 3, squeeze=False, width_ratios=(1, 1, 1.1))
        for (biases, weighed, gained), share in zip(every, shares, strict=True):
            _draw_biases(biases, weights, share)
            _draw_weights(weighed, weights, share)
            rows = [row for row in gains if row["bad_share"] == share and row["way"] != reference]
            _draw_gains(gained, [row for row in rows if row["pretrained_force_mae"] is not None], reference)
        figure.savefig(path, dpi=300, metadata=undated(path))


def _draw_biases(axes: Axes, weights: Weights, share: float) -> None:
    first = next(way for way, of, _ in weights if of == share)
    found = [one for (way, of, _), one in weights.items() if (way, of) == (first, share)]
    bias, is_bad = (np.concatenate([one[name] for one in found]) for name in ("bias", "is_bad"))
    edges = np.linspace(0, float(np.quantile(bias, 0.995)), 61)
    for chosen, colour, name in ((~is_bad, BLUE, "good engine"), (is_bad, ORANGE, "bad engine")):
        counts = np.histogram(bias[chosen], edges)[0] / len(found)
        axes.stairs(counts, edges, color=colour, fill=True, alpha=0.35)
        axes.stairs(counts, edges, color=colour, label=name)
    axes.set_xlabel("bias B (eV/Å)")
    axes.set_ylabel("frames")
    axes.set_title(f"{100 * share:.0f} % bad labels", loc="left", fontsize=8)
    axes.legend()


def _draw_weights(axes: Axes, weights: Weights, share: float) -> None:
    ways = list(dict.fromkeys(way for way, of, _ in weights if of == share))
    for place, way in enumerate(ways):
        found = [one for (name, of, _), one in weights.items() if (name, of) == (way, share)]
        weight, is_bad = (np.concatenate([one[name] for one in found]) for name in ("weight", "is_bad"))
        for chosen, colour, side in ((~is_bad, BLUE, 0.17), (is_bad, ORANGE, -0.17)):
            low, first, middle, last, high = np.quantile(weight[chosen], (0.05, 0.25, 0.5, 0.75, 0.95))
            axes.plot([low, high], [-place + side] * 2, color=colour, linewidth=0.8)
            axes.plot([first, last], [-place + side] * 2, color=colour, linewidth=4, solid_capstyle="butt")
            axes.plot(middle, -place + side, "o", color=colour, markersize=4, markeredgecolor="white")
    axes.axvline(1, color=GREY, linewidth=0.6, linestyle=":")
    axes.set_yticks([-place for place in range(len(ways))], [way.replace(", ", "\n") for way in ways])
    axes.set_ylim(-len(ways) + 0.4, 0.6)
    axes.set_xlabel("weight w (median, 25–75 %, 5–95 %)")


def _draw_gains(axes: Axes, rows: Sequence[Mapping[str, Any]], reference: str) -> None:
    for place, row in enumerate(rows):
        middle, low, high = row["force_mae_difference"]
        if low is not None:
            axes.plot([low, high], [-place] * 2, color=GREY, linewidth=1)
        axes.plot(middle, -place, "o", color=GREY, markersize=4)
    axes.axvline(0, color=GREY, linewidth=0.6, linestyle=":")
    axes.set_yticks([-place for place in range(len(rows))], [row["way"].replace(", ", "\n") for row in rows])
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.set_xlabel(f"force error less that of\n{reference} (meV/Å)")
