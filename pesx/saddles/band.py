"""Bands between two minima, many at once: rough paths, whose maxima are where searches for transition states start.

Images move only across the path (nudged elastic band; Jónsson, Mills and Jacobsen 1998, doi:10.1142/9789812839664_0016) and
are spread along it without springs, as in the simplified string method (E, Ren and Vanden-Eijnden 2007,
doi:10.1063/1.2720838). A band is not meant to converge: a follower finds the transition state from its maximum for less
(Trygubenko and Wales 2004, doi:10.1063/1.1636455).
"""

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from pesx.config import require
from pesx.geometry.interpolate import Path
from pesx.outcome import Outcome
from pesx.protocols import Potential, Stepper
from pesx.relax.fire import Fire
from pesx.state import Evaluation, flatten, fmax, put_rows, take_rows, unflatten
from pesx.typing import Float, Index, PerReplica, Positions, Tensor

_SPREAD = 0.5
"""Share of the way to even spacing that an image goes in one step: all of it would undo its steps across the path."""

_FLAT = 1e-9
"""Maxima that rise less than this over the lower end of their stretch are rounding, in the unit of energy."""


@dataclass(frozen=True)
class BandState:
    """State of :class:`Band`; the first axis is the band, K images and two ends.

    Attributes:
        path: Images and ends; images are where the next evaluations are wanted, angstrom.
        seen: Where images were evaluated last; equal to the path before that, angstrom.
        energy: Of ends and images where they were seen, eV; NaN before the first evaluation.
        slope: Slope of the energy along the path there, eV/angstrom; zero at the ends.
        forces: On ends and images, eV/angstrom; zero at the ends.
        across: Largest atomic force across the path of any image, eV/angstrom; infinite before the first evaluation.
        inner: State of the stepper, with the image as second axis.
    """

    path: Path
    seen: Path
    energy: Float[Tensor, "B K"]
    slope: Float[Tensor, "B K"]
    forces: Path
    across: PerReplica
    inner: Any

    @property
    def positions(self) -> Float[Tensor, "R N 3"]:
        """Where the next evaluations are wanted: all images of the first band, then of the next, angstrom."""
        return self.path[:, 1:-1].flatten(0, 1)

    @property
    def n_images(self) -> int:
        """Evaluations that a step of one band takes."""
        return self.path.shape[1] - 2


@dataclass(frozen=True)
class Candidates:
    """Maxima along bands; the first axis is the maximum.

    Attributes:
        band: Row of the band.
        positions: Angstrom.
        tangent: Direction of the path, unit norm.
        energy: Estimate, eV.
        step: From one of the images beside the maximum to the other, angstrom.
        fall: Of the forces from that image to the other, eV/angstrom.
    """

    band: Index
    positions: Positions
    tangent: Positions
    energy: PerReplica
    step: Positions
    fall: Positions


@dataclass(frozen=True)
class Band:
    """Relaxes bands across their path.

    Attributes:
        stepper: Moves each image by the forces across the path, as if it were a replica.
        fmax: Largest force across the path at which a band is done, eV/angstrom.
        max_steps: Steps after which it is done anyway.
    """

    stepper: Stepper[Any] = field(default_factory=Fire)
    fmax: float = 0.1
    max_steps: int = 20

    def __post_init__(self) -> None:
        require(self, above_zero=["fmax"], at_least_one=["max_steps"])

    def init(self, path: Path, ends: Float[Tensor, "B 2"]) -> BandState:
        """Return the state of bands that start as these paths.

        Args:
            path: With both ends, angstrom; three structures at least.
            ends: Energies of the two ends, eV.
        """
        images = self.stepper.init(path[:, 1:-1].flatten(0, 1))
        energy = ends.new_full(path.shape[:2], torch.nan, dtype=torch.float64)
        energy[:, 0], energy[:, -1] = ends[:, 0], ends[:, 1]
        return BandState(
            path=path,
            seen=path,
            energy=energy,
            slope=torch.zeros_like(energy),
            forces=torch.zeros_like(path),
            across=torch.full_like(energy[:, 0], torch.inf),
            inner=_folded(images, len(path)),
        )

    @torch.no_grad()
    def step(self, state: BandState, now: Evaluation) -> BandState:
        """Return the next state, given the evaluations at ``state.positions``."""
        n_bands, n_images = len(state.path), state.n_images
        energy, forces = state.energy.clone(), torch.zeros_like(state.path)
        energy[:, 1:-1] = now.energy.double().view(n_bands, n_images)
        forces[:, 1:-1] = now.forces.view_as(state.path[:, 1:-1])
        tangent = tangents(state.path, energy)
        along = (forces * tangent).sum(dim=(2, 3))
        across = (forces - along[..., None, None] * tangent)[:, 1:-1]
        # The forces across the path have no energy of their own; a constant lets the stepper keep every step.
        seen = Evaluation(torch.zeros_like(now.energy), across.flatten(0, 1))
        inner = self.stepper.step(_unfolded(state.inner), seen)
        path = state.path.clone()
        path[:, 1:-1] = inner.positions.view_as(path[:, 1:-1])
        path[:, 1:-1] += _SPREAD * _spreading(path, tangent)
        inner = replace(inner, positions=path[:, 1:-1].flatten(0, 1))
        return BandState(
            path=path,
            seen=state.path,
            energy=energy,
            slope=-along.double(),
            forces=forces,
            across=fmax(across.flatten(0, 1)).view(n_bands, n_images).amax(dim=1).double(),
            inner=_folded(inner, n_bands),
        )

    def outcome(self, state: BandState, n_steps: Index) -> Index:
        """Return the outcome codes: CONVERGED and OUT_OF_STEPS both leave maxima to search from."""
        is_done = torch.where(n_steps >= self.max_steps, Outcome.OUT_OF_STEPS.value, Outcome.RUNNING.value)
        is_done = torch.where(state.across <= self.fmax, Outcome.CONVERGED.value, is_done)
        is_finite = torch.isfinite(state.energy).all(dim=1) & torch.isfinite(state.path).flatten(1).all(dim=1)
        return torch.where(is_finite | (n_steps == 0), is_done, Outcome.NON_FINITE.value)


def relax_bands(band: Band, potential: Potential, path: Path, ends: Float[Tensor, "B 2"]) -> tuple[BandState, Index]:
    """Relax bands until each is done; return their states in the order given, and the evaluations each took.

    Args:
        band: How.
        potential: Bound to the molecule; called in the dtype of the path.
        path: With both ends, angstrom.
        ends: Energies of the two ends, eV.
    """
    state = band.init(path, ends)
    rows = torch.arange(len(path), device=path.device)
    out, n_steps = state, torch.zeros_like(rows)
    while rows.numel():
        state = band.step(state, potential(state.positions))
        n_steps[rows] += 1
        out = put_rows(out, rows, state)
        is_running = band.outcome(state, n_steps[rows]) == Outcome.RUNNING
        rows, state = rows[is_running], take_rows(state, is_running)
    return out, n_steps * out.n_images


def tangents(path: Path, energy: Float[Tensor, "B K"]) -> Path:
    """Return the unit direction of the path at each image, towards the neighbour higher in energy; zero at the ends.

    Source: Henkelman and Jónsson 2000, doi:10.1063/1.1323224.

    Args:
        path: Angstrom.
        energy: Of all images, eV.
    """
    ahead, behind = path[:, 2:] - path[:, 1:-1], path[:, 1:-1] - path[:, :-2]
    rise, fall = energy[:, 2:] - energy[:, 1:-1], energy[:, 1:-1] - energy[:, :-2]
    most, least = torch.maximum(rise.abs(), fall.abs()), torch.minimum(rise.abs(), fall.abs())
    is_higher_ahead = energy[:, 2:] > energy[:, :-2]
    up, down = torch.where(is_higher_ahead, most, least), torch.where(is_higher_ahead, least, most)
    up = torch.where((rise > 0) & (fall > 0), 1.0, torch.where((rise < 0) & (fall < 0), 0.0, up))
    down = torch.where((rise > 0) & (fall > 0), 0.0, torch.where((rise < 0) & (fall < 0), 1.0, down))
    mixed = up[..., None, None].to(path.dtype) * ahead + down[..., None, None].to(path.dtype) * behind
    flat = mixed.abs().amax(dim=(2, 3), keepdim=True) == 0.0
    mixed = torch.where(flat, ahead + behind, mixed)
    out = torch.zeros_like(path)
    out[:, 1:-1] = mixed / _norm(mixed)[..., None, None].clamp(min=torch.finfo(path.dtype).tiny)
    return out


def candidates(state: BandState) -> Candidates:
    """Return the maxima of bands that have been evaluated, in the order of the bands and along each.

    Between two images the energy is the cubic that has their energies and slopes; so a maximum is found between two images
    as well as on one.
    """
    spacing = _norm(state.seen[:, 1:] - state.seen[:, :-1]).double()
    share, energy = _cubic_maximum(state.energy, state.slope, spacing)
    is_finite = torch.isfinite(state.energy).all(dim=1, keepdim=True)
    band, place = (torch.isfinite(energy) & is_finite).nonzero(as_tuple=True)
    here, there = state.seen[band, place], state.seen[band, place + 1]
    step = there - here
    at = share[band, place][:, None, None].to(here.dtype)
    return Candidates(
        band=band,
        positions=here + at * step,
        tangent=step / _norm(step[:, None])[:, :, None].clamp(min=torch.finfo(step.dtype).tiny),
        energy=energy[band, place],
        step=step,
        fall=state.forces[band, place] - state.forces[band, place + 1],
    )


def _cubic_maximum(energy: Tensor, slope: Tensor, spacing: Tensor) -> tuple[Tensor, Tensor]:
    """Return where in each stretch the cubic through both ends has its maximum, and its height; NaN where it has none."""
    low, high = energy[:, :-1], energy[:, 1:]
    first, last = slope[:, :-1] * spacing, slope[:, 1:] * spacing
    c3, c2 = 2.0 * (low - high) + first + last, 3.0 * (high - low) - 2.0 * first - last
    root = (c2.square() - 3.0 * c3 * first).sqrt()
    # Of the two places without slope the maximum is the one where the curvature is negative; this form is safe at c3 = 0.
    denominator = c2 - root
    share = torch.where(denominator.abs() > 0.0, -first / denominator, torch.nan)
    share = torch.where(c2 + root == 0.0, share, torch.where(c2 > 0.0, (-c2 - root) / (3.0 * c3), share))
    height = ((c3 * share + c2) * share + first) * share + low
    # One that lies on an image belongs to the stretch it begins; an end that is higher than all images is none.
    starts = torch.zeros_like(share)
    starts[:, 0] = _FLAT
    is_inside = (share >= starts) & (share < 1.0) & (height > torch.minimum(low, high) + _FLAT)
    is_inside = is_inside & (2.0 * c2 + 6.0 * c3 * share < 0.0)
    return share, torch.where(is_inside, height, torch.nan)


def _spreading(path: Path, tangent: Path) -> Float[Tensor, "B K N 3"]:
    """Return, for each image, the way along the path to half between its neighbours, angstrom."""
    ahead, behind = _norm(path[:, 2:] - path[:, 1:-1]), _norm(path[:, 1:-1] - path[:, :-2])
    return 0.5 * (ahead - behind)[..., None, None] * tangent[:, 1:-1]


def _norm(vectors: Path) -> Float[Tensor, "B K"]:
    norm: Tensor = vectors.square().sum(dim=(2, 3)).sqrt()
    return norm


def _folded(images: Any, n_bands: int) -> Any:
    """Return a state of images with the band as first axis."""
    parts = {name: part.view(n_bands, -1, *part.shape[1:]) for name, part in flatten(images).items()}
    return unflatten(images, parts)


def _unfolded(bands: Any) -> Any:
    return unflatten(bands, {name: part.flatten(0, 1) for name, part in flatten(bands).items()})


__all__ = ["Band", "BandState", "Candidates", "candidates", "relax_bands", "tangents"]
