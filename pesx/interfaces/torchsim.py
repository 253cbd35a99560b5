"""A pesx model as a model of TorchSim: many systems, also of different size, in one batch.

Cohen et al. 2025, doi:10.1088/3050-287X/ae1799. This module needs TorchSim to be imported; pesx does so nowhere else.
"""

import os
from typing import Any

import torch

from pesx.errors import ConfigError, InputError, MissingExtraError
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.checkpoint import load
from pesx.so3krates.graph import GraphBatch, neighbour_pairs
from pesx.typing import Tensor

try:
    from torch_sim.models.interface import ModelInterface
    from torch_sim.state import SimState
except ImportError as error:
    raise MissingExtraError("torch_sim", "torchsim") from error

DTYPES = {torch.float32, torch.float64}


class PesxModel(ModelInterface):  # type: ignore[misc]
    """Energies (eV) and forces (eV/angstrom) of molecules in vacuum, all systems of a state in one batch.

    There is no stress: molecules have no cell. Energies have the precision of the model, as TorchSim wants it, so in float32
    total energies of thousands of eV are good to about 1e-3 eV; forces and dynamics do not mind.

    Args:
        model: A model file; None for the model that comes with pesx.
        device: Where the network runs, and the states live; None for a GPU if there is one.
        dtype: torch.float32 or torch.float64; that of the states.
        charge: Total charge of every system, e.
        multiplicity: 2S+1 of every system.
        long_range_cutoff: Of electrostatics and dispersion, angstrom; None for that of the model.

    Raises:
        CheckpointError: The file cannot be read.
        ConfigError: The precision is unknown, or the model has no long-range part that could be cut off.
        InputError: The model has no embedding for the charge or the spin.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float64,
        *,
        charge: int = 0,
        multiplicity: int = 1,
        long_range_cutoff: float | None = None,
    ) -> None:
        super().__init__()
        if dtype not in DTYPES:
            raise ConfigError(f"Expected dtype torch.float32 or torch.float64, came {dtype}.")
        network, self.card = load(model)
        if long_range_cutoff is not None:
            network = network.with_long_range_cutoff(long_range_cutoff)
        network.check_electrons(charge, multiplicity)
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._dtype = dtype
        self._compute_stress, self._compute_forces = False, True
        # TorchSim's other measures divide by the volume of the cell, which molecules do not have.
        self._memory_scales_with = "n_atoms"
        self._charge, self._n_unpaired = charge, multiplicity - 1
        self._network = network.to(self._device, dtype).eval().requires_grad_(False)
        self._checked: Tensor | None = None
        self._bound: tuple[Tensor, LearnedPotential] | None = None

    def forward(self, state: Any, **kwargs: Any) -> dict[str, Tensor]:  # noqa: ARG002 - TorchSim passes options of others
        """Return "energy" of each system, eV, and "forces" on each atom, eV/angstrom.

        Args:
            state: Of TorchSim, or a dictionary of what makes one.
            kwargs: Not used.

        Raises:
            InputError: A system is periodic, or the model does not know an element, or the precision is another.
        """
        state = state if isinstance(state, SimState) else SimState(**state)
        self._check(state)
        if (numbers := self._one_molecule(state)) is not None:
            return self._of_replicas(numbers, state.positions)
        with torch.inference_mode(False), torch.enable_grad():
            graph = self._graph(state)
            energy = self._network(graph)
            (gradient,) = torch.autograd.grad(energy.sum(), graph.positions)
        finite = graph.positions.detach().isfinite().all(dim=1)
        broken = finite.new_zeros(graph.n_molecules).index_put((graph.molecule[~finite],), finite.new_ones(()))
        forces = gradient.neg().masked_fill(broken[graph.molecule, None], torch.nan)
        return {"energy": energy.detach().to(self._dtype).masked_fill(broken, torch.nan), "forces": forces}

    def _one_molecule(self, state: Any) -> Tensor | None:
        """Return the numbers of the one molecule that all systems are, on a CPU, where it has compiled kernels; else None."""
        owner, numbers = state.system_idx, state.atomic_numbers.long()
        n_systems = int(owner[-1]) + 1 if len(owner) else 0
        if self._device.type != "cpu" or n_systems == 0 or len(owner) % n_systems:
            return None
        first = numbers[: len(owner) // n_systems]
        each = torch.arange(n_systems).repeat_interleave(len(first))
        is_one = torch.equal(owner, each.to(owner)) and torch.equal(numbers, first.repeat(n_systems))
        return first if is_one else None

    def _of_replicas(self, numbers: Tensor, positions: Tensor) -> dict[str, Tensor]:
        if self._bound is None or not torch.equal(self._bound[0], numbers):
            potential = LearnedPotential(self._network, numbers, charge=self._charge, multiplicity=self._n_unpaired + 1)
            self._bound = numbers, potential
        now = self._bound[1](positions.detach().reshape(-1, len(numbers), 3))
        return {"energy": now.energy.to(self._dtype), "forces": now.forces.reshape(-1, 3)}

    def _check(self, state: Any) -> None:
        if torch.as_tensor(state.pbc).any():
            raise InputError(f"Expected molecules in vacuum, came pbc={state.pbc}; make the states with pbc=False.")
        if state.positions.dtype != self._dtype:
            raise InputError(
                f"Expected positions of {self._dtype}, came {state.positions.dtype}; make states and model with one dtype."
            )
        if self._checked is None or not torch.equal(state.atomic_numbers, self._checked):
            self._network.check_elements(state.atomic_numbers)
            self._checked = state.atomic_numbers.clone()

    def _graph(self, state: Any) -> GraphBatch:
        """Return the batch; a table of positions with NaN in its holes serves the search for pairs."""
        positions = state.positions.detach().clone().requires_grad_()
        molecule = state.system_idx.long()
        sizes = molecule.bincount()
        n_molecules, width = len(sizes), int(sizes.max())
        start = sizes.cumsum(0) - sizes
        slot = (
            torch.arange(len(molecule), device=molecule.device)
            + (width * torch.arange(n_molecules, device=molecule.device) - start)[molecule]
        )
        table = positions.detach().new_full((n_molecules * width, 3), torch.nan).index_copy(0, slot, positions.detach())
        owner, first, second = neighbour_pairs(table.view(n_molecules, width, 3), self._network.settings.cutoff)
        return GraphBatch(
            positions=positions,
            numbers=state.atomic_numbers.long(),
            molecule=molecule,
            slot=slot,
            pair_i=start[owner] + first,
            pair_j=start[owner] + second,
            n_molecules=n_molecules,
            width=width,
            charge=positions.new_full((n_molecules,), self._charge) if self._charge else None,
            n_unpaired=positions.new_full((n_molecules,), self._n_unpaired) if self._n_unpaired else None,
        )


__all__ = ["PesxModel"]
