"""Are the transition states of a run what they are said to be, and what did they cost? Judged with other people's searches.

    python benchmarks/transition_states.py runs/ala3-1 --sample 20 --pairs 3

Everything uses the potential of the run in float64, seen through one counter.

Verified: forces, and a Hessian by central differences with rigid motions projected out: exactly one negative eigenvalue.
Sella (Hermes et al. 2022, doi:10.1021/acs.jctc.2c00395; ``pip install sella``, left out where it is missing): a random
sample is displaced at random and searched for again. ASE: climbing-image bands between the ends of a random sample of
transition states, ends numbered and laid as pesx does, images from its own image-dependent pair potential.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.mep import NEB
from ase.optimize import FIRE
from report import make_parser, plain_settings, set_threads, show, write
from verify_minima import STEP, internal_basis

from pesx import Molecule, RunStore, make_potential
from pesx.connect.alignment import PathAlignment
from pesx.landscape.network import Network
from pesx.protocols import Potential
from pesx.run import is_reduced, read_settings
from pesx.units import KCAL_PER_MOL

Tensor = torch.Tensor

NEGATIVE = 1e-4  # eV/angstrom^2, below minus which a curvature counts as negative
SELLA_FMAX, SELLA_STEPS = 1e-3, 300  # eV/angstrom


class Counted(Calculator):  # type: ignore[misc]
    """A potential of pesx for ASE, one structure at a time, that counts its evaluations."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self._potential, self.n_evaluations = potential, 0

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = tuple(all_changes)
    ) -> None:
        """Evaluate; ASE calls this."""
        super().calculate(atoms, list(properties), list(system_changes))
        now = self._potential(torch.from_numpy(self.atoms.get_positions())[None])
        self.n_evaluations += 1
        self.results = {"energy": float(now.energy), "forces": now.forces[0].numpy()}


def negative_modes(potential: Potential, structure: Tensor) -> int:
    """Return how many eigenvalues of the Hessian of a nonlinear molecule without rigid motions are negative."""
    size = structure.numel()
    shifts = STEP * torch.eye(size, dtype=torch.float64).view(size, -1, 3)
    forces = potential(torch.cat([structure + shifts, structure - shifts])).forces.reshape(2, size, size)
    second = (forces[1] - forces[0]) / (2 * STEP)
    internal = internal_basis(structure)
    values = torch.linalg.eigvalsh(internal.T @ (0.5 * (second + second.T)) @ internal)
    return int((values < -NEGATIVE).sum())


def verify(potential: Potential, positions: Tensor) -> dict[str, Any]:
    """Look at transition states again."""
    forces = torch.linalg.vector_norm(potential(positions).forces, dim=-1).amax(dim=-1)
    indices = [negative_modes(potential, structure) for structure in positions]
    return {
        "transition_states": len(positions),
        "largest_force": float(forces.max()),
        "of_index_one": indices.count(1),
    }


def costs(store: RunStore) -> dict[str, Any]:
    """Return what the run says it spent, and the lowest component."""
    connections, searches, network = store.connections(), store.searches(), Network.of(store)
    spent = int(connections.n_evaluations.sum() + searches.n_evaluations.sum())
    height = (network.minima.energy - network.minima.energy.min()) / KCAL_PER_MOL
    groups = network.components()
    is_low = height <= 8.0
    return {
        "minima": len(height),
        "minima_within_8_kcal_per_mol": int(is_low.sum()),
        "of_these_joined_to_the_lowest": int((is_low & (groups == groups[height.argmin()])).sum()),
        "evaluations": spent,
        "evaluations_per_transition_state": spent / max(store.n_transition_states, 1),
    }


def search_again(molecule: Molecule, calculator: Counted, positions: Tensor, energy: Tensor, *, size: float) -> Any:
    """Let Sella find displaced transition states again; return None where it is not installed."""
    try:
        from sella import Sella
    except ImportError:
        return None
    generator = np.random.default_rng(0)
    rows = []
    for structure, wanted in zip(positions.numpy(), energy.tolist(), strict=True):
        atoms = Atoms(molecule.numbers.numpy(), structure + size * generator.standard_normal(structure.shape))
        atoms.calc = calculator
        before = calculator.n_evaluations
        search = Sella(atoms, order=1, internal=True, logfile=None)
        is_converged = bool(search.run(fmax=SELLA_FMAX, steps=SELLA_STEPS))
        off = (atoms.get_potential_energy() - wanted) / KCAL_PER_MOL
        rows.append(
            {"converged": is_converged, "off_kcal_per_mol": off, "evaluations": calculator.n_evaluations - before}
        )
        print(rows[-1], flush=True)
    return rows


def climb(molecule: Molecule, calculator: Counted, ends: tuple[Tensor, Tensor], *, options: argparse.Namespace) -> Any:
    """Relax one climbing-image band of ASE."""
    first, last = ends
    images = [Atoms(molecule.numbers.numpy(), first.numpy())]
    images += [images[0].copy() for _ in range(options.images)]
    images.append(Atoms(molecule.numbers.numpy(), last.numpy()))
    band = NEB(images, climb=True, method="improvedtangent", allow_shared_calculator=True)
    band.interpolate("idpp")
    for image in images:
        image.calc = calculator
    before = calculator.n_evaluations
    is_converged = bool(FIRE(band, logfile=None).run(fmax=options.fmax, steps=options.steps))
    top = max(image.get_potential_energy() for image in images[1:-1])
    return {
        "converged": is_converged,
        "evaluations": calculator.n_evaluations - before,
        "highest_above_first_kcal_per_mol": (top - images[0].get_potential_energy()) / KCAL_PER_MOL,
    }


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the call."""
    parser = make_parser(__doc__, "transition_states.json")
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--sample", type=int, default=20, help="transition states for Sella (default 20)")
    parser.add_argument("--pairs", type=int, default=3, help="pairs for ASE's bands (default 3)")
    parser.add_argument("--perturbation", type=float, default=0.03, help="of each coordinate, angstrom (default 0.03)")
    parser.add_argument("--images", type=int, default=7, help="of a band, between its ends (default 7)")
    parser.add_argument("--fmax", type=float, default=0.05, help="of a band, eV/angstrom (default 0.05)")
    parser.add_argument("--steps", type=int, default=500, help="of a band, at most (default 500)")
    return parser.parse_args(argv)


def main() -> int:
    """Run the benchmark; the exit code says whether every transition state is one."""
    options = parse()
    set_threads(options.threads)
    explored = read_settings(options.run)
    with RunStore.read(options.run) as store:
        if is_reduced(explored) or not store.n_transition_states:
            print("This needs a run in eV with transition states; see pesx connect.", file=sys.stderr)
            return 2
        molecule, found, minima, spent = store.molecule, store.transition_states(), store.minima(), costs(store)
    potential, source = make_potential(explored.potential, molecule, model=explored.model)
    generator = np.random.default_rng(options.seed)
    results: dict[str, Any] = {
        "model": source.digest[:12],
        "pesx": spent,
        "verified": verify(potential, found.positions),
    }
    show("Transition states", list(results["verified"]), [list(results["verified"].values())])
    show("pesx connect", list(spent), [list(spent.values())])
    calculator = Counted(potential)
    joins = np.flatnonzero((found.first != found.second).numpy())
    align = PathAlignment(molecule, explored.mirror)
    rows = []
    for row in generator.choice(joins, min(options.pairs, len(joins)), replace=False).tolist():
        first, last = (minima.positions[side[row]][None] for side in (found.first, found.second))
        rows.append(climb(molecule, calculator, (first[0], align(last, first)[0]), options=options))
        print(rows[-1], flush=True)
    per_pair = sum(row["evaluations"] for row in rows) / max(sum(row["converged"] for row in rows), 1)
    results["ase"] = {
        "bands": rows,
        "evaluations_per_converged_band": per_pair,
        "ratio": per_pair / spent["evaluations_per_transition_state"],
    }
    chosen = generator.choice(len(found), min(options.sample, len(found)), replace=False)
    results["sella"] = search_again(
        molecule, calculator, found.positions[chosen], found.energy[chosen], size=options.perturbation
    )
    write(options.out, settings=plain_settings(options), results=results)
    return 0 if results["verified"]["of_index_one"] == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
