"""Score matching: forces from structures alone, if these are Boltzmann samples at a known temperature.

The density of such samples is proportional to exp(-E / kT), so the forces are kT times its score, the gradient of its
logarithm. Half the mean squared error of the model's forces f against these unknown forces is, but for a constant,

    J = mean over atoms of [ |f_i|^2 / 2 + kT div_i f ]   (eV^2/angstrom^2)

by integration by parts (Hyvarinen 2005, J. Mach. Learn. Res. 6, 695). It uses no label, can be negative, and is lowest where
f is right. Force fields learn so from unlabelled trajectories: Bukharin et al. 2023, arXiv:2306.03109.

The samples must be of the whole ensemble: constrained bonds or a bias potential would be learned as forces. Over few samples J
has no lower bound, as a flexible network can curve just there; labelled frames for validation show when that begins.

The divergence is minus the trace of the Hessian, which is estimated from products with random vectors of independent +1 and
-1 (Hutchinson 1990, doi:10.1080/03610919008812866). Of all independent components with unit variance these give the estimate
the least variance: a component v adds to it (<v^4> - 1) times the square of its diagonal element, and <v^4> is at least 1.

J is linear in the divergence. A bounded function of it would hold back the large curvatures of a network at its beginning, but
also move the minimum, because only the plain mean is an integral by parts; for the same reason hot frames must not weigh less
than others. What bounds a step is the norm to which the training scales the gradient down.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch.func import grad, vjp

from pesx.errors import ConfigError
from pesx.so3krates.graph import GraphBatch
from pesx.training.frames import Batch, FrameTable
from pesx.typing import Float, Tensor

Energies = Callable[[GraphBatch], Float[Tensor, "G"]]
"""From atoms and pairs to the energy of each molecule, eV; such as ``model.interaction_energies``."""


def score_loss(
    energies: Energies,
    batch: Batch,
    *,
    thermal_energy: Float[Tensor, "G"],
    weight: Float[Tensor, "A"],
    probes: Float[Tensor, "K A 3"],
) -> Float[Tensor, ""]:
    """Return the objective of score matching for a batch, differentiable by the weights, eV^2/angstrom^2.

    Gradients are differentiated backwards; forward derivatives of them take a third longer, those of the energy twice as long.

    Args:
        energies: The network.
        batch: Structures; their labels do not matter.
        thermal_energy: kT of the ensemble that each frame was drawn from, eV.
        weight: Of each atom in the mean; 0 for padding, and for atoms that are to be left out. Within a molecule it must not
            depend on the structure.
        probes: Of :func:`rademacher`.
    """

    def total(positions: Tensor) -> Tensor:
        return energies(replace(batch.graph, positions=positions)).sum()

    gradient, product, *_ = vjp(grad(total), batch.graph.positions)
    # Directions scaled by sqrt(w kT) give the sum over atoms of w kT H_ii as one quadratic form, however these differ.
    scale = (weight * thermal_energy.index_select(0, batch.graph.molecule)).sqrt()[:, None]
    traces = [(product(scale * probe)[0] * scale * probe).sum() for probe in probes]
    half_square: Tensor = 0.5 * (weight * gradient.square().sum(dim=-1)).sum()
    return half_square - torch.stack(traces).mean()


def rademacher(n_probes: int, n_atoms: int, generator: torch.Generator) -> Float[Tensor, "K A 3"]:
    """Return random vectors of independent components that are +1 or -1."""
    return 2.0 * torch.randint(2, (n_probes, n_atoms, 3), generator=generator) - 1.0


def step_probes(n_probes: int, n_atoms: int, *, seed: int, step: int) -> Float[Tensor, "K A 3"]:
    """Return the probes of a training step; they follow from seed and step, so a resumed run needs no state of a generator."""
    (drawn,) = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)
    return rademacher(n_probes, n_atoms, torch.Generator().manual_seed(int(drawn)))


def even_weight(batch: Batch) -> Float[Tensor, "A"]:
    """Return weights for the mean over all atoms of frames that have a temperature."""
    counts = (batch.thermal_energy > 0).index_select(0, batch.graph.molecule).to(batch.thermal_energy.dtype)
    return counts / counts.sum().clamp(min=1.0)


def check_temperatures(table: FrameTable) -> None:
    """Make sure that every frame was drawn at a temperature.

    Raises:
        ConfigError: One was not; names its molecule.
    """
    without = np.flatnonzero(~(table.thermal_energy > 0))
    if len(without):
        name = table.molecules[table.molecule[without[0]]].name
        raise ConfigError(
            f"Expected the temperature of every frame for the objective 'score', came none for {len(without)} of {len(table)} "
            f"frames, the first of molecule {name!r}. Give samples of a thermal ensemble, or train on labels."
        )
