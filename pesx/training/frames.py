"""Frames ready for the network: neighbour pairs found once, batches cut from one compact table."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pesx.so3krates.graph import GraphBatch
from pesx.training.dataset import Dataset, MoleculeFrames
from pesx.training.reference import References
from pesx.typing import Float, Int, Tensor
from pesx.units import BOLTZMANN

Columns = dict[str, NDArray[Any]]

CHUNK = 256
"""Frames whose distances are looked at together; bounds the memory needed."""


@dataclass(frozen=True)
class Batch:
    """Frames of any molecules with their labels.

    Attributes:
        graph: Atoms and pairs of all frames.
        energy: Label less the references, eV; 0 where there is none.
        forces: Labels, eV/angstrom; 0 where there are none.
        atom_weight: Weight of the atom and its frame over the number of atoms with forces, 0 for the others and for padding.
        frame_weight: Weight of the frame over the number of frames with an energy, 0 for the others and for padding.
        centre: Takes the unknown zero out of relative energies: from the errors of all frames to what each one is to be
            reduced by, the mean over the frames of its molecule.
        level: Number of the level of each frame among those of the table.
        thermal_energy: kT of the ensemble the frame was drawn from, eV; 0 where it has no temperature.
    """

    graph: GraphBatch
    energy: Float[Tensor, "G"]
    forces: Float[Tensor, "A 3"]
    atom_weight: Float[Tensor, "A"]
    frame_weight: Float[Tensor, "G"]
    centre: Float[Tensor, "G G"]
    level: Int[Tensor, "G"]
    thermal_energy: Float[Tensor, "G"]


@dataclass(frozen=True)
class Padding:
    """Fixed size of padded batches, so that a compiled step sees one shape only.

    Attributes:
        atoms: Real and padding atoms.
        pairs: Real and padding pairs.
        frames: Real and padding frames; padding atoms are owned by padding frames.
        first: Number of the first frame that may own padding atoms.
        width: Atoms of the largest frame.
    """

    atoms: int
    pairs: int
    frames: int
    first: int
    width: int


class FrameTable:
    """All frames of a data set, with their neighbour pairs and with energies from which the references are taken.

    Args:
        dataset: Labelled frames.
        references: Reference energies of all its elements, by level; their order numbers the levels.
        cutoff: Atoms closer than this are neighbours, angstrom.
        large_force: Frames with the largest force f get the weight 1 / (1 + f / large_force), eV/angstrom.
    """

    def __init__(
        self,
        dataset: Dataset,
        references: Mapping[str, References],
        *,
        cutoff: float,
        large_force: float = np.inf,
    ) -> None:
        self.molecules = dataset.molecules
        self.cutoff = cutoff
        self.molecule = np.concatenate([np.full(len(m), i) for i, m in enumerate(self.molecules)])
        self.temperature = np.concatenate([m.temperature for m in self.molecules])
        self.thermal_energy = BOLTZMANN * np.nan_to_num(self.temperature)
        self.weight = np.concatenate([1 / (1 + _largest_force(m) / large_force) for m in self.molecules])
        self.has_energy = np.concatenate([m.has_energy for m in self.molecules])
        self.has_forces = np.concatenate([m.has_forces for m in self.molecules])
        self.levels = tuple(references)
        self._level = np.array([self.levels.index(m.level) for m in self.molecules])[self.molecule]
        self._is_relative = np.array([m.is_relative for m in self.molecules])[self.molecule]
        self._row = np.concatenate([np.arange(len(m)) for m in self.molecules])
        self._energy = np.concatenate([_interaction(m, references[m.level]) for m in self.molecules])
        self._charge = np.array([m.charge for m in self.molecules], dtype=np.float32)[self.molecule]
        self._n_unpaired = np.array([m.multiplicity - 1 for m in self.molecules], dtype=np.float32)[self.molecule]
        found = [find_pairs(m, cutoff) for m in self.molecules]
        self._pairs = np.concatenate([pairs for pairs, _ in found], axis=1)
        self.n_pairs = np.concatenate([counts for _, counts in found])
        self.n_atoms = np.array([len(m.numbers) for m in self.molecules])[self.molecule]
        self._first_pair = np.concatenate([[0], np.cumsum(self.n_pairs)])

    def __len__(self) -> int:
        return len(self.molecule)

    def order(self, *, seed: int, epoch: int, together: int, target_share: float = 0.0) -> NDArray[np.int64]:
        """Return the order of frames in one pass through the data.

        Args:
            seed: Of the training.
            epoch: Number of the pass.
            together: So many frames of a molecule with relative energies follow each other, to be compared.
            target_share: Frames of the first level come as often as it takes for them to be at least this part of the pass;
                0 for once.
        """
        frames = self._with_share(target_share)
        order = frames[np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(len(frames))]
        place = np.arange(len(order))
        for molecule in np.unique(self.molecule[self._is_relative]):
            mine = np.flatnonzero(self.molecule[order] == molecule)
            place[mine] = np.repeat(mine[::together], together)[: len(mine)]
        return order[np.argsort(place, kind="stable")]

    def _with_share(self, target_share: float) -> NDArray[np.int64]:
        is_target = self._level == 0
        n_target, n_other = int(is_target.sum()), int((~is_target).sum())
        # Not rounded up for what is noise of the division.
        times = math.ceil(target_share / (1 - target_share) * n_other / n_target - 1e-9) if n_target else 1
        return np.repeat(np.arange(len(self)), np.where(is_target, max(1, times), 1))

    def packed(self, order: NDArray[np.int64], *, batch_frames: int, batch_pairs: int) -> Iterator[NDArray[np.int64]]:
        """Cut an order of frames into batches within both limits; a frame with too many pairs comes alone."""
        start = 0
        while start < len(order):
            pairs = np.cumsum(self.n_pairs[order[start : start + batch_frames]])
            stop = start + max(1, int(np.searchsorted(pairs, batch_pairs, side="right")))
            yield order[start:stop]
            start = stop

    def padding(self, *, batch_frames: int, batch_pairs: int) -> Padding:
        """Return a size that holds every batch of :meth:`packed`."""
        width = int(self.n_atoms.max())
        # Padding pairs need two ends that are no neighbours, hence two atoms more.
        n_atoms = int(np.sort(self.n_atoms)[-batch_frames:].sum()) + 2
        return Padding(
            atoms=n_atoms,
            pairs=max(batch_pairs, int(self.n_pairs.max())),
            frames=batch_frames + -(-n_atoms // width),
            first=batch_frames,
            width=width,
        )

    def batch(self, frames: NDArray[np.int64], padding: Padding | None = None) -> Batch:
        """Put frames into one batch, padded if a size is given."""
        molecules = [self.molecules[i] for i in self.molecule[frames]]
        rows = self._row[frames]
        sizes = self.n_atoms[frames]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        pairs = [
            self._pairs[:, self._first_pair[frame] : self._first_pair[frame + 1]].astype(np.int64) + start
            for frame, start in zip(frames, starts[:-1], strict=True)
        ]
        n_atoms, n_frames = int(starts[-1]), len(frames)
        owner, weight = np.repeat(np.arange(n_frames), sizes), self.weight[frames]
        has_energy, has_forces = self.has_energy[frames], self.has_forces[frames]
        forces = np.concatenate([m.forces[row] for m, row in zip(molecules, rows, strict=True)])
        force_weight = np.concatenate([m.force_weight[row] for m, row in zip(molecules, rows, strict=True)])
        n_with_forces = max(1, int(sizes[has_forces].sum()))
        columns = {
            "numbers": np.concatenate([m.numbers for m in molecules]),
            "positions": np.concatenate([m.positions[row] for m, row in zip(molecules, rows, strict=True)]),
            "pairs": np.concatenate(pairs, axis=1),
            "owner": owner,
            "place": np.arange(n_atoms) - starts[owner],
            "charge": self._charge[frames],
            "n_unpaired": self._n_unpaired[frames],
            "energy": np.where(has_energy, self._energy[frames], 0.0).astype(np.float32),
            "forces": np.where(has_forces[owner, None], forces, np.float32(0)),
            "atom_weight": (force_weight * (weight * has_forces)[owner] / n_with_forces).astype(np.float32),
            "frame_weight": (weight * has_energy / max(1, int(has_energy.sum()))).astype(np.float32),
            "centre": self._centre(frames),
            "level": self._level[frames],
            "thermal_energy": self.thermal_energy[frames].astype(np.float32),
        }
        width = int(sizes.max())
        if padding is not None:
            columns, width = self._padded(columns, padding), padding.width
        return _as_batch(columns, width)

    def _centre(self, frames: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the matrix that averages over the frames of a molecule with relative energies; zero for other frames."""
        molecule, counts = self.molecule[frames], self._is_relative[frames] & self.has_energy[frames]
        same = (molecule[:, None] == molecule) & counts[:, None] & counts
        centre: NDArray[np.float32] = (same / np.maximum(1, same.sum(axis=1))[:, None]).astype(np.float32)
        return centre

    def _padded(self, columns: Columns, padding: Padding) -> Columns:
        """Add atoms that are nobody's neighbours, and pairs of two of them beyond the cutoff."""
        n_atoms, n_frames, n_pairs = len(columns["numbers"]), len(columns["energy"]), columns["pairs"].shape[1]
        atoms, frames = padding.atoms - n_atoms, padding.frames - n_frames
        far_apart = np.zeros((atoms, 3), dtype=np.float32)
        far_apart[1:, 0] = 2 * self.cutoff
        apart = np.array([[n_atoms], [n_atoms + 1]])
        added = {
            "numbers": np.ones(atoms, dtype=np.int64),
            "positions": far_apart,
            "pairs": np.repeat(apart, padding.pairs - n_pairs, axis=1),
            "owner": padding.first + np.arange(atoms) // padding.width,
            "place": np.arange(atoms) % padding.width,
            "charge": np.zeros(frames, dtype=np.float32),
            "n_unpaired": np.zeros(frames, dtype=np.float32),
            "energy": np.zeros(frames, dtype=np.float32),
            "forces": np.zeros((atoms, 3), dtype=np.float32),
            "atom_weight": np.zeros(atoms, dtype=np.float32),
            "frame_weight": np.zeros(frames, dtype=np.float32),
            "level": np.zeros(frames, dtype=np.int64),
            "thermal_energy": np.zeros(frames, dtype=np.float32),
        }
        centre = np.zeros((padding.frames, padding.frames), dtype=np.float32)
        centre[:n_frames, :n_frames] = columns["centre"]
        return {"centre": centre} | {
            name: np.concatenate([columns[name], column], axis=-1 if name == "pairs" else 0)
            for name, column in added.items()
        }


def _as_batch(columns: Columns, width: int) -> Batch:
    tensors = {name: torch.from_numpy(column) for name, column in columns.items()}
    graph = GraphBatch(
        positions=tensors["positions"],
        numbers=tensors["numbers"],
        molecule=tensors["owner"],
        slot=tensors["owner"] * width + tensors["place"],
        pair_i=tensors["pairs"][0],
        pair_j=tensors["pairs"][1],
        n_molecules=len(tensors["energy"]),
        width=width,
        charge=tensors["charge"],
        n_unpaired=tensors["n_unpaired"],
    )
    labels = ("energy", "forces", "atom_weight", "frame_weight", "centre", "level", "thermal_energy")
    return Batch(graph, **{name: tensors[name] for name in labels})


def _largest_force(molecule: MoleculeFrames) -> NDArray[np.float32]:
    """Return the largest force on an atom of each frame, 0 for frames without forces."""
    largest: NDArray[np.float32] = np.nan_to_num(np.linalg.norm(molecule.forces, axis=-1).max(axis=-1))
    return largest


def _interaction(molecule: MoleculeFrames, references: References) -> NDArray[np.float64]:
    """Return energies above the references; relative ones only lose their mean, to be small numbers as well."""
    if molecule.is_relative and molecule.has_energy.any():
        return molecule.energy - np.nanmean(molecule.energy)
    return molecule.energy - references.total(molecule.numbers)


def find_pairs(molecule: MoleculeFrames, cutoff: float) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Return the neighbour pairs of all frames end to end, each pair once, and how many each frame has.

    Args:
        molecule: Frames.
        cutoff: Angstrom.
    """
    first, second = np.triu_indices(len(molecule.numbers), k=1)
    ends = np.stack([first, second]).astype(np.int16)
    pairs, counts = [], []
    for start in range(0, len(molecule), CHUNK):
        positions = molecule.positions[start : start + CHUNK]
        apart = positions[:, first] - positions[:, second]
        near = np.einsum("kpx,kpx->kp", apart, apart) < cutoff * cutoff
        pairs.append(ends[:, np.nonzero(near)[1]])
        counts.append(near.sum(axis=1))
    return np.concatenate(pairs, axis=1), np.concatenate(counts)
