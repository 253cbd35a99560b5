"""The lowest internal mode from some thirty products with the Hessian, instead of the 3N that make the whole of it.

Davidson 1975, doi:10.1016/0021-9991(75)90065-0: the mode is sought in a small space of directions, which grows by the
residual of the best one so far, seen through the inverse of a guess of the Hessian.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch

from pesx.relax.modes import modes, rigid_projector
from pesx.state import Evaluation, Modes, put_rows
from pesx.typing import Float, Positions, Tensor

Guess = Callable[[Positions], Float[Tensor, "B D D"]]
"""From positions to a positive definite guess of the Hessian (D = 3N), eV/angstrom^2."""

SMALL = 12
"""Up to so many atoms the whole Hessian costs no more than the search."""

_COST = 2
"""Force evaluations that a product stands for: one in float64 takes as long as two in float32, a backward pass longer."""

_N_SOFT = 4
"""Soft modes of the guess that start the search: the lowest mode is mostly a mixture of these."""

_LEAST_GAP = 0.02
"""The guess does not know soft curvatures better than this, eV/angstrom^2."""

_OUT_OF_THE_WAY = 1e3
"""Where rigid motions are put: above all curvatures of molecules, eV/angstrom^2."""


@runtime_checkable
class HasProducts(Protocol):
    """A potential that can multiply directions by its Hessian without making it."""

    def __call__(self, positions: Positions) -> Evaluation:
        """Evaluate positions (angstrom)."""
        ...

    def hessian_products(self, positions: Positions) -> Callable[[Positions], Positions]:
        """Return the map from directions to the products of the Hessians at these positions with them.

        A product is in eV/angstrom^2 for a direction without unit, and has its dtype; positions in angstrom. It should be
        good to 1e-5 for soft directions of length 1; in what precision it is made is up to the potential.
        """
        ...


@torch.no_grad()
def lowest_modes(
    potential: HasProducts,
    positions: Positions,
    guess: Guess,
    *,
    masses: Float[Tensor, "N"] | None = None,
    margin: float = 2e-4,
    tolerance: float = 3e-5,
    most_products: int = 40,
) -> Modes:
    """Return whether free structures have a negative mode, and their lowest; compare :func:`pesx.relax.modes.modes`.

    An estimate is never below the lowest eigenvalue, so a negative one proves a negative mode; ``n_negative`` is then
    1, however many there are. Structures whose estimate lies within the margin or does not settle are looked at again
    with their whole Hessian in float64. Only those have a ``log_product``, the others NaN.

    Args:
        potential: Bound to the molecule.
        positions: Stationary points, angstrom.
        guess: Of the Hessian.
        masses: Atomic masses, u; for ``log_product``.
        margin: eV/angstrom^2.
        tolerance: Norm of the residual at which a mode counts as found, eV/angstrom^2. It has to be small beside what the
            softest two curvatures differ by: at 1e-3 the second was taken for the lowest in 1 of 121 minima of Ac-Ala3-NHMe.
        most_products: Products tried for each structure.
    """
    positions = positions.double()
    if positions.shape[1] <= SMALL:
        return modes(potential, positions, masses=masses, tolerance=0.0)
    searches = _search(potential, positions, guess, tolerance=tolerance, most_products=most_products)
    lowest = torch.tensor([search.value for search in searches], dtype=torch.float64, device=positions.device)
    found = Modes(
        lowest=lowest,
        n_negative=(lowest < 0.0).long(),
        log_product=torch.full_like(lowest, torch.nan),
        direction=torch.stack([search.vector for search in searches]).view_as(positions).to(positions.device),
        n_evaluations=torch.tensor([_COST * search.n_products for search in searches], device=positions.device),
    )
    is_settled = torch.tensor([search.residual <= tolerance for search in searches], device=positions.device)
    is_doubtful = ~(is_settled & (lowest.abs() > margin))
    if is_doubtful.any():
        exact = modes(potential, positions[is_doubtful], masses=masses, tolerance=0.0)
        spent = exact.n_evaluations + found.n_evaluations[is_doubtful]
        found = put_rows(found, is_doubtful, replace(exact, n_evaluations=spent))
    return found


def _search(
    potential: HasProducts, positions: Positions, guess: Guess, *, tolerance: float, most_products: int
) -> list["_Search"]:
    """Search all structures together; those that are done or not finite ask for the product with nothing."""
    searches = [_Search(row, guess) for row in positions.cpu()]
    multiply = potential.hessian_products(positions)
    for _ in range(most_products):
        running = [search for search in searches if not search.residual <= tolerance and search.is_finite]
        if not running:
            break
        wanted = torch.stack([s.direction if s in running else torch.zeros_like(s.direction) for s in searches])
        products = multiply(wanted.view_as(positions).to(positions.device))
        for search, product in zip(searches, products.flatten(1).cpu(), strict=True):
            if search in running:
                search.learn(product)
    return searches


class _Search:
    """The search at one structure. Structures never meet in a matrix product, which would tie their last bits together.

    Attributes:
        direction: Unit vector whose product is wanted next.
        value: Estimate of the lowest eigenvalue, eV/angstrom^2; NaN before all starts are in.
        vector: And of its eigenvector.
        residual: Norm of the residual of the two, eV/angstrom^2.
        n_products: Products learned.
        is_finite: Whether the structure and its products are numbers.
    """

    def __init__(self, structure: Float[Tensor, "N 3"], guess: Guess) -> None:
        size = structure.numel()
        self.is_finite = bool(structure.isfinite().all())
        self.value, self.residual, self.n_products = float("nan"), float("inf"), 0
        self.vector = self.direction = structure.new_full((size,), torch.nan)
        self._basis = self._images = structure.new_empty(size, 0)
        if self.is_finite:
            outside = rigid_projector(structure[None])[0]
            self._inside = torch.eye(size, dtype=structure.dtype) - outside
            second = self._inside @ guess(structure[None])[0].to(structure) @ self._inside
            self._curvatures, self._guessed = torch.linalg.eigh(second + _OUT_OF_THE_WAY * outside)
            self._starts = self._first_directions()
            self.direction = self._starts[:, 0]

    def _first_directions(self) -> Float[Tensor, "D S"]:
        """Return the softest modes of the guess, and one direction without symmetry, so that no mode is out of reach."""
        generator = torch.Generator().manual_seed(0)
        mixed = self._inside @ torch.randn(len(self._curvatures), dtype=torch.float64, generator=generator)
        starts: Tensor = torch.linalg.qr(torch.cat([self._guessed[:, :_N_SOFT], mixed[:, None]], dim=1))[0]
        return starts

    def learn(self, product: Float[Tensor, "D"]) -> None:
        """Take in the product with :attr:`direction` and choose the next one."""
        self.n_products += 1
        self.is_finite = bool(product.isfinite().all())
        if not self.is_finite:
            return
        self._basis = torch.cat([self._basis, self.direction[:, None]], dim=1)
        self._images = torch.cat([self._images, (self._inside @ product)[:, None]], dim=1)
        if self.n_products < self._starts.shape[1]:
            self.direction = self._starts[:, self.n_products]
            return
        within = self._basis.T @ self._images
        values, mixtures = torch.linalg.eigh(0.5 * (within + within.T))
        self.value, self.vector = float(values[0]), self._basis @ mixtures[:, 0]
        residual = self._images @ mixtures[:, 0] - self.value * self.vector
        self.residual = float(torch.linalg.vector_norm(residual))
        self.direction = self._next_direction(residual)

    def _next_direction(self, residual: Float[Tensor, "D"]) -> Float[Tensor, "D"]:
        gaps = (self._curvatures - self.value).clamp(min=_LEAST_GAP)
        direction: Tensor = self._inside @ (self._guessed @ (self._guessed.T @ residual / gaps))
        for _ in range(2):
            direction = direction - self._basis @ (self._basis.T @ direction)
        direction /= torch.linalg.vector_norm(direction)
        return direction


__all__ = ["Guess", "HasProducts", "lowest_modes"]
