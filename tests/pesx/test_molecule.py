import pytest
import torch

from pesx.errors import MoleculeError
from pesx.molecule import Molecule, hill_formula

WATER = {
    "numbers": torch.tensor([8, 1, 1]),
    "positions": torch.tensor([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]),
    "bonds": torch.tensor([[0, 2], [0, 1]]),
}


def test_a_molecule_knows_its_atoms():
    water = Molecule(**WATER)
    assert water.n_atoms == 3
    assert water.symbols == ["O", "H", "H"]
    assert water.formula == "H2O"
    assert water.positions.dtype == torch.float64
    assert water.bonds.tolist() == [[0, 1], [0, 2]]
    torch.testing.assert_close(water.masses.sum().item(), 18.015, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("symbols", "formula"), [(["O", "C", "O"], "CO2"), (["Cl", "H"], "ClH"), (["H", "N", "C", "Br"], "CHBrN")]
)
def test_formulas_are_in_hill_order(symbols, formula):
    assert hill_formula(symbols) == formula


def test_the_digest_sees_chemistry_and_nothing_else():
    water = Molecule(**WATER)
    assert Molecule(**WATER | {"positions": 1.1 * WATER["positions"], "name": "other"}).digest == water.digest
    assert Molecule(**WATER | {"bonds": WATER["bonds"].flip(0)}).digest == water.digest
    changes = [
        {"charge": 2},
        {"multiplicity": 3},
        {"bonds": torch.tensor([[0, 1]])},
        {"numbers": torch.tensor([16, 1, 1])},
    ]
    digests = {Molecule(**WATER | change).digest for change in changes}
    assert len(digests | {water.digest}) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numbers": torch.tensor([], dtype=torch.int64), "positions": torch.empty(0, 3)}, "at least one atom"),
        ({"numbers": torch.tensor([8, 1, 119])}, "119 for atom 2"),
        ({"numbers": torch.tensor([8, 1, 0])}, "0 for atom 2"),
        ({"charge": 1}, "even multiplicity for the 9 electrons of H2O with charge 1; came 1"),
        ({"multiplicity": 2}, "odd multiplicity for the 10 electrons"),
        ({"multiplicity": 13}, "came 13"),
        ({"charge": 11}, "charge of at most 10"),
        (
            {"positions": torch.tensor([[0.0, 0, 0], [0.3, 0, 0], [0, 1, 0]])},
            r"0\.300 between atoms 0 \(O\) and 1 \(H\)",
        ),
        ({"positions": torch.tensor([[0.0, 0, 0], [torch.nan, 0, 0], [0, 1, 0]])}, r"finite.*atom 1 \(H\)"),
        ({"bonds": torch.tensor([[1, 0]])}, r"i < j.*\(1, 0\)"),
        ({"bonds": torch.tensor([[0, 3]])}, r"\(0, 3\)"),
        ({"bonds": torch.tensor([[0, 1], [0, 1]])}, "repeated"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(MoleculeError, match=message):
        Molecule(**WATER | change)


@pytest.mark.parametrize("change", [{"positions": torch.zeros(3, 2)}, {"bonds": torch.tensor([0, 1])}])
def test_wrong_shapes_are_refused(change):
    # A run-time check of the annotations, where one is switched on, is faster to object.
    with pytest.raises((MoleculeError, TypeError), match=r"shape|Type-check"):
        Molecule(**WATER | change)
