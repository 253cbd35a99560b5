"""Kernels of what atoms do to each other whatever their distance, and of the repulsion of nuclei; all of it in float64.

Formulas and sources: :mod:`pesx.so3krates.electrostatics`, :mod:`pesx.so3krates.dispersion` and :mod:`pesx.so3krates.zbl`.
"""

import math

from pesx.so3krates.dispersion import FINE_STRUCTURE, LEAST_POLARISABILITY, OSCILLATOR_WIDTH, UNIT_RADIUS
from pesx.so3krates.electrostatics import COULOMB, SWITCH_START
from pesx.so3krates.fused.geometry import squared_distance
from pesx.so3krates.fused.switches import smooth_switch, switch
from pesx.so3krates.fused.vectors import apart, compiled
from pesx.so3krates.fused.weights import Array, Shape, Weights
from pesx.so3krates.fused.workspace import CHARGE, RATIO, Workspace
from pesx.so3krates.graph import CLOSEST
from pesx.so3krates.zbl import REACH
from pesx.units import BOHR, HARTREE

_SLOPE_OF_ERF = 2.0 / math.sqrt(math.pi)
_RADIUS_PER_ROOT = FINE_STRUCTURE ** (-4.0 / 21.0)


@compiled
def interact(shape: Shape, weights: Weights, work: Workspace, element: Array, positions: Array) -> float:
    """Return the energy of all pairs of a replica, eV; add its forces, and fill its derivatives by the readouts."""
    apart()
    find_charges(weights, work)
    energy = 0.0
    for i in range(work.n_atoms):
        for j in range(i + 1, work.n_atoms):
            distance = math.sqrt(max(squared_distance(positions, i, j), CLOSEST * CLOSEST))
            if distance < weights.long_range_cutoff:
                slope = 0.0
                if shape.has_electrostatics:
                    value, change = attract(weights, work, i, j, distance)
                    energy += value
                    slope += change
                if shape.has_dispersion:
                    value, change = disperse(shape, weights, work, element, i, j, distance)
                    energy += value
                    slope += change
                if distance > CLOSEST:  # Below, the distance counts as constant.
                    for axis in range(3):
                        push = slope * (float(positions[j, axis]) - float(positions[i, axis])) / distance
                        work.forces[i, axis] += push
                        work.forces[j, axis] -= push
    pass_on(work)
    return energy


@compiled
def find_charges(weights: Weights, work: Workspace) -> None:
    """Make charges that add up to that of the molecule, and ratios that are not negative."""
    missing = weights.total_charge
    for atom in range(work.n_atoms):
        missing -= work.values[atom, CHARGE]
    missing /= work.n_atoms
    for atom in range(work.n_atoms):
        work.charge[atom] = work.values[atom, CHARGE] + missing
        work.ratio[atom] = abs(work.values[atom, RATIO])


@compiled
def pass_on(work: Workspace) -> None:
    """Take derivatives of charges and ratios back to what the readouts say."""
    mean = 0.0
    for atom in range(work.n_atoms):
        mean += work.d_values[atom, CHARGE] / work.n_atoms
    for atom in range(work.n_atoms):
        work.d_values[atom, CHARGE] -= mean
        if work.values[atom, RATIO] < 0.0:
            work.d_values[atom, RATIO] = -work.d_values[atom, RATIO]


@compiled
def attract(weights: Weights, work: Workspace, i: int, j: int, distance: float) -> tuple[float, float]:
    """Return the Coulomb energy of a pair and its derivative by the distance; add those by the charges."""
    kernel, slope = coulomb_kernel(weights, distance)
    work.d_values[i, CHARGE] += COULOMB * kernel * work.charge[j]
    work.d_values[j, CHARGE] += COULOMB * kernel * work.charge[i]
    product = COULOMB * work.charge[i] * work.charge[j]
    return product * kernel, product * slope


@compiled
def coulomb_kernel(weights: Weights, distance: float) -> tuple[float, float]:
    """Return the damped kernel, 1/angstrom, and its derivative; with a cutoff, brought to zero there."""
    x = distance / weights.electrostatic_damping
    kernel = math.erf(x) / distance
    slope = (_SLOPE_OF_ERF * math.exp(-x * x) / weights.electrostatic_damping - kernel) / distance
    cutoff = weights.long_range_cutoff
    if cutoff < math.inf:
        near, change = smooth_switch(distance, SWITCH_START * cutoff, cutoff)
        line = weights.coulomb_slope_at_cutoff * (distance - cutoff)
        kernel -= weights.coulomb_at_cutoff + (1.0 - near) * line
        slope += change * line - (1.0 - near) * weights.coulomb_slope_at_cutoff
    return kernel, slope


@compiled
def disperse(
    shape: Shape, weights: Weights, work: Workspace, element: Array, i: int, j: int, distance: float
) -> tuple[float, float]:
    """Return the dispersion energy of a pair and its derivative by the distance; add those by the ratios."""
    near, change = 1.0, 0.0
    if weights.long_range_cutoff < math.inf:
        start = weights.long_range_cutoff - weights.dispersion_switch
        near, change = smooth_switch(distance, start, weights.long_range_cutoff)
    own, other = float(weights.polarisability[element[i]]), float(weights.polarisability[element[j]])
    mean = 0.5 * (own * work.ratio[i] + other * work.ratio[j])
    terms, slope, pull = oscillate(weights.dispersion_damping, distance / BOHR, mean)
    factor = -HARTREE * float(weights.c6[element[i] * shape.n_elements + element[j]])
    product = factor * work.ratio[i] * work.ratio[j]
    work.d_values[i, RATIO] += near * (factor * work.ratio[j] * terms + 0.5 * own * product * pull)
    work.d_values[j, RATIO] += near * (factor * work.ratio[i] * terms + 0.5 * other * product * pull)
    return near * product * terms, product * (near * slope / BOHR + change * terms)


@compiled
def oscillate(damping: float, distance: float, polarisability: float) -> tuple[float, float, float]:
    """Return what -C6 is multiplied by, and its derivatives by distance and polarisability; atomic units."""
    kept = max(polarisability, LEAST_POLARISABILITY)
    root = kept ** (1.0 / 7.0)
    radius = _RADIUS_PER_ROOT * root
    b0, b1, b2, b3 = OSCILLATOR_WIDTH
    width = ((b3 * radius + b2) * radius + b1) * radius + b0
    inverse = 2.0 * width * width
    d_inverse = 4.0 * width * ((3.0 * b3 * radius + 2.0 * b2) * radius + b1) * _RADIUS_PER_ROOT
    d2, p2 = distance * distance, (damping * 2.0 * UNIT_RADIUS * root) ** 2
    d6, p6 = d2 * d2 * d2, p2 * p2 * p2
    d8, p8 = d6 * d2, p6 * p2
    d10, p10 = d8 * d2, p8 * p2
    u6, u8, u10 = 1.0 / (d6 + p6), 1.0 / (d8 + p8), 1.0 / (d10 + p10)
    c8, c10 = 5.0 * inverse, 245.0 / 8.0 * inverse * inverse
    w6, w8, w10 = 6.0 * u6 * u6, 8.0 * c8 * u8 * u8, 10.0 * c10 * u10 * u10
    slope = -(w6 * d6 + w8 * d8 + w10 * d10) / distance
    # The width of the damping grows with the root itself, the coefficients through the width of the oscillator.
    d_root = (5.0 * u8 + 245.0 / 4.0 * inverse * u10) * d_inverse - (w6 * p6 + w8 * p8 + w10 * p10) / root
    pull = d_root * root / (7.0 * kept) if polarisability > LEAST_POLARISABILITY else 0.0
    return u6 + c8 * u8 + c10 * u10, slope, pull


@compiled
def repel(weights: Weights, work: Workspace, element: Array, n_pairs: int) -> float:
    """Return the repulsion of the nuclei of all neighbour pairs, eV, and add its forces."""
    apart()
    energy = 0.0
    for pair in range(n_pairs):
        distance = work.distance[pair]
        if distance < REACH:
            i, j = work.pair[pair, 0], work.pair[pair, 1]
            inverse = float(weights.inverse_length[element[i]]) + float(weights.inverse_length[element[j]])
            screening, d_screening = 0.0, 0.0
            for term in range(weights.n_screening):
                rate = float(weights.screening[1, term]) * inverse
                part = float(weights.screening[0, term]) * math.exp(-rate * distance)
                screening += part
                d_screening -= rate * part
            bare = COULOMB * float(weights.nuclei[element[i]]) * float(weights.nuclei[element[j]]) / distance
            near, d_near = smooth_switch(distance, 0.0, REACH)
            gate, d_gate = switch(distance / weights.cutoff, weights.cutoff_code)
            energy += bare * near * gate * screening
            slope = near * gate * (d_screening - screening / distance)
            slope = bare * (slope + (d_near * gate + near * d_gate / weights.cutoff) * screening)
            if distance > CLOSEST:  # Below, the distance counts as constant.
                for axis in range(3):
                    work.forces[i, axis] += slope * work.unit[pair, axis]
                    work.forces[j, axis] -= slope * work.unit[pair, axis]
    return energy


__all__ = ["interact", "repel"]
