import json
import re

import pytest
import torch

from pesx.analysis.report import write_report
from pesx.analysis.report.material import Material
from pesx.analysis.report.page import contents, page
from pesx.errors import WrongFolderError
from pesx.molecule import Molecule

PARTS = (
    "overview",
    "minima",
    "structures",
    "graph",
    "discovery",
    "energies",
    "ramachandran",
    "reference",
    "violations",
)


def embedded(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


@pytest.mark.parametrize("energy", [[], [-1.0], [float("inf")], [-1.0, float("inf"), -0.9]])
def test_every_run_has_a_page(material, energy):
    made = material(energy)
    text = page(contents(made))
    shown = embedded(text)
    assert set(PARTS) <= set(shown)
    assert len(shown["minima"]["number"]) == len(energy)
    assert "{{" not in text.split('id="data"')[0]


def test_the_page_needs_nothing_from_elsewhere(material):
    text = page(contents(material([0.0, 0.1], saddles=[(0.5, 0, 1)])))
    links = set(re.findall(r"https?://[^\s\"'<]+", text))
    assert links == {"http://www.w3.org/2000/svg"}  # the name of SVG, which nobody loads
    assert re.findall(r'(?:src|href)="([^"#][^"]*)"', text) == ["data:,"]
    assert "import(" not in text
    assert "fetch(" not in text


def test_a_name_cannot_break_the_page(material, peptide):
    name = '</script><b>&"x'
    molecule = Molecule(peptide.numbers, peptide.positions, bonds=peptide.bonds, name=name)
    text = page(contents(material([0.0], molecule=molecule)))
    assert embedded(text)["overview"]["title"] == name
    assert "<title>&lt;/script>" in text
    assert text.count("</script>") == 2


def test_the_same_run_gives_the_same_file(folder, tmp_path):
    place = folder([0.0, 0.1, 0.3], saddles=[(0.5, 0, 1)])
    files = [write_report(place, tmp_path / f"{k}.html").read_bytes() for k in range(2)]
    assert files[0] == files[1]
    assert not list(tmp_path.glob("*.partial"))


def test_what_is_no_run(tmp_path):
    with pytest.raises(WrongFolderError):
        write_report(tmp_path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_five_thousand_minima_fit(folder, tmp_path, peptide):
    n = 5000
    generator = torch.Generator().manual_seed(1)
    energy = torch.rand(n, generator=generator, dtype=torch.float64)
    noise = torch.randn((n, peptide.n_atoms, 3), generator=generator, dtype=torch.float64)
    saddles = [(2.0 + 0.001 * k, k, k + 1) for k in range(n - 1)]
    place = folder(energy.tolist(), positions=peptide.positions + 0.1 * noise, saddles=saddles)
    path = write_report(place, tmp_path / "report.html")
    # Ac-Ala3-NHMe has 42 atoms instead of these 19; sixteen bits each in base64.
    more = n * (42 - peptide.n_atoms) * 3 * 2 * 4 / 3
    assert path.stat().st_size + more < 20e6


def test_frames_are_shown(folder, peptide):
    made = Material.of(folder([0.0]), frames=peptide.positions[None])
    assert "frames" in contents(made)["ramachandran"]["residues"][0]
