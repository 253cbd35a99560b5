import pytest
import torch

from pesx.analysis.report.columns import columns, rmsd_to_lowest
from pesx.landscape.network import principal_moments


def by_key(material):
    return {column["key"]: column for column in columns(material)}


def test_what_a_peptide_has(material):
    found = by_key(material([-1.0, -2.0, -1.5], novelty={0: "no", 1: "yes"}))
    assert list(found)[:3] == ["energy", "visits", "radius_of_gyration"]
    assert found["energy"]["values"][1] == 0
    assert found["new"]["values"] == ["known", "new", None]
    assert found["torsion_distance"]["values"] == [1.5, 1.5, None]
    assert {"end_to_end", "hydrogen_bonds", "phi_1", "psi_1", "rmsd_to_lowest"} <= set(found)
    assert (found["phi_1"]["label"], found["phi_1"]["unit"]) == ("φ₁", "°")
    assert "lowest_curvature" not in found  # not known of any
    assert "chemistry" not in found  # all alike
    assert {len(column["values"]) for column in found.values()} == {3}


def test_radius_of_gyration(material, peptide):
    made = material([0.0])
    moments = principal_moments(made.run.minima.positions, peptide.masses)
    expected = float((moments.sum() / (2 * peptide.masses.sum())).sqrt())
    assert by_key(made)["radius_of_gyration"]["values"] == [pytest.approx(expected, abs=1e-4)]


def test_rmsd_is_to_the_lowest_and_of_heavy_atoms(material, peptide):
    moved = peptide.positions.clone()
    moved[int((peptide.numbers == 1).nonzero()[0, 0])] += 0.3
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    stretched = 1.1 * peptide.positions
    made = material([0.0, -1.0, 1.0], positions=torch.stack([moved @ quarter.T, peptide.positions, stretched]))
    near, same, far = rmsd_to_lowest(made)
    assert same == pytest.approx(0.0, abs=1e-6)
    assert near == pytest.approx(0.0, abs=1e-6)  # turned, and one hydrogen moved
    assert far > 0.1


def test_a_cluster_has_size_and_energy_alone(material, cluster):
    found = by_key(material([-6.0], molecule=cluster, positions=cluster.positions[None], unit="epsilon"))
    assert list(found) == ["energy", "visits", "radius_of_gyration"]
    assert found["radius_of_gyration"]["unit"] == "σ"


def test_energies_that_are_not_known_are_none(material):
    found = by_key(material([float("inf"), -1.0]))
    assert found["energy"]["values"] == [None, 0.0]
    assert found["radius_of_gyration"]["values"][0] is None
    assert found["rmsd_to_lowest"]["values"][1] == 0


def test_an_empty_run_has_none(material):
    made = material([])
    assert columns(made) == []
    assert rmsd_to_lowest(made).shape == (0,)
