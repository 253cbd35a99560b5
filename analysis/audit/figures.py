"""The figures of an audit: survival curves, causes over time, h(r), torsion maps, spectra."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pesx.analysis.audit.audit import Group
from pesx.analysis.audit.observables import BIN, MAP_BINS, N_BINS, density
from pesx.analysis.audit.report import AuditReport, spectrum_of
from pesx.analysis.style import COLOURS, COLUMN_WIDTH, GREY, STYLE, undated

_HEIGHT = 2.4
_MOST_MAPS = 6


def write_figures(report: AuditReport, folder: Path, suffix: str = ".pdf") -> list[Path]:
    """Write the figures there is something for, and return their paths.

    Args:
        report: What to show.
        folder: Exists.
        suffix: pdf, svg or png, with the dot.
    """
    paths = []
    for name, draw in figures_of(report).items():
        path = folder / f"{name}{suffix}"
        with rc_context(STYLE):
            figure = draw(report)
            FigureCanvasAgg(figure)
            figure.savefig(path, metadata=undated(path), dpi=200)
        paths.append(path)
    return paths


def figures_of(report: AuditReport) -> dict[str, Callable[[AuditReport], Figure]]:
    """Return what draws each figure that there is something for, by its name."""
    made: dict[str, Callable[[AuditReport], Figure]] = {"survival": survival_figure}
    if any(group.causes for group in report.groups):
        made["causes"] = causes_figure
    if any(group.sums is not None for group in report.groups):
        made["distances"] = distances_figure
    if any(group.sums is not None and len(group.sums.maps) for group in report.groups):
        made["torsions"] = torsions_figure
    if any(spectrum_of(group) is not None for group in report.groups):
        made["spectrum"] = spectrum_figure
    return made


def survival_figure(report: AuditReport) -> Figure:
    """Draw the survival curve of each temperature with its interval; ticks where a trajectory ended sound."""
    figure, axes = _axes("time (ps)", "share that survives")
    for colour, group in _coloured(report):
        curve = group.survival
        end = max(member.watched for member in group.members)
        time = np.append(curve.time, max(end, curve.time[-1]))
        steps = {"where": "post"}
        axes.step(time, np.append(curve.survival, curve.survival[-1]), color=colour, label=_label(group), **steps)
        band = (np.append(values, values[-1]) for values in (curve.lower, curve.upper))
        axes.fill_between(time, *band, step="post", color=colour, alpha=0.15, linewidth=0)
        ends = np.array([member.watched for member in group.members if member.failure is None])
        if len(ends):
            at = curve.survival[np.searchsorted(curve.time, ends, side="right") - 1]
            axes.plot(ends, at, "|", color=colour, markersize=5, markeredgewidth=0.8)
    axes.set_ylim(-0.02, 1.05)
    axes.set_xlim(left=0.0)
    axes.legend(loc="lower left")
    return figure


def causes_figure(report: AuditReport) -> Figure:
    """Draw how many trajectories had failed by each time, by cause."""
    figure, axes = _axes("time (ps)", "trajectories that failed")
    causes = sorted({cause for group in report.groups for cause in group.causes})
    end = max(member.watched for group in report.groups for member in group.members)
    for colour, cause in zip(np.resize(COLOURS[1:], len(causes)), causes, strict=True):
        times = sorted(
            member.watched
            for group in report.groups
            for member in group.members
            if member.failure is not None and member.failure.cause == cause
        )
        axes.step(
            [0.0, *times, end],
            [0, *range(1, len(times) + 1), len(times)],
            where="post",
            color=colour,
            label=_words(cause),
        )
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=0.0)
    axes.legend(loc="upper left")
    return figure


def distances_figure(report: AuditReport) -> Figure:
    """Draw h(r), the distribution of interatomic distances, of each temperature and of what it is compared with."""
    figure, axes = _axes("distance (Å)", "h(r) (1/Å)")
    last = 1
    for colour, group in _coloured(report):
        if group.sums is not None:
            last = max(last, int(np.flatnonzero(group.sums.distances)[-1]) + 1)
            axes.plot(_centres(), density(group.sums), color=colour, label=_label(group), linewidth=0.9)
    reference = None if report.reference is None else report.reference.blocks.total()
    if reference is not None:
        axes.plot(_centres(), density(reference), color=GREY, linewidth=0.7, linestyle="--", label="reference")
    axes.set_xlim(0.0, last * BIN)
    axes.set_ylim(bottom=0.0)
    axes.legend(loc="upper right")
    return figure


def torsions_figure(report: AuditReport) -> Figure:
    """Draw the map of phi and psi of each residue at each temperature."""
    shown = [group for group in report.groups if group.sums is not None]
    rows = [(_label(group), group.sums) for group in shown]
    if report.reference is not None and (total := report.reference.blocks.total()) is not None:
        rows.append(("reference", total))
    n_columns = min(_MOST_MAPS, len(shown[0].sums.maps)) if shown[0].sums is not None else 1
    width = max(COLUMN_WIDTH, 1.5 * n_columns)
    figure = Figure(figsize=(width, 1.5 * len(rows) + 0.3), layout="constrained")
    panels = figure.subplots(len(rows), n_columns, squeeze=False, sharex=True, sharey=True)
    for (label, sums), line in zip(rows, panels, strict=True):
        for residue, axes in enumerate(line):
            assert sums is not None
            _draw_map(axes, sums.maps[residue] / sums.n)
            if label == rows[0][0]:
                axes.set_title(f"residue {residue + 1}", fontsize=7)
            if label == rows[-1][0]:
                axes.set_xlabel("φ (degree)")
        line[0].set_ylabel(f"{label}\nψ (degree)")
    return figure


def _draw_map(axes: Axes, share: Any) -> None:
    edges = np.linspace(-180.0, 180.0, MAP_BINS + 1)
    shown = np.ma.masked_equal(share, 0.0)
    axes.pcolormesh(edges, edges, np.ma.log10(shown).T, cmap="viridis", vmin=-4.0, vmax=-1.0, rasterized=True)
    axes.set_xticks([-180, 0, 180])
    axes.set_yticks([-180, 0, 180])
    axes.set_aspect("equal")


def spectrum_figure(report: AuditReport) -> Figure:
    """Draw the vibrational density of states of each temperature, and the harmonic wavenumbers of the model as ticks."""
    figure, axes = _axes("wavenumber (1/cm)", "density of states (cm)")
    for colour, group in _coloured(report):
        if (spectrum := spectrum_of(group)) is not None:
            axes.plot(spectrum.wavenumber, spectrum.density, color=colour, label=_label(group), linewidth=0.8)
    if report.harmonic is not None:
        at = report.harmonic[report.harmonic > 0]
        axes.plot(at, np.zeros_like(at), "|", color=GREY, markersize=8, markeredgewidth=0.5, label="harmonic")
    axes.set_xlim(0.0, 4000.0)
    axes.legend(loc="upper right")
    return figure


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(COLUMN_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _coloured(report: AuditReport) -> list[tuple[str, Group]]:
    colours = np.resize(COLOURS[1:], len(report.groups))
    return list(zip(colours.tolist(), report.groups, strict=True))


def _centres() -> Any:
    return (np.arange(N_BINS) + 0.5) * BIN


def _label(group: Group) -> str:
    return "unknown temperature" if group.target is None else f"{group.target:g} K"


def _words(cause: Any) -> str:
    return str(cause.name).lower().replace("_", " ")


__all__ = ["figures_of", "write_figures"]
