import pytest
import torch

from pesx.chemistry import molecule_from_smiles
from pesx.monitors import Frame, Monitors

GEOMETRY = ("fragments", "clashes", "protons", "hydrogens", "broken", "formed", "centres", "doubles", "amides")


def begins(monitors, positions):
    """Whether any definition of geometry begins, per row."""
    n = len(positions)
    frame = Frame(positions, torch.arange(n, dtype=torch.float64))
    unknown = torch.full((n,), torch.nan, dtype=torch.float64)
    view = monitors._view(frame, unknown, unknown)
    columns = [monitors._definitions[name].signs(view).begins for name in GEOMETRY]
    return torch.cat(columns, dim=1).any(dim=1)


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.2, 0.4, 1.0])
def test_nothing_begins_in_a_calm_row(spread, ala3):
    monitors = Monitors(ala3)
    generator = torch.Generator().manual_seed(1)
    x = (ala3.positions + spread * torch.randn(2000, 42, 3, generator=generator, dtype=torch.float64)).float()
    x[5, 3, 0] = torch.nan
    calm = monitors._calm.rows(x)
    assert not (calm & begins(monitors, x)).any()
    assert not calm[5]
    if spread == 0.02:
        assert calm.sum() == len(x) - 1
    if spread >= 0.4:
        assert not calm.any()


@pytest.mark.parametrize("molecule", ["ala3", "C/C=C/C", "[H][H]", "OO"])
def test_rows_on_both_sides_of_every_limit(molecule, ala3):
    """Rows are called calm or not as the definitions have it, but for a margin of 1e-4."""
    molecule = ala3 if molecule == "ala3" else molecule_from_smiles(molecule)
    monitors = Monitors(molecule)
    generator = torch.Generator().manual_seed(2)
    shape = (4000, molecule.n_atoms, 3)
    spread = torch.rand(4000, 1, 1, generator=generator, dtype=torch.float64) * 0.3
    x = (molecule.positions + spread * torch.randn(shape, generator=generator, dtype=torch.float64)).float()
    calm, begun = monitors._calm.rows(x), begins(monitors, x)
    assert not (calm & begun).any()
    assert (calm | begun).float().mean() > 0.99
    assert calm.any()
    assert begun.any()
