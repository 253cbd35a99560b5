import time

import numpy as np
import pytest
from matplotlib import rc_context
from PIL import Image

from pesx.analysis import disconnectivity, draw_disconnectivity
from pesx.errors import InputError
from pesx.landscape.network import Network, StationaryPoints
from pesx.landscape.pathsample import read_pathsample, write_pathsample


def text_of(graph, folder, **changes) -> str:
    """Return the figure as SVG with its texts as texts."""
    with rc_context({"svg.fonttype": "none"}):
        draw_disconnectivity(graph, folder / "figure.svg", **changes)
    return (folder / "figure.svg").read_text()


@pytest.mark.parametrize("ending", ["pdf", "svg", "png"])
def test_the_same_network_gives_the_same_file(landscape, tmp_path, ending):
    for name in ("a", "b"):
        draw_disconnectivity(disconnectivity(landscape(80)), tmp_path / f"{name}.{ending}", color="chemistry")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_sizes_of_a_column_and_of_two(landscape, tmp_path):
    graph = disconnectivity(landscape(80))
    for name, width in (("column.png", 3.35), ("double.png", 6.85)):
        draw_disconnectivity(graph, tmp_path / name, width=width)
        with Image.open(tmp_path / name) as image:
            assert image.size == (round(400 * width), 1360)
            assert len(np.unique(np.asarray(image.convert("L")))) > 20


def test_axis_unit_zero_and_notes_are_in_the_figure(landscape, tmp_path):
    network = landscape(30, unit="epsilon")
    text = text_of(disconnectivity(network, lowest=20), tmp_path, title="LJ")
    assert "energy above the lowest minimum (ε)" in text
    assert f"zero at {network.minima.energy.min():.6f} ε" in " ".join(text.split())
    assert "20 of 30 minima" in text
    assert ">LJ<" in text
    text = text_of(disconnectivity(network), tmp_path, is_absolute=True)
    assert ">energy (ε)<" in text
    assert "zero at" not in text
    assert "unit of the source" in text_of(disconnectivity(landscape(5, unit="")), tmp_path)


def test_few_minima_are_named_many_have_a_scale_bar(landscape, tmp_path):
    few, many = text_of(disconnectivity(landscape(9)), tmp_path), text_of(disconnectivity(landscape(90)), tmp_path)
    assert ">8<" in few
    assert "10 minima<" in many
    assert "10 minima<" not in few


def test_groups_have_a_legend_and_scales_a_bar(landscape, tmp_path):
    graph = disconnectivity(landscape(40))
    text = text_of(graph, tmp_path, color="chemistry", mark=np.arange(40) < 3, mark_label="not in training")
    assert all(f">{word}<" in text for word in ("chemistry", "SS", "SR", "RR", "not in training (3 of 40)"))
    text = text_of(graph, tmp_path, color="size")
    assert ">size<" in text
    assert ">not known (8)<" in text


def draw(network: Network, path, **choice):
    draw_disconnectivity(disconnectivity(network, **choice), path, color="energy")
    assert path.stat().st_size > 0


def test_the_smallest_landscapes_can_be_drawn(tmp_path):
    none = StationaryPoints.of([])
    one = Network.build(StationaryPoints.of([-3.0]), none, first=[], second=[])
    four = Network.build(StationaryPoints.of([-3.0, -2.0, -2.0, 1.0]), none, first=[], second=[])
    equal = Network.build(StationaryPoints.of([0.0, 0.0]), none, first=[], second=[])
    loop = Network.build(StationaryPoints.of([0.0]), StationaryPoints.of([1.0]), first=[0], second=[0])
    flat = Network.build(StationaryPoints.of([1.0, 1.0]), StationaryPoints.of([1.0]), first=[0], second=[1])
    for network in (one, four, equal, loop, flat):
        draw(network, tmp_path / "figure.svg")
    parts = Network.build(
        StationaryPoints.of([0.0, 1, 2, 3, 4]), StationaryPoints.of([5.0, 6]), first=[0, 2], second=[1, 3]
    )
    draw(parts, tmp_path / "figure.svg")
    draw(parts, tmp_path / "figure.svg", max_height=5.5, levels=3)


def test_other_formats_are_refused(landscape, tmp_path):
    with pytest.raises(InputError, match=r"\.pdf, \.svg, \.png; came 'figure\.docx'"):
        draw_disconnectivity(disconnectivity(landscape(5)), tmp_path / "figure.docx")


@pytest.mark.slow
def test_twenty_thousand_minima_are_read_joined_and_drawn_in_a_minute(landscape, tmp_path):
    tree = landscape(20_000)
    rng = np.random.default_rng(1)
    more = rng.integers(0, 20_000, (2, 40_001))
    height = tree.minima.energy[more].max(axis=0) + rng.exponential(size=40_001)
    network = Network.build(
        tree.minima,
        StationaryPoints.of(np.concatenate([tree.transition_states.energy, height])),
        first=np.concatenate([tree.first, more[0]]),
        second=np.concatenate([tree.second, more[1]]),
    )
    write_pathsample(network, tmp_path)
    start = time.perf_counter()
    found = read_pathsample(tmp_path)
    assert len(found.transition_states) == 60_000
    draw_disconnectivity(disconnectivity(found), tmp_path / "figure.pdf")
    assert time.perf_counter() - start < 60


def test_free_energies_are_called_so_and_notes_are_added(landscape, tmp_path):
    text = text_of(disconnectivity(landscape(5), notes=("at 300 K",)), tmp_path, quantity="free energy")
    assert "free energy above the lowest minimum" in text
    assert "at 300 K" in " ".join(text.split())
