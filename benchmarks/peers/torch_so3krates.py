"""Times the SO3krates of So3krates-torch (PyTorch) on one core; run by ``benchmarks/against_peers.py``.

Energies and forces: the module, with weights that get no gradient, as in the package's calculator. Training: the package's
own loss, optimiser and step with its default settings, in float32. Neighbour lists and batches are made before the clock
starts.
"""

from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from ase import Atoms
from so3krates_torch.data.utils import KeySpecification
from so3krates_torch.modules.models import So3krates
from so3krates_torch.tools.train import take_step
from so3krates_torch.tools.training_setup import setup_loss_function, setup_optimizer_and_scheduler
from so3krates_torch.tools.utils import create_dataloader_from_list
from tasks import CUTOFF, NEIGHBOURS, SIZES, Frames, serve

TRAINING = {"TRAINING": {"lr": 1e-3, "amsgrad": True}}
CLIP = 10.0
LABELS = KeySpecification(info_keys={"energy": "REF_energy"}, arrays_keys={"forces": "REF_forces"})


class Torch:
    """The network of So3krates-torch with random weights."""

    neighbours_timed = False

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.model = _network().requires_grad_(False)

    def describe(self) -> dict[str, Any]:
        sizes = {name: weight.numel() for name, weight in self.model.named_parameters()}
        tables = sum(size for name, size in sizes.items() if "embedding" in name or "energy_s" in name)
        idle = sum(size for name, size in sizes.items() if "transformers.0." in name and "mlp_ev" in name)
        names = ("torch", "so3krates-torch", "torch-geometric")
        return {
            "versions": {name: version(name) for name in names},
            "weights": sum(sizes.values()),
            "weights_of_elements": tables,
            "weights_idle": idle,
        }

    def forces(self, frames: Frames) -> Any:
        batch = _batch(frames).to_dict()

        def call() -> tuple[np.ndarray, np.ndarray]:
            out = self.model(batch)
            return out["energy"].detach().numpy(), out["forces"].detach().numpy().reshape(frames.positions.shape)

        return call

    def train(self, frames: Frames) -> Any:
        model, batch = _network(), _batch(frames)
        loss = setup_loss_function(TRAINING)
        optimizer, _ = setup_optimizer_and_scheduler(model, TRAINING)
        wanted = {"forces": True, "virials": False, "stress": False}

        def call() -> float:
            own = batch.clone()
            value, _ = take_step(
                model,
                loss,
                own,
                optimizer,
                ema=None,
                output_args=wanted,
                max_grad_norm=CLIP,
                device=torch.device("cpu"),
            )
            return float(value.detach())

        return call


def _network() -> So3krates:
    torch.manual_seed(0)
    return So3krates(
        r_max=CUTOFF,
        num_radial_basis_fn=SIZES["n_radial"],
        degrees=list(SIZES["degrees"]),
        num_features=SIZES["features"],
        num_heads=SIZES["n_heads"],
        num_layers=SIZES["n_layers"],
        avg_num_neighbors=NEIGHBOURS,
        energy_regression_dim=SIZES["features"],
        radial_basis_fn="bernstein",
        cutoff_fn="phys",
        energy_learn_atomic_type_scales=True,
        dtype=torch.float32,
    )


def _batch(frames: Frames) -> Any:
    atoms = []
    for positions, energy, forces in zip(frames.positions, frames.energy, frames.forces, strict=True):
        atoms.append(Atoms(numbers=frames.numbers, positions=positions))
        atoms[-1].info["REF_energy"] = float(energy)
        atoms[-1].arrays["REF_forces"] = forces
    (batch,) = create_dataloader_from_list(atoms, len(atoms), CUTOFF, None, key_specification=LABELS)
    return batch


if __name__ == "__main__":
    serve(Torch)
