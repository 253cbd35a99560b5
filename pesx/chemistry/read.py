"""From what a user types to a molecule: a structure file, a SMILES, or the name of a Lennard-Jones cluster."""

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import ase.io
import networkx as nx
import numpy as np
import torch
from ase.data import atomic_numbers
from rdkit import Chem, rdBase

from pesx.chemistry.embed import molecule_from_smiles
from pesx.chemistry.perceive import perceive_bonds
from pesx.errors import InputError, MoleculeError
from pesx.molecule import Molecule, hill_formula
from pesx.typing import Float, Int, Tensor

_READERS = (".xyz", ".extxyz", ".pdb", ".sdf", ".mol")
_LIKE_A_PATH = re.compile(
    r"^[.~/]|\.(xyz|extxyz|pdb|sdf|mol2?|cif|ent|gro|gjf|com|log|out|json|traj|txt|toml|inp|db)$", re.I
)
_CLUSTER = re.compile(r"^LJ(\d+)$", re.I)
_ARGON = 18
_CLUSTER_SEED = 20240  # any number does: it only has to be the same in every run
_CLOSEST_IN_CLUSTER = 0.75


class _Structure(NamedTuple):
    """What a file says, before charge and bonds are settled."""

    numbers: Int[Tensor, "N"]
    positions: Float[Tensor, "N 3"]
    bonds: Int[Tensor, "M 2"] | None = None
    charge: int | None = None
    multiplicity: int | None = None
    name: str = ""


def read_molecule(source: str | Path, *, charge: int | None = None, multiplicity: int | None = None) -> Molecule:
    """Return the molecule in a structure file, of a SMILES, or of a name such as ``LJ13``.

    Args:
        source: Path of an xyz, extxyz, pdb, sdf or mol file with one molecule, hydrogens included; a SMILES; or LJ and
            the number of atoms, for a Lennard-Jones cluster in reduced units that starts at random.
        charge: Total charge, e; that of the file or SMILES, else 0, where not given.
        multiplicity: Spin multiplicity; that of the file or SMILES, else 1, where not given.

    Raises:
        InputError: There is no such file, or it or the SMILES cannot be read.
        MoleculeError: What was read is not one molecule.
    """
    text = str(source).strip()
    if not text:
        raise InputError("Expected a structure file, a SMILES or a name such as LJ13; came nothing. Name a molecule.")
    path = existing(text)
    if path is not None and path.is_dir():
        raise InputError(f"Expected a structure file; came the folder {text!r}. Name a file in it.")
    if path is not None:
        return _complete(_read_file(path), path.stem, charge, multiplicity=multiplicity)
    if isinstance(source, Path) or _LIKE_A_PATH.search(text):
        raise InputError(f"Expected an existing file; came {text!r}, which does not exist. Check the path.")
    if cluster := _CLUSTER.match(text):
        return _random_cluster(int(cluster[1]), text.upper())
    return _from_smiles(text, charge, multiplicity)


def existing(text: str) -> Path | None:
    """Return the path that a text names, None where there is nothing or where the text can be no path."""
    # A SMILES may be longer than any file name, and ~name may be no user.
    with suppress(OSError, RuntimeError, ValueError):
        path = Path(text).expanduser()
        if path.exists():
            return path
    return None


def _from_smiles(text: str, charge: int | None, multiplicity: int | None) -> Molecule:
    with rdBase.BlockLogs():
        parsed = Chem.MolFromSmiles(text)
    if parsed is None or parsed.GetNumAtoms() == 0:
        raise InputError(
            f"Expected an existing file, a SMILES or a name such as LJ13; came {text!r}, which is no file, and RDKit "
            "cannot parse it as SMILES. Check the path, or valences and brackets."
        )
    pieces = Chem.GetMolFrags(parsed, asMols=True, sanitizeFrags=False)
    if len(pieces) > 1:
        names = ", ".join(Chem.MolToSmiles(piece) for piece in pieces)
        raise MoleculeError(f"Expected one connected molecule; came {len(pieces)} pieces: {names}. Give one of them.")
    molecule = molecule_from_smiles(text)
    if charge not in (None, molecule.charge):
        raise MoleculeError(
            f"Expected charge {molecule.charge}, the sum of formal charges in {text!r}; came {charge}. "
            "Change the SMILES."
        )
    if multiplicity not in (None, molecule.multiplicity):
        raise MoleculeError(
            f"Expected multiplicity {molecule.multiplicity}, by the radical electrons in {text!r}; came "
            f"{multiplicity}. Change the SMILES, or give a structure file."
        )
    return molecule


def _read_file(path: Path) -> _Structure:
    kind = path.suffix.lower()
    if kind not in _READERS:
        raise InputError(f"{path}: expected a file ending in {', '.join(_READERS)}; came {kind!r}. Convert it to xyz.")
    try:
        text = path.read_text()
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: expected a readable text file; came {error}. Check the file.") from error
    if not text.strip():
        raise InputError(f"{path}: expected a structure; came an empty file. Check how it was written.")
    if kind == ".pdb":
        return _read_pdb(path)
    return _read_xyz(path, text) if kind in (".xyz", ".extxyz") else _read_mol(path, text)


def _read_xyz(path: Path, text: str) -> _Structure:
    lines = text.rstrip().splitlines()
    count = lines[0].strip()
    if not count.isdigit() or int(count) == 0:
        raise InputError(f"{path}, line 1: expected the number of atoms; came {count!r}. Check that it is an xyz file.")
    n_atoms = int(count)
    if len(lines) < n_atoms + 2:
        raise InputError(
            f"{path}: expected {n_atoms} atoms, as line 1 says; came {max(len(lines) - 2, 0)}. The file is cut short, "
            "or the number is wrong."
        )
    if len(lines) > n_atoms + 2:
        _refuse_more(path, lines[n_atoms + 2], n_atoms)
    comment = lines[1].strip()
    species, position = _columns(comment)
    numbers, positions = [], []
    for number, line in enumerate(lines[2 : n_atoms + 2], start=3):
        words = line.split()
        try:
            xyz = [float(word) for word in words[position : position + 3]]
        except ValueError:
            xyz = []
        if len(xyz) != 3 or len(words) <= species:
            raise InputError(
                f"{path}, line {number}: expected an element and x, y, z; came {line.strip()!r}. Correct it."
            )
        numbers.append(_element(path, number, words[species]))
        positions.append(xyz)
    return _Structure(
        torch.tensor(numbers),
        torch.tensor(positions, dtype=torch.float64),
        charge=_in_comment(comment, "charge"),
        multiplicity=_in_comment(comment, "multiplicity"),
        name="" if "=" in comment else comment,
    )


def _refuse_more(path: Path, line: str, n_atoms: int) -> None:
    if line.strip().isdigit():
        raise MoleculeError(
            f"{path}: expected one molecule; came several frames. Keep the one you want in a file of its own."
        )
    raise InputError(
        f"{path}, line {n_atoms + 3}: expected the end of the file after {n_atoms} atoms; came {line.strip()!r}. "
        "Correct the number of atoms in line 1."
    )


def _columns(comment: str) -> tuple[int, int]:
    """Return the columns of the element and of x, by the Properties of an extended xyz file."""
    found = re.search(r"Properties=(\S+)", comment)
    if not found:
        return 0, 1
    parts = found[1].strip("\"'").split(":")
    starts, column = {}, 0
    for name, width in zip(parts[::3], parts[2::3], strict=False):
        starts[name] = column
        column += int(width) if width.isdigit() else 1
    return starts.get("species", 0), starts.get("pos", 1)


def _in_comment(comment: str, key: str) -> int | None:
    found = re.search(rf"\b{key}=\"?([+-]?\d+)\b", comment)
    return int(found[1]) if found else None


def _element(path: Path, line: int, symbol: str) -> int:
    number = int(symbol) if symbol.isdigit() else atomic_numbers.get(symbol.capitalize(), 0)
    if number == 0:
        raise MoleculeError(f"{path}, line {line}: expected an element; came {symbol!r}. Correct the symbol.")
    return int(number)


def _read_pdb(path: Path) -> _Structure:
    try:
        frames = ase.io.read(path, index=":", format="proteindatabank")
    except (ValueError, IndexError, KeyError, TypeError, StopIteration) as error:
        raise InputError(f"{path}: expected a pdb file; came one that ASE cannot read ({error}). Check it.") from error
    if len(frames) != 1 or len(frames[0]) == 0:
        raise MoleculeError(f"{path}: expected one model with atoms; came {len(frames)} models. Keep one model.")
    numbers = torch.from_numpy(frames[0].numbers).long()
    if 6 in numbers and 1 not in numbers:
        raise MoleculeError(
            f"{path}: expected hydrogens; came {len(numbers)} atoms and none among them. Add hydrogens."
        )
    return _Structure(numbers, torch.from_numpy(frames[0].positions))


def _read_mol(path: Path, text: str) -> _Structure:
    blocks = [block for block in text.split("$$$$") if block.strip()]
    if len(blocks) > 1:
        raise MoleculeError(f"{path}: expected one molecule; came {len(blocks)}. Keep the one you want.")
    with rdBase.BlockLogs():
        full = Chem.MolFromMolBlock(blocks[0], sanitize=False, removeHs=False)
        if full is None or full.GetNumAtoms() == 0:
            raise InputError(f"{path}: expected a molfile; came one that RDKit cannot read. Check it.")
        full.UpdatePropertyCache(strict=False)
    n_missing = sum(atom.GetTotalNumHs() for atom in full.GetAtoms())
    if n_missing:
        raise MoleculeError(
            f"{path}: expected all hydrogens as atoms; came {n_missing} implied. Add hydrogens with geometry."
        )
    if not full.GetConformer().Is3D():
        raise MoleculeError(f"{path}: expected a geometry in space; came a flat drawing. Embed it, or give its SMILES.")
    bonds = [sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in full.GetBonds()]
    return _Structure(
        torch.tensor([atom.GetAtomicNum() for atom in full.GetAtoms()]),
        torch.from_numpy(full.GetConformer().GetPositions()),
        bonds=torch.tensor(bonds, dtype=torch.int64).reshape(-1, 2),
        charge=Chem.GetFormalCharge(full),
        name=blocks[0].splitlines()[0].strip(),
    )


def _complete(structure: _Structure, name: str, charge: int | None, *, multiplicity: int | None) -> Molecule:
    """Settle charge and bonds, and check that it is one molecule."""
    if charge is None:
        charge = structure.charge or 0
    if multiplicity is None:
        multiplicity = structure.multiplicity or 1
    bonds = structure.bonds
    if bonds is None:
        bonds = perceive_bonds(structure.numbers, structure.positions)
    molecule = Molecule(
        structure.numbers, structure.positions, charge, multiplicity, bonds=bonds, name=structure.name or name
    )
    is_cluster = len(bonds) == 0 and len(set(molecule.symbols)) == 1
    if not is_cluster:
        _require_connected(molecule)
    return molecule


def _require_connected(molecule: Molecule) -> None:
    graph: nx.Graph[int] = nx.Graph(molecule.bonds.tolist())
    graph.add_nodes_from(range(molecule.n_atoms))
    pieces = [sorted(piece) for piece in nx.connected_components(graph)]
    if len(pieces) > 1:
        symbols = molecule.symbols
        names = ", ".join(f"{hill_formula([symbols[a] for a in piece])} (from atom {piece[0]})" for piece in pieces[:6])
        raise MoleculeError(
            f"Expected one connected molecule; came {len(pieces)} pieces: {names}. Give one of them, or check that "
            "coordinates are in angstrom."
        )


def _random_cluster(n_atoms: int, name: str) -> Molecule:
    """Return atoms at random in a sphere about as large as the cluster, in units of sigma."""
    if not 2 <= n_atoms <= 1000:
        raise InputError(f"Expected a Lennard-Jones cluster of 2 to 1000 atoms; came {name}. Change the number.")
    generator = np.random.default_rng(_CLUSTER_SEED)
    radius = 0.9 * n_atoms ** (1 / 3)
    placed = np.empty((0, 3))
    while len(placed) < n_atoms:
        point = generator.uniform(-radius, radius, 3)
        is_free = np.linalg.norm(placed - point, axis=1).min(initial=np.inf) > _CLOSEST_IN_CLUSTER
        if np.linalg.norm(point) < radius and is_free:
            placed = np.vstack([placed, point])
    return Molecule(torch.full((n_atoms,), _ARGON), torch.from_numpy(placed), name=name)
