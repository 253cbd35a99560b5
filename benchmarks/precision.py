"""What the precision of matrix products does to forces and to the minima that quenches end in.

    OMP_NUM_THREADS=1 python benchmarks/precision.py --threads 1

Conformers of Ac-Ala3-NHMe, as RDKit embeds them, are quenched with the model that comes with pesx as ``pesx explore`` does:
roughly, in one precision after the other, then polished in float64. Products of matrices take their factors as they are, or
rounded as the matrix units of a GPU would take them: to 10 bits behind the binary point for TF32, to 7 for bfloat16; sums are
float32. All else is float32. Energies and places of the polished minima are compared with those of quenches in float64.

The rounding is done in software, so the effect is that of a GPU and the time is not.
"""

import argparse
from typing import Any

import torch
from force_field import EXAMPLE
from quenches import embedded
from report import make_parser, plain_settings, set_threads, show, write
from torch.utils._python_dispatch import TorchDispatchMode

from pesx.chemistry.read import read_molecule
from pesx.identity.molecular import MolecularIdentity
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.potentials.learned import LearnedPotential
from pesx.relax.quench import quench
from pesx.relax.two_stage import molecular_stages
from pesx.so3krates.checkpoint import load
from pesx.state import Evaluation, Minima
from pesx.typing import Positions, Tensor

BITS = {"float64": None, "float32": None, "tf32": 10, "bfloat16": 7}
"""Bits kept behind the binary point; None for all."""

PRODUCTS = ("aten.mm.", "aten.bmm.", "aten.addmm.", "aten.baddbmm.")
SAME_ENERGY, SAME_PLACE = 1e-4, 0.05
"""Below these a minimum is the same, eV and angstrom."""


def rounded(factor: Tensor, bits: int) -> Tensor:
    """Round numbers in float32 to so many bits behind the binary point, halves away from zero."""
    spare = 23 - bits
    raised = factor.contiguous().view(torch.int32) + (1 << (spare - 1))
    return (raised & -(1 << spare)).view(torch.float32)


class RoundedFactors(TorchDispatchMode):
    """Rounds what is multiplied as matrices in float32.

    Args:
        bits: Kept behind the binary point.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self._bits = bits

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call an operation, with rounded factors if it is a product."""
        if str(func).startswith(PRODUCTS) and args[-1].dtype == torch.float32:
            args = (*args[:-2], *(rounded(factor, self._bits) for factor in args[-2:]))
        return func(*args, **(kwargs or {}))


class InPrecision:
    """A potential whose products have a precision of their own.

    Args:
        potential: The network, operation by operation.
        bits: See :data:`BITS`.
    """

    def __init__(self, potential: LearnedPotential, bits: int | None) -> None:
        self._potential, self._bits = potential, bits

    def __call__(self, positions: Positions) -> Evaluation:
        """Evaluate positions, angstrom."""
        if self._bits is None:
            return self._potential(positions)
        with RoundedFactors(self._bits):
            return self._potential(positions)


def quenched(name: str, starts: Positions, molecule: Molecule) -> tuple[Minima, Minima, Tensor]:
    """Return rough ends, polished ends, and the forces at the starts."""
    dtype = torch.float64 if name == "float64" else torch.float32
    network = LearnedPotential(load()[0], molecule.numbers, way="network", n_threads=1)
    potential, stages = InPrecision(network, BITS[name]), molecular_stages(molecule)
    forces = potential(starts.to(dtype)).forces.double()
    rough = quench(stages.rough, potential, starts.to(dtype), convergence=stages.rough_convergence)
    kernels = LearnedPotential(load()[0], molecule.numbers, n_threads=1)
    fine = quench(stages.polish, kernels, rough.positions.double(), convergence=stages.polish_convergence)
    return rough, fine, forces


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = make_parser(__doc__, "precision.json")
    parser.add_argument("--starts", type=int, default=64, help="structures to relax (64)")
    parser.add_argument("--precisions", nargs="+", choices=list(BITS)[1:], default=list(BITS)[1:])
    return parser.parse_args(words)


def main(arguments: argparse.Namespace) -> None:
    """Measure, show and write."""
    set_threads(arguments.threads)
    molecule = read_molecule(EXAMPLE)
    identity = MolecularIdentity(molecule)
    starts = embedded(molecule, arguments.starts, arguments.seed)
    _, known, known_forces = quenched("float64", starts, molecule)
    results = {}
    for name in arguments.precisions:
        rough, fine, forces = quenched(name, starts, molecule)
        is_good = (fine.outcome == Outcome.CONVERGED) & (known.outcome == Outcome.CONVERGED)
        apart = identity.distance(fine.positions, known.positions)
        is_same = is_good & (apart < SAME_PLACE) & ((fine.energy - known.energy).abs() < SAME_ENERGY)
        off = torch.linalg.vector_norm(forces - known_forces, dim=-1)
        moved = identity.distance(rough.positions, fine.positions)
        results[name] = {
            "converged": int((rough.outcome == Outcome.CONVERGED).sum()),
            "same_minimum": int(is_same.sum()),
            "polished": int(is_good.sum()),
            "mean_energy_above_float64": float((fine.energy - known.energy)[is_good].mean()),
            "evaluations_per_quench": float(rough.n_evaluations.double().mean()),
            "evaluations_per_polish": float(fine.n_evaluations.double().mean()),
            "median_moved_by_polish": float(moved.median()),
            "mean_force_error": float(off.mean()),
            "largest_force_error": float(off.max()),
        }
    columns = list(next(iter(results.values())))
    show(f"{len(starts)} quenches", ["precision", *columns], [[name, *row.values()] for name, row in results.items()])
    write(arguments.out, settings=plain_settings(arguments), results=results)


if __name__ == "__main__":
    main(parse())
