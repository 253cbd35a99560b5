import pytest
import torch

from pesx.chemistry.read import read_molecule
from pesx.dynamics.masses import inertial, repartitioned
from pesx.errors import ConfigError


def test_the_mass_of_the_molecule_stays_and_hydrogens_have_what_was_asked_for() -> None:
    molecule = read_molecule("CC(=O)NCC(=O)NC")
    masses = repartitioned(molecule, 2.0)
    assert masses.sum().item() == pytest.approx(molecule.masses.sum().item(), rel=1e-14)
    assert torch.equal(masses[molecule.numbers == 1], torch.full((10,), 2.0, dtype=torch.float64))
    methyl = int((molecule.numbers == 6).nonzero()[0])
    assert masses[methyl].item() == pytest.approx(12.011 - 3 * (2 - 1.008))
    oxygen = molecule.numbers == 8
    assert torch.equal(masses[oxygen], molecule.masses[oxygen])


def test_hydrogens_without_a_heavy_neighbour_keep_their_mass() -> None:
    molecule = read_molecule("[H][H]")
    assert torch.equal(repartitioned(molecule, 3.0), molecule.masses)


@pytest.mark.parametrize("mass", [0.5, 5.0, float("nan")])
def test_masses_that_make_no_sense_are_refused(mass: float) -> None:
    with pytest.raises(ConfigError, match="Expected a mass of hydrogen"):
        repartitioned(read_molecule("C"), mass)


def test_a_thermal_hydrogen_has_its_known_speed() -> None:
    # sqrt(kT/m) of a proton mass at 300 K is 1573 m/s = 0.01573 angstrom/fs.
    mass = inertial(torch.tensor([1.007276], dtype=torch.float64))
    assert (8.617333262e-5 * 300 / mass).sqrt().item() == pytest.approx(0.015736, rel=1e-3)
