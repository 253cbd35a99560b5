"""Few structures out of many, for labels that are dear: minima, what lies between them and around them, spread evenly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase
import ase.io
import numpy as np
import torch
from ase.data import atomic_masses

from pesx.config import require
from pesx.engines.engine import FloatArray, IntArray
from pesx.errors import InputError
from pesx.labelling.between import between
from pesx.labelling.farthest import farthest_points
from pesx.labelling.given import GivenFrame, given_frames
from pesx.labelling.tasks import TaskMolecule
from pesx.labelling.trajectories import every, langevin
from pesx.potentials.learned import LearnedPotential
from pesx.so3krates.checkpoint import load
from pesx.so3krates.graph import replicas
from pesx.so3krates.model import So3krates

_ROWS = 32
"""Structures in one pass through the network."""

GIVEN_SHARE = 1.0 / 3.0
"""Share of the chosen that comes from the files themselves, where structures were made besides."""

_FRICTION = 0.02
_TIMESTEP = 1.0
_WARM_UP = 150
_INTERVAL = 50


@dataclass(frozen=True)
class Selection:
    """How structures are made and chosen.

    Attributes:
        n_chosen: Structures of each molecule.
        n_between: Structures between near structures of the files.
        n_thermal: Structures of a trajectory from each structure of the files.
        temperature: Of the trajectories, K.
        force_limit: Largest norm of a force of the model on an atom of a structure that may be chosen, eV/angstrom.
        seed: Of the trajectories.
    """

    n_chosen: int
    n_between: int = 0
    n_thermal: int = 0
    temperature: float = 500.0
    force_limit: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        require(
            self,
            above_zero=("temperature", "force_limit"),
            at_least_zero=("n_between", "n_thermal", "seed"),
            at_least_one=("n_chosen",),
        )


@dataclass(frozen=True)
class Chosen:
    """The structures chosen of one molecule.

    Attributes:
        molecule: What they are of.
        frames: In the order in which they were made, so that neighbours resemble each other.
        n_candidates: Out of how many they were chosen.
        radius: Largest distance of a candidate to the chosen one nearest to it, in the features of the model.
    """

    molecule: TaskMolecule
    frames: list[GivenFrame]
    n_candidates: int
    radius: float


def select(paths: Sequence[str | Path], settings: Selection, *, model: str | None = None) -> list[Chosen]:
    """Choose structures of each molecule in some files, the lowest in energy first, then ever the farthest.

    A third comes from the files, as far as they reach, and the rest from all there is.

    Args:
        paths: Structures: the minima of a search, frames of trajectories; whatever ASE reads.
        settings: How to choose.
        model: File of the model whose features tell structures apart, and which runs the trajectories; None for the model in
            the package.

    Raises:
        InputError: A file cannot be read, or the model does not know an element, a charge or a spin.
        CheckpointError: There is no such model.
    """
    network, _ = load(model)
    by_molecule: dict[TaskMolecule, list[GivenFrame]] = {}
    for frame in given_frames(*paths):
        by_molecule.setdefault(frame.molecule, []).append(frame)
    return [_select(molecule, frames, settings, network) for molecule, frames in by_molecule.items()]


def _select(molecule: TaskMolecule, given: list[GivenFrame], settings: Selection, network: So3krates) -> Chosen:
    potential = LearnedPotential(
        network, torch.tensor(molecule.numbers), charge=molecule.charge, multiplicity=molecule.multiplicity
    )
    frames = [*given, *_between(molecule, given, settings), *_thermal(molecule, given, settings, potential)]
    evaluation = potential(torch.as_tensor(_positions(frames)).float())
    strongest = evaluation.forces.double().norm(dim=-1).amax(dim=-1).numpy()
    kept = np.flatnonzero(strongest <= settings.force_limit)  # NaN goes too
    if not len(kept):
        raise InputError(
            f"Expected a structure of {molecule.name} with forces of at most {settings.force_limit:g} eV/angstrom, came "
            f"{len(frames)} above that. Relax them first."
        )
    rows = features(network, molecule, _positions(frames)[kept])
    n_given = int((kept < len(given)).sum())
    chosen = _chosen(rows, n_given, settings.n_chosen, evaluation.energy.numpy()[kept])
    radius = max(float(np.linalg.norm(rows[chosen] - row, axis=1).min()) for row in rows)
    return Chosen(molecule, [frames[index] for index in sorted(kept[chosen])], len(kept), radius)


def _chosen(rows: FloatArray, n_given: int, n_chosen: int, energy: FloatArray) -> IntArray:
    """Return the farthest rows, of which a share comes from the given ones, which are the first rows.

    Minima lie amid what was made around them, so the farthest structures of all would be hardly ever minima.
    """
    n_first = n_chosen if n_given == len(rows) else min(n_given, max(1, round(GIVEN_SHARE * n_chosen)))
    if not n_first:
        return farthest_points(rows, n_chosen)
    lowest = int(energy[:n_given].argmin())
    first = farthest_points(rows[:n_given], n_first, start=[lowest])
    return farthest_points(rows, n_chosen, start=first.tolist())


def features(network: So3krates, molecule: TaskMolecule, positions: FloatArray) -> FloatArray:
    """Return one row for each structure: how its atoms look to the model.

    For each element, mean and standard deviation of the invariant features over its atoms, weighted so that the square of a
    distance is an average over all atoms. Rows do not change when the structure is moved or turned, nor when like atoms are
    exchanged.

    Args:
        network: The model.
        molecule: Atomic numbers, charge and multiplicity.
        positions: Angstrom, (K, N, 3).
    """
    numbers = torch.tensor(molecule.numbers)
    n_unpaired = molecule.multiplicity - 1
    rows = []
    for some in torch.split(torch.as_tensor(positions).to(next(network.parameters()).dtype), _ROWS):
        graph = replicas(numbers, some, network.settings.cutoff, charge=molecule.charge, n_unpaired=n_unpaired)
        with torch.no_grad():
            found = network.features(graph)[0].double().reshape(len(some), len(numbers), -1)
        parts = []
        for element in sorted(set(molecule.numbers)):
            of_element = found[:, numbers == element]
            weight = (of_element.shape[1] / len(numbers)) ** 0.5
            parts += [weight * of_element.mean(dim=1), weight * of_element.std(dim=1, correction=0)]
        rows.append(torch.cat(parts, dim=1))
    return np.asarray(torch.cat(rows).numpy(), dtype=np.float64)


def _positions(frames: Sequence[GivenFrame]) -> FloatArray:
    return np.stack([frame.positions for frame in frames])


def _between(molecule: TaskMolecule, given: list[GivenFrame], settings: Selection) -> Iterator[GivenFrame]:
    if not settings.n_between:
        return
    for (i, j), path in between(_positions(given), n_between=settings.n_between):
        for positions in path:
            yield GivenFrame(molecule, positions, "between", f"{molecule.name}/between/{i}-{j}")


def _thermal(
    molecule: TaskMolecule, given: list[GivenFrame], settings: Selection, potential: LearnedPotential
) -> Iterator[GivenFrame]:
    """Yield frames of trajectories from all given structures at once, sorted by where they began."""
    if not settings.n_thermal:
        return

    def evaluate(positions: FloatArray) -> tuple[float, FloatArray]:
        found = potential(torch.as_tensor(positions, dtype=torch.float32))
        return float(found.energy.sum()), np.asarray(found.forces.double().numpy())

    steps = langevin(
        evaluate,
        _positions(given),
        atomic_masses[list(molecule.numbers)],
        temperature=settings.temperature,
        timestep=_TIMESTEP,
        friction=_FRICTION,
        rng=np.random.default_rng(settings.seed),
    )
    points = [at for at, _, _ in every(steps, skip=_WARM_UP, interval=_INTERVAL, n_points=settings.n_thermal)]
    for start in range(len(given)):
        for point in points:
            yield GivenFrame(molecule, point[start], "thermal", f"{molecule.name}/thermal/{start}")


def write_chosen(chosen: Sequence[Chosen], out: str | Path) -> None:
    """Write structures as extended XYZ, with all that ``pesx label --frames`` wants to know of them."""
    images = []
    for one in chosen:
        for frame in one.frames:
            tags = {"name": one.molecule.name, "charge": one.molecule.charge, "spin": one.molecule.multiplicity}
            origin = {"trajectory": frame.trajectory} if frame.trajectory else {}
            images.append(
                ase.Atoms(one.molecule.numbers, frame.positions, info={**tags, "source": frame.source, **origin})
            )
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    ase.io.write(str(out), images, format="extxyz")


__all__ = ["Chosen", "Selection", "features", "select", "write_chosen"]
