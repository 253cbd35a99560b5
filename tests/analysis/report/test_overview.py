import json

import numpy as np
import pytest

from pesx.analysis.report.material import Material
from pesx.analysis.report.overview import duration, halves, outcomes, overview
from pesx.outcome import Outcome


def test_outcomes_are_counted_the_most_frequent_first():
    codes = np.array([Outcome.FRAGMENTED, Outcome.CONVERGED, Outcome.CONVERGED])
    counted = outcomes(codes)
    assert [(row["name"], row["count"]) for row in counted] == [("converged", 2), ("fragmented", 1)]
    assert counted[1]["meaning"] == Outcome.FRAGMENTED.sentence
    assert outcomes(np.zeros(0, dtype=int)) == []


def test_the_two_halves_are_walkers_with_even_and_odd_numbers(material):
    # Walkers 0 to 5 in turn.
    found = material([0.0, 0.1, 0.2, 0.3], ends=[0, 1, 2, 0, -1, 3])
    even, odd = halves(found)
    assert even.tolist() == [True, False, True, False]
    assert odd.tolist() == [True, True, False, True]


def test_estimates(material):
    shown = overview(material([0.0, 0.1, 0.2, 0.3], ends=[0, 1, 2, 0, -1, 3]))
    mass, chao, again = shown["estimates"]
    assert mass["value"] == "0.6"  # three of five visits were to minima seen once
    assert chao["interval"].startswith("4 to ")
    assert again["value"] == str(round(3 * 4 / 2 - 1))
    assert again["meaning"] == "one half of the walkers saw 2, the other 3, both 1"
    assert "biased low" in shown["warning"]


def test_one_walker_is_no_two_halves(material):
    assert len(overview(material([0.0]))["estimates"]) == 2


def test_what_was_written_down_is_shown(folder):
    place = folder([-3.0, -2.0], novelty={0: "no", 1: "yes"})
    written = {
        "status": "running",
        "potential": {"name": "so3krates", "level": "GFN2-xTB", "model": "0123456789abcdef"},
        "seed": 7,
        "seconds": 90.0,
        "occupancy": 0.98,
        "device": "cpu",
        "dtype": "float32",
        "versions": {"pesx": "0.1"},
    }
    (place / "provenance.json").write_text(json.dumps(written))
    (place / "config.toml").write_text('molecule = "x.xyz"\nmirror = "merge"\nenergy_window = 0.8673\n')
    shown = overview(Material.of(place))
    facts = dict(shown["facts"])
    assert facts["Seed"] == "7"
    assert facts["Model"] == "0123456789ab"
    assert facts["Stopped because the run"] == "is still going on, or was killed"
    assert facts["Energy window"] == "20 kcal/mol"
    assert facts["Mirror images"] == "one minimum"
    assert facts["Force evaluations"] == "20"
    tiles = {tile["label"]: tile["value"] for tile in shown["figures"]}
    assert tiles["minima"] == "2"
    assert tiles["lowest energy, eV"] == "-3.0000"
    assert tiles["new minima"] == "1 of 2"
    assert tiles["wall time"] == "1.5 min"


def test_an_empty_run(material):
    shown = overview(material([]))
    assert shown["estimates"] == shown["outcomes"] == []
    assert {"label": "lowest energy, eV", "value": "none"} in shown["figures"]


@pytest.mark.parametrize(("seconds", "text"), [(0.5, "0.5 s"), (89, "89 s"), (600, "10 min"), (7200, "2 h")])
def test_durations(seconds, text):
    assert duration(seconds) == text
