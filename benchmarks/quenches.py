"""Quenches per second: pesx beside TorchSim and ASE, same model, same starts, same precision, same largest force.

The starts are conformers of Ac-Ala3-NHMe as RDKit embeds them. pesx relaxes them in batches as ``pesx explore`` does in its
first stage; TorchSim relaxes them with its FIRE, as many at a time, finished ones giving way to new ones; ASE one after another
with FIRE and BFGS and ``PesxCalculator``. All evaluate the same network by the same compiled kernels: TorchSim through
``PesxModel``, which takes them for replicas of one molecule; ``torchsim-network`` is the same without the kernels,
as for a batch of unlike systems.
A quench counts if the largest force is below the limit when all is done, worked out again in float64.

Then the cost of a step of the batch against the number of replicas, and the part of it that is not the model.

Times are processor times of this process; with one thread, what else the machine does hardly counts. The contenders take turns.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.optimize import BFGS, FIRE
from force_field import EXAMPLE
from rdkit import Chem
from rdkit.Chem import AllChem
from report import make_parser, plain_settings, set_threads, show, write

from pesx.calculator import PesxCalculator
from pesx.chemistry.perceive import to_rdkit
from pesx.chemistry.read import read_molecule
from pesx.molecule import Molecule
from pesx.potentials.learned import LearnedPotential
from pesx.relax.quench import Convergence, quench
from pesx.relax.two_stage import molecular_stages
from pesx.so3krates.checkpoint import load
from pesx.state import fmax

DTYPES = {"float32": torch.float32, "float64": torch.float64}
MOST_STEPS = 2000
STEPS = 20
"""Of the batch, timed together, for the cost of a step."""


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = make_parser(__doc__, "quenches.json")
    parser.add_argument("--starts", type=int, default=128, help="structures to relax (128)")
    parser.add_argument("--serial", type=int, default=16, help="of these, for ASE (16)")
    parser.add_argument("--batch", type=int, default=64, help="replicas at once (64)")
    parser.add_argument("--fmax", type=float, default=0.01, help="eV/angstrom (0.01)")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="float32")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (3)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[16, 64, 256, 1024], help="replicas for the cost of a step"
    )
    parser.add_argument("--skip", nargs="+", default=[], help="contenders to leave out")
    return parser.parse_args(argv)


def embedded(molecule: Molecule, n_starts: int, seed: int) -> torch.Tensor:
    """Return conformers, (B, N, 3), angstrom, atoms in the order of the molecule."""
    graph = Chem.Mol(to_rdkit(molecule)[0])
    chosen = AllChem.EmbedMultipleConfs(graph, n_starts, randomSeed=seed + 1)
    return torch.tensor(np.array([graph.GetConformer(number).GetPositions() for number in chosen]))


class Contenders:
    """Everything that relaxes, bound to one molecule.

    Args:
        molecule: What is relaxed.
        arguments: Of the command line.
    """

    def __init__(self, molecule: Molecule, arguments: argparse.Namespace) -> None:
        self.molecule = molecule
        self.arguments = arguments
        self.dtype = DTYPES[arguments.dtype]
        self.numbers = molecule.numbers
        self.potential = LearnedPotential(load()[0], self.numbers)

    def pesx(self, starts: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Relax with the first stage of a search; return ends and evaluations."""
        rough = molecular_stages(self.molecule).rough
        convergence = Convergence(fmax=self.arguments.fmax, max_steps=MOST_STEPS)
        ends, n_evaluations = [], 0
        for batch in starts.to(self.dtype).split(self.arguments.batch):
            found = quench(rough, self.potential, batch, convergence=convergence, check_every=1)
            ends.append(found.positions)
            n_evaluations += int(found.n_evaluations.sum())
        return torch.cat(ends), n_evaluations

    def torchsim(self, starts: torch.Tensor, *, kernels: bool = True) -> tuple[torch.Tensor, int]:
        """Relax with TorchSim's FIRE in flight."""
        import torch_sim as ts

        from pesx.interfaces.torchsim import PesxModel

        class Counted(PesxModel):  # type: ignore[misc, valid-type]
            n_evaluations = 0

            def forward(self, state: Any, **further: Any) -> dict[str, torch.Tensor]:
                self.n_evaluations += state.n_systems
                return super().forward(state, **further)

            def _one_molecule(self, state: Any) -> torch.Tensor | None:
                return super()._one_molecule(state) if kernels else None

        model = Counted(None, torch.device("cpu"), self.dtype)
        atoms = [Atoms(self.numbers.numpy(), place.numpy()) for place in starts]
        batcher = ts.InFlightAutoBatcher(
            model, memory_scales_with="n_atoms", max_memory_scaler=self.arguments.batch * len(self.numbers)
        )
        state = ts.optimize(
            ts.initialize_state(atoms, torch.device("cpu"), self.dtype),
            model,
            optimizer=ts.optimizers.fire,
            convergence_fn=ts.generate_force_convergence_fn(self.arguments.fmax, include_cell_forces=False),
            autobatcher=batcher,
            max_steps=MOST_STEPS * -(-len(starts) // self.arguments.batch),
        )
        return state.positions.view(starts.shape), model.n_evaluations

    def ase(self, starts: torch.Tensor, optimizer: Callable[..., Any]) -> tuple[torch.Tensor, int]:
        """Relax one after another."""
        calculator = PesxCalculator(None, device="cpu", dtype=self.arguments.dtype)
        ends, n_evaluations = [], 0
        for place in starts:
            atoms = Atoms(self.numbers.numpy(), place.numpy(), calculator=calculator)
            search = optimizer(atoms, logfile=None)
            search.run(fmax=self.arguments.fmax, steps=MOST_STEPS)
            ends.append(torch.tensor(atoms.positions))
            n_evaluations += search.nsteps + 1
        return torch.stack(ends), n_evaluations


def measure(
    work: Callable[[torch.Tensor], tuple[torch.Tensor, int]], starts: torch.Tensor, contenders: Contenders
) -> dict[str, float]:
    """Return what one turn of one contender was worth."""
    began = time.process_time()
    ends, n_evaluations = work(starts)
    seconds = time.process_time() - began
    now = contenders.potential(ends.double())
    # Forces in float32 are good to about 1e-5 eV/angstrom.
    n_good = int((fmax(now.forces) <= 1.02 * contenders.arguments.fmax).sum())
    return {
        "seconds": seconds,
        "converged": n_good,
        "quenches_per_s": n_good / seconds,
        "evaluations_per_quench": n_evaluations / len(starts),
        "ms_per_evaluation": 1e3 * seconds / n_evaluations,
        "mean_energy_above_lowest": float((now.energy - now.energy.min()).mean()),
    }


def compare(contenders: Contenders, starts: torch.Tensor) -> dict[str, dict[str, float]]:
    """Let all contenders take turns; return the medians of each."""
    arguments, few = contenders.arguments, starts[: contenders.arguments.serial]
    turns: dict[str, Callable[[], dict[str, float]]] = {
        "pesx": lambda: measure(contenders.pesx, starts, contenders),
        "torchsim-fire": lambda: measure(contenders.torchsim, starts, contenders),
        "torchsim-network": lambda: measure(lambda some: contenders.torchsim(some, kernels=False), few, contenders),
        "ase-fire": lambda: measure(lambda some: contenders.ase(some, FIRE), few, contenders),
        "ase-bfgs": lambda: measure(lambda some: contenders.ase(some, BFGS), few, contenders),
    }
    turns = {name: turn for name, turn in turns.items() if name not in arguments.skip}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in turns}
    for number in range(arguments.rounds):
        for name, turn in turns.items():
            found[name].append(turn())
        print(f"Round {number + 1} of {arguments.rounds} is done.", flush=True)
    medians = {
        name: {key: statistics.median(one[key] for one in rows) for key in rows[0]} for name, rows in found.items()
    }
    for row in medians.values():
        row["pesx_over_it"] = medians["pesx"]["quenches_per_s"] / row["quenches_per_s"]
    return medians


def cost_of_a_step(contenders: Contenders, starts: torch.Tensor, n_replicas: int) -> dict[str, float]:
    """Return the time of a step of a batch, and of the model in it, per replica."""
    positions = starts[torch.arange(n_replicas) % len(starts)].to(contenders.dtype)
    relaxer = molecular_stages(contenders.molecule).rough
    state = relaxer.init(positions)
    of_model, of_all = [], []
    for _ in range(STEPS):
        began = time.process_time()
        now = contenders.potential(state.positions)
        between = time.process_time()
        state = relaxer.step(state, now)
        of_model.append(between - began)
        of_all.append(time.process_time() - began)
    model, whole = statistics.median(of_model), statistics.median(of_all)
    return {
        "replicas": n_replicas,
        "ms_per_step": 1e3 * whole,
        "ms_per_replica": 1e3 * whole / n_replicas,
        "outside_the_model": 1 - model / whole,
    }


def main(argv: list[str] | None = None) -> None:
    """Measure, show, and write."""
    arguments = parse(argv)
    set_threads(arguments.threads)
    molecule = read_molecule(str(EXAMPLE))
    contenders = Contenders(molecule, arguments)
    starts = embedded(molecule, arguments.starts, arguments.seed)
    contenders.potential(starts[:2].to(contenders.dtype))  # compiles
    quenches = compare(contenders, starts)
    steps = [cost_of_a_step(contenders, starts, size) for size in arguments.sizes]
    fields = list(next(iter(quenches.values())))
    show(
        f"Quenches to {arguments.fmax} eV/angstrom",
        ["", *fields],
        [[name, *row.values()] for name, row in quenches.items()],
    )
    show("A step of the batch", list(steps[0]), [list(row.values()) for row in steps])
    write(arguments.out, settings=plain_settings(arguments), results={"quenches": quenches, "steps": steps})


if __name__ == "__main__":
    main()
