"""What an audit says: as JSON, and as text."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pesx.analysis.audit.audit import Audited, Group
from pesx.analysis.audit.observables import BIN, Comparison, Observer, Sums, compare, density
from pesx.analysis.audit.spectrum import Spectrum
from pesx.molecule import Molecule

BANDS = ((50.0, 900.0), (900.0, 2000.0), (2000.0, 4000.0))
"""1/cm; skeleton, bends and double bonds, stretches of hydrogen."""


@dataclass(frozen=True, eq=False)
class AuditReport:
    """All that came of an audit.

    Attributes:
        molecule: What was audited.
        bonds_from: Where its bonds are from.
        groups: By temperature.
        reference: Another trajectory to compare with.
        harmonic: Harmonic wavenumbers of a model, 1/cm.
    """

    molecule: Molecule
    bonds_from: str
    groups: tuple[Group, ...]
    reference: Audited | None = None
    harmonic: np.ndarray[Any, Any] | None = None

    def comparison(self, group: Group) -> tuple[str, Comparison] | None:
        """Return with what a group is compared, and how far it is from that: the reference, or else its own first half."""
        if self.reference is not None and group.sums is not None:
            other = self.reference.blocks.total()
            return None if other is None else (f"reference {self.reference.path.name}", compare(group.sums, other))
        return None if group.halves is None else ("its own first half", compare(group.halves[1], group.halves[0]))

    def as_json(self) -> dict[str, Any]:
        """Return plain numbers and texts."""
        observer = Observer(self.molecule)
        return {
            "molecule": {
                "formula": self.molecule.formula,
                "n_atoms": self.molecule.n_atoms,
                "bonds_from": self.bonds_from,
            },
            "temperatures": [self._group_as_json(group, observer) for group in self.groups],
            "reference": None
            if self.reference is None
            else {**self.reference.as_json(), "observables": _observables(self.reference.blocks.total(), observer)},
            "harmonic_per_cm": None if self.harmonic is None else self.harmonic.tolist(),
        }

    def _group_as_json(self, group: Group, observer: Observer) -> dict[str, Any]:
        compared = self.comparison(group)
        return {
            "target_k": group.target,
            "survival": group.survival.as_json(),
            "causes": {cause.name: count for cause, count in group.causes.items()},
            "observables": _observables(group.sums, observer),
            "compared": None if compared is None else {"with": compared[0], **asdict(compared[1])},
            "equipartition": None if group.equipartition is None else group.equipartition.as_json(),
            "spectrum": None if (found := spectrum_of(group)) is None else self._spectrum_as_json(found),
            "trajectories": [member.as_json() for member in group.members],
        }

    def _spectrum_as_json(self, spectrum: Spectrum) -> dict[str, Any]:
        return {**spectrum.as_json(), "bands_per_cm": [list(row) for row in self.bands(spectrum)]}

    def bands(self, spectrum: Spectrum) -> list[tuple[float, float, float | None, float | None]]:
        """Return, for each band, its limits and the mean wavenumbers of the spectrum and of the harmonic modes in it."""
        rows = []
        for lower, upper in BANDS:
            mean = spectrum.mean(lower, upper)
            harmonic = None
            if self.harmonic is not None:
                inside = self.harmonic[(self.harmonic >= lower) & (self.harmonic < upper)]
                harmonic = float(inside.mean()) if len(inside) else None
            rows.append((lower, upper, mean if mean == mean else None, harmonic))
        return rows

    def as_text(self) -> str:
        """Return what a person reads."""
        lines = [
            f"{self.molecule.formula}, {self.molecule.n_atoms} atoms, {len(self.molecule.bonds)} bonds by {self.bonds_from}"
        ]
        for group in self.groups:
            lines += ["", *self._group_as_text(group)]
        return "\n".join(lines)

    def _group_as_text(self, group: Group) -> list[str]:
        curve = group.survival
        where = "temperature of the thermostat unknown" if group.target is None else f"{group.target:g} K"
        rate, lower, upper = curve.rate()
        lines = [
            f"{where}: {_count(curve.n, 'trajectory', 'trajectories')}, {curve.watched:.6g} ps watched, "
            f"{curve.n_failed} failed, {curve.n_censored} sound to the end",
            f"  failures per ns  {rate:.3g} ({lower:.3g} to {upper:.3g})",
            f"  surviving        {curve.survival[-1]:.3f} ({curve.lower[-1]:.3f} to {curve.upper[-1]:.3f})"
            f" beyond {curve.time[-1] if curve.n_failed else max(m.watched for m in group.members):.6g} ps",
        ]
        lines += [
            f"  first failure    {cause.name} in {count}: {cause.sentence}" for cause, count in group.causes.items()
        ]
        lines += self._observed_as_text(group)
        for member in group.members:
            lines += _member_as_text(member)
        return lines

    def _observed_as_text(self, group: Group) -> list[str]:
        lines = []
        if (sums := group.sums) is not None:
            lines.append(
                f"  radius of gyration {_mean_gyration(sums)}; {sums.bonded.sum() / sums.n:.2f} hydrogen bonds"
            )
        if (compared := self.comparison(group)) is not None:
            name, apart = compared
            maps = ", ".join(f"{value:.2f}" for value in apart.maps) or "none"
            lines.append(
                f"  against {name}: h(r) {apart.distances:.3f}, torsion maps {maps} (0 alike, 2 nothing in common), "
                f"gyration {apart.gyration:+.2f} angstrom, hydrogen bonds {apart.hydrogen_bonds:+.2f}"
            )
        if group.equipartition is not None:
            rows = group.equipartition
            parts = [
                f"{symbol} {mean:.0f}" + (f" ± {error:.0f}" if error == error else "")
                for symbol, mean, error in zip(rows.elements, rows.temperature, rows.error, strict=True)
            ]
            lines.append(f"  kinetic temperatures {', '.join(parts)} K")
        if (spectrum := spectrum_of(group)) is not None:
            parts = [
                f"{low:.0f}-{high:.0f}: {mean:.0f}" + (f" (harmonic {harmonic:.0f})" if harmonic is not None else "")
                for low, high, mean, harmonic in self.bands(spectrum)
                if mean is not None
            ]
            lines.append(f"  mean wavenumbers from {spectrum.source}: {'; '.join(parts)} 1/cm")
        return lines


def spectrum_of(group: Group) -> Spectrum | None:
    """Return the mean spectrum of the trajectories of a group that share one grid, the most common one."""
    spectra = [member.spectrum for member in group.members if member.spectrum is not None]
    if not spectra:
        return None
    keys = [(len(item.wavenumber), round(float(item.wavenumber[1]), 6), item.source) for item in spectra]
    common = max(set(keys), key=keys.count)
    chosen = [item for item, key in zip(spectra, keys, strict=True) if key == common]
    weights = np.array([item.n_segments for item in chosen], dtype=np.float64)
    mean = np.average([item.density for item in chosen], axis=0, weights=weights)
    return Spectrum(chosen[0].wavenumber, mean, int(weights.sum()), chosen[0].source)


def _observables(sums: Sums | None, observer: Observer) -> dict[str, Any] | None:
    if sums is None:
        return None
    used = np.flatnonzero(sums.distances)
    last = int(used[-1]) + 1 if len(used) else 0
    bonds = [
        {"donor": int(d), "hydrogen": int(h), "acceptor": int(a), "share": float(count / sums.n)}
        for (d, h, a), count in zip(observer.hydrogen_bonds, sums.bonded, strict=True)
        if count
    ]
    return {
        "n_frames": sums.n,
        "distances": {"bin_angstrom": BIN, "density_per_angstrom": density(sums)[:last].tolist()},
        "torsion_maps": [
            {"atoms_phi": phi.tolist(), "atoms_psi": psi.tolist(), "counts": counts.tolist()}
            for phi, psi, counts in zip(*observer.backbone, sums.maps, strict=True)
        ],
        "radius_of_gyration_angstrom": {
            "mean": sums.gyration / sums.n,
            "deviation": max(0.0, sums.gyration_squared / sums.n - (sums.gyration / sums.n) ** 2) ** 0.5,
        },
        "hydrogen_bonds": bonds,
        "hydrogen_bonds_mean": float(sums.bonded.sum() / sums.n),
    }


def _mean_gyration(sums: Sums) -> str:
    mean = sums.gyration / sums.n
    return f"{mean:.2f} ± {max(0.0, sums.gyration_squared / sums.n - mean**2) ** 0.5:.2f} angstrom"


def _member_as_text(member: Audited) -> list[str]:
    verdict = "sound" if member.failure is None else f"failed: {member.failure.sentence}"
    lines = [f"  {member.path.name}: {member.n_frames} frames, {member.watched:.6g} ps, {verdict}"]
    lines += [
        f"    {event.time:.6g} ps, frame {event.frame}: {event.cause.name}: {event.sentence}" for event in member.events
    ]
    scores = member.published
    told = [
        f"{name} {value:.6g} ps"
        for name, value in (
            ("bond 0.5 angstrom off its mean", scores.bond_deviation),
            ("explosion", scores.explosion),
            ("hydrogen drift", scores.hydrogen_drift),
        )
        if value is not None
    ]
    lines.append(f"    published criteria: {'; '.join(told) or 'none failed'}")
    return lines + [f"    {note}" for note in member.notes]


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"


def to_json(report: AuditReport) -> str:
    """Return the report as one line of JSON; it holds no NaN."""
    return json.dumps(report.as_json(), allow_nan=False)


__all__ = ["BANDS", "AuditReport", "spectrum_of", "to_json"]
