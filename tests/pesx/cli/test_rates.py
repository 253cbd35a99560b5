import json
from math import exp, log, pi

import numpy as np
import pytest

from pesx.connect.rounds import RoundSettings
from pesx.identity.point_groups import point_group_orders
from pesx.landscape.store import RunStore
from pesx.pathways import ConnectSettings, Pathways
from pesx.run import ExploreSettings, Run


@pytest.fixture(scope="module")
def lj6(tmp_path_factory):
    """A run of LJ6, its two minima joined; not to be written to."""
    folder = tmp_path_factory.mktemp("joined") / "lj6"
    with Run.start(
        ExploreSettings("LJ6", n_minima=2, potential="lennard-jones", mirror="merge", seed=1), folder
    ) as run:
        run.go()
    with Pathways.open(folder, ConnectSettings(pairs=RoundSettings(n_around=0))) as pathways:
        pathways.go()
    return folder


def rates(pesx, folder, *flags):
    answer = pesx("rates", folder, "--json", *flags)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_two_states_against_the_closed_form(pesx, lj6):
    """k = sum over ways of (h_min / h_ts) (product of frequencies) exp(-barrier / kT), and everything follows from both k."""
    found = rates(pesx, lj6, "--from", "energy=0", "--to", "energy=0.1:", "--temperature", "0.08", "0.12")
    with RunStore.read(lj6) as store:
        minima, states = store.minima(), store.transition_states()
        numbers = store.molecule.numbers
    lower, upper = minima.energy.argsort().tolist()
    h_min, h_ts = (point_group_orders(some.positions, numbers).full for some in (minima, states))
    assert (found["from"], found["to"]) == ([lower], [upper])
    for result in found["results"]:
        constants = []
        for row in (lower, upper):
            ways = [
                h_min[row] / h_ts[ts]
                * exp(0.5 * float(minima.log_product[row] - states.log_product[ts])) / (2 * pi)
                * exp(-float(states.energy[ts] - minima.energy[row]) / result["temperature"])
                for ts in range(len(states))
                if states.first[ts] != states.second[ts]
            ]  # fmt: skip
            constants.append(sum(ways))
        for direction, k in zip(("forward", "backward"), constants, strict=True):
            for name in ("rate", "steady_rate", "direct_rate"):
                assert result[direction][name] == pytest.approx(k, rel=1e-9)
                assert result[direction][f"log10_{name}"] == pytest.approx(log(k) / log(10), rel=1e-9)
            assert result[direction]["mean_first_passage_time"] == pytest.approx(1 / k, rel=1e-9)
        share = constants[1] / sum(constants)
        assert result["population_from"] == pytest.approx(share, rel=1e-9)
        assert result["population_to"] == pytest.approx(1 - share, rel=1e-9)


def test_the_text_says_units_and_sizes(pesx, lj6):
    answer = pesx("rates", lj6, "--from", "0", "--to", "1", "--temperature", "0.1", "0.00005")
    assert answer.code == 0
    assert "From 1 minimum to 1 minimum, of 2 minima and" in answer.out
    assert "rates per sigma sqrt(m/epsilon)" in answer.out
    cold = answer.out.splitlines()[4].split()
    assert cold[0] == "5e-05"
    assert int(cold[-4].partition("e")[2]) < -1000  # no number of a computer


def test_groups_by_a_table_of_ones_own(pesx, lj6, tmp_path):
    table = tmp_path / "shape.csv"
    table.write_text("minimum,shape\n0,one\n1,other\n")
    found = rates(
        pesx, lj6, "--from", "shape=one", "--to", "shape=other", "--temperature", "0.1", "--properties", table
    )
    assert (found["from"], found["to"]) == ([0], [1])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--from", "0", "--to", "1", "--temperature", "0"], "--temperature above 0"),
        (["--from", "0", "--to", "7", "--temperature", "0.1"], "2 minima that count for --to; came 7"),
        (["--from", "0,1", "--to", "1", "--temperature", "0.1"], "came 1 in both"),
        (["--from", "energy=", "--to", "1", "--temperature", "0.1"], "such as 0,3,7"),
        (["--from", "size=1:2", "--to", "1", "--temperature", "0.1"], "property out of energy"),
        (["--from", "energy=a:b", "--to", "1", "--temperature", "0.1"], "Expected numbers as in"),
        (["--from", "energy=5:9", "--to", "1", "--temperature", "0.1"], "there are none"),
    ],
)
def test_what_does_not_fit(pesx, lj6, flags, words):
    answer = pesx("rates", lj6, *flags)
    assert answer.code == 2
    assert words in answer.message


def test_minima_that_nothing_joins(pesx, finished):
    answer = pesx("rates", finished, "--from", "0", "--to", "1", "--temperature", "0.1")
    assert answer.code == 2
    assert "Expected transition states that join --from and --to; came 0 transition states" in answer.message
    assert "pesx connect" in answer.message


def test_detailed_balance_between_groups(pesx, lj6):
    (result,) = rates(pesx, lj6, "--from", "0", "--to", "1", "--temperature", "0.1")["results"]
    there = result["population_from"] * result["forward"]["steady_rate"]
    assert there == pytest.approx(result["population_to"] * result["backward"]["steady_rate"])
    assert np.isfinite(there)
