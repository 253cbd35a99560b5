"""What atoms of one molecule do to each other beyond the reach of the network; both parts can be left out."""

from torch import nn

from pesx.so3krates.charges import PartialCharges
from pesx.so3krates.dispersion import Dispersion
from pesx.so3krates.electrostatics import coulomb_energy
from pesx.so3krates.graph import GraphBatch
from pesx.so3krates.hirshfeld import HirshfeldRatios
from pesx.so3krates.molecular_pairs import MolecularPairs, molecular_pairs
from pesx.so3krates.settings import So3kratesSettings
from pesx.typing import Float, Int, Tensor


class LongRange(nn.Module):
    """Electrostatics of partial charges, and dispersion.

    Args:
        settings: Of the model.
    """

    def __init__(self, settings: So3kratesSettings) -> None:
        super().__init__()
        self.cutoff, self.damping = settings.long_range_cutoff, settings.electrostatic_damping
        self.charges = PartialCharges(settings) if settings.electrostatics else None
        self.hirshfeld = HirshfeldRatios(settings) if settings.dispersion else None
        self.dispersion = Dispersion(settings) if settings.dispersion else None

    def forward(self, x: Float[Tensor, "X F"], element: Int[Tensor, "X"], graph: GraphBatch) -> Float[Tensor, "A"]:
        """Return the energy of each pair of atoms, eV, given to its first atom.

        Args:
            x: Features of the atoms, and of a few of no molecule behind them.
            element: Place of each atom's element in the list of elements, likewise.
            graph: Atoms and molecules.
        """
        return self.over(molecular_pairs(graph), x, element, graph)

    def over(
        self, pairs: MolecularPairs, x: Float[Tensor, "X F"], element: Int[Tensor, "X"], graph: GraphBatch
    ) -> Float[Tensor, "A"]:
        """Return the same for a list of pairs that is there already.

        Args:
            pairs: All pairs of the molecules, each once.
            x: As above.
            element: As above.
            graph: As above.
        """
        energy = pairs.distance.new_zeros(len(pairs.distance))
        if self.charges is not None:
            charges = self.charges(x, element, graph)
            energy = energy + coulomb_energy(charges, pairs, damping=self.damping, cutoff=self.cutoff)
        if self.hirshfeld is not None and self.dispersion is not None:
            energy = energy + self.dispersion(self.hirshfeld(x, element), element, pairs)
        return pairs.per_atom(energy, len(graph.numbers))


__all__ = ["LongRange"]
