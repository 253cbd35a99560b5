"""A model as a program of torch.export: energies and forces that run with torch alone, without pesx.

The energy is captured first, with numbers of replicas, atoms and pairs that stay open, then its gradient is traced through the
captured program. The list of pairs is the caller's; what the program takes and gives is said in the file, as JSON.
"""

import io
import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental.proxy_tensor import make_fx

from pesx.calculator import DTYPES
from pesx.errors import ConfigError
from pesx.so3krates.checkpoint import UNITS, Card, model_hash
from pesx.so3krates.graph import GraphBatch, lengths
from pesx.so3krates.long_range import LongRange
from pesx.so3krates.model import So3krates
from pesx.so3krates.molecular_pairs import MolecularPairs
from pesx.typing import Energies, Float, Int, Positions, Tensor
from pesx.versions import version_of

FORMAT = "pesx-exported"

FACTS = "pesx.json"
"""Name of the JSON text in the file, for ``extra_files`` of ``torch.export.load``."""

_SHAPES = {
    "positions": "(batch, atoms, 3), angstrom",
    "numbers": "(atoms), int64, atomic numbers",
    "pairs": "(2, pairs), int64: places of both atoms in the flattened (batch, atoms) table; every pair of a replica within "
    "the cutoff once; pairs beyond it do no harm",
    "charge": "(batch), total charge, e",
    "n_unpaired": "(batch), unpaired electrons",
}

_OUTPUTS = {"energy": "(batch), float64, eV", "forces": "(batch, atoms, 3), eV/angstrom"}

_EXAMPLE = (5, 11)
"""Replicas and atoms of the example that is traced. Equal sizes are taken for the same size, so these are unlike 2 and 3."""


class Energy(nn.Module):
    """Energies of several geometries of one molecule, as a function of tensors alone.

    Args:
        model: In the precision wanted.
        level: Which head answers.
    """

    def __init__(self, model: So3krates, level: int = 0) -> None:
        super().__init__()
        self.model, self.level = model, level

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the arguments; charge and unpaired electrons only for models that can tell them."""
        settings = self.model.settings
        electrons = {"charge": settings.charge_embedding, "n_unpaired": settings.spin_embedding}
        return ("positions", "numbers", "pairs", *(name for name, is_known in electrons.items() if is_known))

    def forward(
        self, positions: Positions, numbers: Int[Tensor, "N"], pairs: Int[Tensor, "2 P"], *electrons: Float[Tensor, "B"]
    ) -> Energies:
        """Return the energies, eV, float64.

        Args:
            positions: Angstrom.
            numbers: Atomic numbers.
            pairs: Pairs of atoms, each once, as places in the flattened (replica, atom) table.
            electrons: Total charge (e) and number of unpaired electrons, as far as the model knows them.
        """
        # Not len(), which is a plain number and would be fixed.
        n_replicas, n_atoms = positions.shape[0], positions.shape[1]
        slot = torch.arange(n_replicas * n_atoms, device=positions.device)
        counts = [count.expand(n_replicas) for count in electrons]
        known = dict(zip(self.inputs[3:], counts, strict=True))
        graph = GraphBatch(
            positions=positions.reshape(-1, 3),
            numbers=numbers.expand(n_replicas, n_atoms).reshape(-1),
            molecule=slot // n_atoms,
            slot=slot,
            pair_i=pairs[0],
            pair_j=pairs[1],
            n_molecules=n_replicas,
            width=n_atoms,
            charge=known.get("charge"),
            n_unpaired=known.get("n_unpaired"),
        )
        energies: Energies = self.model(graph, self.level)
        return energies


def exported(
    model: So3krates, *, level: int = 0, dtype: str = "float32", device: torch.device | str = "cpu"
) -> ExportedProgram:
    """Return energies and forces as a program for any number of replicas, atoms and pairs.

    A replica with positions that are not finite gets NaN. The arguments are :attr:`Energy.inputs`.

    Args:
        model: Not changed.
        level: Which level of theory of the model.
        dtype: "float32" or "float64": precision of the network, of positions and of forces.
        device: Where the program is to run.

    Raises:
        ConfigError: The precision or the level is unknown.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"Expected dtype among {sorted(DTYPES)}, came {dtype!r}.")
    levels = model.settings.levels
    if not 0 <= level < len(levels):
        raise ConfigError(f"Expected a level from 0 to {len(levels) - 1} ({', '.join(levels)}), came {level}.")
    clone = So3krates(model.settings).to(model.embedding.weight)
    if clone.long_range is not None:
        clone.long_range = _OpenLongRange(model.settings).to(model.embedding.weight)
    clone.load_state_dict(model.state_dict())
    for buffer in clone.buffers():
        buffer.data = buffer.data.contiguous()  # as torch wants to store it
    energy = Energy(clone.to(device, DTYPES[dtype]).requires_grad_(False).eval(), level)
    example = _example(energy, DTYPES[dtype], torch.device(device))
    sizes = _open_sizes(len(example))
    # To torch, what is behind the third argument is one more, and none where there is nothing.
    nested = (*sizes[:3], sizes[3:]) if sizes[3:] else sizes
    with torch.inference_mode(False), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch says of its own internals
        captured = torch.export.export(energy, example, dynamic_shapes=nested, strict=True).module()
        traced = make_fx(_Gradient(captured), tracing_mode="symbolic", _allow_non_fake_inputs=True)(*example)
        return torch.export.export(traced, example, dynamic_shapes=sizes)


def write(
    path: str | os.PathLike[str],
    model: So3krates,
    card: Card,
    *,
    level: int = 0,
    dtype: str = "float32",
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Write a model as a program that torch runs without pesx; an existing file is replaced in one step.

    Args:
        path: Where to; by custom it ends in .pt2.
        model: What to write.
        card: What a user should know about the model, as JSON values.
        level: Which level of theory of the model.
        dtype: "float32" or "float64".
        device: Where the program is to run.

    Returns:
        What is written beside the program, under the name :data:`FACTS`.

    Raises:
        ConfigError: The precision or the level is unknown.
    """
    program = exported(model, level=level, dtype=dtype, device=device)
    facts = {
        "format": FORMAT,
        "made_with": {"pesx": version_of("pesx"), "torch": torch.__version__},
        "model": model_hash(model),
        "elements": list(model.settings.elements),
        "cutoff": model.settings.cutoff,
        "level_of_theory": model.settings.levels[level],
        "units": UNITS,
        "dtype": dtype,
        "device": str(device),
        "inputs": {name: _SHAPES[name] for name in Energy(model, level).inputs},
        "outputs": _OUTPUTS,
        "card": card,
    }
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={FACTS: json.dumps(facts)})
    path = Path(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_bytes(content.getvalue())
    partial.replace(path)
    return facts


class _OpenLongRange(LongRange):
    """Runs over the square table of all pairs, whose size can stay open; torch would fix that of a triangle."""

    def forward(self, x: Float[Tensor, "X F"], element: Int[Tensor, "X"], graph: GraphBatch) -> Float[Tensor, "A"]:
        """Return the energy of each pair of atoms, eV, given to its first atom."""
        place = torch.arange(graph.width, device=x.device)
        start = torch.arange(graph.n_molecules, device=x.device)[:, None, None] * graph.width
        shape = (graph.n_molecules, graph.width, graph.width)
        is_pair = (place[:, None] < place).expand(shape).reshape(-1)
        first = (start + place[:, None]).expand(shape).reshape(-1)
        second = (start + place).expand(shape).reshape(-1)
        vectors = graph.positions.index_select(0, second) - graph.positions.index_select(0, first)
        return self.over(
            MolecularPairs(first, second, lengths(vectors).where(is_pair, 1.0), is_pair), x, element, graph
        )


class _Gradient:
    """Energies and forces from a captured program of energies."""

    def __init__(self, energy: nn.Module) -> None:
        self._energy = energy

    def __call__(self, positions: Positions, *others: Tensor) -> tuple[Energies, Positions]:
        moved = positions.detach().requires_grad_()
        energy = self._energy(moved, *others)
        (gradient,) = torch.autograd.grad(energy.sum(), moved)
        finite = positions.isfinite().all(dim=2).all(dim=1)
        return energy.detach().where(finite, torch.nan), gradient.neg().where(finite[:, None, None], torch.nan)


def _example(energy: Energy, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    n_replicas, n_atoms = _EXAMPLE
    corner = torch.arange(n_atoms, dtype=dtype, device=device)
    positions = torch.stack([corner, corner.square().remainder(3), corner.remainder(2)], dim=1).repeat(n_replicas, 1, 1)
    numbers = torch.full((n_atoms,), energy.model.settings.elements[0], device=device)
    first, second = torch.triu_indices(n_atoms, n_atoms, offset=1, device=device)
    start = n_atoms * torch.arange(n_replicas, device=device)[:, None]
    pairs = torch.stack([(start + first).flatten(), (start + second).flatten()])
    electrons = [torch.ones(n_replicas, dtype=dtype, device=device) for _ in energy.inputs[3:]]
    return positions, numbers, pairs, *electrons


def _open_sizes(n_inputs: int) -> tuple[dict[int, Any], ...]:
    """Return which sizes of each argument stay open, in the form torch.export wants."""
    batch, atoms, pairs = Dim("batch"), Dim("atoms"), Dim("pairs")
    return {0: batch, 1: atoms}, {0: atoms}, {1: pairs}, *({0: batch} for _ in range(3, n_inputs))


__all__ = ["FACTS", "FORMAT", "Energy", "exported", "write"]
