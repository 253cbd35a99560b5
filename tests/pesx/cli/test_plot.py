import csv
import json

import numpy as np
import pytest

from pesx.landscape.graphml import write_graphml
from pesx.landscape.pathsample import read_pathsample


@pytest.fixture
def database(tmp_path):
    """A folder of PATHSAMPLE with three connected minima and one that is not."""
    folder = tmp_path / "database"
    folder.mkdir()
    lines = [f"{energy} 0 1 1 2 3\n" for energy in (-2.0, -1.0, -1.5, 0.0)]
    (folder / "min.data").write_text("".join(lines))
    (folder / "ts.data").write_text("0.5 0 1 1 2 1 2 3\n-0.5 0 1 2 3 1 2 3\n")
    return folder


def draw(pesx, source, out, *flags):
    return pesx("plot", "disconnectivity", source, "-o", out, *flags)


def rows(table):
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_without_transition_states(pesx, finished, tmp_path):
    answer = draw(pesx, finished, tmp_path / "graph.svg", "--color", "visits")
    assert answer.code == 0
    assert answer.out == ""
    assert "4 minima, 0 transition states; no way between them is known" in answer.err
    assert len(rows(tmp_path / "graph.csv")) == 4
    assert "energy_epsilon" in rows(tmp_path / "graph.csv")[0]


def test_a_database_of_pathsample(pesx, database, tmp_path):
    answer = draw(pesx, database, tmp_path / "graph.svg", "--unit", "kcal/mol", "--component-of", "2")
    assert answer.code == 0
    assert "3 of 4 minima, 2 transition states; not drawn: 1 not known to be connected to minimum 2" in answer.err
    table = rows(tmp_path / "graph.csv")
    assert [row["number"] for row in table] == ["1", "2", "3", "2", "1"]
    assert [float(row["energy_kcal_per_mol"]) for row in table] == [-2.0, -1.0, -1.5, -0.5, 0.5]
    assert [row["parent"] for row in table] == ["4", "3", "3", "4", ""]


def test_a_graphml_file(pesx, database, tmp_path):
    write_graphml(read_pathsample(database), tmp_path / "network.graphml")
    draw(pesx, tmp_path / "network.graphml", tmp_path / "a.svg", "--levels", "5")
    draw(pesx, database, tmp_path / "b.svg", "--levels", "5")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(
    ("flags", "numbers"),
    [
        (["--lowest", "2"], ["1", "3"]),
        (["--min-barrier", "1"], ["1", "3", "4"]),
        (["--basins"], ["1", "3", "4"]),
        (["--max-height", "1.2"], ["1", "2", "3"]),
        (["--absolute", "--width", "double", "--title", "Four"], ["1", "2", "3", "4"]),
    ],
)
def test_what_is_drawn(pesx, database, tmp_path, flags, numbers):
    assert draw(pesx, database, tmp_path / "graph.svg", *flags).code == 0
    table = rows(tmp_path / "graph.csv")
    assert [row["number"] for row in table if row["kind"] == "minimum"] == numbers


def test_properties_of_a_table_of_ones_own(pesx, database, tmp_path):
    table = tmp_path / "more.csv"
    table.write_text("minimum,helix,known,score\n3,alpha,yes,0.5\n1,beta,no,\n2,alpha,,2\n")
    out = tmp_path / "graph.svg"
    assert draw(pesx, database, out, "--properties", table, "--color", "helix", "--mark", "known").code == 0
    drawn = rows(tmp_path / "graph.csv")[:4]
    assert [row["helix"] for row in drawn] == ["beta", "alpha", "alpha", ""]
    np.testing.assert_array_equal([float(row["score"]) for row in drawn], [np.nan, 2.0, 0.5, np.nan])
    text = out.read_text()
    assert draw(pesx, database, out, "--properties", table, "--color", "helix").code == 0
    assert out.read_text() != text  # one minimum was marked


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--color", "helix"], "out of energy, inertia_1"),
        (["--mark", "helix"], "--mark with a property"),
        (["--component-of", "0"], "one of 4 minima; came 0"),
        (["--lowest", "0"], "lowest of at least 1"),
        (["--min-barrier", "1eV"], "--min-barrier without a unit"),
        (["--width", "page"], "column or double"),
    ],
)
def test_flags_that_do_not_fit(pesx, database, tmp_path, flags, words):
    answer = draw(pesx, database, tmp_path / "graph.svg", *flags)
    assert answer.code == 2
    assert words in answer.message
    assert not (tmp_path / "graph.svg").exists()


def test_a_table_of_other_minima(pesx, database, tmp_path):
    (tmp_path / "more.csv").write_text("minimum,helix\n1,alpha\n9,beta\n")
    answer = draw(pesx, database, tmp_path / "graph.svg", "--properties", tmp_path / "more.csv")
    assert answer.code == 2
    assert "more.csv, line 3; came '9'" in answer.message


def test_a_table_of_ones_own_is_not_replaced(pesx, database, tmp_path):
    table = tmp_path / "more.csv"
    table.write_text("minimum,helix\n1,alpha\n")
    answer = draw(pesx, database, tmp_path / "more.svg", "--properties", table)
    assert answer.code == 2
    assert "would replace --properties" in answer.message
    assert table.read_text() == "minimum,helix\n1,alpha\n"


def test_nothing_to_draw(pesx, tmp_path, database):
    answer = draw(pesx, tmp_path, tmp_path / "graph.svg")
    assert answer.code == 2
    assert "no landscape.db and no min.data" in answer.message
    assert draw(pesx, database, tmp_path / "graph.doc").code == 2
    answer = pesx("plot", "funnel", database, "-o", tmp_path / "graph.svg")
    assert answer.code == 2
    assert "figures disconnectivity, heat-capacity, populations; came 'funnel'" in answer.message


def test_heat_capacity_and_populations(pesx, finished, tmp_path):
    answer = pesx("plot", "heat-capacity", finished, "-o", tmp_path / "cv.svg", "--from", "0.001", "--to", "0.2")
    assert answer.code == 0
    table = rows(tmp_path / "cv.csv")
    assert len(table) == 100
    assert float(table[0]["heat_capacity_k"]) == pytest.approx(15.0)
    assert max(float(row["heat_capacity_k"]) for row in table) > 18
    assert "no translation" in answer.err
    answer = pesx("plot", "populations", finished, "-o", tmp_path / "shares.svg", "--steps", "7", "--width", "double")
    assert answer.code == 0
    table = rows(tmp_path / "shares.csv")
    assert len(table) == 7
    for row in table:
        assert sum(float(row[name]) for name in row if name.startswith("minimum")) == pytest.approx(1.0)


def test_free_energies_at_a_temperature(pesx, finished, tmp_path):
    out = tmp_path / "free.svg"
    answer = draw(pesx, finished, out, "--temperature", "0.1")
    assert answer.code == 0
    assert "at kT = 0.1 epsilon" in answer.err
    table = rows(tmp_path / "free.csv")
    assert draw(pesx, finished, tmp_path / "energy.svg").code == 0
    energies = {row["number"]: float(row["energy_epsilon"]) for row in rows(tmp_path / "energy.csv")}
    shares = json.loads(pesx("thermo", finished, "--temperature", "0.1", "--json").out)["groups"]
    free = {row["number"]: float(row["free_energy_epsilon"]) for row in table}
    for group in shares:
        height = free[group["name"]] - min(free.values())
        assert height == pytest.approx(group["free_energy"][0], abs=1e-8)
    assert free.keys() == energies.keys()


@pytest.mark.parametrize(
    ("figure", "flags", "words"),
    [
        ("tree", [], "one of the figures disconnectivity, heat-capacity, populations"),
        ("heat-capacity", ["--lowest", "3"], "no --lowest with the figure heat-capacity"),
        ("heat-capacity", ["--groups", "basin"], "no --groups"),
        ("heat-capacity", ["--temperature", "1"], "no --temperature"),
        ("populations", ["--color", "visits"], "no --color"),
        ("populations", ["--groups", "colour"], "groups by chemistry or basin"),
        ("populations", ["--from", "0", "--to", "1"], "--from above 0"),
        ("disconnectivity", ["--from", "1", "--to", "2"], "no --from with the figure disconnectivity"),
        ("disconnectivity", ["--quasi-rrho"], "--temperature beside --quasi-rrho"),
        ("disconnectivity", ["--temperature", "0"], "--temperature above 0"),
        ("disconnectivity", ["--temperature", "1", "2"], "one --temperature for a graph"),
    ],
)
def test_flags_of_other_figures(pesx, finished, tmp_path, figure, flags, words):
    answer = pesx("plot", figure, finished, "-o", tmp_path / "figure.svg", *flags)
    assert answer.code == 2
    assert words in answer.message
    assert not (tmp_path / "figure.svg").exists()


def test_free_energies_need_a_run(pesx, database, tmp_path):
    answer = draw(pesx, database, tmp_path / "graph.svg", "--temperature", "1")
    assert answer.code == 2
    assert "Expected a run folder for --temperature" in answer.message


def test_a_figure_of_another_kind(pesx, finished, tmp_path):
    answer = pesx("plot", "heat-capacity", finished, "-o", tmp_path / "cv.doc")
    assert answer.code == 2
    assert "ends in .pdf, .svg, .png" in answer.message
