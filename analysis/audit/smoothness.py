"""Tests of the surface itself, which foretell instability at a fraction of the cost of dynamics.

Bonds are stretched and compressed, torsions turned, pairs of atoms pressed together: energies must be finite, agree with the
forces, never fall below the minimum, and rise to a wall before atoms are inside each other.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import networkx as nx
import numpy as np
import torch
from ase.data import chemical_symbols

from pesx.chemistry import perceive
from pesx.chemistry.perceive import radii
from pesx.errors import InputError
from pesx.geometry.torsion import rotate_about_bond
from pesx.landscape.records import Violations
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.protocols import Potential
from pesx.typing import Positions, Tensor

HOLE = 0.05
"""eV; energies further than this below a minimum whose bonds were only bent out of shape are a hole."""

SHARE = 1e-3
"""Part of a force along a scan that may be wrong, beside 5e-3 eV/angstrom."""

FORCE_ERROR = 5e-3
"""eV/angstrom; largest difference allowed between a force and the finite difference of energies along a direction."""

CLOSEST = 0.5
"""angstrom; pairs are pressed together down to this."""

WALL = 3.0
"""eV; least height of the wall that keeps two atoms apart: 70 kT at 500 K. Behind it the surface may do what it will."""

_FAR = 30.0
"""angstrom; beyond the cutoffs of local models, and in nobody's way."""

_STEP = 3e-4
_EVERY = 4
_CHUNK = 256


@dataclass(frozen=True)
class Finding:
    """One test and how it went.

    Attributes:
        test: Name.
        n: Scans or structures.
        n_failed: How many of them failed.
        worst: The number that is judged, at its worst.
        unit: Of that number.
        limit: What it must not pass.
        where: Where the worst is.
    """

    test: str
    n: int
    n_failed: int
    worst: float
    unit: str
    limit: float
    where: str

    @property
    def verdict(self) -> str:
        """``pass``, ``fail``, or ``none`` where there was nothing to test."""
        return "none" if self.n == 0 else "fail" if self.n_failed else "pass"

    def as_json(self) -> dict[str, Any]:
        """Return plain numbers and texts."""
        worst = self.worst if np.isfinite(self.worst) else None
        names = ("test", "n", "n_failed", "unit", "limit", "where", "verdict")
        return {**{name: getattr(self, name) for name in names}, "worst": worst}


@dataclass(frozen=True)
class _Scan:
    """One path over the surface: its name and structures, (S, N, 3)."""

    name: str
    positions: Tensor


def smoothness(
    potential: Potential,
    molecule: Molecule,
    minimum: Positions,
    *,
    make_pair: Callable[[Molecule], Potential] | None = None,
    violations: Violations | None = None,
) -> list[Finding]:
    """Return the findings of all tests.

    Args:
        potential: Bound to the molecule.
        molecule: With bonds.
        minimum: Where the potential has a minimum, (1, N, 3), angstrom.
        make_pair: Makes the potential of a molecule of two atoms; None to leave pairs out.
        violations: Of an exploration with this potential; None to leave them out.

    Raises:
        InputError: The potential has no finite energy at the minimum.
    """
    start = minimum.double()
    lowest = float(potential(start).energy[0])
    if not np.isfinite(lowest):
        raise InputError("Expected a finite energy at the minimum; came NaN. Check molecule and model.")
    bonds = [_followed(potential, scan) for scan in bond_scans(molecule, start)]
    torsions = [_followed(potential, scan) for scan in torsion_scans(molecule, start)]
    findings = [
        _hole("bond deformation: holes", bonds, lowest),
        _walls(
            "bond compression: walls", [(scan.name, scan.energy[: len(scan.energy) // 2 + 1][::-1]) for scan in bonds]
        ),
        _along("bond deformation: forces", bonds),
        _along("torsion deformation: forces", torsions),
        _hole("torsion deformation: holes", torsions, lowest, limit=10 * HOLE),
        finite_differences(potential, start),
    ]
    if make_pair is not None:
        findings.append(_walls("pairs to 0.5 angstrom: walls", list(pair_curves(molecule, make_pair))))
    if violations is not None:
        findings.append(_violated(violations))
    return findings


def bond_scans(molecule: Molecule, start: Positions) -> Iterator[_Scan]:
    """Yield each bond outside rings from 0.6 to 1.4 times its length in 41 steps, the smaller side moving along."""
    graph: nx.Graph[int] = nx.Graph(molecule.bonds.tolist())
    factors = torch.linspace(0.6, 1.4, 41, dtype=torch.float64)
    bridges: Any = nx.bridges(graph)
    for i, j in sorted((min(edge), max(edge)) for edge in bridges):
        graph.remove_edge(i, j)
        side = nx.node_connected_component(graph, j)
        graph.add_edge(i, j)
        fixed, moved = (i, side) if 2 * len(side) <= molecule.n_atoms else (j, set(range(molecule.n_atoms)) - side)
        moving = j if fixed == i else i
        along = start[0, moving] - start[0, fixed]
        mask = torch.tensor([atom in moved for atom in range(molecule.n_atoms)])
        shift = (factors - 1.0)[:, None, None] * along * mask[:, None]
        symbols = molecule.symbols
        yield _Scan(f"{symbols[i]}{i}-{symbols[j]}{j}", start + shift)


def torsion_scans(molecule: Molecule, start: Positions) -> Iterator[_Scan]:
    """Yield each rotatable bond, methyl and amide turned once round in steps of 2 degrees."""
    topology = perceive(molecule)
    angles = torch.deg2rad(torch.arange(0.0, 361.0, 2.0, dtype=torch.float64))
    symbols = molecule.symbols
    for rotors in (topology.torsions, topology.methyls, topology.amide_rotors):
        for bond, moving in zip(rotors.bonds, rotors.moving, strict=True):
            i, j = bond.tolist()
            turned = rotate_about_bond(start.expand(len(angles), -1, -1), bond, moving, angles)
            yield _Scan(f"{symbols[i]}{i}-{symbols[j]}{j}", turned)


@dataclass(frozen=True)
class _Followed:
    """Energies along a path, eV, and the errors of forces along it at some of its points, in what is allowed."""

    name: str
    energy: np.ndarray[Any, Any]
    error: np.ndarray[Any, Any]


def _followed(potential: Potential, scan: _Scan) -> _Followed:
    x = scan.positions
    energy = torch.cat([potential(part).energy.double().cpu() for part in x.split(_CHUNK)])
    (tangent,) = torch.gradient(x, dim=0, edge_order=2)
    way = (tangent / torch.linalg.vector_norm(tangent.flatten(1), dim=1)[:, None, None])[::_EVERY]
    at = x[::_EVERY]
    along = (potential(at).forces.double() * way).sum(dim=(1, 2))
    plus, minus = (potential(at + sign * _STEP * way).energy.double() for sign in (1.0, -1.0))
    error = (along + (plus - minus) / (2 * _STEP)).abs() / (FORCE_ERROR + SHARE * along.abs())
    return _Followed(scan.name, energy.numpy(), error.cpu().numpy())


def _hole(test: str, scans: Sequence[_Followed], lowest: float, *, limit: float = HOLE) -> Finding:
    """Judge how far energies are below that of the minimum; not finite counts as a hole without a bottom."""
    depths = [(lowest - _least(scan.energy), scan.name) for scan in scans]
    worst, where = max(depths, default=(float("nan"), ""))
    return Finding(test, len(scans), sum(depth > limit for depth, _ in depths), worst, "eV below", limit, where)


def _least(energy: np.ndarray[Any, Any]) -> float:
    return -np.inf if not np.isfinite(energy).all() else float(energy.min())


def _walls(test: str, curves: Sequence[tuple[str, np.ndarray[Any, Any]]]) -> Finding:
    """Judge how high the energy rises, from the bottom of the well inwards, before it falls again or the curve ends."""
    heights = [(_wall(inward), name) for name, inward in curves]
    worst, where = min(heights, default=(float("nan"), ""))
    return Finding(test, len(curves), sum(height < WALL for height, _ in heights), worst, "eV high", WALL, where)


def _wall(inward: np.ndarray[Any, Any]) -> float:
    if not np.isfinite(inward).all():
        return 0.0
    rising = np.flatnonzero(np.diff(inward) > 0)
    if not len(rising):
        return 0.0
    well = int(rising[0])
    return float(inward[well:].max() - inward[well])


def _along(test: str, scans: Sequence[_Followed]) -> Finding:
    """Judge the forces along the scans beside central differences of the energy."""
    errors = [(float(scan.error.max()) if np.isfinite(scan.error).all() else np.inf, scan.name) for scan in scans]
    worst, where = max(errors, default=(float("nan"), ""))
    return Finding(test, len(scans), sum(error > 1.0 for error, _ in errors), worst, "of what is allowed", 1.0, where)


def finite_differences(potential: Potential, start: Positions, *, n: int = 24, seed: int = 0) -> Finding:
    """Compare forces with central differences of the energy along random directions, at structures out of the minimum.

    Args:
        potential: Bound to the molecule; called in float64.
        start: A minimum, (1, N, 3).
        n: Structures, with atoms displaced by 0.05 angstrom.
        seed: Of structures and directions.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (n, *start.shape[1:])
    x = start + 0.05 * torch.randn(shape, generator=generator, dtype=torch.float64).to(start)
    way = torch.randn(shape, generator=generator, dtype=torch.float64).to(start)
    way = way / torch.linalg.vector_norm(way.flatten(1), dim=1)[:, None, None]
    plus, minus = (potential(x + sign * _STEP * way).energy.double() for sign in (1.0, -1.0))
    along = (potential(x).forces.double() * way).sum(dim=(1, 2))
    error = (along + (plus - minus) / (2 * _STEP)).abs().cpu().numpy()
    error = np.where(np.isfinite(error), error, np.inf)
    return Finding(
        "finite differences", n, int((error > FORCE_ERROR).sum()), float(error.max()), "eV/angstrom", FORCE_ERROR, ""
    )


def pair_curves(
    molecule: Molecule, make_pair: Callable[[Molecule], Potential]
) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield the energy (eV) of every pair of elements, from the sum of covalent radii down to 0.5 angstrom in 41 steps."""
    numbers = sorted(set(molecule.numbers.tolist()))
    for a, b in combinations_with_replacement(numbers, 2):
        name = f"{chemical_symbols[a]}-{chemical_symbols[b]}"
        distances = torch.linspace(float(radii(torch.tensor([a, b])).sum()), CLOSEST, 41, dtype=torch.float64)
        of_pair = _pair(a, b, name)
        positions = of_pair.positions.repeat(len(distances), 1, 1)
        positions[:, 1, 0] = distances
        yield name, make_pair(of_pair)(positions).energy.double().cpu().numpy()


def _pair(a: int, b: int, name: str) -> Molecule:
    """Return two atoms; and where their electrons are odd, a hydrogen far away, since many models know closed shells only."""
    places = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, _FAR]][: 2 + (a + b) % 2]
    numbers = torch.tensor([a, b, 1][: len(places)])
    return Molecule(numbers, torch.tensor(places, dtype=torch.float64), bonds=torch.tensor([[0, 1]]), name=name)


def _violated(violations: Violations) -> Finding:
    """Count what an exploration found that is too low to be true, or no longer the molecule."""
    outcomes = [Outcome(int(code)) for code in violations.outcome]
    counts = Counter(outcomes)
    holes = counts[Outcome.SUSPICIOUS_ENERGY]
    where = ", ".join(f"{outcome.name} {count}" for outcome, count in sorted(counts.items()))
    return Finding("holes found by exploration", max(1, len(outcomes)), holes, float(holes), "minima", 0.0, where)


def as_table(findings: Sequence[Finding]) -> str:
    """Return the findings as a table for people."""
    rows = [("test", "n", "failed", "worst", "limit", "", "verdict", "where")]
    for item in findings:
        worst = "none" if item.n == 0 else f"{item.worst:.3g}"
        rows.append(
            (item.test, str(item.n), str(item.n_failed), worst, f"{item.limit:g}", item.unit, item.verdict, item.where)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


__all__ = ["Finding", "as_table", "bond_scans", "finite_differences", "smoothness", "torsion_scans"]
