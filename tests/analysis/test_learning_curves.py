import numpy as np
import pytest
from scipy.stats import t

from pesx.analysis import draw_learning_curves, learning_curves, learning_table
from pesx.analysis.learning_curves import spread
from pesx.errors import InputError


def result(recipe: str, size: int, seed: int, error: float | None) -> dict[str, object]:
    return {"recipe": recipe, "size": size, "seed": seed, "force_mae": error}


RESULTS = [
    *(result("plain", size, seed, 100 / size * (1 + 0.1 * seed)) for size in (100, 10) for seed in range(3)),
    result("new", 10, 0, 4.0),
    result("blind", 10, 0, None),
]


def test_curves_are_means_over_seeds():
    plain, new = learning_curves(RESULTS, "force_mae")
    assert (plain.name, new.name) == ("plain", "new")
    assert plain.n_labels.tolist() == [10, 100]
    assert plain.error == pytest.approx(np.array([10.0, 1.0]) * (1.1 * 1.2) ** (1 / 3))
    assert plain.n_seeds.tolist() == [3, 3]
    assert new.error == pytest.approx([4.0])
    assert np.isnan(new.lower).all()


def test_intervals_hold_the_truth_as_often_as_they_say():
    random = np.random.default_rng(0)
    trials = 2000
    found = [
        learning_curves([result("a", 10, seed, np.exp(random.normal())) for seed in range(3)], "force_mae")[0]
        for _ in range(trials)
    ]
    share = np.mean([curve.lower[0] < 1.0 < curve.upper[0] for curve in found])
    assert share == pytest.approx(0.95, abs=4 * np.sqrt(0.05 * 0.95 / trials))


def test_the_width_is_that_of_student():
    narrow, wide = (learning_curves(RESULTS, "force_mae", confidence=level)[0] for level in (0.5, 0.9))
    ratio = np.log(wide.upper / wide.error) / np.log(narrow.upper / narrow.error)
    assert ratio == pytest.approx(t.ppf(0.95, 2) / t.ppf(0.75, 2))


@pytest.mark.parametrize("error", [0.0, -1.0, float("nan")])
def test_errors_must_be_above_zero(error):
    with pytest.raises(InputError, match="force_mae above zero"):
        learning_curves([result("a", 10, 0, error)], "force_mae")


def test_a_confidence_is_a_fraction():
    with pytest.raises(InputError, match="confidence"):
        learning_curves(RESULTS, "force_mae", confidence=95)


def test_the_table_has_a_place_for_every_size():
    head, _, plain, new = learning_table(learning_curves(RESULTS, "force_mae")).splitlines()
    assert head == "| | 10 | 100 |"
    assert plain.startswith("| plain | 11 (")
    assert " to " in plain
    assert new == "| new | 4 (one seed) |  |"


def test_figures_are_the_same_each_time_and_name_every_curve(tmp_path):
    curves = learning_curves(RESULTS, "force_mae")
    for name in ("one.svg", "two.svg"):
        draw_learning_curves({"force error": curves, "energy error": curves[:1]}, tmp_path / name, title="A title")
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    assert all(f"<!-- {words} -->" in text for words in ("plain", "new", "A title", "force error", "accurate frames"))


@pytest.mark.parametrize("panels", [{}, {"force error": []}])
def test_nothing_cannot_be_drawn(tmp_path, panels):
    with pytest.raises(InputError, match="at least one curve"):
        draw_learning_curves(panels, tmp_path / "none.svg")


def test_labels_keep_their_order_and_a_distance():
    places = np.array([0.5, 0.1, 0.51, 0.52])
    moved = spread(places, 0.1)
    assert np.array_equal(np.argsort(moved), np.argsort(places))
    assert np.diff(np.sort(moved)).min() >= 0.1 - 1e-12
    assert moved.mean() == pytest.approx(places.mean())
    assert spread(np.array([0.1, 0.9]), 0.1) == pytest.approx([0.1, 0.9])
