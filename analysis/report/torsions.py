"""Two coordinates in which the minima of a molecule lie apart: principal components of their torsions."""

import numpy as np
import torch

from pesx.chemistry.perceive import perceive
from pesx.geometry.torsion import torsion_angles

from .material import Array, Material

_N_COMPONENTS = 2


def principal_components(material: Material) -> tuple[Array, Array]:
    """Return the first two principal components of the sines and cosines of all torsions, and the share of variance of each.

    Torsions are those about rotatable bonds and amides. Angles themselves would tear 179 and -179 degree apart.

    Returns:
        Scores (M, 2), NaN where a torsion is not defined, and shares (2,); without columns where there are fewer than three
        minima, no torsions or no variance.

    Source: Mu, Nguyen and Stock 2005, doi:10.1002/prot.20310.
    """
    positions = material.run.minima.positions
    none = np.zeros((len(positions), 0)), np.zeros(0)
    if material.is_cluster or len(positions) < 3:
        return none
    topology = perceive(material.run.molecule)
    quads = np.concatenate([topology.torsions.quads.numpy(), topology.amide_rotors.quads.numpy()])
    if not len(quads):
        return none
    angles = torsion_angles(positions.double(), torch.from_numpy(quads)).numpy()
    is_there = np.isfinite(angles).all(axis=1)
    if is_there.sum() <= _N_COMPONENTS:
        return none
    features = np.concatenate([np.cos(angles[is_there]), np.sin(angles[is_there])], axis=1)
    left, size, right = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    if len(size) < _N_COMPONENTS or not size[1] > 1e-6 * np.sqrt(len(positions)):
        return none
    # The sign is anyone's choice: the largest loading is positive, so that the same run gives the same map.
    sign = np.sign(right[range(_N_COMPONENTS), np.abs(right[:_N_COMPONENTS]).argmax(axis=1)])
    scores = np.full((len(positions), _N_COMPONENTS), np.nan)
    scores[is_there] = left[:, :_N_COMPONENTS] * size[:_N_COMPONENTS] * sign
    return scores, (size**2 / (size**2).sum())[:_N_COMPONENTS]


__all__ = ["principal_components"]
