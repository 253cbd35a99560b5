"""What workers are made from; sent to each of them once."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

from pesx.errors import WrongFolderError
from pesx.explore.bench import LocalBench, Stages
from pesx.explore.presets import cluster_stages, molecule_stages, surface_stages
from pesx.molecule import Molecule
from pesx.protocols import Potential
from pesx.registry import make_potential


@dataclass(frozen=True)
class PotentialPlan:
    """How a worker makes its potential. Called there.

    Attributes:
        name: See :func:`pesx.registry.make_potential`.
        model: Content of the model file; None for the one in the package.
        digest: Hash that the model must have.
        molecule: What the potential is bound to.
        device: Such as cpu or cuda.
    """

    name: str
    model: bytes | None
    digest: str
    molecule: Molecule
    device: str

    @classmethod
    def of(cls, name: str, model: str | None, digest: str, *, molecule: Molecule, device: str) -> Self:
        """Return the plan of a potential whose model is in a file of this machine."""
        return cls(name, None if model is None else Path(model).read_bytes(), digest, molecule, device)

    def __call__(self) -> Potential:
        """Return the potential.

        Raises:
            WrongFolderError: The package of this machine has another model than that of the driver.
        """
        path = None if self.model is None else _written(self.model)
        try:
            potential, source = make_potential(self.name, self.molecule, model=path, device=self.device)
        finally:
            if path is not None:
                os.unlink(path)
        if source.digest != self.digest:
            raise WrongFolderError(
                f"Expected the model with the hash {self.digest[:12]} on every machine; one has {source.digest[:12]}. "
                "Install the same version of pesx everywhere, or give the model with --model."
            )
        return potential


@dataclass(frozen=True)
class BenchPlan:
    """How a worker makes its bench. Called there.

    Attributes:
        potential: How it makes its potential.
        n_slots: Slots of the bench.
        dtype: Of its first batch.
    """

    potential: PotentialPlan
    n_slots: int
    dtype: torch.dtype

    def __call__(self) -> LocalBench:
        """Return the bench."""
        return LocalBench(
            _stages(self.potential),
            self.potential.molecule.positions,
            n_slots=self.n_slots,
            n_polishing=2 * self.n_slots,
            dtype=self.dtype,
            device=self.potential.device,
        )


def _stages(plan: PotentialPlan) -> Stages:
    potential = plan()
    if plan.name == "muller-brown":
        return surface_stages(potential)
    if plan.name == "lennard-jones":
        return cluster_stages(potential)
    return molecule_stages(potential, plan.molecule)


def _written(content: bytes) -> str:
    """Put a model into a file of its own."""
    handle, path = tempfile.mkstemp(suffix=".safetensors")
    os.close(handle)
    Path(path).write_bytes(content)
    return path


__all__ = ["BenchPlan", "PotentialPlan"]
