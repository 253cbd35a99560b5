"""Milliseconds per frame of energies and forces on one core: the model through autograd, and the compiled kernels.

The molecule is Ac-Ala3-NHMe, 42 atoms, with a cutoff of 5 angstrom; thermal noise of 0.05 angstrom. Models: the published
shape (132 features, 3 layers, 4 heads, degrees 1 to 3) with random weights, and the one that comes with pesx. Times are the
least of many repetitions, of processor time, so that other programs on the machine disturb little; the two paths take
turns. Beside them stand the multiply-adds of a frame, counted from the sizes, and the fraction they are of what the same
core does in the fastest of three matrix products. A second table has the time against the number of atoms, up to
Ac-Ala20-NHMe, and the memory that a thread works in, which all replicas share, beside that of each further replica.
"""

import argparse
import functools
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase.io import read
from report import make_parser, plain_settings, show, write

from pesx.chemistry.embed import molecule_from_smiles
from pesx.labelling.peptides import peptide_smiles
from pesx.molecule import Molecule
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates import checkpoint
from pesx.so3krates.fused.force_field import FusedSo3krates
from pesx.so3krates.fused.matrix import add_product
from pesx.so3krates.fused.vectors import entry
from pesx.so3krates.fused.views import Bundle
from pesx.so3krates.graph import replicas
from pesx.so3krates.model import So3krates
from pesx.so3krates.settings import So3kratesSettings

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "ala3.xyz"
NOISE = 0.05
MANY = 16
"""Frames at once in the table by number of atoms."""

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}


def make_models(seed: int) -> dict[str, So3krates]:
    """Return the models by name."""
    torch.manual_seed(seed)
    return {
        "random F132": So3krates(So3kratesSettings(features=132, residual_mlp=False)),
        "packaged": checkpoint.load()[0],
    }


def peptide(n_residues: int) -> Molecule:
    """Return Ac-Ala_n-NHMe with a geometry from RDKit."""
    return molecule_from_smiles(peptide_smiles("-".join(["Ala"] * n_residues)))


def multiply_adds(settings: So3kratesSettings, n_atoms: float, n_pairs: float) -> dict[str, float]:
    """Count the multiply-adds of energy and forces of one frame, with radial filters from tables.

    Only products of weights and of features are counted, without padding. The way back through a linear map costs as much
    as the way forth, because weights get no gradient; filters are made twice rather than kept.

    Args:
        settings: Of the model.
        n_atoms: Of the molecule.
        n_pairs: Undirected pairs within the cutoff.
    """
    features, layers, n_degrees = settings.features, settings.n_layers, len(settings.degrees)
    projections = features * (3 * features // settings.n_heads + 2 * features // n_degrees)
    residual = 2 * features**2 * (settings.residual_mlp + settings.residual_mlp_2)
    exchange = (features + n_degrees) ** 2
    readout = features * settings.readout_width
    atoms = 2 * n_atoms * ((layers - 1) * projections + layers * (residual + exchange) + readout)
    spherical = 2 * (features // 4) * (n_degrees + features)
    splines = 2 * 2 * 6 * 2 * features
    attention = 2 * 2 * 2 * features + 2 * 9 * 2 * features
    messages = layers * n_pairs * 2 * features * 3
    pairs = (layers - 1) * n_pairs * (3 * spherical + splines + attention) + messages
    return {"atoms": atoms, "pairs": pairs, "total": atoms + pairs}


class Product(NamedTuple):
    """Matrices that fit the nearest caches."""

    left: np.ndarray
    right: np.ndarray
    out: np.ndarray


@entry
def multiply(matrices: Product, rows: int, inner: int, width: int, repetitions: int) -> None:
    """Add the same product many times, with the kernel that the force field uses."""
    for _ in range(repetitions):
        add_product(matrices.left, inner, matrices.right, matrices.out, rows, width)


def peak(dtype: torch.dtype) -> dict[str, float]:
    """Return the multiply-adds per second of one core in matrix products, in billions: torch's, NumPy's and ours."""
    size, small, times = 1024, (48, 132, 144), 50
    scalar = np.float32 if dtype == torch.float32 else np.float64
    matrix, rows, inner, width = torch.randn(size, size, dtype=dtype), *small
    shapes = ((rows, inner), (inner, width), (rows, width))
    ours = Bundle(Product(*(np.zeros(shape, scalar) for shape in shapes)))
    calls = {
        "torch": lambda: matrix @ matrix,
        "numpy": lambda: matrix.numpy() @ matrix.numpy(),
        "pesx": lambda: multiply(ours, rows, inner, width, times),
    }
    counts = (size**3, size**3, times * rows * inner * width)
    seconds = least(list(calls.values()), repetitions=20)
    return {name: count / own / 1e9 for name, count, own in zip(calls, counts, seconds, strict=True)}


def least(calls: list[Callable[[], Any]], *, repetitions: int) -> list[float]:
    """Return the least processor time of each call, in seconds; the calls take turns."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(repetitions):
        for call, own in zip(calls, times, strict=True):
            begin = time.thread_time()
            call()
            own.append(time.thread_time() - begin)
    return [min(own) for own in times]


def measure(name: str, model: So3krates, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Time both paths of one model in all sizes and precisions."""
    frame = read(EXAMPLE)
    numbers, positions = torch.tensor(frame.numbers), torch.tensor(frame.positions)
    potential = LearnedPotential(model, numbers, n_threads=1, way="network")
    rows = []
    for precision, dtype in PRECISIONS.items():
        begin = time.thread_time()
        fused = FusedSo3krates(model, numbers, dtype)
        fused(positions[None].to(dtype))
        preparation = time.thread_time() - begin
        products = peak(dtype)
        for batch in arguments.batches:
            noise = torch.randn(
                batch, *positions.shape, generator=torch.manual_seed(arguments.seed), dtype=torch.float64
            )
            moved = (positions + NOISE * noise).to(dtype)
            repetitions = max(3, arguments.frames // batch)
            calls = [functools.partial(potential, moved), functools.partial(fused, moved)]
            now, then = (1e3 * seconds / batch for seconds in least(calls, repetitions=repetitions))
            pairs = len(replicas(numbers, moved, model.settings.cutoff).pair_i) / batch
            count = multiply_adds(model.settings, len(numbers), pairs)["total"]
            rows.append(
                {
                    "model": name,
                    "precision": precision,
                    "batch": batch,
                    "pairs": pairs,
                    "model_ms": now,
                    "fused_ms": then,
                    "ratio": now / then,
                    "million_multiply_adds": count / 1e6,
                    "billion_multiply_adds_per_s": products,
                    "of_peak": count / (then * 1e-3) / (max(products.values()) * 1e9),
                    "preparation_s": preparation,
                    "force_difference": float((potential(moved).forces - fused(moved)[1]).abs().max()),
                }
            )
    return rows


def measure_sizes(name: str, model: So3krates, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Time the kernels in float32 for one and for many frames of longer and longer peptides, and ask for the memory."""
    limit, rows = max(peak(torch.float32).values()), []
    for n_residues in arguments.residues:
        molecule = peptide(n_residues)
        numbers, positions = molecule.numbers, molecule.positions
        noise = torch.randn(MANY, *positions.shape, generator=torch.manual_seed(arguments.seed), dtype=torch.float64)
        moved = (positions + NOISE * noise).float()
        # Copies of one frame, because the workspace is as large as the frame with the most pairs asks for.
        shared, all_of_them = (memory(model, numbers, moved[:1].repeat(batch, 1, 1)) for batch in (1, MANY))
        fused = FusedSo3krates(model, numbers, torch.float32)
        calls = [functools.partial(fused, moved[:batch]) for batch in (1, MANY)]
        one, many = least(calls, repetitions=max(3, arguments.frames // MANY))
        pairs = len(replicas(numbers, moved, model.settings.cutoff).pair_i) / MANY
        count = multiply_adds(model.settings, len(numbers), pairs)["total"]
        rows.append(
            {
                "model": name,
                "residues": n_residues,
                "atoms": len(numbers),
                "pairs": pairs,
                "one_ms": 1e3 * one,
                "many_ms": 1e3 * many / MANY,
                "million_multiply_adds": count / 1e6,
                "of_peak": count / (many / MANY) / (limit * 1e9),
                "bytes_per_thread": shared,
                "bytes_per_replica": (all_of_them - shared) / (MANY - 1),
            }
        )
    return rows


def memory(model: So3krates, numbers: torch.Tensor, positions: torch.Tensor) -> int:
    """Return the most bytes of arrays at a time in a first call, which finds no workspace, its results too."""
    FusedSo3krates(model, numbers, torch.float32)(positions)  # what is loaded at the first use is not meant
    fused = FusedSo3krates(model, numbers, torch.float32)
    tracemalloc.start()
    fused(positions)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__, "force_field.json")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64], help="frames at once (default 1 16 64)")
    parser.add_argument("--frames", type=int, default=320, help="to evaluate for each line, at least (default 320)")
    parser.add_argument(
        "--residues", type=int, nargs="*", default=list(range(1, 21)), help="n of Ac-Ala_n-NHMe (default 1 to 20)"
    )
    return parser.parse_args(words)


def main(arguments: argparse.Namespace) -> None:
    """Measure, show and write."""
    torch.set_num_threads(1)
    models = make_models(arguments.seed)
    rows = [row for name, model in models.items() for row in measure(name, model, arguments)]
    sizes = [row for name, model in models.items() for row in measure_sizes(name, model, arguments)]
    columns = ("model", "precision", "batch", "model_ms", "fused_ms", "ratio", "of_peak", "force_difference")
    show("Energies and forces of Ac-Ala3-NHMe, per frame, one core", columns, [[r[c] for c in columns] for r in rows])
    columns = ("model", "atoms", "pairs", "one_ms", "many_ms", "of_peak", "bytes_per_thread", "bytes_per_replica")
    show(
        f"Ac-Ala_n-NHMe in float32, per frame: one alone and {MANY} at once",
        columns,
        [[r[c] for c in columns] for r in sizes],
    )
    write(arguments.out, settings=plain_settings(arguments), results={"ala3": rows, "by_size": sizes})


if __name__ == "__main__":
    main(parse())
