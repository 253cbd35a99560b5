"""What a structure looks like in a few numbers: ends, hydrogen bonds, backbone torsions, secondary structure.

All are measured by mdtraj (doi:10.1016/j.bpj.2015.08.015). Its topology is made from the bond graph, so that names of atoms or
residues are not needed. The radius of gyration is not among them: mdtraj's is about the geometric centre even where it weighs
by mass, and :class:`~pesx.landscape.network.Network` has it.
"""

from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np

from pesx.chemistry.symmetry import neighbours
from pesx.molecule import Molecule
from pesx.typing import Positions

Array = np.ndarray[Any, np.dtype[Any]]

_NM = 10.0
"""Angstrom; mdtraj measures in nanometres."""

_HYDROGEN_BOND = (2.5, 120.0)
"""Largest distance H...A, angstrom, and least angle D-H...A, degree, of Baker and Hubbard 1984,
doi:10.1016/0079-6107(84)90007-5."""

_SHORTEST_CHAIN = 5
"""Residues from which secondary structure is assigned; a turn of a helix takes four."""


@dataclass(frozen=True)
class Descriptors:
    """Numbers of M structures; made by :func:`descriptors`.

    Attributes:
        ends: The two heavy atoms that are most bonds apart; None without bonds between heavy atoms.
        end_to_end: Distance between them, angstrom, (M,); None as above.
        triplets: Donor, hydrogen and acceptor of all hydrogen bonds that any of the structures has, (H, 3).
        hydrogen_bonds: How many of these each structure has, (M,); None where nothing could donate one.
        phi: Backbone torsion of each residue, degree, (M, R); no columns for what is no peptide.
        psi: The other, degree, (M, R).
        helix: Share of residues in helices, (M,); None for chains of fewer than five residues.
        strand: Share of residues in strands, (M,); None as above.
    """

    ends: tuple[int, int] | None
    end_to_end: Array | None
    triplets: Array
    hydrogen_bonds: Array | None
    phi: Array
    psi: Array
    helix: Array | None
    strand: Array | None


def descriptors(molecule: Molecule, positions: Positions) -> Descriptors:
    """Measure structures of one molecule.

    Args:
        molecule: With bonds; of a cluster nothing is measured.
        positions: Angstrom, (M, N, 3), or the unit of length of the run.

    Accuracy: mdtraj computes in float32.
    """
    import mdtraj

    residues = backbone(molecule)
    frames = mdtraj.Trajectory(positions.detach().cpu().numpy() / _NM, _topology(molecule, residues))
    ends = _ends(molecule)
    triplets, counts = _hydrogen_bonds(molecule, frames)
    shares = _secondary_structure(frames, residues)
    return Descriptors(
        ends=ends,
        end_to_end=None
        if ends is None
        else _NM * mdtraj.compute_distances(frames, [ends], periodic=False)[:, 0].astype(np.float64),
        triplets=triplets,
        hydrogen_bonds=counts,
        phi=_torsions(frames, [(before, n, ca, c) for before, n, ca, c, _ in residues]),
        psi=_torsions(frames, [(n, ca, c, after) for _, n, ca, c, after in residues]),
        helix=shares[0],
        strand=shares[1],
    )


def backbone_torsions(molecule: Molecule, positions: Positions) -> tuple[Array, Array]:
    """Return phi and psi of each residue alone, degree, (M, R) each; see :func:`descriptors`."""
    import mdtraj

    residues = backbone(molecule)
    frames = mdtraj.Trajectory(positions.detach().cpu().numpy() / _NM, _topology(molecule, residues))
    phi = _torsions(frames, [(before, n, ca, c) for before, n, ca, c, _ in residues])
    return phi, _torsions(frames, [(n, ca, c, after) for _, n, ca, c, after in residues])


def backbone(molecule: Molecule) -> list[tuple[int, int, int, int, int]]:
    """Return C of the residue before, N, C-alpha, C, and N of the residue after, for each residue of a peptide, from its N end.

    A residue is what lies between two amides that share a carbon: C(=O)-N-C(sp3)-C(=O)-N. Residues at free ends have no phi or
    no psi, and are left out.
    """
    near, symbols = neighbours(molecule), molecule.symbols
    carbonyls = {
        atom
        for atom, symbol in enumerate(symbols)
        if symbol == "C" and len(near[atom]) == 3 and any(symbols[a] == "O" and len(near[a]) == 1 for a in near[atom])
    }
    found = {}
    for n in (atom for atom, symbol in enumerate(symbols) if symbol == "N"):
        for ca in (a for a in near[n] if symbols[a] == "C" and len(near[a]) == 4):
            before = [a for a in near[n] if a in carbonyls]
            for c in (a for a in near[ca] if a in carbonyls):
                after = [a for a in near[c] if symbols[a] == "N"]
                if before and after:
                    found[n] = (before[0], n, ca, c, after[0])
    return _in_order(found)


def _in_order(found: dict[int, tuple[int, int, int, int, int]]) -> list[tuple[int, int, int, int, int]]:
    """Return residues from the N end to the C end of each chain; a ring begins anywhere."""
    followers = {residue[4] for residue in found.values()}
    starts = [n for n in sorted(found) if n not in followers] + sorted(found)
    ordered: dict[int, tuple[int, int, int, int, int]] = {}
    for start in starts:
        n = start
        while n in found and n not in ordered:
            ordered[n] = found[n]
            n = found[n][4]
    return list(ordered.values())


def _topology(molecule: Molecule, residues: list[tuple[int, int, int, int, int]]) -> Any:
    """Return mdtraj's topology: the pieces that remain when the amides of the backbone are cut are its residues."""
    import mdtraj

    graph: nx.Graph[int] = nx.Graph(molecule.bonds.tolist())
    graph.add_nodes_from(range(molecule.n_atoms))
    graph.remove_edges_from([(before, n) for before, n, *_ in residues])
    graph.remove_edges_from([(c, after) for *_, c, after in residues])
    pieces = list(nx.connected_components(graph))
    order = {ca: place for place, (_, _, ca, _, _) in enumerate(residues)}
    pieces.sort(key=lambda piece: min((order[atom] for atom in piece if atom in order), default=len(order)))
    names = {atom: name for _, *atoms in residues for atom, name in zip(atoms[:3], ("N", "CA", "C"), strict=True)}
    near, symbols = neighbours(molecule), molecule.symbols
    names |= {a: "O" for _, _, _, c, _ in residues for a in near[c] if symbols[a] == "O"}
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    residue_of = {}
    for piece in pieces:
        residue = topology.add_residue("ALA" if piece & order.keys() else "CAP", chain)
        residue_of |= dict.fromkeys(piece, residue)
    for atom, symbol in enumerate(symbols):
        element = mdtraj.element.Element.getBySymbol(symbol)
        topology.add_atom(names.get(atom, f"{symbol}X"), element, residue_of[atom])
    for i, j in molecule.bonds.tolist():  # atoms by index: to go through them all would be in the order of residues
        topology.add_bond(topology.atom(i), topology.atom(j))
    return topology


def _ends(molecule: Molecule) -> tuple[int, int] | None:
    heavy = {atom for atom, number in enumerate(molecule.numbers.tolist()) if number > 1}
    graph: nx.Graph[int] = nx.Graph([(i, j) for i, j in molecule.bonds.tolist() if i in heavy and j in heavy])
    if not graph.number_of_edges():
        return None
    bonds_between = dict(nx.all_pairs_shortest_path_length(graph))
    pairs = [(-n, i, j) for i, others in bonds_between.items() for j, n in others.items() if i < j]
    _, first, last = min(pairs)
    return first, last


def _hydrogen_bonds(molecule: Molecule, frames: Any) -> tuple[Array, Array | None]:
    """Return those that any frame has, and how many each has; mdtraj itself says only what many frames have in common."""
    import mdtraj

    none = np.zeros((0, 3), dtype=np.int64)
    symbols = molecule.symbols
    donates = any({symbols[i], symbols[j]} in ({"N", "H"}, {"O", "H"}) for i, j in molecule.bonds.tolist())
    if not donates or not len(frames):
        return none, None
    distance, angle = _HYDROGEN_BOND
    with np.errstate(invalid="ignore", divide="ignore"):  # atoms on top of each other have no angle, and no bond
        triplets = mdtraj.baker_hubbard(
            frames, freq=0.0, periodic=False, distance_cutoff=distance / _NM, angle_cutoff=angle
        ).astype(np.int64)
    if not len(triplets):
        return none, np.zeros(len(frames), dtype=np.int64)
    is_near = mdtraj.compute_distances(frames, triplets[:, 1:], periodic=False) < distance / _NM
    is_straight = mdtraj.compute_angles(frames, triplets, periodic=False) > np.radians(angle)
    return triplets, (is_near & is_straight).sum(axis=1)


def _torsions(frames: Any, quads: list[tuple[int, ...]]) -> Array:
    import mdtraj

    if not quads:
        return np.zeros((len(frames), 0))
    return np.degrees(mdtraj.compute_dihedrals(frames, quads, periodic=False).astype(np.float64))


def _secondary_structure(frames: Any, residues: list[Any]) -> tuple[Array, Array] | tuple[None, None]:
    """Return the shares of residues in helices and in strands (DSSP; Kabsch and Sander 1983, doi:10.1002/bip.360221211)."""
    import mdtraj

    if len(residues) < _SHORTEST_CHAIN or not len(frames):
        return None, None
    assigned = mdtraj.compute_dssp(frames, simplified=True)[:, : len(residues)]
    return (assigned == "H").mean(axis=1), (assigned == "E").mean(axis=1)


__all__ = ["Descriptors", "backbone", "backbone_torsions", "descriptors"]
