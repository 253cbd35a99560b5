"""Surfaces with known faults: each is found by its test."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from pesx.analysis.audit.smoothness import WALL, as_table, bond_scans, smoothness, torsion_scans
from pesx.chemistry import molecule_from_smiles
from pesx.landscape.records import Violations
from pesx.molecule import Molecule
from pesx.monitors.view import all_pairs
from pesx.outcome import Outcome
from pesx.state import Evaluation


@dataclass(frozen=True, eq=False)
class Springs:
    """Morse-like walls between all atoms around the reference distances: smooth everywhere, with one minimum.

    Attributes:
        molecule: Its geometry is the minimum.
        fault: What is wrong with the surface.
    """

    molecule: Molecule
    fault: str = ""

    def __call__(self, positions):
        x = positions.detach().double().requires_grad_()
        pairs = all_pairs(self.molecule)
        i, j = pairs.atoms.T
        rest = (self.molecule.positions[i] - self.molecule.positions[j]).norm(dim=-1)
        d = (x[:, i] - x[:, j]).norm(dim=-1)
        is_bonded = torch.zeros(len(i), dtype=torch.bool)
        is_bonded[pairs.bonded] = True
        stiffness = torch.where(is_bonded, 20.0, 0.02)
        energy = (stiffness * (d / rest - rest / d) ** 2).sum(dim=1)
        energy = energy + sum(term(d, rest, is_bonded) for name, term in FAULTS.items() if name == self.fault)
        (gradient,) = torch.autograd.grad(energy.sum(), x)
        scale = 1.1 if self.fault == "forces" else 1.0
        return Evaluation(energy.detach(), -scale * gradient.to(positions.dtype))


def collapse(d, rest, is_bonded):
    """The wall of compressed bonds is hardly higher than 2 eV."""
    depth = torch.where(is_bonded, 200.0, 0.0)
    return (-depth * torch.relu(0.92 - d / rest) ** 2).sum(dim=1)


def hole(d, rest, is_bonded):
    """A deep narrow well where bonds are 1.3 times as long."""
    return (torch.where(is_bonded, -30.0, 0.0) * torch.exp(-(((d / rest - 1.3) / 0.06) ** 2))).sum(dim=1)


FAULTS = {"collapse": collapse, "hole": hole}


@pytest.fixture(scope="module")
def ethanol():
    return molecule_from_smiles("CCO")


def verdicts(findings):
    return {item.test: item.verdict for item in findings}


def _tested(molecule, fault="", **more):
    return smoothness(Springs(molecule, fault), molecule, molecule.positions[None], **more)


def test_a_smooth_surface_passes(ethanol):
    findings = _tested(ethanol, make_pair=lambda pair: Springs(pair))
    assert set(verdicts(findings).values()) == {"pass"}
    assert next(item for item in findings if item.test == "finite differences").worst < 1e-4
    assert next(item for item in findings if item.test.startswith("pairs")).n == 6  # H, C, O


@pytest.mark.parametrize(
    ("fault", "failed"),
    [
        ("collapse", {"bond compression: walls"}),
        ("hole", {"bond deformation: holes"}),
        ("forces", {"bond deformation: forces", "finite differences"}),
    ],
)
def test_faults_are_found(fault, failed, ethanol):
    found = {name for name, verdict in verdicts(_tested(ethanol, fault)).items() if verdict == "fail"}
    assert failed <= found
    assert ("finite differences" in found) == (fault == "forces")
    assert ("bond compression: walls" in found) == (fault == "collapse")
    assert ("bond deformation: holes" in found) == (fault == "hole")


def test_pairs_that_fall_into_each_other_fail(ethanol):
    def make_pair(pair):
        assert pair.bonds.tolist() == [[0, 1]]
        return lambda positions: Evaluation(
            (positions[:, 0] - positions[:, 1]).norm(dim=-1), torch.zeros_like(positions)
        )

    (finding,) = (item for item in _tested(ethanol, make_pair=make_pair) if item.test.startswith("pairs"))
    assert (finding.n_failed, finding.verdict, finding.limit) == (6, "fail", WALL)


def test_nan_fails(ethanol):
    class Broken(Springs):
        def __call__(self, positions):
            now = super().__call__(positions)
            wide = (positions[:, 0] - positions[:, 1]).norm(dim=-1) > 1.8
            return Evaluation(now.energy.where(~wide, torch.nan), now.forces)

    found = verdicts(smoothness(Broken(ethanol), ethanol, ethanol.positions[None]))
    assert found["bond deformation: holes"] == found["bond deformation: forces"] == "fail"


def test_holes_of_an_exploration(ethanol):
    codes = torch.tensor([Outcome.SUSPICIOUS_ENERGY, Outcome.BOND_CHANGED, Outcome.BOND_CHANGED])
    x = torch.zeros(3, 9, 3, dtype=torch.float64)
    violations = Violations(torch.arange(3), codes, torch.zeros(3, dtype=torch.float64), x)
    last = _tested(ethanol, violations=violations)[-1]
    assert (last.verdict, last.n_failed) == ("fail", 1)
    assert "BOND_CHANGED 2" in last.where


def test_scans(ethanol):
    bonds = list(bond_scans(ethanol, ethanol.positions[None]))
    assert len(bonds) == 8
    i, j = ethanol.bonds[0].tolist()
    lengths = (bonds[0].positions[:, i] - bonds[0].positions[:, j]).norm(dim=-1)
    assert (lengths / lengths[20]).numpy() == pytest.approx(np.linspace(0.6, 1.4, 41))
    torsions = list(torsion_scans(ethanol, ethanol.positions[None]))
    assert len(torsions) == 2
    assert torch.allclose(torsions[0].positions[0], torsions[0].positions[-1])


def test_table(ethanol):
    lines = as_table(_tested(ethanol)).splitlines()
    assert lines[0].startswith("test")
    assert len(lines) == 7
    assert all("pass" in line for line in lines[1:])
