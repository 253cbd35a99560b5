import numpy as np
import pytest
import torch

from pesx.analysis.report.material import Material, left_out, plain
from pesx.errors import InputError, WrongFolderError
from pesx.units import KCAL_PER_MOL


def test_energies_are_above_the_lowest_with_an_energy(material):
    found = material([-1.0, float("inf"), -1.0 - 2 * KCAL_PER_MOL])
    np.testing.assert_allclose(found.relative_energy, [2.0, np.nan, 0.0])
    assert (found.unit, found.length_unit, found.is_cluster) == ("kcal/mol", "Å", False)
    assert len(found.network.minima) == 2


def test_reduced_units(material, cluster):
    found = material([-6.0, -5.5], molecule=cluster, unit="epsilon")
    np.testing.assert_allclose(found.relative_energy, [0.0, 0.5])
    assert (found.unit, found.length_unit, found.is_cluster) == ("ε", "σ", True)


def test_an_empty_run(material):
    found = material([])
    assert len(found.energy) == len(found.relative_energy) == len(found.is_new) == 0
    assert found.settings is None
    assert found.novelty == {}
    assert len(found.implied_elsewhere) == 0


def test_the_table_of_novelty_goes_by_number(material):
    found = material([0.0, 0.1, 0.2], novelty={2: "yes", 0: "no"})
    np.testing.assert_array_equal(found.is_new, [0.0, np.nan, 1.0])
    np.testing.assert_array_equal(found.novelty["torsion_distance"], [1.5, np.nan, 1.5])
    assert np.isnan(material_without(found).is_new).all()


def material_without(found: Material) -> Material:
    (found.run.folder / "novelty.csv").unlink()
    return Material.of(found.run.folder)


def test_a_table_of_other_minima(folder):
    place = folder([0.0, 0.1], novelty={0: "no", 7: "yes"})
    with pytest.raises(InputError, match=r"of which there are 2, in .*novelty.csv; came number 7"):
        Material.of(place)


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "minimum,new\n0,perhaps\n", "minimum,new\n0\n"])
def test_a_table_that_is_none(folder, text):
    place = folder([0.0])
    (place / "novelty.csv").write_text(text)
    with pytest.raises(InputError, match="table of pesx novelty"):
        Material.of(place)


def test_what_is_no_run(tmp_path):
    with pytest.raises(WrongFolderError, match=r"no landscape\.db"):
        Material.of(tmp_path)


def test_many_frames_are_thinned_evenly(folder, peptide):
    frames = peptide.positions + torch.arange(100, dtype=torch.float64)[:, None, None]
    found = Material.of(folder([0.0]), frames=frames, most_frames=34)
    assert found.n_frames == 100
    assert found.frames is not None
    shift = (found.frames - peptide.positions)[:, 0, 0].round().tolist()
    assert shift == list(range(0, 100, 3))


def test_minima_that_only_the_data_imply(folder, peptide):
    place = folder([0.0], novelty={0: "no"})
    positions = peptide.positions.numpy()[None] + 1.0
    np.savez(place / "novelty.npz", positions=positions)
    np.testing.assert_array_equal(Material.of(place).implied_elsewhere.numpy(), positions)


def test_evaluations_of_quenches_that_have_not_ended_count(folder):
    place = folder([0.0, 0.1])
    assert Material.of(place).n_evaluations == 20
    (place / "provenance.json").write_text('{"n_evaluations": 33}')
    assert Material.of(place).n_evaluations == 33


def test_columns_for_json():
    assert plain(np.array([1.23456, np.nan, np.inf]), 2) == [1.23, None, None]
    assert plain(np.array([1, 2])) == [1, 2]
    assert left_out("Nothing.") == {"left_out": "Nothing."}
