"""From near a transition state to it: uphill along one mode, downhill along all others, many searches at once.

Eigenvector-following (Cerjan and Miller 1981, doi:10.1063/1.442352) in the hybrid spirit of Munro and Wales 1999,
doi:10.1103/PhysRevB.59.3969: no Hessian is calculated. A guess of it is corrected by every step, and by products with the few
directions that matter, each the difference of two forces: the mode that is climbed and, at the end, the one next to it
(Hermes, Sargsyan, Najm and Zádor 2019, doi:10.1021/acs.jctc.9b00869).
"""

from dataclasses import dataclass, replace

import torch

from pesx.config import require
from pesx.outcome import Outcome
from pesx.relax.davidson import Guess
from pesx.relax.quench import Convergence, judge
from pesx.saddles.second import (
    Matrices,
    Spectrum,
    Vectors,
    bounded,
    crooked,
    fixed_motions,
    internal,
    norm,
    rigid_motions,
    spectrum,
    unit,
    updated,
)
from pesx.state import Evaluation, fmax
from pesx.typing import Energies, Float, Forces, Index, Mask, PerReplica, Positions, Tensor

_STIFFEST = 10.0
"""Curvatures above this times the stiffness are errors, as are those below minus the stiffness."""

_ROUGH = 10.0
"""How much longer displacements are in float32, whose forces have fewer digits."""

_HALVINGS = 40
"""Of the interval in which the shift that shortens a step is sought."""

_SOFTEST = 1e-3
"""Curvatures are taken as at least this share of the stiffness, so that no step is without bound."""


@dataclass(frozen=True)
class FollowState:
    """State of :class:`Follow`; D = 3N, P products remembered.

    Attributes:
        positions: Where the next evaluation is wanted, angstrom: the base moved or, for a product, displaced a little.
        base: Where the search is, angstrom.
        energy: At the base, eV; infinite before the first evaluation.
        forces: At the base, eV/angstrom.
        second: What is known of the Hessian, eV/angstrom^2.
        model: The guess at the base, which is part of that, eV/angstrom^2; zero without one.
        spectrum: Its eigenvalues and eigenvectors.
        mode: The direction that is climbed, unit norm; zero where none is known.
        products: Orthonormal directions multiplied by the Hessian at this base; zero where there is none.
        n_products: How many.
        direction: Of the product that the next evaluation is for; zero if it is for a step.
        cap: Longest step allowed now, norm over all atoms, angstrom.
        predicted: Change of the energy that the step should bring, eV.
        n_steps: Steps since the last product.
        is_settled: Whether the base is a transition state: forces, lowest mode and the next.
    """

    positions: Positions
    base: Positions
    energy: Energies
    forces: Forces
    second: Matrices
    model: Matrices
    spectrum: Spectrum
    mode: Vectors
    products: Float[Tensor, "B P D"]
    n_products: Index
    direction: Vectors
    cap: PerReplica
    predicted: PerReplica
    n_steps: Index
    is_settled: Mask


@dataclass(frozen=True)
class Follow:
    """Searches transition states of index one (a :class:`~pesx.protocols.Stepper`).

    Every evaluation is a step or the displaced geometry of a product. A search is settled when forces are small and both
    its lowest mode and the next have been measured where it is, one negative and one not. Then :meth:`outcome` says
    CONVERGED.

    Attributes:
        guess: Of the Hessian, eV/angstrom^2; None for the same curvature everywhere.
        coordinates: Numbers of the coordinates that an external field depends on; None for free structures, of which
            translations and rotations are projected out.
        fmax: Forces below which the search settles, eV/angstrom.
        max_step: Longest step, norm over all atoms, angstrom.
        first_step: Longest first step, angstrom.
        stiffness: Curvature where there is no guess, eV/angstrom^2.
        displacement: Norm of the displacement of products, angstrom; ten times that in float32.
        refresh: Steps after which the mode is measured again.
        most_products: Products at one geometry in the end.
        few_products: And on the way.
        jitter: Norm of a displacement that every search starts with, angstrom: what is symmetric feels no force, and so
            learns of no mode, that would break its symmetry.
        loose: Share of the climbed mode that may be unmeasured where a search starts or is refreshed.
        tight: Share of the two lowest modes that may be unmeasured in the end.
        index_tolerance: Curvature below minus which a mode counts as negative, eV/angstrom^2.
        max_rise: Factor over which the largest force may not grow in one step.
    """

    guess: Guess | None = None
    coordinates: tuple[int, ...] | None = None
    fmax: float = 1e-3
    max_step: float = 0.3
    first_step: float = 0.1
    stiffness: float = 70.0
    displacement: float = 1e-3
    refresh: int = 5
    most_products: int = 16
    few_products: int = 3
    jitter: float = 0.02
    loose: float = 0.5
    tight: float = 0.1
    index_tolerance: float = 1e-4
    max_rise: float = 5.0

    def __post_init__(self) -> None:
        require(
            self,
            above_zero=["fmax", "max_step", "first_step", "stiffness", "displacement", "max_rise"],
            at_least_zero=["index_tolerance", "jitter"],
            at_least_one=["refresh", "most_products", "few_products"],
            fractions=["loose", "tight"],
            ascending=["first_step", "max_step"],
        )

    def init(
        self,
        positions: Positions,
        *,
        mode: Positions | None = None,
        second: Matrices | None = None,
        pair: tuple[Positions, Positions] | None = None,
    ) -> FollowState:
        """Return the state of searches that start at these positions.

        Args:
            positions: Angstrom; their dtype is that of all evaluations.
            mode: Direction to climb, such as the tangent of a band; None for the softest mode.
            second: Hessians at the positions if they are known, eV/angstrom^2.
            pair: A displacement and the fall of the forces along it, such as between two images of a band.
        """
        n_replicas, size = positions.shape[0], 3 * positions.shape[1]
        outside = self._outside(positions)
        aside = self.jitter * unit(internal(crooked(positions), outside))
        positions = positions + aside.view_as(positions).to(positions.dtype)
        model = self._guessed(positions)
        known = self._unknown(positions) if second is None else second.double()
        if second is None and self.guess is not None:
            known = model
        now = spectrum(known, outside)
        if pair is not None:
            step, fall = (part.double().flatten(1) for part in pair)
            known = updated(known, step, fall, rows=torch.ones_like(step[:, 0], dtype=torch.bool), now=now)
            now = spectrum(known, outside)
        counts = torch.zeros(n_replicas, dtype=torch.long, device=positions.device)
        zeros = positions.new_zeros((n_replicas, size), dtype=torch.float64)
        hint = zeros if mode is None else unit(internal(mode.double().flatten(1), outside))
        return FollowState(
            positions=positions,
            base=positions,
            energy=torch.full_like(zeros[:, 0], torch.inf),
            forces=torch.zeros_like(positions),
            second=known,
            model=model,
            spectrum=now,
            mode=hint,
            products=zeros[:, None].expand(-1, self.most_products, -1).contiguous(),
            n_products=counts,
            direction=zeros,
            cap=torch.full_like(zeros[:, 0], self.first_step),
            predicted=zeros[:, 0],
            n_steps=counts + self.refresh,
            is_settled=counts > 0,
        )

    @torch.no_grad()
    def step(self, state: FollowState, now: Evaluation) -> FollowState:
        """Return the next state, given the evaluation at ``state.positions``."""
        return self._aimed(self._learned(state, now))

    def outcome(self, state: FollowState, now: Evaluation, n_evaluations: Index, limits: Convergence) -> Index:
        """Return the outcome codes after a step; CONVERGED is a settled transition state.

        Args:
            state: After the step.
            now: The last evaluation.
            n_evaluations: Evaluations each search has had.
            limits: When a search is given up; its ``fmax`` is not used.
        """
        found = judge(state.base, Evaluation(now.energy, now.forces), n_evaluations, replace(limits, fmax=1e-300))
        return torch.where(state.is_settled, Outcome.CONVERGED.value, found)

    def curvatures(self, state: FollowState) -> tuple[PerReplica, PerReplica]:
        """Return the lowest eigenvalue and the next, eV/angstrom^2; infinite where there is none."""
        values = torch.where(state.spectrum.is_internal, state.spectrum.values, torch.inf)
        values = torch.nn.functional.pad(values, (0, 1), value=torch.inf)
        return values[:, 0], values[:, 1]

    def _learned(self, state: FollowState, now: Evaluation) -> FollowState:
        """Return the state with the evaluation taken in: the base moved or the product known."""
        is_first = torch.isinf(state.energy)
        is_product = state.direction.any(dim=1)
        largest, before = fmax(now.forces), fmax(state.forces)
        is_finite = torch.isfinite(now.energy) & torch.isfinite(largest)
        moves = ~is_product & is_finite & (is_first | (largest <= self.max_rise * before.clamp(min=self.fmax)))
        length = self._length(state.base)
        fall = (state.forces.double() - now.forces.double()).flatten(1)
        step = torch.where(
            is_product[:, None], state.direction, (state.positions.double() - state.base.double()).flatten(1)
        )
        model = self._model(state, rows=~is_product & ~is_first & is_finite)
        # Along a step the stiff directions turn with the molecule, as the guess knows; what is left is for the Hessian.
        turned = model - state.model
        halfway = fall - 0.5 * (turned * step[:, None]).sum(dim=2)
        rise = torch.where(is_product[:, None], fall / length, halfway)
        second = updated(state.second, step, rise, rows=~is_first & is_finite, now=state.spectrum)
        place = torch.arange(self.most_products, device=second.device) == state.n_products[:, None]
        remembers = (is_product[:, None] & place)[:, :, None]
        products = torch.where(remembers, state.direction[:, None], state.products)
        at = moves[:, None, None]
        base = torch.where(at, state.positions, state.base)
        second = torch.where(at, second + turned, second)
        bounds = -self.stiffness, _STIFFEST * self.stiffness
        second, known = bounded(second, spectrum(second, self._outside(base)), bounds)
        return replace(
            state,
            base=base,
            energy=torch.where(moves, now.energy.double(), state.energy),
            forces=torch.where(at, now.forces, state.forces),
            second=second,
            model=torch.where(at, model, state.model),
            spectrum=known,
            products=torch.where(at, 0.0, products),
            n_products=torch.where(moves, 0, state.n_products + is_product),
            n_steps=torch.where(is_product, 0, state.n_steps + (moves & ~is_first)),
            cap=torch.where(is_product | is_first, state.cap, self._next_cap(state, now, moves, step)),
        )

    def _next_cap(self, state: FollowState, now: Evaluation, moves: Mask, step: Vectors) -> PerReplica:
        """Return how long the next step may be: by how well the energy of the last was foreseen."""
        length = norm(step)
        change = now.energy.double() - state.energy
        noise = 64.0 * torch.finfo(now.forces.dtype).eps * (1.0 + length * fmax(state.forces).double())
        noise = noise + 8.0 * torch.finfo(now.energy.dtype).eps * state.energy.abs()
        off = (change - state.predicted).abs() - noise
        share = off / state.predicted.abs().clamp(min=1e-300)
        longer = torch.maximum(state.cap, torch.minimum(2.0 * length, 1.5 * state.cap)).clamp(max=self.max_step)
        cap = torch.where(share < 0.3, longer, state.cap)
        cap = torch.where(share > 1.0, 0.5 * length, cap)
        return torch.where(moves, cap, 0.25 * length)

    def _aimed(self, state: FollowState) -> FollowState:
        """Return the state with the next position: a product where the modes are not known well enough, else a step."""
        values, vectors = state.spectrum.values, state.spectrum.vectors
        climbed = self._climbed(state)
        mode = vectors.gather(2, climbed[:, None, None].expand(-1, vectors.shape[1], 1))[:, :, 0]
        mode = torch.where((mode * state.mode).sum(dim=1, keepdim=True) < 0.0, -mode, mode)
        # Before anything is measured the guess knows less of the mode than whoever named it.
        is_new = (state.n_steps >= self.refresh) & (state.n_products == 0) & state.mode.any(dim=1)
        mode = torch.where(is_new[:, None], state.mode, mode)
        is_near = fmax(state.forces) <= self.fmax
        lowest, following = self.curvatures(state)
        unmeasured = torch.stack([self._unmeasured(state, mode), *self._low(state)], dim=1)
        sizes = unmeasured.square().sum(dim=2).sqrt()
        is_stale = (state.n_steps >= self.refresh) | (values.gather(1, climbed[:, None])[:, 0] >= 0.0)
        wants = torch.where(is_near, sizes.amax(dim=1) > self.tight, is_stale & (sizes[:, 0] > self.loose))
        most = torch.where(is_near, self.most_products, min(self.few_products, self.most_products))
        wants = wants & (state.n_products < most)
        which = torch.where(is_near & (state.n_products == 0), 1, sizes.argmax(dim=1).where(is_near, 0))
        size = sizes.gather(1, which[:, None])
        direction = unmeasured.gather(1, which[:, None, None].expand(-1, 1, unmeasured.shape[2]))[:, 0] / size
        direction = torch.where(wants[:, None], direction, 0.0)
        is_index_one = (lowest < -self.index_tolerance) & (following > -self.index_tolerance)
        is_settled = is_near & ~wants & is_index_one
        amounts = self._step(state, climbed, mode, is_near)
        step = state.spectrum.combined(amounts)
        predicted = self._predicted(state, amounts)
        rests = is_settled | ~torch.isfinite(step).all(dim=1)
        step = torch.where(wants[:, None], self._length(state.base) * direction, step)
        step = torch.where(rests[:, None], 0.0, step)
        positions = state.base + step.view_as(state.base).to(state.base.dtype)
        return replace(
            state, positions=positions, direction=direction, mode=mode, predicted=predicted, is_settled=is_settled
        )

    def _climbed(self, state: FollowState) -> Index:
        """Return the number of the mode to climb: of the negative ones, or if none is, of all, the nearest to the last."""
        likeness = state.spectrum.amounts(state.mode).abs()
        is_negative = state.spectrum.is_internal & (state.spectrum.values < 0.0)
        is_choice = torch.where(is_negative.any(dim=1, keepdim=True), is_negative, state.spectrum.is_internal)
        # The first of equals is the lowest, where no mode is known yet.
        return torch.where(is_choice, likeness, -1.0).argmax(dim=1)

    def _low(self, state: FollowState) -> tuple[Vectors, Vectors]:
        """Return the unmeasured parts of the lowest mode and of the next; zero where there is none.

        The first product at a base is with a direction without symmetry, so that no mode is out of reach.
        """
        inside = state.spectrum.is_internal
        parts = [
            torch.where(inside[:, place, None], self._unmeasured(state, state.spectrum.vectors[:, :, place]), 0.0)
            for place in range(2)
        ]
        aslant = unit(internal(crooked(state.base), self._outside(state.base)))
        is_first = (state.n_products == 0)[:, None]
        return torch.where(is_first, aslant, parts[0]), torch.where(is_first, 0.0, parts[1])

    @staticmethod
    def _unmeasured(state: FollowState, vectors: Vectors) -> Vectors:
        """Return the part of vectors outside the directions multiplied at this base."""
        for _ in range(2):
            shares = (state.products * vectors[:, None]).sum(dim=2)
            vectors = vectors - (state.products * shares[:, :, None]).sum(dim=1)
        return vectors

    def _step(self, state: FollowState, climbed: Index, mode: Vectors, is_near: Mask) -> Vectors:
        """Return the step in amounts of the eigenvectors, no longer than the cap."""
        values, inside = state.spectrum.values, state.spectrum.is_internal
        slopes = torch.where(inside, -state.spectrum.amounts(state.forces.double().flatten(1)), 0.0)
        places = torch.arange(values.shape[1], device=values.device)
        is_climbed = places == climbed[:, None]
        sizes = values.abs().clamp(min=_SOFTEST * self.stiffness)
        signed = torch.where(is_climbed, slopes, -slopes)
        amounts = signed / (sizes + _shift(signed, sizes, state.cap)[:, None])
        # Where the surface curves up along the mode, the slope says which way is up, but not how far.
        side = state.spectrum.amounts(mode).sign()
        up = torch.where(slopes.abs() > 1e-3 * self.fmax, slopes.sign(), side)
        is_convex = is_climbed & (values >= 0.0)
        amounts = torch.where(is_convex, up * state.cap[:, None], amounts)
        # A second negative mode is left downhill; on its ridge the slope is nothing.
        stays = is_near[:, None] & ~is_climbed & inside & (values < -self.index_tolerance)
        down = torch.where(slopes > 0.0, -0.5, 0.5) * state.cap[:, None]
        amounts = torch.where(stays, down, amounts)
        return amounts * (state.cap / norm(amounts).clamp(min=1e-300)).clamp(max=1.0)[:, None]

    @staticmethod
    def _predicted(state: FollowState, amounts: Vectors) -> PerReplica:
        slopes = -state.spectrum.amounts(state.forces.double().flatten(1))
        change: PerReplica = (slopes * amounts + 0.5 * state.spectrum.values * amounts.square()).sum(dim=1)
        return change

    def _unknown(self, positions: Positions) -> Matrices:
        """Return Hessians of which nothing is known but how stiff bonds are."""
        size = 3 * positions.shape[1]
        plain = self.stiffness * torch.eye(size, dtype=torch.float64, device=positions.device)
        return plain.expand(len(positions), -1, -1).clone()

    def _guessed(self, positions: Positions) -> Matrices:
        """Return the guess at positions; zero where there is none."""
        size = 3 * positions.shape[1]
        if self.guess is None or not len(positions):
            return torch.zeros((len(positions), size, size), dtype=torch.float64, device=positions.device)
        is_finite = torch.isfinite(positions).flatten(1).all(dim=1)[:, None, None]
        guess = self.guess(torch.where(is_finite, positions, 0.0).double())
        return torch.where(is_finite, guess, self._unknown(positions))

    def _model(self, state: FollowState, *, rows: Mask) -> Matrices:
        """Return the guess where rows were evaluated, and for the others at their base."""
        if self.guess is None or not rows.any():
            return state.model
        model = state.model.clone()
        model[rows] = self._guessed(state.positions[rows])
        return model

    def _outside(self, positions: Positions) -> Float[Tensor, "B D 6"]:
        if self.coordinates is None:
            return rigid_motions(positions.double())
        return fixed_motions(positions.double(), self.coordinates)

    def _length(self, positions: Positions) -> float:
        return self.displacement * (_ROUGH if positions.dtype == torch.float32 else 1.0)


def _shift(signed: Vectors, sizes: Vectors, cap: PerReplica) -> PerReplica:
    """Return what to add to all curvatures so that the step is no longer than the cap; zero where it is not anyway."""
    low = torch.zeros_like(cap)
    high = norm(signed) / cap
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        is_long = norm(signed / (sizes + middle[:, None])) > cap
        low, high = torch.where(is_long, middle, low), torch.where(is_long, high, middle)
    return torch.where(norm(signed / sizes) > cap, high, 0.0)


__all__ = ["Follow", "FollowState"]
