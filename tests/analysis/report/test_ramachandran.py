import numpy as np

from pesx.analysis.report.material import Material
from pesx.analysis.report.ramachandran import ramachandran
from pesx.chemistry.embed import molecule_from_smiles


def test_minima_frames_and_what_the_data_imply(folder, peptide):
    place = folder([0.0, 0.1], novelty={0: "no", 1: "yes"})
    np.savez(place / "novelty.npz", positions=peptide.positions.numpy()[None])
    made = Material.of(place, frames=peptide.positions.expand(5, -1, -1), most_frames=3)
    shown = ramachandran(made)
    (residue,) = shown["residues"]
    assert {kind: len(pairs["phi"]) for kind, pairs in residue.items()} == {"minima": 2, "frames": 3, "implied": 1}
    assert residue["frames"]["phi"] == residue["implied"]["phi"] * 3
    assert residue["minima"]["psi"] == np.round(made.measured.psi[:, 0], 1).tolist()
    assert shown["notes"] == [
        "3 of 5 training frames, evenly spaced",
        "1 minimum that the data imply and the run has not found",
    ]


def test_without_frames_it_says_so(material):
    assert ramachandran(material([0.0]))["notes"] == ["no training frames were given (pesx report --data)"]


def test_what_is_no_peptide(material):
    butane = molecule_from_smiles("CCCC")
    assert "no residue between two amides" in ramachandran(material([0.0], molecule=butane))["left_out"]


def test_an_empty_run(material):
    assert "no minimum was found yet" in ramachandran(material([]))["left_out"]
