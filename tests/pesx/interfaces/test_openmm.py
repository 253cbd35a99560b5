import copy

import numpy as np
import pytest
from ase.build import molecule

from pesx.calculator import PesxCalculator
from pesx.errors import ConfigError, InputError

openmm = pytest.importorskip("openmm", minversion="8.5", reason="needs the extra openmm")

from openmm import app, unit  # noqa: E402

from pesx.interfaces.openmm import openmm_force  # noqa: E402

EV = 96.48533212331
"""kJ/mol, CODATA 2018."""


def simulation(atoms, force, *, step=0.25):
    system = openmm.System()
    for mass in atoms.get_masses():
        system.addParticle(mass)
    system.addForce(force)
    return context(atoms, system, step=step)


def context(atoms, system, *, step=0.25, integrator=None):
    integrator = integrator or openmm.VerletIntegrator(step * unit.femtoseconds)
    made = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    made.setPositions(atoms.positions * unit.angstrom)
    return made


def energy_and_forces(made):
    state = made.getState(getEnergy=True, getForces=True)
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoules_per_mole / unit.nanometer)
    return state.getPotentialEnergy().value_in_unit(unit.kilojoules_per_mole), forces


def topology_of(atoms):
    topology = app.Topology()
    residue = topology.addResidue("MOL", topology.addChain())
    for number in atoms.numbers:
        topology.addAtom("X", app.Element.getByAtomicNumber(int(number)), residue)
    return topology


def check(made, atoms, calculator):
    energy, forces = energy_and_forces(made)
    assert energy / EV == pytest.approx(calculator.get_potential_energy(atoms), rel=1e-12)
    np.testing.assert_allclose(forces / (10 * EV), calculator.get_forces(atoms), atol=1e-10)


def test_energy_and_forces_are_those_of_the_calculator(path):
    atoms = molecule("CH3CH2OH")
    calculator = PesxCalculator(path, device="cpu", dtype="float64")
    for given in (atoms.numbers, topology_of(atoms)):
        check(simulation(atoms, openmm_force(given, path, "cpu")), atoms, calculator)


def test_charge_spin_and_long_range_cutoff_are_passed_on(charged_path):
    atoms = molecule("CH3CH2OH")
    options = {"charge": 1, "multiplicity": 2, "long_range_cutoff": 5.0}
    calculator = PesxCalculator(charged_path, device="cpu", dtype="float64", **options)
    check(simulation(atoms, openmm_force(atoms.numbers, charged_path, "cpu", **options)), atoms, calculator)


def test_dynamics_conserve_the_energy(path):
    atoms = molecule("CH3CH2OH")
    made = simulation(atoms, openmm_force(atoms.numbers, path, "cpu"), step=0.2)
    made.setVelocitiesToTemperature(3000 * unit.kelvin, 1)
    totals, potentials = [], []
    for _ in range(20):
        made.getIntegrator().step(5)
        state = made.getState(getEnergy=True)
        potentials.append(state.getPotentialEnergy().value_in_unit(unit.kilojoules_per_mole))
        totals.append(potentials[-1] + state.getKineticEnergy().value_in_unit(unit.kilojoules_per_mole))
    assert np.ptp(totals) < 0.01 * np.ptp(potentials)


def test_a_thermostat_and_a_minimiser_take_it(path):
    atoms = molecule("H2O")
    force = openmm_force(atoms.numbers, path, "cpu")
    system = openmm.System()
    for mass in atoms.get_masses():
        system.addParticle(mass)
    system.addForce(force)
    integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtoseconds)
    made = context(atoms, system, integrator=integrator)
    before, _ = energy_and_forces(made)
    openmm.LocalEnergyMinimizer.minimize(made, 1.0, 200)
    after, forces = energy_and_forces(made)
    assert after < before
    assert abs(forces).max() < 50.0
    integrator.step(20)
    assert np.isfinite(energy_and_forces(made)[0])


def test_a_serialised_system_needs_no_model_file(path):
    atoms = molecule("H2O")
    made = simulation(atoms, openmm_force(atoms.numbers, path, "cpu"))
    energy, forces = energy_and_forces(made)
    system = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(made.getSystem()))
    again, same = energy_and_forces(context(atoms, system))
    assert again == energy
    np.testing.assert_array_equal(same, forces)
    assert energy_and_forces(context(atoms, copy.deepcopy(system)))[0] == energy


def test_particles_that_are_not_the_molecule_feel_nothing(path):
    water, other = molecule("H2O"), molecule("HCl")
    other.positions += 3.0
    both = other + water
    alone = energy_and_forces(simulation(water, openmm_force(water.numbers, path, "cpu")))
    energy, forces = energy_and_forces(simulation(both, openmm_force(both.numbers, path, "cpu", particles=[2, 3, 4])))
    assert energy == pytest.approx(alone[0], rel=1e-12)
    np.testing.assert_array_equal(forces[:2], 0.0)
    np.testing.assert_allclose(forces[2:], alone[1], atol=1e-8)


def test_what_cannot_be_done_is_refused(path):
    water = molecule("H2O")
    box = topology_of(water)
    box.setPeriodicBoxVectors(np.eye(3) * unit.nanometers)
    with pytest.raises(InputError, match="vacuum"):
        openmm_force(box, path)
    with pytest.raises(InputError, match="17"):
        openmm_force([1, 17], path)
    with pytest.raises(InputError, match="charge"):
        openmm_force(water.numbers, path, charge=1)
    with pytest.raises(InputError, match=r"\[7\]"):
        openmm_force(water.numbers, path, particles=[0, 7])
    with pytest.raises(ConfigError, match="float16"):
        openmm_force(water.numbers, path, dtype="float16")
    box.addAtom("M", None, next(box.residues()))
    with pytest.raises(InputError, match=r"\[3\]"):
        openmm_force(box, path, particles=[0, 3])
