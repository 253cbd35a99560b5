"""Divide the minima of a peptide into those to train on and those to test on, by backbone basin.

python workflows/ala_gly_model/hold_out.py MOLECULE.xyz RUN/minima.extxyz --train train.extxyz --test test.extxyz

A basin is the region of every residue in the Ramachandran plane and the form of every amide. All minima of a basin go to the
same side, so the test says how a model does where it was never trained.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import ase.io
import numpy as np
import torch
from rdkit import Chem

from pesx.chemistry.perceive import to_rdkit
from pesx.chemistry.read import read_molecule
from pesx.errors import PesxError
from pesx.geometry.torsion import torsion_angles
from pesx.molecule import Molecule
from pesx.units import KCAL_PER_MOL

PHI_PSI = Chem.MolFromSmarts("C(=O)N[CX4]C(=O)N")
OMEGA = Chem.MolFromSmarts("[#6]C(=O)N[CX4]")


def backbone(numbers_and_bonds: Chem.Mol) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the atoms of phi and psi of every residue and of omega of every amide, in the order of the chain."""
    residues = sorted(numbers_and_bonds.GetSubstructMatches(PHI_PSI), key=lambda match: match[3])
    amides = sorted(numbers_and_bonds.GetSubstructMatches(OMEGA), key=lambda match: match[1])
    phi = torch.tensor([(match[0], match[2], match[3], match[4]) for match in residues])
    psi = torch.tensor([(match[2], match[3], match[4], match[6]) for match in residues])
    omega = torch.tensor([(match[0], match[1], match[3], match[4]) for match in amides])
    return phi, psi, omega


def region(phi: float, psi: float) -> str:
    """Return the region of a residue: B extended, A right-handed helix, C the turn between, L left-handed, E its mirror of B.

    Args:
        phi: Degrees.
        psi: Degrees.
    """
    if phi < 0.0:
        if -110.0 <= psi < 20.0:
            return "A"
        return "C" if 20.0 <= psi < 110.0 and phi > -110.0 else "B"
    return "L" if -30.0 <= psi < 110.0 else ("D" if -110.0 <= psi < -30.0 else "E")


def basins(frames: list[ase.Atoms], molecule: Molecule) -> list[str]:
    """Return the basin of each frame, such as ``tttt BAC``."""
    phi, psi, omega = backbone(to_rdkit(molecule)[0])
    positions = torch.tensor(np.stack([frame.positions for frame in frames]))
    angles = [torch.rad2deg(torsion_angles(positions, quads)) for quads in (phi, psi, omega)]
    names = []
    for phis, psis, omegas in zip(*(angle.tolist() for angle in angles), strict=True):
        amides = "".join("t" if abs(angle) > 90.0 else "c" for angle in omegas)
        names.append(f"{amides} {''.join(map(region, phis, psis))}")
    return names


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("molecule", help="any geometry of the peptide, with the atoms in the order of the minima")
    parser.add_argument("minima", type=Path, nargs="+", help="minima.extxyz of runs")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5, help="of the basins, for the test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--window", type=float, default=12.0, help="kcal/mol above the lowest")
    arguments = parser.parse_args()
    try:
        molecule = read_molecule(arguments.molecule)
        frames = [frame for path in arguments.minima for frame in ase.io.read(path, index=":")]
        lowest = min(frame.get_potential_energy() for frame in frames)
        frames = [frame for frame in frames if frame.get_potential_energy() - lowest <= arguments.window * KCAL_PER_MOL]
        names = basins(frames, molecule)
    except (OSError, PesxError) as error:
        raise SystemExit(f"hold_out.py: {error}") from error
    members = defaultdict(list)
    for frame, name in zip(frames, names, strict=True):
        frame.info["basin"] = name
        members[name].append(frame)
    order = np.random.default_rng(arguments.seed).permutation(sorted(members))
    n_test = round(arguments.share * len(order))
    for path, chosen in ((arguments.test, order[:n_test]), (arguments.train, order[n_test:])):
        kept = [frame for name in chosen for frame in members[name]]
        ase.io.write(path, kept, format="extxyz")
        print(f"{path}: {len(kept)} minima in {len(chosen)} basins")


if __name__ == "__main__":
    main()
