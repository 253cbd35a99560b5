"""What an atom's features begin with: its element, and optionally the charge and spin of the molecule it is in.

Charge and spin as in SpookyNet: Unke et al. 2021, doi:10.1038/s41467-021-27504-0.
"""

import torch
from torch import nn

from pesx.so3krates.graph import GraphBatch
from pesx.so3krates.layer import ResidualMlp
from pesx.so3krates.settings import So3kratesSettings
from pesx.typing import Float, Int, Tensor


class ElectronicEmbedding(nn.Module):
    """A number of electrons, shared out among the atoms of a molecule by attention of their elements to it.

    Nothing at all comes from the number 0. Positive and negative numbers have keys and values of their own.

    Args:
        settings: Of the model.
    """

    def __init__(self, settings: So3kratesSettings) -> None:
        super().__init__()
        self.query = nn.Embedding(len(settings.elements), settings.features)
        self.key = nn.Embedding(2, settings.features)
        self.value = nn.Embedding(2, settings.features)
        self.refine = ResidualMlp(settings.features, bias=False)

    def forward(
        self, element: Int[Tensor, "A"], molecule: Int[Tensor, "A"], electrons: Float[Tensor, "G"]
    ) -> Float[Tensor, "A F"]:
        """Return the contribution to the features of each atom.

        Args:
            element: Place of each atom's element in the list of elements.
            molecule: Number of the molecule that owns each atom.
            electrons: What the molecules have: total charge (e) or number of unpaired electrons.
        """
        electrons = electrons.to(self.query.weight.dtype)
        sign = (electrons < 0).long()
        # Of elements and signs, not of atoms: few rows, and bits that do not depend on the batch.
        table = (self.query.weight[:, None] * self.key.weight).sum(dim=-1) / self.query.embedding_dim**0.5
        attention = (
            nn.functional.softplus(table).flatten().index_select(0, 2 * element + sign.index_select(0, molecule))
        )
        total = attention.new_zeros(len(electrons)).index_add(0, molecule, attention)
        share = (electrons / total.clamp(min=torch.finfo(total.dtype).tiny)).index_select(0, molecule) * attention
        refined: Tensor = self.refine(share[:, None] * self.value(sign.index_select(0, molecule)))
        return refined


class AtomEmbedding(nn.Embedding):
    """A row of features per element; with charge and spin, the sum of all over the root of their number.

    Args:
        settings: Of the model.
    """

    def __init__(self, settings: So3kratesSettings) -> None:
        super().__init__(len(settings.elements), settings.features)
        self.charge = ElectronicEmbedding(settings) if settings.charge_embedding else None
        self.spin = ElectronicEmbedding(settings) if settings.spin_embedding else None
        self.scale = (1 + settings.charge_embedding + settings.spin_embedding) ** -0.5

    def forward(self, element: Int[Tensor, "A"], graph: GraphBatch | None = None) -> Float[Tensor, "A F"]:
        """Return the features that the first layer sees.

        Args:
            element: Place of each atom's element in the list of elements; a few atoms of no molecule may follow.
            graph: Says which atoms make a molecule, and what charge and spin it has; not needed for elements alone.
        """
        x: Tensor = super().forward(element)
        if graph is None or (self.charge is None and self.spin is None):
            return x
        # Filled with zeros and then shifted, since a program of torch.export takes no size for a filling.
        spare = (0, len(element) - len(graph.molecule))
        molecule = nn.functional.pad(graph.molecule - graph.n_molecules, spare) + graph.n_molecules
        for electronic, electrons in ((self.charge, graph.charge), (self.spin, graph.n_unpaired)):
            # Where all molecules have none, there is nothing to add.
            if electronic is not None and electrons is not None:
                # The atoms of no molecule count as one more, without charge and spin.
                x = x + electronic(element, molecule, nn.functional.pad(electrons, (0, 1)))
        scaled: Tensor = x * self.scale
        return scaled


__all__ = ["AtomEmbedding", "ElectronicEmbedding"]
