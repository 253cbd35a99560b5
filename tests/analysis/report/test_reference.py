import numpy as np
import pytest

from pesx.analysis.report.material import Material
from pesx.analysis.report.reference import reference
from pesx.units import KCAL_PER_MOL as KCAL


def test_energies_errors_and_survival(folder, verified):
    place = folder([-1.0, -1.0 + 2 * KCAL, -1.0 + 4 * KCAL], novelty={0: "no", 1: "no", 2: "yes"})
    verified(place, moved=[0.1, 0.2, 0.5], gap=[1.0, 2.0, 3.0])
    verified(place, moved=[0.1], gap=[0.0], level="other")
    shown = reference(Material.of(place))
    assert [level["level"] for level in shown["levels"]] == ["another", "other"]
    level = shown["levels"][0]
    np.testing.assert_allclose(level["potential"], [0.0, 2.0, 4.0], atol=1e-3)
    # The reference rises by 1 more from each to the next; the mean difference is taken out.
    np.testing.assert_allclose(level["reference"], [-1.0, 2.0, 5.0], atol=1e-3)
    assert level["survives"] == [True, True, False]
    facts = dict(level["facts"])
    assert facts["All minima that survive (RMSD up to 0.3 Å)"].startswith("2 of 3, 67%")
    assert facts["Known minima that survive (RMSD up to 0.3 Å)"].startswith("2 of 2")
    assert facts["New minima that survive (RMSD up to 0.3 Å)"].startswith("0 of 1")
    assert facts["New less known"].startswith("-100 (")
    assert facts["Mean absolute error of relative energies, as they are"] == "0.667 kcal/mol"


def test_without_novelty_all_are_one_group(folder, verified):
    place = folder([-1.0])
    verified(place, moved=[0.1], gap=[0.0])
    facts = dict(reference(Material.of(place))["levels"][0]["facts"])
    assert not any(name.startswith(("New", "Known")) for name in facts)
    assert facts["Mean absolute error of relative energies, as they are"] == "none"


@pytest.mark.filterwarnings("error")
def test_energies_that_failed_are_counted(folder, verified):
    place = folder([-1.0, -0.9])
    verified(place, moved=[0.1, np.nan], gap=[0.0, np.nan])
    level = reference(Material.of(place))["levels"][0]
    assert level["reference"][1] is None
    assert level["rmsd"][1] is None
    assert level["n_without"] == 1
    assert level["survives"] == [True, False]


def test_nothing_was_verified(material):
    assert reference(material([0.0]))["left_out"].endswith("pesx verify was not run.")
