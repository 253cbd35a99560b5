"""The SO3krates force field: molecules in, energies out.

Frank, Unke, Mueller and Chmiela 2024, doi:10.1038/s41467-024-50620-6; with the options of SO3LR, Kabylda et al. 2025,
doi:10.1021/jacs.5c09558. Features are invariant; one Euclidean variable per (l, m) carries directions. Cost grows with pairs
times (features + directions), never with their product.
"""

from dataclasses import replace

import torch
from torch import nn

from pesx.errors import ConfigError, InputError
from pesx.so3krates.attention import Contraction, Pairs, aligned
from pesx.so3krates.cutoff import CUTOFF_FUNCTIONS
from pesx.so3krates.embedding import AtomEmbedding
from pesx.so3krates.graph import CLOSEST, GraphBatch, lengths
from pesx.so3krates.harmonics import spherical_harmonics
from pesx.so3krates.layer import Layer
from pesx.so3krates.long_range import LongRange
from pesx.so3krates.radial import RADIAL_BASES
from pesx.so3krates.readout import EnergyHead
from pesx.so3krates.settings import So3kratesSettings
from pesx.so3krates.uncertainty import Uncertainty
from pesx.so3krates.zbl import ZblRepulsion
from pesx.typing import Float, Int, Tensor


class So3krates(nn.Module):
    """A SO3krates force field.

    Args:
        settings: The shape of the model.

    Attributes:
        uncertainty: Of its energies, if that was calibrated. It holds for these weights only, and is not one of them.
    """

    element_place: Tensor
    parity: Tensor

    def __init__(self, settings: So3kratesSettings) -> None:
        super().__init__()
        self.settings = settings
        self.uncertainty: Uncertainty | None = None
        self.embedding = AtomEmbedding(settings)
        self.basis = RADIAL_BASES[settings.radial_basis](settings.n_radial, settings.cutoff)
        self.gate = CUTOFF_FUNCTIONS[settings.cutoff_function]
        contraction = Contraction(settings.degrees)
        self.n_components = contraction.n_components
        self.layers = nn.ModuleList(
            Layer(settings, contraction, first=number == 0) for number in range(settings.n_layers)
        )
        self.heads = nn.ModuleList(EnergyHead(settings) for _ in settings.levels)
        self.zbl = ZblRepulsion(settings) if settings.zbl else None
        self.long_range = LongRange(settings) if settings.is_long_ranged else None
        self.baseline = None if settings.baseline is None else So3krates(settings.baseline).requires_grad_(False)
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

    def interaction_energies(self, graph: GraphBatch, level: int | Int[Tensor, "G"] = 0) -> Float[Tensor, "G"]:
        """Return the energy of each molecule above its elements' reference energies, eV, in the model's precision.

        Args:
            graph: Molecules.
            level: Which head answers, for all molecules or for each.
        """
        return _per_molecule(self._atomic_energies(graph, level), graph)

    def partial_charges(self, graph: GraphBatch) -> Float[Tensor, "A"]:
        """Return the charge of each atom, e; those of the baseline if this network has none.

        Raises:
            ConfigError: The model has none.
        """
        if not self.settings.electrostatics and self.baseline is not None:
            return self.baseline.partial_charges(graph)
        if self.long_range is None or self.long_range.charges is None:
            raise ConfigError("Expected a model with electrostatics for partial charges; this one has none.")
        element = self._elements(graph)
        charges: Tensor = self.long_range.charges(self._features(graph, element)[0], element, graph)
        return charges

    def level_index(self, level: str) -> int:
        """Return which head answers at a level of theory.

        Raises:
            InputError: None does; names those that there are.
        """
        if level not in self.settings.levels:
            raise InputError(
                f"Expected a level of theory that the model has, {', '.join(map(repr, self.settings.levels))}; came {level!r}. "
                "Choose one of these, or another model."
            )
        return self.settings.levels.index(level)

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

    def with_long_range_cutoff(self, cutoff: float | None) -> "So3krates":
        """Return a copy whose electrostatics and dispersion end at a distance.

        Args:
            cutoff: Angstrom; None for all pairs of a molecule.

        Raises:
            ConfigError: The model has neither, or the cutoff is too short.
        """
        if not any(part.is_long_ranged for part in self.settings.parts()):
            raise ConfigError(
                f"Expected a model with electrostatics or dispersion for a long-range cutoff ({cutoff}); this one has "
                "neither. Leave the cutoff out."
            )
        other = So3krates(self.settings.with_long_range_cutoff(cutoff)).to(self.embedding.weight)
        other.load_state_dict(self.state_dict())
        other.uncertainty = self.uncertainty
        return other

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

    def check_electrons(self, charge: int, multiplicity: int) -> None:
        """Make sure that the model can tell a molecule from the neutral one with a closed shell.

        Args:
            charge: Total charge, e.
            multiplicity: Spin multiplicity.

        Raises:
            InputError: It cannot.
        """
        parts = self.settings.parts()
        if charge != 0 and not any(part.charge_embedding for part in parts):
            raise InputError(
                f"Expected a neutral molecule for a model without charge embedding; came charge {charge}. Use a model with "
                "charge embedding, or an engine such as gfn2."
            )
        if multiplicity != 1 and not any(part.spin_embedding for part in parts):
            raise InputError(
                f"Expected a closed-shell molecule for a model without spin embedding; came multiplicity {multiplicity}. Use "
                "a model with spin embedding, or an engine such as gfn2."
            )

    def networks(self) -> "list[So3krates]":
        """Return this network without its baseline, then the baseline, if there is one; weights are shared.

        The interaction energy of the model is the sum of theirs. Of a baseline the first head answers, and its reference
        energies do not count.
        """
        if self.baseline is None:
            return [self]
        alone = So3krates(self.settings.parts()[0]).to(self.embedding.weight)
        own = {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("baseline.")}
        alone.load_state_dict(own, assign=True)
        return [alone, *self.baseline.networks()]

    def features(self, graph: GraphBatch) -> tuple[Float[Tensor, "A F"], Float[Tensor, "A M"]]:
        """Return the invariant features and the Euclidean variables of all atoms after the last layer.

        The columns of the Euclidean variables are the components of all degrees, then zeros.
        """
        x, euclidean = self._features(graph, self._elements(graph))
        return x[: len(graph.numbers)], euclidean[: len(graph.numbers)]

    def readout_features(self, graph: GraphBatch, level: int = 0) -> Float[Tensor, "G K"]:
        """Return the derivatives of each molecule's energy by the last weights of a head, float64.

        Args:
            graph: Molecules.
            level: Which head.
        """
        element = self._elements(graph)
        x, _ = self._features(graph, element)
        n_atoms = len(graph.numbers)
        return _per_molecule(self.head(level).features(x, element)[:n_atoms].double(), graph)

    def calibrated(self, level: int = 0) -> Uncertainty:
        """Return the uncertainty of the energies of a head.

        Raises:
            ConfigError: It was not calibrated.
        """
        name = self.settings.levels[level]
        if self.uncertainty is None or self.uncertainty.level != name:
            came = "none" if self.uncertainty is None else f"one that is so at {self.uncertainty.level!r} only"
            raise ConfigError(
                f"Expected a model whose uncertainty at {name!r} is calibrated, came {came}. Calibrate it with "
                "pesx model calibrate."
            )
        return self.uncertainty

    def _features(self, graph: GraphBatch, element: Int[Tensor, "A"]) -> tuple[Tensor, Tensor]:
        pairs = self._pairs(graph)
        x = self.embedding(element, graph)
        euclidean = None
        for layer in self.layers:
            x, euclidean = layer(x, euclidean, pairs)
        assert euclidean is not None
        return x, euclidean

    def _elements(self, graph: GraphBatch) -> Int[Tensor, "A"]:
        """Return the place of each atom's element in the list of elements, and a few atoms more for alignment."""
        n_atoms = len(graph.numbers)
        return nn.functional.pad(self.element_place.index_select(0, graph.numbers), (0, aligned(n_atoms) - n_atoms))

    def _atomic_energies(self, graph: GraphBatch, level: int | Int[Tensor, "G"]) -> Float[Tensor, "A"]:
        element = self._elements(graph)
        x, _ = self._features(graph, element)
        energies = self._read_out(x, element, graph, level)
        if self.zbl is not None:
            energies = energies + self.zbl(graph)
        if self.long_range is not None:
            energies = energies + self.long_range(x, element, graph)
        if self.baseline is not None:
            energies = energies + self.baseline._atomic_energies(graph, 0)
        return energies

    def _read_out(
        self, x: Float[Tensor, "B F"], element: Int[Tensor, "B"], graph: GraphBatch, level: int | Int[Tensor, "G"]
    ) -> Float[Tensor, "A"]:
        n_atoms = len(graph.numbers)
        if isinstance(level, int):
            energies: Tensor = self.head(level)(x, element)[:n_atoms]
            return energies
        # A head costs little beside the layers, so each answers for all atoms.
        answers = torch.stack([head(x, element)[:n_atoms] for head in self.heads], dim=1)
        chosen = level.index_select(0, graph.molecule)
        return answers.gather(1, chosen[:, None])[:, 0]

    def _pairs(self, graph: GraphBatch) -> Pairs:
        pad = nn.functional.pad
        spare = aligned(len(graph.pair_i)) - len(graph.pair_i)
        vectors = graph.vectors()
        distance = lengths(vectors)
        harmonics = spherical_harmonics(self.settings.degrees, vectors / distance[:, None])
        gate = (self.gate(distance, self.settings.cutoff) / self.settings.mean_neighbours)[:, None]
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


def with_baseline(settings: So3kratesSettings, baseline: So3krates, *, seed: int) -> So3krates:
    """Return a network that is to learn what a trained one lacks; its energy is the sum of both.

    The correction begins at zero (but for screened repulsion and the like, where it has them), so the model answers as the
    baseline does, at the same level of theory and with the same reference energies.

    Args:
        settings: Of the correction. Levels and a baseline named here are replaced.
        baseline: Copied and frozen; its first head answers.
        seed: Of the random weights below the heads.

    Raises:
        ConfigError: The baseline does not know all elements, or sees farther than the correction.
    """
    levels = baseline.settings.levels[:1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = So3krates(replace(settings, levels=levels, baseline=baseline.settings)).to(baseline.embedding.weight)
    assert model.baseline is not None
    model.baseline.load_state_dict(baseline.state_dict())
    nn.init.zeros_(model.head().out.weight)
    known = baseline.head().reference_energies
    model.set_reference_energies({number: float(known[number]) for number in settings.elements})
    return model


def _per_molecule(atomic: Float[Tensor, "A *K"], graph: GraphBatch) -> Float[Tensor, "G *K"]:
    return atomic.new_zeros(graph.n_molecules, *atomic.shape[1:]).index_add(0, graph.molecule, atomic)


def _initialise(module: nn.Module) -> None:
    """Draw weights with unit variance of the outputs, set biases to zero (LeCun)."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


__all__ = ["CLOSEST", "So3krates", "So3kratesSettings", "with_baseline"]
