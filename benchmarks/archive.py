"""How long looking up a batch in the archive takes, and what the archive and its database need, as the archive grows.

    python benchmarks/archive.py

The minima are synthetic: random torsions of Ac-Ala3-NHMe, energies even over 20 kcal/mol. Half of the candidates are minima
of the archive moved by as much as a rough quench leaves open, half are new. Looked up are both rough ends and polished ones.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import make_parser, plain_settings, set_threads, show, write

from pesx import RunStore
from pesx.chemistry.perceive import perceive
from pesx.chemistry.read import read_molecule
from pesx.geometry.torsion import rotate_about_bond
from pesx.guards.molecular import MolecularGuard
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.records import Quenches, StoredMinima
from pesx.landscape.rules import molecular_archive, molecular_sieve
from pesx.molecule import Molecule
from pesx.outcome import Outcome
from pesx.settings import DEFAULT_WINDOW
from pesx.state import Minima
from pesx.typing import Float, Positions, Tensor

MEGABYTE = 2**20
REPEATS = 7
MILLION = 1_000_000


def synthetic(molecule: Molecule, n: int, generator: torch.Generator) -> Positions:
    """Return structures with random torsions, angstrom."""
    rotors = perceive(molecule).torsions
    positions = molecule.positions.expand(n, -1, -1).clone()
    for bond, moving in zip(rotors.bonds, rotors.moving, strict=True):
        angles = 2.0 * torch.pi * torch.rand(n, generator=generator, dtype=torch.float64)
        positions = rotate_about_bond(positions, bond, moving, angles)
    return positions


def minima(positions: Positions, energy: Float[Tensor, "B"]) -> Minima:
    """Return converged minima."""
    n = len(energy)
    outcome = torch.full((n,), int(Outcome.CONVERGED))
    return Minima(positions, energy, torch.zeros(n).double(), outcome, torch.zeros(n).long())


def filled(molecule: Molecule, positions: Positions, energy: Tensor, keys: list[str]) -> MinimaArchive:
    """Return an archive with these minima, unquestioned."""
    archive = molecular_archive(molecule, "distinct")
    archive.restore(positions, energy, keys, torch.ones(len(energy)).long())
    return archive


def seconds(work: Any) -> float:
    """Return the median time of some work."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def archive_bytes(archive: MinimaArchive) -> int:
    """Return what the archive holds, without what it has in reserve."""
    per = sum(column[:1].nbytes for column in archive._columns.values())
    return len(archive) * (per + 16)


def stored(store: RunStore, positions: Positions, energy: Tensor, keys: list[str]) -> None:
    """Write minima to a database, with one quench each."""
    n = len(energy)
    zeros, every = torch.zeros(n).double(), np.arange(n)
    with store.transaction():
        store.add_quenches(
            Quenches(
                walker=np.zeros(n, dtype=np.int64),
                hop=every,
                move=np.full(n, "torsion", dtype=object),
                outcome=np.full(n, int(Outcome.CONVERGED)),
                energy=energy.numpy(),
                n_evaluations=np.full(n, 200),
                minimum=every,
                started_from=every,
                is_accepted=np.ones(n, dtype=bool),
            )
        )
        counts = torch.ones(n).long()
        store.add_minima(StoredMinima(positions, energy, zeros, zeros, zeros, torch.arange(n), counts, keys))


def database_bytes(molecule: Molecule, positions: Positions, energy: Tensor, keys: list[str]) -> int:
    """Return the size of a database with these minima and one quench each."""
    with tempfile.TemporaryDirectory() as place:
        with RunStore.create(Path(place), molecule) as store:
            stored(store, positions, energy, keys)
        return sum(path.stat().st_size for path in Path(place).glob("landscape.db*"))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return times and sizes for each size of the archive."""
    molecule = read_molecule(str(arguments.molecule))
    generator = torch.Generator().manual_seed(arguments.seed)
    largest, n = max(arguments.sizes), arguments.batch
    positions = synthetic(molecule, largest + n, generator)
    energy = DEFAULT_WINDOW * torch.rand(largest + n, generator=generator, dtype=torch.float64)
    # Random torsions leave the chemistry as it is; the key of one is the key of all.
    keys = MolecularGuard(molecule, amides="allow").keys(positions[:1]) * (largest + n)
    sieve = molecular_sieve(molecule, "allow", DEFAULT_WINDOW)
    rows = []
    for size in arguments.sizes:
        archive = filled(molecule, positions[:size], energy[:size], keys[:size])
        known = torch.randint(size, (n // 2,), generator=generator)
        chosen = torch.cat([known, torch.arange(largest, largest + n - n // 2)])
        off = 0.01 * torch.randn(n, *positions.shape[1:], generator=generator, dtype=torch.float64)
        rough = minima(positions[chosen] + off, energy[chosen])
        fine = minima(positions[chosen] + 1e-3 * off, energy[chosen])
        found = sieve.recognise(rough, archive, is_rough=True)
        rows.append(
            {
                "minima": size,
                "rough_ms": 1e3 * seconds(lambda a=archive, m=rough: sieve.recognise(m, a, is_rough=True)),
                "polished_ms": 1e3 * seconds(lambda a=archive, m=fine: sieve.recognise(m, a, is_rough=False)),
                "chemistry_ms": 1e3 * seconds(lambda m=rough: sieve.guard.keys(m.positions)),
                "recognised": int((found[: n // 2] == known).sum()),
                "taken_for_known": int((found[n // 2 :] >= 0).sum()),
                "archive_mb": archive_bytes(archive) / MEGABYTE,
            }
        )
    size = min(largest, 10_000)
    database = database_bytes(molecule, positions[:size], energy[:size], keys[:size]) / MEGABYTE
    return {"rows": rows, "database": {"minima": size, "mb": database}}


def estimated(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return what a million minima would take: the power law of the last three sizes, and memory in proportion."""
    last = rows[-3:]
    sizes = np.log([row["minima"] for row in last])
    out = {"archive_mb": last[-1]["archive_mb"] / last[-1]["minima"] * MILLION}
    for name in ("rough_ms", "polished_ms"):
        exponent, _ = np.polyfit(sizes, np.log([row[name] for row in last]), 1)
        out[f"{name}_exponent"] = float(exponent)
        out[name] = float(last[-1][name] * (MILLION / last[-1]["minima"]) ** exponent)
    return out


def main() -> None:
    """Run the command line."""
    parser = make_parser(__doc__, "archive.json")
    parser.add_argument("--molecule", type=Path, default=Path("examples/ala3.xyz"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 3_000, 10_000, 30_000, 100_000])
    parser.add_argument("--batch", type=int, default=512, help="candidates at a time")
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    measured = measure(arguments)
    million = estimated(measured["rows"])
    names = list(measured["rows"][0])
    show("Look-up of a batch", names, [[row[name] for name in names] for row in measured["rows"]])
    show("Estimated for a million minima", list(million), [list(million.values())])
    write(arguments.out, settings=plain_settings(arguments), results=measured | {"million": million})


if __name__ == "__main__":
    main()
