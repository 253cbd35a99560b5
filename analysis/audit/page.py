"""What an audit says as one HTML file with all figures inside: it opens without a network."""

import io
from base64 import b64encode
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pesx.analysis.audit.audit import Audited, Group
from pesx.analysis.audit.figures import figures_of
from pesx.analysis.audit.report import AuditReport
from pesx.analysis.style import STYLE
from pesx.files import write_whole

_CAPTIONS = {
    "survival": "Share of trajectories that are still the molecule of the start, with 95 % intervals (Kaplan, Meier); a tick "
    "where one was sound to its end.",
    "causes": "Trajectories that had failed by each time, by the cause of their first failure.",
    "distances": "h(r), the distribution of interatomic distances.",
    "torsions": "Backbone torsions, decimal logarithm of the share of frames.",
    "spectrum": "Vibrational density of states; ticks are harmonic wavenumbers of the model.",
}

_OWN_STYLE = """
.figures { display: flex; flex-wrap: wrap; gap: 24px; align-items: flex-start; }
.figures figure { margin: 0; max-width: 100%; }
.figures img { display: block; max-width: 100%; }
figcaption { max-width: 420px; color: var(--soft); font-size: 12px; }
td { vertical-align: top; }
"""


def write_page(report: AuditReport, path: Path) -> Path:
    """Write the page, and return its path; the same audit gives the same file."""
    write_whole(path, page(report))
    return path


def page(report: AuditReport) -> str:
    """Return the page."""
    molecule = report.molecule
    title = f"Audit of {molecule.formula}"
    subtitle = f"{molecule.n_atoms} atoms, {len(molecule.bonds)} bonds by {report.bonds_from}"
    members = [member for group in report.groups for member in group.members]
    body = [
        _section("Survival", _table(_SURVIVAL, (_survival(group) for group in report.groups))),
        _section("Figures", _figures(report)),
        _section("First failures", _causes(report)),
        _section("Trajectories", _table(_TRAJECTORIES, (_trajectory(member) for member in members))),
    ]
    style = files("pesx.analysis.report").joinpath("report.css").read_text(encoding="utf-8") + _OWN_STYLE
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<link rel="icon" href="data:,">\n<style>\n{style}</style>\n</head>\n<body>\n<header>\n<h1>{escape(title)}</h1>\n'
        f'<p id="subtitle">{escape(subtitle)}</p>\n</header>\n<main>\n'
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


_SURVIVAL = (
    "temperature",
    "trajectories",
    "watched, ps",
    "failed",
    "failures per ns (95 %)",
    "survive at the end (95 %)",
)
_TRAJECTORIES = ("trajectory", "frames", "watched, ps", "verdict", "events", "published criteria", "notes")


def _survival(group: Group) -> tuple[str, ...]:
    curve = group.survival
    rate, lower, upper = curve.rate()
    return (
        _temperature(group),
        str(curve.n),
        f"{curve.watched:.6g}",
        str(curve.n_failed),
        f"{rate:.3g} ({lower:.3g} to {upper:.3g})",
        f"{curve.survival[-1]:.3f} ({curve.lower[-1]:.3f} to {curve.upper[-1]:.3f})",
    )


def _trajectory(member: Audited) -> tuple[str, ...]:
    scores = {name: value for name, value in member.published.as_json().items() if isinstance(value, float)}
    return (
        member.path.name,
        str(member.n_frames),
        f"{member.watched:.6g}",
        "sound" if member.failure is None else member.failure.sentence,
        "; ".join(f"{event.time:.6g} ps, frame {event.frame}: {event.sentence}" for event in member.events),
        "; ".join(f"{name.replace('_', ' ')} {value:.6g} ps" for name, value in scores.items()),
        " ".join(member.notes),
    )


def _causes(report: AuditReport) -> str:
    rows = [
        (_temperature(group), str(count), cause.name.lower().replace("_", " "), cause.sentence)
        for group in report.groups
        for cause, count in group.causes.items()
    ]
    return _table(("temperature", "trajectories", "cause", "meaning"), rows) if rows else "<p>None failed.</p>"


def _figures(report: AuditReport) -> str:
    made = []
    for name, draw in figures_of(report).items():
        buffer = io.BytesIO()
        with rc_context(STYLE):
            figure = draw(report)
            FigureCanvasAgg(figure)
            figure.savefig(buffer, format="svg", metadata={"Date": None})
        source = b64encode(buffer.getvalue()).decode()
        caption = escape(_CAPTIONS[name])
        made.append(
            f'<figure id="{name}"><img alt="{caption}" src="data:image/svg+xml;base64,{source}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    joined = "\n".join(made)
    return f'<div class="figures">\n{joined}\n</div>'


def _temperature(group: Group) -> str:
    return "unknown" if group.target is None else f"{group.target:g} K"


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"


__all__ = ["page", "write_page"]
