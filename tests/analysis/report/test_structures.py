import base64

import numpy as np
import pytest
import torch

from pesx.analysis.report.structures import oriented, structures
from pesx.geometry.align import rmsd, superpose


def unpacked(packed):
    values = np.frombuffer(base64.b64decode(packed["positions"]), dtype="<i2").astype(float)
    return torch.from_numpy(packed["step"] * values.reshape(-1, len(packed["symbols"]), 3))


def test_structures_survive_packing(material, peptide):
    made = material([-1.0, -2.0, 0.0])
    packed = structures(made)
    back, positions = unpacked(packed), made.run.minima.positions
    assert rmsd(superpose(back, positions), positions).max() < 1e-3  # proper rotations alone: no mirror images
    assert packed["symbols"] == peptide.symbols
    assert packed["bonds"] == peptide.bonds.tolist()
    assert set(packed["elements"]) == {"C", "H", "N", "O"}
    assert packed["touching"] == 0


def test_the_lowest_is_seen_along_its_shortest_axis_and_the_others_lie_like_it(material):
    made = material([-1.0, -2.0, 0.0])
    turned = oriented(made.run.minima.positions, made.energy, is_cluster=False)
    lowest = turned[1]
    spread = lowest.mT @ lowest
    np.testing.assert_allclose((spread - spread.diag().diag()).numpy(), 0.0, atol=1e-8)
    assert spread[0, 0] > spread[1, 1] > spread[2, 2]
    assert rmsd(turned[0], lowest) == pytest.approx(float(rmsd(superpose(turned[0], lowest), lowest)), abs=1e-9)


def test_a_large_structure_fits(material, peptide):
    far = peptide.positions.clone()
    far[0] += 200.0
    packed = structures(material([0.0], positions=far[None]))
    assert packed["step"] > 1e-3
    assert rmsd(superpose(unpacked(packed)[0], far), far) < 2 * packed["step"]


def test_atoms_of_a_cluster_touch(material, cluster):
    packed = structures(material([0.0], molecule=cluster, positions=cluster.positions[None], unit="epsilon"))
    assert packed["touching"] == pytest.approx(1.2 * 1.1 * 2**0.5)
    assert packed["bonds"] == []
    assert packed["unit"] == "σ"


def test_coordinates_that_are_not_finite_do_not_spoil_the_others(peptide):
    positions = torch.stack([peptide.positions, peptide.positions])
    turned = oriented(positions * torch.tensor([1.0, torch.nan])[:, None, None], np.zeros(2), is_cluster=False)
    assert torch.isfinite(turned).all()
    assert rmsd(superpose(turned[0], peptide.positions), peptide.positions) < 1e-8


def test_an_empty_run(material):
    assert structures(material([]))["positions"] == ""
