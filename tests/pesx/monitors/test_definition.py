from pesx.monitors.monitors import Monitors


def test_every_definition_has_a_cause_a_persistence_and_a_size(ala3):
    definitions = Monitors(ala3, drift_limit=1.0, uncertainty_limit=1.0)._definitions
    assert (
        len({definition.cause for definition in definitions.values()}) == len(definitions) - 1
    )  # centres and double bonds
    assert all(definition.persistence in (0.0, 0.1) for definition in definitions.values())
    assert {name: definition.n_things for name, definition in definitions.items()} == {
        "finite": 1,
        "fragments": 1,
        "clashes": 1,
        "protons": 22,
        "hydrogens": 22,
        "broken": 19,
        "formed": 42 * 41 // 2 - 41,
        "centres": 3,
        "doubles": 0,
        "amides": 4,
        "heat": 1,
        "drift": 1,
        "uncertainty": 1,
    }
