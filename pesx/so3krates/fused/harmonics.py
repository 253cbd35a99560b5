"""Spherical harmonics as polynomials, so that one short loop gives all components and their slopes as vectors."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pesx.so3krates.harmonics import spherical_harmonics


class Polynomials(NamedTuple):
    """All monomials up to some degree in x, y, z, and what the harmonics are made of.

    Attributes:
        parent: Each monomial is this earlier one (the first is 1) ...
        axis: ... times this coordinate.
        values: Coefficient of each monomial (row) in each harmonic (column).
        slopes: The same for the derivatives with respect to x, y and z.
    """

    parent: NDArray[np.int64]
    axis: NDArray[np.int64]
    values: NDArray[np.float64]
    slopes: NDArray[np.float64]


def polynomials(degrees: tuple[int, ...]) -> Polynomials:
    """Return the harmonics of these degrees, each as the one homogeneous polynomial it equals on the sphere."""
    powers, parent, axis = _monomials(max(degrees))
    generator = np.random.default_rng(0)
    points = generator.normal(size=(200, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    table = np.prod(points[:, None] ** powers, axis=2)
    blocks = []
    for degree in degrees:
        own = powers.sum(axis=1) == degree
        block = np.zeros((len(powers), 2 * degree + 1))
        target = spherical_harmonics([degree], torch.from_numpy(points)).numpy()
        block[own] = np.linalg.lstsq(table[:, own], target, rcond=None)[0]
        blocks.append(block)
    values = np.hstack(blocks)
    values[np.abs(values) < 1e-12] = 0.0  # round-off of the fit
    return Polynomials(parent, axis, values, np.stack([_derivative(values, powers, along) for along in range(3)]))


def _monomials(degree: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return powers of x, y and z, and of which monomial and coordinate each is the product."""
    powers: list[tuple[int, ...]] = [(0, 0, 0)]
    parent, axis = [0], [0]
    for total in range(1, degree + 1):
        for x in range(total, -1, -1):
            for y in range(total - x, -1, -1):
                power = (x, y, total - x - y)
                along = next(place for place in range(3) if power[place])
                smaller = tuple(p - (place == along) for place, p in enumerate(power))
                parent.append(powers.index(smaller))
                axis.append(along)
                powers.append(power)
    return np.array(powers), np.array(parent), np.array(axis)


def _derivative(values: NDArray[np.float64], powers: NDArray[np.int64], along: int) -> NDArray[np.float64]:
    slopes = np.zeros_like(values)
    index = {tuple(power): row for row, power in enumerate(powers.tolist())}
    for row, power in enumerate(powers.tolist()):
        if power[along]:
            factor = power[along]
            power[along] -= 1
            slopes[index[tuple(power)]] += factor * values[row]
    return slopes


__all__ = ["Polynomials", "polynomials"]
