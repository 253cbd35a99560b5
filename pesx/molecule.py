"""What a molecule is: elements, input geometry, charge, multiplicity, bonds."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field

import torch
from ase.data import atomic_masses, chemical_symbols

from pesx.errors import MoleculeError
from pesx.typing import Float, Int, Tensor

CLOSEST = 0.4
"""Atoms nearer than this (angstrom) cannot be meant: the shortest bond there is, H-H, measures 0.74."""

_HEAVIEST = 118


def _no_bonds() -> Tensor:
    return torch.empty((0, 2), dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class Molecule:
    """One molecule, or one cluster of atoms without bonds, as the user gave it.

    Attributes:
        numbers: Atomic numbers; stored as int64.
        positions: Geometry of the input, angstrom; stored as float64.
        charge: Total charge, e.
        multiplicity: Spin multiplicity, one more than the number of unpaired electrons.
        bonds: Bonded pairs (i, j) with i < j; stored sorted. Empty for a cluster.
        name: For people; no part of the identity.
    """

    numbers: Int[Tensor, "N"]
    positions: Float[Tensor, "N 3"]
    charge: int = 0
    multiplicity: int = 1
    bonds: Int[Tensor, "M 2"] = field(default_factory=_no_bonds)
    name: str = ""

    def __post_init__(self) -> None:
        """Bring the tensors to their dtypes, and check that all fits together."""
        object.__setattr__(self, "numbers", torch.as_tensor(self.numbers, dtype=torch.int64).cpu())
        object.__setattr__(self, "positions", torch.as_tensor(self.positions, dtype=torch.float64).cpu())
        object.__setattr__(self, "bonds", _sorted_bonds(torch.as_tensor(self.bonds, dtype=torch.int64).cpu()))
        _check_shapes(self)
        _check_elements(self)
        _check_electrons(self)
        _check_geometry(self)
        _check_bonds(self)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @property
    def symbols(self) -> list[str]:
        """Element symbols in the order of the atoms."""
        return [chemical_symbols[number] for number in self.numbers.tolist()]

    @property
    def masses(self) -> Float[Tensor, "N"]:
        """Atomic masses, u (IUPAC 2016, doi:10.1515/pac-2015-0305)."""
        return torch.from_numpy(atomic_masses)[self.numbers]

    @property
    def formula(self) -> str:
        """Chemical formula in Hill order, without the charge."""
        return hill_formula(self.symbols)

    @property
    def digest(self) -> str:
        """Hash of elements, charge, multiplicity and bonds; the same for every geometry and name."""
        content = (self.numbers.tolist(), self.charge, self.multiplicity, self.bonds.tolist())
        return hashlib.sha256(repr(content).encode()).hexdigest()


def hill_formula(symbols: list[str]) -> str:
    """Return the formula in Hill order: carbon, hydrogen, then by alphabet; by alphabet alone without carbon."""
    counts = Counter(symbols)
    first = [symbol for symbol in ("C", "H") if symbol in counts] if "C" in counts else []
    order = first + sorted(set(counts) - set(first))
    return "".join(symbol + (str(counts[symbol]) if counts[symbol] > 1 else "") for symbol in order)


def _sorted_bonds(bonds: Tensor) -> Tensor:
    if bonds.ndim != 2 or bonds.shape[1] != 2 or len(bonds) == 0:
        return bonds.reshape(-1, 2) if bonds.numel() == 0 else bonds
    return bonds[torch.argsort(bonds[:, 0] * (int(bonds.max()) + 1) + bonds[:, 1])]


def _check_shapes(molecule: Molecule) -> None:
    numbers, positions, bonds = molecule.numbers, molecule.positions, molecule.bonds
    if numbers.numel() == 0:
        raise MoleculeError("Expected at least one atom; came none. Give the elements and positions of the molecule.")
    if numbers.ndim != 1 or positions.shape != (len(numbers), 3):
        raise MoleculeError(
            f"Expected numbers of shape (N,) and positions of shape (N, 3); came {tuple(numbers.shape)} and "
            f"{tuple(positions.shape)}. Give one row of x, y, z per atom."
        )
    if bonds.ndim != 2 or bonds.shape[1] != 2:
        raise MoleculeError(f"Expected bonds of shape (M, 2); came {tuple(bonds.shape)}. Give one pair per bond.")


def _check_elements(molecule: Molecule) -> None:
    unknown = ((molecule.numbers < 1) | (molecule.numbers > _HEAVIEST)).nonzero()
    if len(unknown):
        atom = int(unknown[0])
        raise MoleculeError(
            f"Expected atomic numbers from 1 to {_HEAVIEST}; came {int(molecule.numbers[atom])} for atom {atom}. "
            "Correct the element."
        )


def _check_electrons(molecule: Molecule) -> None:
    n_electrons = int(molecule.numbers.sum()) - molecule.charge
    n_unpaired = molecule.multiplicity - 1
    if n_electrons < 0:
        raise MoleculeError(
            f"Expected a charge of at most {int(molecule.numbers.sum())} for {molecule.formula}; came "
            f"{molecule.charge}. Correct the charge."
        )
    if n_unpaired < 0 or n_unpaired > n_electrons or (n_electrons - n_unpaired) % 2:
        parity = "odd" if n_electrons % 2 == 0 else "even"
        raise MoleculeError(
            f"Expected an {parity} multiplicity for the {n_electrons} electrons of {molecule.formula} with charge "
            f"{molecule.charge}; came {molecule.multiplicity}. Set the charge, or for a radical the multiplicity."
        )


def _check_geometry(molecule: Molecule) -> None:
    symbols = molecule.symbols
    wrong = (~torch.isfinite(molecule.positions).all(dim=1)).nonzero()
    if len(wrong):
        atom = int(wrong[0])
        raise MoleculeError(
            f"Expected finite coordinates; came {molecule.positions[atom].tolist()} for atom {atom} "
            f"({symbols[atom]}). Correct the input geometry."
        )
    pairs = torch.combinations(torch.arange(molecule.n_atoms), 2)
    distances = torch.nn.functional.pdist(molecule.positions)
    if len(distances) and float(distances.min()) < CLOSEST:
        i, j = pairs[distances.argmin()].tolist()
        raise MoleculeError(
            f"Expected atoms at least {CLOSEST} angstrom apart; came {float(distances.min()):.3f} between atoms {i} "
            f"({symbols[i]}) and {j} ({symbols[j]}). Check the unit (angstrom) and remove double atoms."
        )


def _check_bonds(molecule: Molecule) -> None:
    bonds = molecule.bonds
    wrong = (bonds[:, 0] < 0) | (bonds[:, 0] >= bonds[:, 1]) | (bonds[:, 1] >= molecule.n_atoms)
    if bool(wrong.any()):
        raise MoleculeError(
            f"Expected bonds (i, j) with 0 <= i < j < {molecule.n_atoms}; came {tuple(bonds[wrong][0].tolist())}. "
            "Number atoms from 0 and put the smaller number first."
        )
    if len(torch.unique(bonds, dim=0)) != len(bonds):
        raise MoleculeError("Expected every bond once; came a repeated pair. Remove the copies.")
