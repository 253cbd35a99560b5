import json

from pesx.analysis.report.effort import effort, violations
from pesx.analysis.report.material import Material
from pesx.outcome import Outcome


def test_what_each_move_earned(material):
    made = material(
        [0.0, 0.1, 0.2],
        ends=[0, 0, 1, 2, -1],
        moves=["seed", "torsion", "torsion", "crossover", "torsion"],
    )
    rows = {row["move"]: row for row in effort(made)["moves"]}
    assert rows["torsion"] == {"move": "torsion", "quenches": 3, "evaluations": 30, "minima": 1, "per_minimum": 30}
    assert rows["crossover"]["per_minimum"] == 10
    assert next(iter(rows)) == "torsion"  # the most costly first


def test_a_move_without_a_new_minimum_has_no_price(material):
    made = material([0.0], ends=[0, 0], moves=["seed", "torsion"])
    assert effort(made)["moves"][1]["per_minimum"] is None


def test_facts(folder, verified):
    place = folder([0.0, 0.1], saddles=[(0.5, 0, 1)])
    verified(place, moved=[0.1, 0.1], gap=[0.0, 0.0])
    (place / "provenance.json").write_text(json.dumps({"seconds": 4.0}))
    facts = dict(effort(Material.of(place))["facts"])
    assert facts["Force evaluations a second"] == "5"
    assert facts["Minima a minute"] == "30"
    assert facts["Force evaluations a minimum"] == "10"
    assert facts["Force evaluations for transition states"] == "150"
    assert facts["Calls of reference engines"] == "18"


def test_violations_by_kind(folder, violated):
    place = folder([0.0], ends=[0, -1, -1, -1])
    violated(place, [Outcome.FRAGMENTED, Outcome.BOND_CHANGED, Outcome.FRAGMENTED])
    shown = violations(Material.of(place))
    assert [(kind["name"], kind["count"]) for kind in shown["kinds"]] == [("fragmented", 2), ("bond changed", 1)]
    assert shown["n_quenches"] == 4


def test_none(material):
    shown = violations(material([0.0]))
    assert shown["left_out"] == "No structure outside the chemistry of the input was kept, of 1 quench."


def test_an_empty_run(material):
    made = material([])
    assert "no quench has ended yet" in violations(made)["left_out"]
    assert "no quench has ended yet" in effort(made)["left_out"]
