"""How a quench is done: roughly, in the precision of the search, then polished in float64."""

from dataclasses import dataclass
from typing import Any

from pesx.molecule import Molecule
from pesx.protocols import Stepper
from pesx.relax.fire import Fire
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.model_hessian import ModelHessian
from pesx.relax.preconditioned import PreconditionedLbfgs
from pesx.relax.quench import Convergence
from pesx.relax.staged import Staged


@dataclass(frozen=True)
class TwoStage:
    """Both stages of a quench.

    Attributes:
        rough: Relaxer of the first stage.
        rough_convergence: When that one is done.
        polish: Relaxer of the second.
        polish_convergence: When that one is done.
    """

    rough: Stepper[Any]
    rough_convergence: Convergence
    polish: Stepper[Any]
    polish_convergence: Convergence


def molecular_stages(molecule: Molecule) -> TwoStage:
    """Return the stages for a molecule with bonds, in eV and angstrom.

    Args:
        molecule: With bonds.
    """
    return TwoStage(
        # FIRE only takes the edge off clashes; the metric sees to the rest.
        rough=Staged(Fire(), PreconditionedLbfgs(ModelHessian.for_descent(molecule)), switch=10.0),
        rough_convergence=Convergence(fmax=3e-3, max_steps=500),
        # Near the minimum the surface is a paraboloid: all that is learned of it stays true.
        polish=PreconditionedLbfgs(ModelHessian(molecule), memory=30, max_step=0.1, refresh=100, max_rise=1e-7),
        polish_convergence=Convergence(fmax=1e-4, max_steps=200),
    )


def reduced_stages(stiffness: float) -> TwoStage:
    """Return the stages for clusters and test surfaces in reduced units.

    Args:
        stiffness: Curvature assumed before there is a history.
    """
    return TwoStage(
        rough=Lbfgs(memory=5, max_step=0.2, stiffness=stiffness, max_rise=1e-6),
        rough_convergence=Convergence(fmax=1e-3, max_steps=1500, max_radius=20.0),
        polish=Lbfgs(memory=10, max_step=0.05, stiffness=stiffness, max_rise=1e-9),
        polish_convergence=Convergence(fmax=1e-7, max_steps=1000, max_radius=20.0),
    )


__all__ = ["TwoStage", "molecular_stages", "reduced_stages"]
