"""The SO3krates force field: molecules in, energies out.

Frank, Unke, Mueller and Chmiela 2024, doi:10.1038/s41467-024-50620-6, short-range part. Features are invariant; one
Euclidean variable per (l, m) carries directions. Cost grows with pairs times (features + directions), never with
their product.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from pesx.errors import ConfigError, InputError
from pesx.so3krates.attention import Contraction, Pairs, aligned
from pesx.so3krates.graph import GraphBatch
from pesx.so3krates.harmonics import KNOWN_DEGREES, spherical_harmonics
from pesx.so3krates.layer import Layer
from pesx.so3krates.radial import ExponentialBasis, smooth_cutoff
from pesx.so3krates.readout import EnergyHead
from pesx.typing import Float, Int, Tensor

CLOSEST = 1e-3
"""Angstrom. Distances below count as this, so that coincident atoms have finite gradients."""


@dataclass(frozen=True)
class So3kratesSettings:
    """The shape of a model.

    Attributes:
        elements: Atomic numbers the model knows, ascending.
        features: Invariant features per atom; divisible by 4, by ``n_heads`` and by the number of degrees.
        n_layers: Layers; information travels ``n_layers`` times the cutoff.
        n_heads: Heads of the feature attention.
        degrees: Degrees l of the Euclidean variables.
        cutoff: Angstrom.
        n_radial: Radial basis functions.
        mean_neighbours: Divisor of the attention coefficients: the average number of neighbours in the training data.
        residual_mlp: Whether each layer refines the features after attention.
        layer_norm: Whether each layer normalises the features after attention.
        levels: Levels of theory, one energy head each.
    """

    elements: tuple[int, ...] = (1, 6, 7, 8)
    features: int = 96
    n_layers: int = 3
    n_heads: int = 4
    degrees: tuple[int, ...] = (1, 2, 3)
    cutoff: float = 5.0
    n_radial: int = 32
    mean_neighbours: float = 16.0
    residual_mlp: bool = True
    layer_norm: bool = False
    levels: tuple[str, ...] = ("default",)

    def __post_init__(self) -> None:
        for name in ("features", "n_layers", "n_heads", "cutoff", "n_radial", "mean_neighbours"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"Expected {name} above 0, came {getattr(self, name)}.")
        for name in ("elements", "degrees", "levels"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ConfigError(f"Expected {name} without repetition and not empty, came {values}.")
        if tuple(sorted(self.elements)) != self.elements or self.elements[0] < 1:
            raise ConfigError(f"Expected elements as ascending atomic numbers from 1, came {self.elements}.")
        if not set(self.degrees) <= set(KNOWN_DEGREES):
            raise ConfigError(f"Expected degrees among {KNOWN_DEGREES}, came {self.degrees}.")
        for divisor in (4, self.n_heads, len(self.degrees)):
            if self.features % divisor:
                raise ConfigError(
                    f"Expected features divisible by 4, by n_heads ({self.n_heads}) and by the number of degrees "
                    f"({len(self.degrees)}), came {self.features}."
                )

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain numbers, strings and lists; for files."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "So3kratesSettings":
        """Return the settings written by :meth:`as_dict`.

        Raises:
            ConfigError: A name is unknown or a value is out of range.
        """
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        try:
            return cls(**plain)
        except TypeError as error:
            raise ConfigError(f"Expected the settings of a SO3krates model, came {sorted(values)}.") from error


class So3krates(nn.Module):
    """A SO3krates force field.

    Args:
        settings: The shape of the model.
    """

    element_place: Tensor
    parity: Tensor

    def __init__(self, settings: So3kratesSettings) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(len(settings.elements), settings.features)
        self.basis = ExponentialBasis(settings.n_radial, settings.cutoff)
        contraction = Contraction(settings.degrees)
        self.n_components = contraction.n_components
        self.layers = nn.ModuleList(
            Layer(settings, contraction, first=number == 0) for number in range(settings.n_layers)
        )
        self.heads = nn.ModuleList(EnergyHead(settings) for _ in settings.levels)
        place = torch.full((max(settings.elements) + 1,), len(settings.elements))
        place[list(settings.elements)] = torch.arange(len(settings.elements))
        self.register_buffer("element_place", place, persistent=False)
        parity = [(-1.0) ** degree for degree in settings.degrees for _ in range(2 * degree + 1)]
        parity += [1.0] * (contraction.n_components - len(parity))
        self.register_buffer("parity", torch.tensor(parity), persistent=False)
        self.apply(_initialise)

    def forward(self, graph: GraphBatch, level: int = 0) -> Float[Tensor, "G"]:
        """Return the total energy of each molecule, eV, always float64; non-finite positions give NaN.

        Args:
            graph: Molecules.
            level: Which head answers.
        """
        head = self.head(level)
        atomic = self._atomic_energies(graph, level).double() + head.reference_energies.index_select(0, graph.numbers)
        return _per_molecule(atomic, graph)

    def interaction_energies(self, graph: GraphBatch, level: int = 0) -> Float[Tensor, "G"]:
        """Return the energy of each molecule above its elements' reference energies, eV, in the model's precision.

        Args:
            graph: Molecules.
            level: Which head answers.
        """
        return _per_molecule(self._atomic_energies(graph, level), graph)

    def head(self, level: int = 0) -> EnergyHead:
        """Return the energy head of one level of theory."""
        head = self.heads[level]
        assert isinstance(head, EnergyHead)
        return head

    def set_reference_energies(self, energies: dict[int, float], level: int = 0) -> None:
        """Set the energy of each element at which the interaction energy is zero.

        Args:
            energies: eV by atomic number.
            level: Of which head.
        """
        self.check_elements(torch.tensor(list(energies), dtype=torch.long))
        table = self.head(level).reference_energies
        for number, energy in energies.items():
            table[number] = energy

    def check_elements(self, numbers: Int[Tensor, "N"]) -> None:
        """Make sure that the model knows all elements.

        Raises:
            InputError: It does not know some; names them.
        """
        strange = sorted(set(numbers.tolist()) - set(self.settings.elements))
        if strange:
            raise InputError(
                f"Expected atomic numbers among {list(self.settings.elements)}, which this model was trained on, came "
                f"{strange}; use a model that knows these elements."
            )

    def features(self, graph: GraphBatch) -> tuple[Float[Tensor, "A F"], Float[Tensor, "A M"]]:
        """Return the invariant features and the Euclidean variables of all atoms after the last layer.

        The columns of the Euclidean variables are the components of all degrees, then zeros.
        """
        x, euclidean = self._features(graph, self._elements(graph))
        return x[: len(graph.numbers)], euclidean[: len(graph.numbers)]

    def _features(self, graph: GraphBatch, element: Int[Tensor, "A"]) -> tuple[Tensor, Tensor]:
        pairs = self._pairs(graph)
        x = self.embedding(element)
        euclidean = None
        for layer in self.layers:
            x, euclidean = layer(x, euclidean, pairs)
        assert euclidean is not None
        return x, euclidean

    def _elements(self, graph: GraphBatch) -> Int[Tensor, "A"]:
        """Return the place of each atom's element in the list of elements, and a few atoms more for alignment."""
        n_atoms = len(graph.numbers)
        return nn.functional.pad(self.element_place.index_select(0, graph.numbers), (0, aligned(n_atoms) - n_atoms))

    def _atomic_energies(self, graph: GraphBatch, level: int) -> Float[Tensor, "A"]:
        element = self._elements(graph)
        x, _ = self._features(graph, element)
        energies: Tensor = self.head(level)(x, element)
        return energies[: len(graph.numbers)]

    def _pairs(self, graph: GraphBatch) -> Pairs:
        pad = nn.functional.pad
        spare = aligned(len(graph.pair_i)) - len(graph.pair_i)
        vectors = graph.vectors()
        distance = vectors.square().sum(dim=-1).clamp(min=CLOSEST * CLOSEST).sqrt()
        harmonics = spherical_harmonics(self.settings.degrees, vectors / distance[:, None])
        gate = (smooth_cutoff(distance, self.settings.cutoff) / self.settings.mean_neighbours)[:, None]
        gated = pad(harmonics * gate, (0, self.n_components - harmonics.shape[1], 0, spare))
        gate = pad(gate, (0, 0, 0, spare))
        first, second = pad(graph.pair_i, (0, spare)), pad(graph.pair_j, (0, spare))
        slot_i, slot_j = graph.slot.index_select(0, first), graph.slot.index_select(0, second)
        return Pairs(
            radial=self.basis(pad(distance, (0, spare), value=self.settings.cutoff)),
            cutoff=torch.cat([gate, gate]),
            harmonics=torch.cat([gated, gated * self.parity]),
            centre=torch.cat([first, second]),
            neighbour=torch.cat([second, first]),
            cell=torch.cat([slot_i * graph.width + slot_j % graph.width, slot_j * graph.width + slot_i % graph.width]),
            slot=None if graph.is_dense else graph.slot,
            n_molecules=graph.n_molecules,
            width=graph.width,
        )


def _per_molecule(atomic: Float[Tensor, "A"], graph: GraphBatch) -> Float[Tensor, "G"]:
    return atomic.new_zeros(graph.n_molecules).index_add(0, graph.molecule, atomic)


def _initialise(module: nn.Module) -> None:
    """Draw weights with unit variance of the outputs, set biases to zero (LeCun)."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


__all__ = ["CLOSEST", "So3krates", "So3kratesSettings"]
