"""A trained model bound to one molecule."""

import copy
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import torch

from pesx.errors import ConfigError, ContractError
from pesx.memory import DeviceMemory, halving, is_out_of_memory, rows_that_fit
from pesx.so3krates.graph import replicas
from pesx.so3krates.model import So3krates
from pesx.so3krates.program import So3kratesProgram, check_precision
from pesx.state import Evaluation
from pesx.threads import run_all
from pesx.typing import Energies, Float, Forces, Int, Mask, Positions, Tensor

if TYPE_CHECKING:
    from pesx.so3krates.fused.force_field import FusedSo3krates

R = TypeVar("R")

Way = Literal["auto", "kernels", "program", "network"]
WAYS = get_args(Way)


class LearnedPotential:
    """A SO3krates model as a potential of one molecule.

    Forces have the precision of the positions, and the network runs in it. Energies are always float64: total energies
    are thousands of eV, and float32 could not tell two minima 0.1 meV apart. A replica with positions that are not
    finite gets NaN. Every replica has the same bits alone and in any batch (when: see
    :mod:`pesx.so3krates.attention`).

    Args:
        model: Not changed; copies in the needed precision are made at first use.
        numbers: Atomic numbers of the molecule.
        device: Where the network runs; positions may live elsewhere.
        level: Which level of theory of the model.
        charge: Total charge, e.
        multiplicity: 2S+1.
        max_pairs_per_chunk: Pairs of atoms treated at once; bounds the memory. On a CPU a chunk should fit its cache. On a GPU
            it is also bounded by the free memory, from what the first batch took. A chunk that does not fit the memory is
            halved, and so are all after it.
        n_threads: Chunks treated at the same time on a CPU; None for as many as torch may use threads.
        way: How energies and forces are made. "kernels": compiled ones with tabulated radial filters, on a CPU, where the
            filters are not too steep for tables; forces differ by 1e-7 of the largest. "program": of fixed shapes, for a GPU
            (:mod:`pesx.so3krates.program`). "network": operation by operation, for comparison. "auto": the first two.
        compiles: Whether torch.compile joins the operations of the program: a minute or two at first, less for each step.

    Raises:
        InputError: The model does not know an element of the molecule, or has no embedding for its charge or spin.
        ConfigError: There is no such way, or it does not fit the device.
    """

    def __init__(
        self,
        model: So3krates,
        numbers: Int[Tensor, "N"],
        *,
        device: torch.device | str = "cpu",
        level: int = 0,
        charge: int = 0,
        multiplicity: int = 1,
        max_pairs_per_chunk: int | None = None,
        n_threads: int | None = None,
        way: Way = "auto",
        compiles: bool = False,
    ) -> None:
        model.check_elements(numbers)
        model.check_electrons(charge, multiplicity)
        self._way, self._compiles = _way(way, torch.device(device)), compiles
        self._model = model
        self._electrons = {"charge": charge, "n_unpaired": multiplicity - 1}
        self._device = torch.device(device)
        self._numbers = numbers.to(self._device, torch.long)
        self._level = level
        self._copies: dict[torch.dtype, So3krates] = {}
        is_on_cpu = self._device.type == "cpu"
        self._programs: dict[torch.dtype, So3kratesProgram] = {}
        self._memory = DeviceMemory(self._device) if self._device.type == "cuda" else None
        self._fused: dict[torch.dtype, list[FusedSo3krates]] = {}
        self._n_threads = (n_threads or torch.get_num_threads()) if is_on_cpu else 1
        pairs = max_pairs_per_chunk or (PAIRS_ON_CPU if is_on_cpu else PAIRS_ON_GPU)
        n_atoms = len(numbers)
        self._rows = max(1, pairs // max(1, min(n_atoms * (n_atoms - 1) // 2, PAIRS_PER_ATOM * n_atoms)))

    @property
    def n_rows(self) -> int:
        """Replicas that a chunk may have; fewer than at first once that many did not fit the memory."""
        return self._rows

    def __call__(self, positions: Positions) -> Evaluation:
        """Evaluate positions (angstrom): energies in eV, float64; forces in eV/angstrom, in the positions' dtype."""
        self._check(positions)
        if len(positions) == 0:
            return Evaluation(positions.new_empty(0, dtype=torch.float64), torch.empty_like(positions))
        work = self._work(positions.dtype)
        parts = self._measured(work, positions) if self._memory else self._in_chunks(work, positions)
        return Evaluation(torch.cat([energy for energy, _ in parts]), torch.cat([forces for _, forces in parts]))

    def _work(self, dtype: torch.dtype) -> Callable[[Positions], tuple[Energies, Forces]]:
        """Return what gives energies and forces of a chunk."""
        if fused := self._kernels(dtype):
            return partial(self._evaluate_fused, fused)
        model = self._copy(dtype)
        if self._way != "program":
            return self._evaluate
        if dtype not in self._programs:
            made = So3kratesProgram(model, self._numbers, level=self._level, compiles=self._compiles, **self._electrons)
            self._programs[dtype] = made
        return partial(self._evaluate_program, self._programs[dtype])

    def uncertainty(self, positions: Positions, relative_to: Positions | None = None) -> Energies:
        """Return the standard deviation of energies, eV, float64; a non-finite replica gets NaN.

        Args:
            positions: Angstrom.
            relative_to: Structures whose energies are subtracted: as many, or a single one. What both energies are wrong by
                drops out, so this, not the uncertainty of either, belongs to a difference. None for the energies themselves.

        Raises:
            ConfigError: The uncertainty of the model was not calibrated at this level.
        """
        known = self._model.calibrated(self._level)
        features = self._readout_features(positions)
        if relative_to is None:
            return known.sigma(features)
        return known.sigma_of_difference(features, self._readout_features(relative_to))

    def _readout_features(self, positions: Positions) -> Float[Tensor, "B F"]:
        self._check(positions)
        self._copy(positions.dtype)
        return torch.cat(
            self._in_chunks(self._features_of, positions) if len(positions) else [self._features_of(positions)]
        )

    def _features_of(self, positions: Positions) -> Float[Tensor, "B F"]:
        model = self._copy(positions.dtype)
        given = positions.detach().to(self._device)
        with torch.inference_mode(False), torch.no_grad():
            graph = replicas(self._numbers, given, model.settings.cutoff, **self._electrons)
            features = model.readout_features(graph, self._level)
        return features.where(_finite(given)[:, None], torch.nan).to(positions.device)

    def hessian(self, positions: Positions) -> Float[Tensor, "B D D"]:
        """Return the second derivatives of the energy, symmetric, eV/angstrom^2; a non-finite replica gets NaN.

        They have the precision of the positions. They are central differences of float64 forces, good to 1e-6: with the
        compiled kernels in a sixth of the time of the exact ones. The way "network" gives those, exact but for rounding, which
        leaves 1e-3 in float32: one backward pass through the forces per coordinate, over one graph per chunk, a fifth of the
        time of the same passes under vmap.
        """
        self._check(positions)
        n = 3 * len(self._numbers)
        if len(positions) == 0:
            return positions.new_empty(0, n, n)
        if self._way != "network":
            lines = [self._central_differences(row.double()) for row in positions]
            full = torch.stack(lines)
            return (0.5 * (full + full.mT)).to(positions.dtype)
        self._copy(positions.dtype)
        parts = self._in_chunks(self._second_derivatives, positions, share=HESSIAN_SHARE)
        return torch.cat(parts).to(positions.device)

    def hessian_products(self, positions: Positions) -> Callable[[Positions], Positions]:
        """Return the map from directions to the products of the Hessians at these positions with them, eV/angstrom^2.

        They are good to 1e-4 for a direction of length 1, have its precision, and cost nothing for a direction that is zero.
        They are forward differences of float64 forces, one evaluation each: with the compiled kernels a quarter of the time of
        a backward pass through the network, and no memory. The way "network" differentiates the forces once, and each product
        is a backward pass through them; where the memory does not hold what the forces of all chunks were differentiated
        through, every product does that anew, chunk by chunk.
        """
        self._check(positions)
        if self._way != "network":
            return self._forward_products(positions.double())
        return self._backward_products(positions)

    def _central_differences(self, row: Float[Tensor, "N 3"]) -> Float[Tensor, "D D"]:
        shift = HESSIAN_STEP * torch.eye(row.numel(), dtype=row.dtype, device=row.device).view(-1, *row.shape)
        after, before = self(torch.cat([row + shift, row - shift])).forces.flatten(1).chunk(2)
        return (before - after) / (2.0 * HESSIAN_STEP)

    def _forward_products(self, positions: Positions) -> Callable[[Positions], Positions]:
        here = self(positions).forces

        def multiply(directions: Positions) -> Positions:
            self._check(directions)
            products = torch.zeros_like(directions)
            asked = directions.flatten(1).any(dim=1).nonzero()[:, 0]
            wanted = directions[asked].double()
            length = torch.linalg.vector_norm(wanted.flatten(1), dim=1)[:, None, None]
            there = self(positions[asked] + wanted * (PRODUCT_STEP / length)).forces
            products[asked] = ((here[asked] - there) * (length / PRODUCT_STEP)).to(products)
            return products

        return multiply

    def _backward_products(self, positions: Positions) -> Callable[[Positions], Positions]:
        self._copy(positions.dtype)
        chunks = self._chunks(positions, max(1, self._rows // HESSIAN_SHARE)) if len(positions) else []
        try:
            graphs = run_all(self._differentiable_gradient, chunks, n_threads=self._n_threads)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            graphs = []

        def multiply(directions: Positions) -> Positions:
            self._check(directions)
            if chunks and not graphs:
                both = torch.stack([positions, directions.to(positions)], dim=1)
                products = self._in_chunks(self._product_anew, both, share=HESSIAN_SHARE)
                return torch.cat(products).to(directions)
            parts = torch.split(directions, [len(chunk) for chunk in chunks])
            tasks = list(zip(graphs, parts, strict=True))
            products = run_all(_product, tasks, n_threads=self._n_threads)
            return torch.cat(products) if products else torch.empty_like(directions)

        return multiply

    def _product_anew(self, both: Float[Tensor, "B 2 N 3"]) -> Positions:
        """Return the products of the Hessians at the first of each pair with the second."""
        if not both[:, 1].any():
            return torch.zeros_like(both[:, 1])
        return _product((self._differentiable_gradient(both[:, 0]), both[:, 1]))

    def _in_chunks(self, work: Callable[[Positions], R], positions: Positions, *, share: int = 1) -> list[R]:
        """Do some work on a batch chunk by chunk; chunks that do not fit the memory are halved, from then on."""

        def attempt(most_rows: int) -> list[R]:
            chunks = self._chunks(positions, max(1, most_rows // share))
            return run_all(work, chunks, n_threads=self._n_threads)

        # More rows than there are would have to be halved in vain.
        most = min(self._rows, share * len(positions))
        parts, fits = halving(attempt, most)
        if fits < most:
            self._rows = fits
        return parts

    def _measured(self, work: Callable[[Positions], R], positions: Positions) -> list[R]:
        """Do the same in small parts until the memory they take is known, and with it how large they may be."""
        few = positions[:FEW_ROWS]
        if self._memory is None or len(few) < FEW_ROWS:
            return self._in_chunks(work, positions)
        parts, taken = self._memory.taken_by(lambda: self._in_chunks(work, few))
        # In float64, which comes later, they take as much again.
        taken *= torch.float64.itemsize // positions.dtype.itemsize
        self._rows = min(self._rows, rows_that_fit(self._memory.free(), taken, len(few)))
        self._memory = None
        rest = positions[FEW_ROWS:]
        return parts + (self._in_chunks(work, rest) if len(rest) else [])

    def _chunks(self, positions: Positions, most_rows: int) -> list[Positions]:
        """Cut a batch into equal parts of at most so many rows, a whole number of them for each thread."""
        n_chunks = -(-len(positions) // most_rows)
        n_chunks = min(len(positions), -(-n_chunks // self._n_threads) * self._n_threads)
        return list(positions.tensor_split(n_chunks))

    def _kernels(self, dtype: torch.dtype) -> "list[FusedSo3krates]":
        """Return the compiled path, for the network and its baseline if it has one; nothing where there is none."""
        if dtype not in self._fused:
            self._fused[dtype] = []
            if self._way == "kernels" and dtype in (torch.float32, torch.float64):
                # Not at the top: it loads a compiler.
                from pesx.so3krates.fused.force_field import FusedSo3krates

                with suppress(ConfigError), torch.inference_mode(False):
                    own, *baselines = self._model.networks()
                    self._fused[dtype] = [
                        FusedSo3krates(network, self._numbers, dtype, level=level, **self._electrons)
                        for network, level in ((own, self._level), *((baseline, 0) for baseline in baselines))
                    ]
        return self._fused[dtype]

    def _evaluate_fused(self, fused: "list[FusedSo3krates]", positions: Positions) -> tuple[Tensor, Tensor]:
        given = positions.detach().cpu()
        energy, forces = fused[0](given)
        for baseline in fused[1:]:
            more_energy, more_forces = baseline(given)
            energy, forces = energy + more_energy, forces + more_forces
        reference = self._model.head(self._level).reference_energies.cpu()[self._numbers].sum()
        return (energy + reference).to(positions.device), forces.to(positions.device)

    def _evaluate_program(self, program: So3kratesProgram, positions: Positions) -> tuple[Tensor, Tensor]:
        energy, forces = program(positions.to(self._device))
        return energy.to(positions.device), forces.to(positions.device)

    def _evaluate(self, positions: Positions) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(False), torch.enable_grad():
            moved, energy = self._energy(positions)
            (gradient,) = torch.autograd.grad(energy.sum(), moved)
        finite = _finite(moved)
        energy = energy.detach().where(finite, torch.nan)
        forces = gradient.neg().where(finite[:, None, None], torch.nan)
        return energy.to(positions.device), forces.to(positions.device)

    def _differentiable_gradient(self, positions: Positions) -> tuple[Positions, Positions]:
        """Return the positions the graph begins with, and the gradient of the energy it ends with."""
        with torch.inference_mode(False), torch.enable_grad():
            moved, energy = self._energy(positions)
            (gradient,) = torch.autograd.grad(energy.sum(), moved, create_graph=True)
        return moved, gradient

    def _second_derivatives(self, positions: Positions) -> Float[Tensor, "B D D"]:
        moved, gradient = self._differentiable_gradient(positions)
        with torch.inference_mode(False), torch.enable_grad():
            columns = gradient.flatten(1).sum(dim=0)
            lines = [torch.autograd.grad(column, moved, retain_graph=True)[0].flatten(1) for column in columns]
        full = torch.stack(lines, dim=1)
        return (0.5 * (full + full.mT)).where(_finite(moved)[:, None, None], torch.nan)

    def _energy(self, positions: Positions) -> tuple[Positions, Energies]:
        model = self._copy(positions.dtype)
        moved = positions.detach().to(self._device, copy=True).requires_grad_()
        graph = replicas(self._numbers, moved, model.settings.cutoff, **self._electrons)
        return moved, model(graph, self._level)

    def _copy(self, dtype: torch.dtype) -> So3krates:
        if dtype == torch.float32:
            check_precision(self._device)
        if dtype not in self._copies:
            with torch.inference_mode(False):
                clone = copy.deepcopy(self._model).to(self._device, dtype).eval()
            self._copies[dtype] = clone.requires_grad_(False)
        return self._copies[dtype]

    def _check(self, positions: Positions) -> None:
        n_atoms = len(self._numbers)
        if positions.dim() != 3 or positions.shape[1:] != (n_atoms, 3) or not positions.is_floating_point():
            raise ContractError(
                f"Expected floating-point positions of shape (B, {n_atoms}, 3), came {positions.dtype} of shape "
                f"{tuple(positions.shape)}."
            )


def _way(asked: Way, device: torch.device) -> Way:
    """Return the way that is asked for, or the one that suits the device."""
    if asked not in WAYS:
        raise ConfigError(f"Expected a way out of {', '.join(WAYS)}, came {asked!r}.")
    if asked == "kernels" and device.type != "cpu":
        raise ConfigError(f"Expected a CPU for the compiled kernels, came {device}. Choose the way program or auto.")
    if asked != "auto":
        return asked
    return "kernels" if device.type == "cpu" else "program"


def _product(task: tuple[tuple[Positions, Positions], Positions]) -> Positions:
    (moved, gradient), directions = task
    if not directions.any():
        return torch.zeros_like(directions)
    with torch.inference_mode(False):
        (product,) = torch.autograd.grad(gradient, moved, directions.to(gradient), retain_graph=True)
    return product.where(_finite(moved)[:, None, None], torch.nan).to(directions)


def _finite(positions: Positions) -> Mask:
    return positions.detach().isfinite().all(dim=2).all(dim=1)


PAIRS_ON_CPU = 4000
PAIRS_ON_GPU = 400_000
HESSIAN_STEP = 1e-5
"""Displacement of a central difference, angstrom: good to 1e-6 eV/angstrom^2, rounding included."""
PRODUCT_STEP = 1e-7
"""Length of a forward difference, angstrom: products are off by 1e-4 eV/angstrom^2 along a stretch, 1e-6 along a soft mode."""
PAIRS_PER_ATOM = 12
"""Expected neighbour pairs of an atom of a large organic molecule, each counted once; 5 angstrom cutoff."""
FEW_ROWS = 8
"""Replicas whose memory is measured before larger batches are made."""
HESSIAN_SHARE = 4
"""A second-derivative graph holds about this many times more than a first-derivative one."""

__all__ = ["WAYS", "LearnedPotential", "Way"]
