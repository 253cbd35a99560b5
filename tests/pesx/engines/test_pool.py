import numpy as np

from pesx.engines import AseEngine, EnginePool, Failed, Label, Refused, Structure, XtbEngine


def test_one_bad_structure_never_stops_others(springs: str) -> None:
    places = [1.0, 100.0, 2.0, 1000.0, 3.0]
    structures = [Structure(np.array([1]), np.array([[place, 0.0, 0.0]])) for place in places]
    with EnginePool(AseEngine(f"{springs}:Spring"), n_workers=2) as pool:
        results = dict(pool.as_completed(structures))
    assert [result.energy for _, result in sorted(results.items()) if isinstance(result, Label)] == [0.5, 2.0, 4.5]
    raised, died = results[1], results[3]
    assert isinstance(raised, Refused)
    assert "spring is broken" in raised.reason
    assert isinstance(died, Failed)
    assert died.died


def test_molecules_may_differ_and_results_are_those_of_the_engine_alone() -> None:
    water = Structure(np.array([8, 1, 1]), np.array([[0.0, 0, 0], [1.0, 0, 0], [-0.2, 0.9, 0]]))
    hydroxide = Structure(np.array([8, 1]), np.array([[0.0, 0, 0], [1.0, 0, 0]]), charge=-1)
    engine = XtbEngine()
    with EnginePool(engine, n_workers=1) as pool:
        results = dict(pool.as_completed([water, hydroxide, water]))
    for index, structure in enumerate([water, hydroxide, water]):
        result = results[index]
        energy, forces = engine.evaluate(structure.numbers, structure.positions, charge=structure.charge)
        assert isinstance(result, Label)
        assert abs(result.energy - energy) < 1e-9
        np.testing.assert_allclose(result.forces, forces, atol=1e-9)
