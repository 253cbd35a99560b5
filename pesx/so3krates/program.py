"""Energies and forces of many replicas of one molecule as a program of fixed shapes, which is what a GPU wants.

How many neighbour pairs there are, the host would have to ask the device before it could tell it to go on. Here the list of
pairs has room for a few more than there were the last time, and ends with pairs of a spare replica whose atoms see nobody. So
all can be queued at once. Only then is the number of pairs read, which was counted first; if the list was too short, which is
rare, the program runs again with more room.
"""

import math
import threading
from collections.abc import Callable
from typing import Any

import torch

from pesx.errors import ConfigError
from pesx.so3krates.graph import replicas_with
from pesx.so3krates.model import So3krates
from pesx.typing import Energies, Float, Forces, Int, Positions, Tensor

SLACK = 1.04
"""Room for this many times the pairs of the last call: from step to step of a quench they change by less."""

GRAIN = 1024
"""Room is a multiple of this, so that it seldom changes."""

FORCE_AGREEMENT = 1e-3
"""Largest difference between compiled and plain forces that is put down to rounding, of the largest force."""

ENERGY_AGREEMENT = 1e-3
"""The same for energies, eV."""

Pairs = tuple[Int[Tensor, "P"], Int[Tensor, "P"]]
Evaluate = Callable[[Positions, Pairs], tuple[Energies, Forces]]


class So3kratesProgram:
    """A SO3krates model of one molecule on any device.

    Every replica has the same bits alone and in any batch on a CPU, where nothing is compiled. A GPU adds in any order.

    Args:
        model: On the device, in the precision of the positions; not changed.
        numbers: Atomic numbers of the molecule, on the device.
        level: Which level of theory of the model.
        charge: Total charge, e.
        n_unpaired: Unpaired electrons.
        compiles: Whether torch.compile joins operations. A first batch is then worked out both ways; the plain program
            stays where there is no compiler, or where the two do not agree.

    Attributes:
        how: "plain" or "compiled", and why if it was to be the other; for people.
        n_reruns: How often the list of pairs was too short.
    """

    def __init__(
        self,
        model: So3krates,
        numbers: Int[Tensor, "N"],
        *,
        level: int = 0,
        charge: int = 0,
        n_unpaired: int = 0,
        compiles: bool = False,
    ) -> None:
        self._model, self._level = model, level
        self._electrons = {"charge": charge, "n_unpaired": n_unpaired}
        self._cutoff = max(part.cutoff for part in model.settings.parts())
        with torch.inference_mode(False):
            self._numbers = numbers.clone()
            first, second = torch.triu_indices(len(numbers), len(numbers), offset=1, device=numbers.device)
        self._ends = first, second
        self._pairs_per_row: float | None = None
        self._run: Evaluate = self._energy_and_forces
        self._must_compile, self._lock = compiles, threading.Lock()
        self.how, self.n_reruns = "plain", 0

    def __call__(self, positions: Positions) -> tuple[Energies, Forces]:
        """Return total energies (eV, float64) and forces (eV/angstrom); replicas that are not finite get NaN.

        Args:
            positions: Angstrom, on the device of the model and in its precision.
        """
        if not len(positions):
            return positions.new_empty(0, dtype=torch.float64), torch.empty_like(positions)
        with torch.inference_mode(False), torch.no_grad():
            return self._with_the_last_room(positions.clone())

    def _with_the_last_room(self, positions: Positions) -> tuple[Energies, Forces]:
        """Evaluate with room for the pairs of the last call, and again if that was too little."""
        n_rows, near = len(positions), self._near(positions)
        counted = Reading(near.sum())
        if self._pairs_per_row is None:
            self._pairs_per_row = counted.value() / n_rows
        room = _room(SLACK * self._pairs_per_row * n_rows)
        energy, forces = self._evaluate(positions, near, room)
        n_pairs = counted.value()
        self._pairs_per_row = n_pairs / n_rows
        if n_pairs > room:
            self.n_reruns += 1
            energy, forces = self._evaluate(positions, near, _room(n_pairs))
        return energy, forces

    def _near(self, positions: Positions) -> Tensor:
        """Return which pairs of atoms of each replica are neighbours (B, all pairs)."""
        separation = positions.index_select(1, self._ends[1]) - positions.index_select(1, self._ends[0])
        return separation.square().sum(dim=-1) < self._cutoff * self._cutoff

    def _evaluate(self, positions: Positions, near: Tensor, room: int) -> tuple[Energies, Forces]:
        pairs = self._pairs(near, room)
        given = torch.cat([positions, self._spare(positions)])
        with self._lock:
            if self._must_compile:
                self._compile(given, pairs)
        energy, forces = self._run(given, pairs)
        is_finite = positions.isfinite().all(dim=2).all(dim=1)
        energy, forces = energy[:-1].where(is_finite, torch.nan), forces[:-1]
        return energy, forces.where(is_finite[:, None, None], torch.nan)

    def _pairs(self, near: Tensor, room: int) -> Pairs:
        """Return the neighbours in the order of the replicas, then pairs of the spare one; what is too much is dropped."""
        n_replicas, n_each = near.shape
        n_atoms = len(self._numbers)
        if n_each == 0:
            alone = torch.full((room,), n_replicas * n_atoms, device=near.device)
            return alone, alone
        flat = near.flatten()
        place = torch.where(flat, flat.cumsum(0) - 1, room).clamp(max=room)
        number = torch.arange(len(flat), device=near.device)
        chosen = torch.full((room + 1,), len(flat), device=near.device).scatter(0, place, number)[:room]
        is_pair = chosen < len(flat)
        within = torch.where(is_pair, chosen % n_each, 0)
        start = torch.where(is_pair, chosen // n_each, n_replicas) * n_atoms
        return start + self._ends[0][within], start + self._ends[1][within]

    def _spare(self, positions: Positions) -> Float[Tensor, "1 N 3"]:
        """Return a replica whose atoms stand in a row, each just out of the reach of the next."""
        row = torch.arange(len(self._numbers), device=positions.device, dtype=positions.dtype)
        return torch.stack([1.001 * self._cutoff * row, 0.0 * row, 0.0 * row], dim=1)[None]

    def _energy_and_forces(self, positions: Positions, pairs: Pairs) -> tuple[Energies, Forces]:
        moved = positions.detach().requires_grad_()
        with torch.enable_grad():
            energy = self._energy(moved, pairs)
            (gradient,) = torch.autograd.grad(energy.sum(), moved)
        return energy.detach(), -gradient

    def _energy_and_forces_to_compile(self, positions: Positions, pairs: Pairs) -> tuple[Energies, Forces]:
        """Return the same by means of torch.func, which a compiler can see through."""

        def total(moved: Positions) -> tuple[Tensor, Energies]:
            energy = self._energy(moved, pairs)
            return energy.sum(), energy

        gradient, energy = torch.func.grad(total, has_aux=True)(positions)
        return energy, -gradient

    def _energy(self, positions: Positions, pairs: Pairs) -> Energies:
        graph = replicas_with(self._numbers, positions, pairs, **self._electrons)
        energy: Energies = self._model(graph, self._level)
        return energy

    def _compile(self, positions: Positions, pairs: Pairs) -> None:
        """Compile, unless that fails or gives something else; not before there are forces to compare."""
        expected = self._energy_and_forces(positions, pairs)
        if not (expected[1].isfinite() & (expected[1] != 0.0)).any():
            return
        self._must_compile = False
        run: Evaluate = torch.compile(self._energy_and_forces_to_compile, dynamic=True, fullgraph=True)
        try:
            found = run(positions, pairs)
        except (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError) as error:
            self.how = f"plain, as the compiler failed ({type(error).__name__})"
            return
        largest = float(expected[1].nan_to_num().abs().max())
        energies_agree = _agree(found[0], expected[0], ENERGY_AGREEMENT)
        if energies_agree and _agree(found[1], expected[1], FORCE_AGREEMENT * largest):
            self._run, self.how = run, "compiled"
        else:
            self.how = "plain, as the compiled program gave something else"


class Reading:
    """A number that a device is asked for now and that is read later, without waiting for what was queued in between.

    Args:
        number: On any device.
    """

    def __init__(self, number: Int[Tensor, ""]) -> None:
        self._event: torch.cuda.Event | None = None
        self._number = number
        if number.is_cuda:
            self._number = torch.empty((), dtype=number.dtype, pin_memory=True).copy_(number, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            # Of its own device, which need not be the current one.
            self._event.record(torch.cuda.current_stream(number.device))

    def value(self) -> int:
        """Wait until the number is there, and return it."""
        if self._event is not None:
            self._event.synchronize()
        return int(self._number)


def check_precision(device: torch.device) -> None:
    """Make sure that torch multiplies matrices in float32 as they are.

    With factors rounded to TF32 forces are off by 1 meV/angstrom, and no quench reaches 3 (`benchmarks/precision.py`).

    Args:
        device: Where they are multiplied.

    Raises:
        ConfigError: Torch was told otherwise.
    """
    backend: Any = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
    came = backend.matmul.fp32_precision
    came = torch.backends.fp32_precision if came == "none" else came  # type: ignore[attr-defined]
    if came not in ("ieee", "none"):
        raise ConfigError(
            f"Expected matrix products in full float32, came the precision {came!r}, with which quenches do not converge. Call "
            "torch.set_float32_matmul_precision('highest')."
        )


def _agree(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    """Return whether both are numbers at the same places, and close."""
    is_number = expected.isfinite()
    if not torch.equal(found.isfinite(), is_number):
        return False
    return bool((found - expected)[is_number].abs().max() <= tolerance)


def _room(n_pairs: float) -> int:
    return max(1, math.ceil(n_pairs / GRAIN)) * GRAIN


__all__ = ["Reading", "So3kratesProgram", "check_precision"]
