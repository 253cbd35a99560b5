import numpy as np

from pesx.monitors.compiled import compiled


def total(values):
    result = 0.0
    for value in values:
        result += 1.0 / value
    return result


def test_compiled_function_is_the_function():
    values = np.array([1.0, 2.0, 4.0])
    assert compiled(total)(values) == total(values) == 1.75
    assert compiled(total)(np.array([0.0])) == np.inf  # as numpy has it


def test_without_a_place_to_keep_it():
    """A function that is in no file cannot be kept, and works all the same."""
    scope = {}
    exec("def twice(x):\n    return 2.0 * x", scope)
    assert compiled(scope["twice"])(1.5) == 3.0
