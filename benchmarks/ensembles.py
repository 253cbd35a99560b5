"""Do the integrators keep what they promise on Ac-Ala3-NHMe with the packaged model?

    OMP_NUM_THREADS=1 python benchmarks/ensembles.py --threads 1

All forces in float32, all else in float64. From the end of Langevin dynamics at 300 K:

- Langevin and Nosé-Hoover: kinetic energies against the chi-square distribution of 3N-6 degrees of freedom (Kolmogorov and
  Smirnov), and the kinetic temperature of every element against that asked for (Student's t over replicas, times the number of
  elements). Either test is passed above a probability of 0.001.
- Constant energy: the slope of the total energy over time, and its spread over half a picosecond with half, once, twice and
  four times the time step, which goes with the square.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import make_parser, plain_settings, set_threads, show, write
from scipy.stats import kstest
from scipy.stats import t as student

from pesx.analysis.audit.equipartition import elements
from pesx.chemistry import read_molecule
from pesx.dynamics.langevin import Langevin
from pesx.dynamics.masses import inertial
from pesx.dynamics.motion import Integrator, Motion, kinetic_energy, thermal_velocities
from pesx.dynamics.noise import Noise
from pesx.dynamics.nose_hoover import NoseHoover
from pesx.dynamics.rigid import Rigid
from pesx.dynamics.starts import relaxed
from pesx.dynamics.verlet import VelocityVerlet
from pesx.molecule import Molecule
from pesx.protocols import Potential
from pesx.registry import make_potential
from pesx.state import Evaluation
from pesx.streams import Streams
from pesx.units import BOLTZMANN

PEPTIDE = Path(__file__).parents[1] / "examples/ala3.xyz"
TEMPERATURE = 300.0
"""K."""
KT = BOLTZMANN * TEMPERATURE
TIMESTEP = 0.5
"""fs."""
FRICTION = 0.02
"""1/fs: kinetic energies forget themselves within 0.1 ps."""
RELAXATION = 50.0
"""fs."""
LEVEL = 1e-3
"""Probability below which a test is not passed."""


def run(
    integrator: Integrator[Any], potential: Potential, state: Motion, *, n_steps: int, every: int
) -> tuple[list[tuple[Motion, Evaluation]], Motion]:
    """Return every so-manieth state, complete, with its evaluation, and the last."""
    found = []
    for step in range(1, n_steps + 1):
        state = integrator.step(state, potential(state.positions.float()))
        if step % every == 0:
            now = potential(state.positions.float())
            found.append((integrator.complete(state, now), now))
    return found, state


def tested(samples: list[tuple[Motion, Evaluation]], molecule: Molecule) -> dict[str, Any]:
    """Compare samples of a thermostat with what the canonical distribution says."""
    masses = inertial(molecule.masses)
    doubled = torch.stack([2 * kinetic_energy(state.velocities, masses) / KT for state, _ in samples])
    freedom = 3 * molecule.n_atoms - 6
    distribution = kstest(doubled.flatten().numpy(), "chi2", args=(freedom,))
    off = torch.stack([_relative(state, masses) for state, _ in samples]).mean(dim=0)  # of each replica and atom, in kT
    by_element, worst = {}, 0.0
    for symbol, number in zip(elements(molecule), sorted(set(molecule.numbers.tolist())), strict=True):
        own = off[:, molecule.numbers == number].mean(dim=1) / 3.0
        error = float(own.std()) / len(own) ** 0.5
        by_element[symbol] = {
            "relative": 1.0 + float(own.mean()),
            "error": error,
            "deviation": float(own.mean()) / error,
        }
        worst = max(worst, abs(by_element[symbol]["deviation"]))
    chance = min(1.0, 2 * float(student.sf(worst, doubled.shape[1] - 1)) * len(by_element))
    return {
        "n_samples": doubled.numel(),
        "mean_temperature": TEMPERATURE * float(doubled.mean()) / freedom,
        "spread_over_expected": float(doubled.std()) / (2 * freedom) ** 0.5,
        "p_of_temperatures": float(distribution.pvalue),
        "by_element": by_element,
        "p_of_elements": chance,
        "passed": bool(distribution.pvalue > LEVEL and chance > LEVEL),
    }


def _relative(state: Motion, masses: torch.Tensor) -> torch.Tensor:
    """Return m v^2 / kT of each replica and atom less what it should be on average."""
    mine: torch.Tensor = masses * state.velocities.square().sum(dim=2) / KT - Rigid.of(state.positions, masses).shares()
    return mine


def thermostats(
    potential: Potential, molecule: Molecule, arguments: argparse.Namespace
) -> tuple[dict[str, Any], Motion]:
    """Run and test both thermostats; return also where Langevin dynamics ended."""
    masses = inertial(molecule.masses)
    n = arguments.replicas
    place = relaxed(potential, molecule).expand(n, -1, -1).clone()
    langevin = Langevin(masses, TIMESTEP, FRICTION, Noise(arguments.seed))
    heat = torch.full((n,), KT, dtype=torch.float64)
    streams = Streams(arguments.seed, range(n), [0] * n)
    state = replace(langevin.init(place), velocities=thermal_velocities(place, masses, heat, streams), kT=heat)
    _, state = run(langevin, potential, state, n_steps=1000, every=1000)
    samples, end = run(langevin, potential, state, n_steps=arguments.samples * 200, every=200)
    found = {"langevin": tested(samples, molecule)}
    chains = NoseHoover(masses, TIMESTEP, RELAXATION)
    state = replace(chains.init(end.positions), velocities=samples[-1][0].velocities, kT=heat)
    samples, _ = run(chains, potential, state, n_steps=arguments.samples * 400, every=400)
    found["nose-hoover"] = tested(samples, molecule)
    return found, end


def conserved(
    potential: Potential, molecule: Molecule, state: Motion, *, timestep: float, n_steps: int, every: int
) -> np.ndarray[Any, Any]:
    """Return total energies at constant energy, (samples, replicas), eV."""
    verlet = VelocityVerlet(inertial(molecule.masses), timestep)
    began = replace(verlet.init(state.positions), velocities=state.velocities)
    samples, _ = run(verlet, potential, began, n_steps=n_steps, every=every)
    energies = [verlet.conserved(now, evaluation) for now, evaluation in samples]
    return np.asarray(torch.stack([one for one in energies if one is not None]).double().numpy())


def constant_energy(
    potential: Potential, molecule: Molecule, state: Motion, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Measure the drift of the total energy, and its spread by time step."""
    every, n_steps = 10, round(1e3 * arguments.picoseconds / TIMESTEP)
    energies = conserved(potential, molecule, state, timestep=TIMESTEP, n_steps=n_steps, every=every)
    time = 1e-3 * TIMESTEP * every * np.arange(len(energies))
    slopes = 1e3 * np.polyfit(time, energies, 1)[0] / molecule.n_atoms  # meV per atom and ps
    spread = {}
    for timestep in (0.25, 0.5, 1.0, 2.0):
        short = conserved(potential, molecule, state, timestep=timestep, n_steps=round(500 / timestep), every=1)
        spread[timestep] = float(short.std(axis=0).mean())
    return {
        "picoseconds": arguments.picoseconds,
        "drift_mean": float(slopes.mean()),
        "drift_error": float(slopes.std(ddof=1) / len(slopes) ** 0.5),
        "drift_largest": float(np.abs(slopes).max()),
        "spread_ev": spread,
        "power_of_the_timestep": float(np.polyfit(np.log([*spread][:3]), np.log([*spread.values()][:3]), 1)[0]),
    }


def main() -> None:
    """Measure, print and write."""
    parser = make_parser(__doc__, "ensembles.json")
    parser.add_argument("--replicas", type=int, default=32)
    parser.add_argument("--samples", type=int, default=20, help="of each replica and thermostat")
    parser.add_argument("--picoseconds", type=float, default=5.0, help="at constant energy")
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    molecule = read_molecule(PEPTIDE)
    potential, _ = make_potential("so3krates", molecule)
    found, end = thermostats(potential, molecule, arguments)
    rows = [
        (name, one["mean_temperature"], one["spread_over_expected"], one["p_of_temperatures"], one["p_of_elements"])
        for name, one in found.items()
    ]
    show("Thermostats at 300 K", ("", "mean K", "spread / expected", "p of temperatures", "p of elements"), rows)
    energy = constant_energy(potential, molecule, end, arguments)
    show("Constant energy", ("what", "value"), [(name, str(value)) for name, value in energy.items()])
    write(arguments.out, settings=plain_settings(arguments), results={**found, "constant_energy": energy})


if __name__ == "__main__":
    main()
