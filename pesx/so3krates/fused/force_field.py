"""Energies and forces of many replicas of one molecule, without a graph of operations."""

import copy
import threading
from typing import Any

import numpy as np
import torch

from pesx.errors import ConfigError, ContractError
from pesx.so3krates.fused.kinds import find_kinds
from pesx.so3krates.fused.network import evaluate, most_pairs
from pesx.so3krates.fused.packing import pack
from pesx.so3krates.fused.vectors import BYTES
from pesx.so3krates.fused.views import Bundle
from pesx.so3krates.fused.weights import make_shape
from pesx.so3krates.fused.workspace import make_workspace
from pesx.so3krates.model import So3krates
from pesx.typing import Energies, Forces, Int, Positions, Tensor

SCALARS: dict[torch.dtype, type[np.floating[Any]]] = {torch.float32: np.float32, torch.float64: np.float64}
SLACK = 1.2
"""Room for this many times more pairs than were asked for, so that memory is not taken anew for every step."""


class FusedSo3krates:
    """A trained SO3krates model of one molecule on one core of a CPU: radial filters from tables, gradients by hand.

    Weights are copied; later changes of the model have no effect. Calls from several threads at once are welcome, and do
    not wait for one another. Every replica has the same bits alone and in any batch. The forces are minus the gradient of
    this energy to round-off; both differ from the model's by the error of the tables
    (:data:`pesx.so3krates.tabulated.TOLERANCE`).

    Args:
        model: On any device, in any precision.
        numbers: Atomic numbers of the molecule.
        dtype: Of network and forces: float32 or float64. Distances, sums over atoms, and all that acts between atoms
            beside the network are float64 in both.
        level: Which level of theory of the model.
        charge: Total charge, e.
        n_unpaired: Unpaired electrons.

    Raises:
        InputError: The model does not know an element of the molecule.
        ConfigError: The radial filters are too steep for tables, or the model stands on a baseline, which is a network of its
            own (:meth:`pesx.so3krates.model.So3krates.networks`).
        ContractError: Another precision.
    """

    def __init__(
        self,
        model: So3krates,
        numbers: Int[Tensor, "N"],
        dtype: torch.dtype,
        *,
        level: int = 0,
        charge: int = 0,
        n_unpaired: int = 0,
    ) -> None:
        if dtype not in SCALARS:
            raise ContractError(f"Expected float32 or float64 for the fast path, came {dtype}.")
        if model.baseline is not None:
            raise ConfigError("Expected one network for the fast path, came one with a baseline; give each by itself.")
        model.check_elements(numbers)
        self.dtype = dtype
        self._scalar = SCALARS[dtype]
        with torch.inference_mode(False):
            exact = copy.deepcopy(model).cpu().double().requires_grad_(False)
            kinds = find_kinds(exact, numbers.cpu(), charge=charge, n_unpaired=n_unpaired)
            self._shape = make_shape(model.settings, BYTES // np.dtype(self._scalar).itemsize, len(kinds.place))
            self._weights = pack(exact, self._shape, kinds, level=level, dtype=self._scalar)
        self._arguments = Bundle(self._shape), Bundle(self._weights)
        self._element = kinds.of_atom
        self._free: list[Bundle] = []
        self._lock = threading.Lock()

    def __call__(self, positions: Positions) -> tuple[Energies, Forces]:
        """Return interaction energies (eV, float64) and forces (eV/angstrom); replicas that are not finite get NaN.

        Args:
            positions: Angstrom, on the CPU, in this path's precision.
        """
        n_atoms = len(self._element)
        if positions.dtype != self.dtype or positions.shape[1:] != (n_atoms, 3):
            raise ContractError(
                f"Expected positions in {self.dtype} of shape (B, {n_atoms}, 3), came {positions.dtype} of shape "
                f"{tuple(positions.shape)}; cast them."
            )
        given = np.ascontiguousarray(positions.detach().numpy())
        energy, forces = np.empty(len(given)), np.empty_like(given)
        work = self._take(most_pairs(given, self._weights.cutoff))
        evaluate(*self._arguments, work, self._element, given, energy, forces)
        with self._lock:
            self._free.append(work)
        return torch.from_numpy(energy), torch.from_numpy(forces)

    def _take(self, n_pairs: int) -> Bundle:
        """Return a workspace that nobody uses, of an earlier call if it is large enough."""
        with self._lock:
            work = self._free.pop() if self._free else None
        if work is not None and len(work.fields.pair) >= n_pairs:
            return work
        room, n_monomials = max(1, int(SLACK * n_pairs)), self._weights.n_monomials
        n_atoms = len(self._element)
        return Bundle(make_workspace(self._shape, self._scalar, n_atoms=n_atoms, n_pairs=room, n_monomials=n_monomials))


__all__ = ["FusedSo3krates"]
