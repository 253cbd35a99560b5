"""The minima that training data imply: where their frames end when they are quenched on the potential of a run.

The archive that judges them begins with the minima of the run, and has its rules. So a frame ends in a minimum that the run
found, in one that it did not, or in none.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pesx.explore.exploration import Parts
from pesx.landscape.archive import MinimaArchive
from pesx.landscape.records import StoredMinima
from pesx.outcome import Outcome
from pesx.relax.quench import quench
from pesx.state import Minima, take_rows
from pesx.typing import Float, Index, Positions, Tensor

Array = np.ndarray[Any, np.dtype[Any]]

_VERSION = 1
"""Of the file that keeps where frames ended."""


@dataclass(frozen=True)
class Implied:
    """Where the frames of a data set end.

    Attributes:
        n_found: Minima of the run; those that it has not found are numbered on from there.
        minimum: Number of the minimum each frame ends in, -1 for none, (F,).
        outcome: :class:`~pesx.outcome.Outcome` codes, (F,).
        energy: Of all minima, those of the run first, eV.
    """

    n_found: int
    minimum: Array
    outcome: Array
    energy: Array

    @property
    def counts(self) -> Array:
        """How many frames end in each minimum, those of the run first."""
        return np.bincount(self.minimum[self.minimum >= 0], minlength=len(self.energy))


@dataclass(frozen=True)
class Quenching:
    """How frames are quenched.

    Attributes:
        dtype: Of the rough part.
        device: Where the potential is evaluated.
        n_rows: Frames in one batch; where they ended is stored after each.
    """

    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    n_rows: int = 256


def implied_minima(
    parts: Parts,
    archive: MinimaArchive,
    found: StoredMinima,
    *,
    frames: Float[Tensor, "F N 3"],
    kept: Path,
    how: Quenching | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Implied:
    """Quench frames, and say which minima they end in.

    Args:
        parts: Of the run, without an energy window.
        archive: An empty one with the rules of the run.
        found: Minima of the run.
        frames: Angstrom.
        kept: File that keeps where frames ended; frames in it are not quenched again. Written after each batch.
        how: Precision, device and size of batches.
        on_progress: Called with the number of frames that are done, and of all.
    """
    how = how or Quenching()
    archive.restore(found.positions, found.energy, found.keys, found.visits)
    digests = [_digest(frame) for frame in frames.numpy().astype(np.float32)]
    ends = _read(kept, archive, parts)
    row_of = {digest: row for row, digest in enumerate(digests)}
    waiting = [digest for digest in row_of if digest not in ends]
    n_all = len(row_of)
    for start in range(0, len(waiting), how.n_rows):
        if on_progress is not None:
            on_progress(n_all - len(waiting) + start, n_all)
        batch = waiting[start : start + how.n_rows]
        minimum, outcome = _quench(parts, archive, frames[[row_of[digest] for digest in batch]], how)
        ends |= dict(zip(batch, zip(minimum.tolist(), outcome.tolist(), strict=True), strict=True))
        _write(kept, archive, ends, n_found=len(found))
    if on_progress is not None:
        on_progress(n_all, n_all)
    pairs = np.array([ends[digest] for digest in digests], dtype=np.int64).reshape(-1, 2)
    return Implied(len(found), pairs[:, 0], pairs[:, 1], archive.energies.numpy().copy())


def _quench(parts: Parts, archive: MinimaArchive, frames: Positions, how: Quenching) -> tuple[Index, Index]:
    """Quench a batch, and return minimum and outcome of each frame; what is new to the archive is polished and added.

    Most of a batch ends in few places, so of those that end in one unknown place only the first is polished.
    """
    start = frames.to(how.device, how.dtype)
    rough = _on_cpu(
        quench(
            parts.stages.relaxation.rough,
            parts.stages.potential,
            start,
            convergence=parts.stages.relaxation.rough_convergence,
        )
    )
    rough = parts.sieve.judge(rough, archive)
    minimum = parts.sieve.recognise(rough, archive, is_rough=True)
    outcome = rough.outcome.clone()
    waiting = ((outcome == Outcome.CONVERGED) & (minimum < 0)).nonzero()[:, 0]
    while len(waiting):
        is_first = _first_of_each(parts, archive, take_rows(rough, waiting))
        leaders, waiting = waiting[is_first], waiting[~is_first]
        minimum[leaders], outcome[leaders] = _polish(parts, archive, rough.positions[leaders], how)
        minimum[waiting] = parts.sieve.recognise(take_rows(rough, waiting), archive, is_rough=True)
        waiting = waiting[minimum[waiting] < 0]
    return minimum, outcome


def _first_of_each(parts: Parts, archive: MinimaArchive, minima: Minima) -> Tensor:
    """Return which roughly relaxed structures are the first of their kind among these."""
    kinds = MinimaArchive(
        archive.identity,
        energy_tolerance=parts.sieve.rough_energy,
        distance_tolerance=parts.sieve.rough_distance,
    )
    return kinds.add(minima, parts.sieve.guard.keys(minima.positions)).is_new


def _polish(parts: Parts, archive: MinimaArchive, positions: Positions, how: Quenching) -> tuple[Index, Index]:
    """Relax tightly, judge, check the index, and add to the archive; return minimum and outcome of each."""
    start = positions.to(how.device, torch.float64)
    minima = _on_cpu(
        quench(
            parts.stages.relaxation.polish,
            parts.stages.potential,
            start,
            convergence=parts.stages.relaxation.polish_convergence,
        )
    )
    minima = parts.sieve.judge(minima, archive)
    known = parts.sieve.recognise(minima, archive, is_rough=False)
    outcome = minima.outcome.clone()
    unknown = ((outcome == Outcome.CONVERGED) & (known < 0)).nonzero()[:, 0]
    if len(unknown):
        n_negative = parts.stages.modes(minima.positions[unknown].to(how.device)).n_negative.cpu()
        outcome[unknown[n_negative != 0]] = Outcome.WRONG_INDEX
    candidates = replace(minima, outcome=torch.where(known < 0, outcome, Outcome.RUNNING))
    added = archive.add(candidates, parts.sieve.guard.keys(minima.positions))
    return torch.where(known < 0, added.index, known), outcome


def _on_cpu(minima: Minima) -> Minima:
    return Minima(
        positions=minima.positions.double().cpu(),
        energy=minima.energy.double().cpu(),
        fmax=minima.fmax.double().cpu(),
        outcome=minima.outcome.cpu(),
        n_evaluations=minima.n_evaluations.cpu(),
    )


def _digest(frame: Array) -> str:
    return hashlib.blake2b(np.ascontiguousarray(frame).tobytes(), digest_size=16).hexdigest()


def _write(path: Path, archive: MinimaArchive, ends: dict[str, tuple[int, int]], *, n_found: int) -> None:
    """Put where frames ended, and the minima that the run has not found, into a file, at once."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez(
            file,
            version=np.array(_VERSION),
            n_found=np.array(n_found),
            digest=np.array(list(ends)),
            end=np.array(list(ends.values()), dtype=np.int64).reshape(-1, 2),
            positions=archive.positions.numpy()[n_found:],
            energy=archive.energies.numpy()[n_found:],
        )
    partial.replace(path)


def _read(path: Path, archive: MinimaArchive, parts: Parts) -> dict[str, tuple[int, int]]:
    """Return where frames ended by their digests, and add the minima that the run has not found to its archive.

    The run may have found some of them since, and others: then the numbers are new ones.
    """
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as saved:
        if int(saved["version"]) != _VERSION:
            return {}
        n_found, digests, ends = int(saved["n_found"]), saved["digest"].tolist(), saved["end"]
        positions, energy = torch.from_numpy(saved["positions"]), torch.from_numpy(saved["energy"])
    number = np.arange(n_found + len(energy))
    if len(energy):
        nothing = torch.zeros(len(energy), dtype=torch.int64)
        others = Minima(positions, energy, energy, nothing + int(Outcome.CONVERGED), nothing)
        number[n_found:] = archive.add(others, parts.sieve.guard.keys(positions)).index.numpy()
    minimum = np.where(ends[:, 0] >= 0, number[ends[:, 0].clip(0)] if len(number) else -1, -1)
    return dict(zip(digests, zip(minimum.tolist(), ends[:, 1].tolist(), strict=True), strict=True))


__all__ = ["Implied", "Quenching", "implied_minima"]
