"""Harmonic superposition against what is known otherwise: LJ7 against canonical sampling, butane against ASE.

    python benchmarks/thermodynamics.py

LJ7: minima by pesx explore, heat capacity and populations by pesx thermo; beside them canonical sampling without a harmonic
assumption (parallel_tempering.py), whose samples are quenched to say which minimum they are in. As kT falls both must agree:
the heat capacity goes to (3N - 6) k, and the shares of the minima to those of the superposition.

Butane: GFN2-xTB, both mirror policies. Gauche is one minimum or two, and its share must be the same; so must the rates.
ASE's ideal gas with vibrations from differences of its own says what the share should be.
"""

import argparse
import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.thermochemistry import IdealGasThermo
from ase.vibrations import Vibrations
from parallel_tempering import Sampling
from report import make_parser, plain_settings, set_threads, show, write

from pesx import RunStore
from pesx.cli import main as pesx
from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.lbfgs import Lbfgs
from pesx.relax.quench import Convergence, quench

LADDER = (0.01, 0.015, 0.02, 0.03, 0.04, 0.055, 0.075, 0.1, 0.12, 0.135, 0.15, 0.17)
"""Temperatures of the sampling, well depths."""

COLD = 0.04
"""Temperatures up to which the heat capacity is a straight line to the harmonic limit."""

QUENCHED = (0.1, 0.15)
BURN_IN = 0.2
ROOM, PRESSURE = 298.15, 101325.0
STEP = 0.002
"""Displacement of ASE's differences, angstrom."""

ACCURACY = 0.01
"""Of tblite; at its default of 1, noise of forces moves soft frequencies of ASE by 1 cm-1, and the share by half a point."""


def call(*words: object) -> dict[str, Any]:
    """Return what a command of pesx prints as JSON."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
        code = pesx([*map(str, words), "--json"])
    if code:
        raise SystemExit(f"pesx {words[0]} ended with {code}: {err.getvalue().strip()}")
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def run_lj7(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare superposition and sampling of LJ7."""
    call(
        "explore",
        "--molecule",
        "LJ7",
        "--potential",
        "lennard-jones",
        "--mirror",
        "merge",
        "--n-minima",
        4,
        "--out",
        folder,
    )
    superposed = call("thermo", folder, "--temperature", *LADDER)
    with RunStore.read(folder) as store:
        minima = store.minima()
    sampled = sample_lj7(minima.positions[int(minima.energy.argmin())], minima.energy.numpy(), arguments)
    cold = [row for row, kT in enumerate(LADDER) if kT <= COLD]
    line = np.polyfit(np.array(LADDER)[cold], np.array(sampled["heat_capacity"])[cold], 1)
    print(f"heat capacity towards kT = 0: {line[1]:.4f} k, equipartition says {superposed['n_modes']} k")
    show(
        "LJ7: heat capacity, k",
        ("kT", "superposition", "sampling", "its error"),
        list(zip(LADDER, superposed["heat_capacity"], sampled["heat_capacity"], sampled["error"], strict=True)),
    )
    shares = {str(kT): _shares(superposed, sampled, kT) for kT in QUENCHED}
    for kT, rows in shares.items():  # noqa: N806
        show(f"LJ7: share of each minimum at kT = {kT}", ("minimum", "order", "superposition", "sampling"), rows)
    return {
        "kT": LADDER,
        "heat_capacity_superposition": superposed["heat_capacity"],
        "heat_capacity_sampling": sampled["heat_capacity"],
        "heat_capacity_sampling_error": sampled["error"],
        "modes": superposed["n_modes"],
        "heat_capacity_towards_zero": float(line[1]),
        "orders": {group["name"]: group["order"] for group in superposed["groups"]},
        "shares_minimum_order_superposition_sampling": shares,
    }


def sample_lj7(start: torch.Tensor, known: np.ndarray, arguments: argparse.Namespace) -> dict[str, Any]:
    """Sample LJ7; heat capacities with their errors, and the share of each minimum by quenching samples."""
    sampling = Sampling(LADDER, n_chains=arguments.chains)
    burn_in = int(BURN_IN * arguments.trajectories)
    every = max(1, (arguments.trajectories - burn_in) // arguments.snapshots)
    energies, snapshots = [], []
    runs = sampling.run(LennardJones(), start, n_trajectories=arguments.trajectories, seed=arguments.seed)
    rows = [LADDER.index(kT) for kT in QUENCHED]
    for count, (energy, positions) in enumerate(runs):
        if count < burn_in:
            continue
        energies.append(energy)
        if (count - burn_in) % every == 0:
            snapshots.append(positions[rows].clone())
    table = torch.stack(energies, dim=1).numpy()  # temperatures, trajectories, chains
    capacity, error = zip(*(jackknifed(table[row], kT) for row, kT in enumerate(LADDER)), strict=True)
    kinetic = 0.5 * (3 * len(start) - 6)
    return {
        "heat_capacity": [value + kinetic for value in capacity],
        "error": list(error),
        "shares": {kT: quenched_shares(torch.cat([s[at] for s in snapshots]), known) for at, kT in enumerate(QUENCHED)},
    }


def jackknifed(energy: np.ndarray, kT: float) -> tuple[float, float]:  # noqa: N803
    """Return the variance of the energy over kT squared, and its error from leaving out one chain after another.

    Args:
        energy: (trajectories, chains).
        kT: Thermal energy.
    """
    n = energy.shape[1]
    without = [np.delete(energy, chain, axis=1).var() / kT**2 for chain in range(n)]
    return float(energy.var() / kT**2), float(np.sqrt((n - 1) * np.var(without)))


def quenched_shares(structures: torch.Tensor, known: np.ndarray) -> list[float]:
    """Return the share of each minimum among quenched structures, in the order of the energies known."""
    ends = quench(
        Lbfgs(stiffness=500.0), LennardJones(), structures, convergence=Convergence(fmax=1e-5, max_steps=2000)
    )
    gap = np.abs(ends.energy.numpy()[:, None] - known)
    is_one = gap.min(axis=1) < 1e-3
    return [float(share) for share in np.bincount(gap.argmin(axis=1)[is_one], minlength=len(known)) / is_one.sum()]


def _shares(superposed: dict[str, Any], sampled: dict[str, Any], kT: float) -> list[tuple[Any, ...]]:  # noqa: N803
    row = superposed["temperature"].index(kT)
    return [
        (group["name"], group["order"], group["population"][row], sampled["shares"][kT][int(group["name"])])
        for group in superposed["groups"]
    ]


def run_butane(folder: Path) -> dict[str, Any]:
    """Compare the policies, and both with ASE."""
    results: dict[str, Any] = {}
    for mirror, n_minima in (("merge", 2), ("distinct", 3)):
        here = folder / mirror
        call("explore", "--molecule", "CCCC", "--potential", "gfn2", "--mirror", mirror, "--n-minima", n_minima,
             "--replicas", 4, "--max-evaluations", 20_000, "--out", here)  # fmt: skip
        thermo = call("thermo", here, "--temperature", ROOM)
        call("connect", here)
        anti, *gauche = sorted(thermo["groups"], key=lambda group: group["relative_energy"])
        names = ",".join(group["name"] for group in gauche)
        rates = call("rates", here, "--from", anti["name"], "--to", names, "--temperature", ROOM)["results"][0]
        results[mirror] = {
            "minima": thermo["n_minima"],
            "orders": [group["order"] for group in thermo["groups"]],
            "gauche_kcal_per_mol": gauche[0]["relative_energy"],
            "gauche": sum(group["population"][0] for group in gauche),
            "anti_to_gauche_per_s": rates["forward"]["steady_rate"],
            "gauche_to_anti_per_s": rates["backward"]["steady_rate"],
        }
    results["ase"] = {"gauche": ase_share(folder / "merge")}
    columns = ("minima", "gauche_kcal_per_mol", "gauche", "anti_to_gauche_per_s", "gauche_to_anti_per_s")
    rows = [[name, *(found.get(column) for column in columns)] for name, found in results.items()]
    show(f"Butane, GFN2-xTB, {ROOM} K", ("", *columns), rows)
    return results


def ase_share(folder: Path) -> float:
    """Return the share of gauche by ASE's ideal gas; two mirror images, each with symmetry number 2, as anti has."""
    from tblite.ase import TBLite

    with RunStore.read(folder) as store:
        minima, numbers = store.minima(), store.molecule.numbers.numpy()
    free = []
    for row in minima.energy.argsort().tolist():
        atoms = Atoms(
            numbers, minima.positions[row].numpy(), calculator=TBLite(method="GFN2-xTB", accuracy=ACCURACY, verbosity=0)
        )
        with tempfile.TemporaryDirectory() as scratch:
            vibrations = Vibrations(atoms, delta=STEP, name=str(Path(scratch) / "vibrations"))
            vibrations.run()
            quanta = np.sort(np.real(vibrations.get_energies()))[-(3 * len(atoms) - 6) :]
        energy = atoms.get_potential_energy()
        gas = IdealGasThermo(quanta, "nonlinear", potentialenergy=energy, atoms=atoms, symmetrynumber=2, spin=0)
        free.append(gas.get_gibbs_energy(ROOM, PRESSURE, verbose=False))
    ratio = 2.0 * np.exp(-(free[1] - free[0]) / (8.617333262e-5 * ROOM))
    return float(ratio / (1.0 + ratio))


PARTS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "lj7": run_lj7,
    "butane": lambda folder, _: run_butane(folder),
}


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = make_parser(__doc__, "thermodynamics.json")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="what to compare (all)")
    parser.add_argument("--trajectories", type=int, default=4000, help="of hybrid Monte Carlo, each chain (4000)")
    parser.add_argument("--chains", type=int, default=32, help="independent ones (32)")
    parser.add_argument("--snapshots", type=int, default=150, help="of each chain and temperature to quench (150)")
    return parser.parse_args(argv)


def main() -> None:
    """Compare, show, and write."""
    arguments = parse()
    set_threads(arguments.threads)
    results = {}
    with tempfile.TemporaryDirectory() as place:
        for part in arguments.parts:
            results[part] = PARTS[part](Path(place) / part, arguments)
    write(arguments.out, settings=plain_settings(arguments), results=results)


if __name__ == "__main__":
    main()
