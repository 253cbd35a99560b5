"""Times pesx's SO3krates on one core; run by ``benchmarks/against_peers.py``.

Energies and forces: :class:`pesx.potentials.learned.LearnedPotential`, as a search uses it; the search for neighbours is
in its time. Training: the step of ``pesx train`` with ``compile = true``; cutting the batch from the table of frames is in
its time.
"""

import copy
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from tasks import CUTOFF, NEIGHBOURS, SIZES, Frames, serve

from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.model import So3krates
from pesx.so3krates.settings import So3kratesSettings
from pesx.training.dataset import Dataset, MoleculeFrames
from pesx.training.frames import FrameTable
from pesx.training.muon import make_optimisers
from pesx.training.reference import References
from pesx.training.settings import TrainingSettings
from pesx.training.step import make_loss_step

NETWORK = So3kratesSettings(
    **SIZES, cutoff=CUTOFF, mean_neighbours=NEIGHBOURS, residual_mlp=False, radial_basis="bernstein"
)


class Pesx:
    """Our network with random weights."""

    neighbours_timed = True

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.model = _network()
        self.potentials: dict[bytes, LearnedPotential] = {}

    def describe(self) -> dict[str, Any]:
        sizes = {name: weight.numel() for name, weight in self.model.named_parameters()}
        tables = sum(size for name, size in sizes.items() if "embedding" in name or "scale" in name)
        return {
            "versions": {name: version(name) for name in ("pesx", "torch", "numba")},
            "weights": sum(sizes.values()),
            "weights_of_elements": tables,
            "weights_idle": 0,
        }

    def forces(self, frames: Frames) -> Any:
        molecule = frames.numbers.tobytes()
        if molecule not in self.potentials:
            self.potentials[molecule] = LearnedPotential(self.model, torch.from_numpy(frames.numbers), n_threads=1)
        potential = self.potentials[molecule]
        positions = torch.from_numpy(frames.positions).float()

        def call() -> tuple[np.ndarray, np.ndarray]:
            out = potential(positions)
            return out.energy.numpy(), out.forces.numpy()

        return call

    def train(self, frames: Frames) -> Any:
        model, table = _network(), _table(frames)
        n_frames = len(table)
        settings = TrainingSettings(
            model=NETWORK,
            batch_frames=n_frames,
            batch_pairs=n_frames * int(table.n_pairs.max()),
            n_steps=1,
            compile=True,
        )
        step = make_loss_step(model, settings, table)
        if step.padding is None:
            raise SystemExit(f"Expected a compiler for the training step; came a {step.how}. Install a C++ compiler.")
        optimisers = make_optimisers(model, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        averaged = copy.deepcopy(model)
        rows = np.arange(n_frames)

        def call() -> float:
            model.zero_grad(set_to_none=True)
            loss = step(rows, settings.loss.energy_weight)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm, foreach=True)
            for optimiser in optimisers:
                optimiser.step()
            with torch.no_grad():
                torch._foreach_lerp_(list(averaged.parameters()), list(model.parameters()), 1 - settings.ema_decay)
            return float(loss.detach())

        return call


def _network() -> So3krates:
    torch.manual_seed(0)
    return So3krates(NETWORK)


def _table(frames: Frames) -> FrameTable:
    n_frames = len(frames.positions)
    molecule = MoleculeFrames(
        name="molecule",
        level="benchmark",
        numbers=frames.numbers.astype(np.int64),
        charge=0,
        multiplicity=1,
        positions=frames.positions.astype(np.float32),
        energy=frames.energy.astype(np.float64),
        forces=frames.forces.astype(np.float32),
        temperature=np.full(n_frames, np.nan),
        trajectory=np.arange(n_frames),
        force_weight=np.ones((n_frames, len(frames.numbers)), dtype=np.float32),
    )
    zero = References(dict.fromkeys(NETWORK.elements, 0.0), 0)
    return FrameTable(Dataset((molecule,)), {"benchmark": zero}, cutoff=CUTOFF)


if __name__ == "__main__":
    serve(Pesx)
