"""From a batch to its loss: energies and forces of the network against the labels, or the objective of score matching."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import functional_call, grad

from pesx.so3krates.graph import GraphBatch
from pesx.so3krates.model import So3krates
from pesx.training.frames import Batch, FrameTable, Padding
from pesx.training.loss import LossSettings, energy_loss, force_loss
from pesx.training.score import Energies, check_temperatures, even_weight, score_loss, step_probes
from pesx.training.settings import TrainingSettings
from pesx.typing import Float, Int, Tensor

Loss = Callable[[Batch, float, int], Tensor]


@dataclass(frozen=True)
class LossStep:
    """A way from frames to their differentiable loss.

    Attributes:
        loss: From a batch, the energy weight and the number of the step to the loss.
        table: Where the frames are.
        padding: Of the batches, if they are padded.
        how: For people.
    """

    loss: Loss
    table: FrameTable
    padding: Padding | None
    how: str

    def __call__(self, frames: NDArray[np.int64], energy_weight: float, step: int = 0) -> Tensor:
        """Return the loss of some frames.

        Args:
            frames: Their numbers in the table.
            energy_weight: Of the mean energy error per molecule, 1/eV; for the objective "labels".
            step: Number of the step, from which random probes follow; for the objective "score".
        """
        return self.loss(self.table.batch(frames, self.padding), energy_weight, step)


def energy_and_forces(
    model: So3krates, graph: GraphBatch, *, level: int | Int[Tensor, "G"] = 0, create_graph: bool
) -> tuple[Float[Tensor, "G"], Float[Tensor, "A 3"]]:
    """Return interaction energies (eV) and forces (eV/angstrom) of a batch.

    Args:
        model: The network.
        graph: Atoms and pairs.
        level: Which head answers, for all molecules or for each.
        create_graph: Whether the forces are to be differentiated again.
    """
    positions = graph.positions.detach().requires_grad_()
    energy = model.interaction_energies(replace(graph, positions=positions), level)
    (gradient,) = torch.autograd.grad(energy.sum(), positions, create_graph=create_graph)
    return energy, -gradient


def loss_of(
    settings: LossSettings,
    batch: Batch,
    *,
    energy: Float[Tensor, "G"],
    forces: Float[Tensor, "A 3"],
    energy_weight: float | Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Return the loss of predictions for a batch.

    Args:
        settings: Of the loss; its weights of the energy are those at the ends of the training.
        batch: With the labels.
        energy: Predicted interaction energies, eV.
        forces: Predicted forces, eV/angstrom.
        energy_weight: Of the mean energy error per molecule at this step, 1/eV.
    """
    force_error = force_loss(forces, batch.forces, batch.atom_weight, settings.force_scale)
    off = energy - batch.energy
    energy_error = energy_loss(off - batch.centre @ off, batch.frame_weight, settings.energy_scale)
    return settings.force_weight * force_error + energy_weight * energy_error


def level_of(model: So3krates, batch: Batch) -> int | Int[Tensor, "G"]:
    """Return which head answers; a number where there is one only, which spares the choice."""
    return batch.level if len(model.heads) > 1 else 0


def make_loss_step(model: So3krates, settings: TrainingSettings, table: FrameTable) -> LossStep:
    """Return the compiled step if it is wanted and there is a compiler, and the plain one otherwise.

    Raises:
        ConfigError: The objective is "score", and a frame has no temperature.
    """
    is_score = settings.objective == "score"
    if is_score:
        check_temperatures(table)
    eager = LossStep((_plain_score if is_score else _plain)(model, settings), table, None, "plain step")
    if not settings.compile:
        return eager
    padding = table.padding(batch_frames=settings.batch_frames, batch_pairs=settings.batch_pairs)
    compiled_loss = (_compiled_score if is_score else _compiled)(model, settings)
    compiled = LossStep(compiled_loss, table, padding, "compiled step")
    try:
        compiled(np.arange(1), settings.loss.energy_weight).backward()  # type: ignore[no-untyped-call]
    except (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError) as error:
        return replace(eager, how=f"plain step, as the compiler failed ({type(error).__name__})")
    model.zero_grad(set_to_none=True)
    return compiled


def _plain(model: So3krates, settings: TrainingSettings) -> Loss:
    def call(batch: Batch, energy_weight: float, _step: int) -> Tensor:
        level = level_of(model, batch)
        energy, forces = energy_and_forces(model, batch.graph, level=level, create_graph=True)
        return loss_of(settings.loss, batch, energy=energy, forces=forces, energy_weight=energy_weight)

    return call


def _plain_score(model: So3krates, settings: TrainingSettings) -> Loss:
    def call(batch: Batch, _energy_weight: float, step: int) -> Tensor:
        def energies(graph: GraphBatch) -> Tensor:
            return model.interaction_energies(graph, level_of(model, batch))

        return _score(energies, batch, _probes(settings, batch, step))

    return call


def _score(energies: Energies, batch: Batch, probes: Tensor) -> Tensor:
    # All atoms count the same: weights that depend on the structure would move the minimum of the objective.
    weight = even_weight(batch)
    return score_loss(energies, batch, thermal_energy=batch.thermal_energy, weight=weight, probes=probes)


def _probes(settings: TrainingSettings, batch: Batch, step: int) -> Tensor:
    return step_probes(settings.score_probes, len(batch.graph.numbers), seed=settings.seed, step=step)


class _Interaction(torch.nn.Module):
    """The network as a module whose call gives interaction energies, which is what ``functional_call`` can call."""

    def __init__(self, model: So3krates) -> None:
        super().__init__()
        self.model = model

    def forward(self, graph: GraphBatch, level: int | Int[Tensor, "G"]) -> Float[Tensor, "G"]:
        return self.model.interaction_energies(graph, level)


def _compiled(model: So3krates, settings: TrainingSettings) -> Loss:
    """Compile forces and loss together: a compiled graph has one backward, so the forces must be inside."""
    module = _Interaction(model)

    def loss(weights: dict[str, Tensor], batch: Batch, energy_weight: Tensor) -> Tensor:
        def total(positions: Tensor) -> tuple[Tensor, Tensor]:
            moved = replace(batch.graph, positions=positions)
            energy = functional_call(module, weights, (moved, level_of(model, batch)))
            return energy.sum(), energy

        gradient, energy = grad(total, has_aux=True)(batch.graph.positions)
        return loss_of(settings.loss, batch, energy=energy, forces=-gradient, energy_weight=energy_weight)

    run = torch.compile(loss, dynamic=False, fullgraph=True)

    def call(batch: Batch, energy_weight: float, _step: int) -> Tensor:
        return run(dict(module.named_parameters()), batch, torch.tensor(energy_weight))

    return call


def _compiled_score(model: So3krates, settings: TrainingSettings) -> Loss:
    module = _Interaction(model)

    def loss(weights: dict[str, Tensor], batch: Batch, probes: Tensor) -> Tensor:
        def energies(graph: GraphBatch) -> Tensor:
            found: Tensor = functional_call(module, weights, (graph, level_of(model, batch)))
            return found

        return _score(energies, batch, probes)

    run = torch.compile(loss, dynamic=False, fullgraph=True)

    def call(batch: Batch, _energy_weight: float, step: int) -> Tensor:
        return run(dict(module.named_parameters()), batch, _probes(settings, batch, step))

    return call
