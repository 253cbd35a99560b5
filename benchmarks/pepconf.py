"""How good are relative energies of the peptides of alanine and glycine in PEPCONF (doi:10.1038/sdata.2018.310)?

    python benchmarks/pepconf.py DATA
    python benchmarks/pepconf.py DATA --engine pyscf --level b3lyp-d4/def2-svp --limit 4

Single points at the structures of the set, for a model, GFN2-xTB, and another engine where asked for, all beside the
reference of the set. A molecule counts if every heavy atom is of a residue of alanine or glycine or of a usual end, by the
bonds and not by its name. Energies of engines are kept in files of labels and not computed again.

Two deviations of a molecule, kcal/mol: ``centred`` is the mean absolute difference of its energies after the mean over its
conformers is taken from both; ``above_lowest`` that of the energies above the conformer which is lowest in the reference,
as the set gives them. Groups are means over molecules, with 95 % bootstrap intervals over molecules.
"""

import argparse
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from numpy.typing import NDArray
from rdkit import Chem
from report import make_parser, plain_settings, set_threads, show, write

from pesx import Molecule, make_potential
from pesx.chemistry.perceive import perceive_bonds, to_rdkit
from pesx.chemistry.symmetry import bond_graph
from pesx.engines import make_engine
from pesx.engines.engine import Engine
from pesx.engines.xtb import METHODS
from pesx.labelling.label import label_geometries
from pesx.labelling.store import LabelStore
from pesx.training.dataset import MoleculeFrames
from pesx.training.sources.data_file import read_file
from pesx.training.sources.settings import FileSettings
from pesx.units import KCAL_PER_MOL
from pesx.versions import versions

Array = NDArray[np.float64]

LEVEL = "LC-wPBE-XDM/aug-cc-pVTZ"
N_RESAMPLES = 10_000
LISTED = 8

PARTS = {
    "Gly": "[#7;!H0]~[#6;X4;H2]~[#6;X3]~[#8;X1]",
    "Ala": "[#7;!H0]~[#6;X4;H1](~[#6;X4;H3])~[#6;X3]~[#8;X1]",
    "acetyl": "[#6;X4;H3]~[#6;X3](~[#8;X1])~[#7]",
    "formyl": "[#8;X1]~[#6;X3;H1]~[#7]",
    "methylamide": "[#6;X4;H3]~[#7;X3;H1]~[#6;X3]~[#8;X1]",
    "amide": "[#6;X3]~[#7;X3;H2]",
    "acid": "[#8;X1,H1]~[#6;X3]~[#8;X1]",
}
"""Residues and ends by their bonds, without orders; the second atom of each is in no other copy of the part."""

PATTERNS = {name: Chem.MolFromSmarts(smarts) for name, smarts in PARTS.items()}
RESIDUES = ("Ala", "Gly")


@dataclass(frozen=True)
class Peptide:
    """One molecule of the set.

    Attributes:
        name: In the set.
        kind: Class of molecules in the set.
        parts: How many residues and ends it has of each sort.
        frames: Conformers, with energies above conformer 0.
    """

    name: str
    kind: str
    parts: dict[str, int]
    frames: MoleculeFrames

    @cached_property
    def molecule(self) -> Molecule:
        """The first conformer."""
        return as_molecule(self.frames)

    @property
    def reference(self) -> Array:
        """Energies of the set, kcal/mol."""
        return np.asarray(self.frames.energy / KCAL_PER_MOL)


def as_molecule(frames: MoleculeFrames) -> Molecule:
    """Return the first conformer with its bonds."""
    numbers = torch.from_numpy(frames.numbers)
    positions = torch.from_numpy(frames.positions[0].astype(np.float64))
    electrons = {"charge": frames.charge, "multiplicity": frames.multiplicity}
    return Molecule(numbers, positions, **electrons, bonds=perceive_bonds(numbers, positions), name=frames.name)


def parts_of(molecule: Molecule) -> dict[str, int]:
    """Return how many residues and ends of each sort a molecule has; nothing if it has anything else, or no residue."""
    graph = bond_graph(molecule)
    covered: set[int] = set()
    parts: Counter[str] = Counter()
    for name, pattern in PATTERNS.items():
        matches = graph.GetSubstructMatches(pattern)
        covered.update(atom for match in matches for atom in match)
        parts[name] = len({match[1] for match in matches})
    is_whole = covered >= set((molecule.numbers > 1).nonzero()[:, 0].tolist())
    return dict(+parts) if is_whole and any(parts[name] for name in RESIDUES) else {}


def read_peptides(data: Path) -> list[Peptide]:
    """Return the peptides of alanine and glycine in the folder of the set, small ones first."""
    kinds = {
        name: table.parent.name
        for table in data.rglob("*.csv")
        for name in re.findall(r"^[^,]*,\s*(\S+)_\d+\s*,", table.read_text(), re.M)
    }
    settings = FileSettings(str(data), format="pepconf", elements=(1, 6, 7, 8))
    found = [
        Peptide(frames.name, kinds[frames.name], parts, frames)
        for frames in read_file(settings, LEVEL).molecules
        if (parts := parts_of(as_molecule(frames)))
    ]
    return sorted(found, key=lambda peptide: (len(peptide.frames.numbers), peptide.name))


def energies_of_model(peptide: Peptide, model: str | None) -> tuple[Array, str]:
    """Return the energies of a model, kcal/mol, and its hash."""
    potential, source = make_potential("so3krates", peptide.molecule, model=model)
    energy = potential(torch.from_numpy(peptide.frames.positions.astype(np.float64))).energy
    return energy.numpy() / KCAL_PER_MOL, source.digest


def energies_of_engine(peptide: Peptide, engine: Engine, folder: Path, *, workers: int) -> Array:
    """Return the energies of an engine, kcal/mol, NaN where it refused; those that the folder has are taken from there."""
    store = folder / re.sub(r"\W+", "-", engine.level).strip("-") / f"{peptide.name}.db"
    info = {"name": peptide.name, "charge": peptide.frames.charge, "spin": peptide.frames.multiplicity}
    with tempfile.TemporaryDirectory() as place:
        given = Path(place) / f"{peptide.name}.extxyz"
        conformers = [
            ase.Atoms(peptide.frames.numbers, positions, info={**info, "trajectory": f"conformer {number}"})
            for number, positions in enumerate(peptide.frames.positions.astype(np.float64))
        ]
        ase.io.write(given, conformers, format="extxyz")
        label_geometries(given, engine, store, n_workers=workers, energies_only=True)
    energies = np.full(len(peptide.frames), np.nan)
    with LabelStore(store) as labels:
        for row in labels.molecules():
            found = labels.frames(row.id)
            places = [int(text.split()[-1]) for text in found["trajectory"]]
            energies[places] = found["energy"] / KCAL_PER_MOL
    return energies


def deviations(energy: Array, reference: Array) -> dict[str, Any]:
    """Compare the energies of one molecule's conformers with the reference, both on any zero, kcal/mol."""
    gap = energy - reference
    lowest = int(reference.argmin())
    return {
        "centred": float(np.abs(gap - gap.mean()).mean()),
        "above_lowest": float(np.abs(np.delete(gap - gap[lowest], lowest)).mean()),
        "same_lowest": bool(energy.argmin() == lowest),
    }


def summary(energies: list[Array], references: list[Array], *, seed: int) -> dict[str, Any]:
    """Compare molecules: means over them, and the correlation of centred energies, with bootstrap intervals."""
    each = [deviations(energy, reference) for energy, reference in zip(energies, references, strict=True)]
    pairs = [
        np.stack([energy - energy.mean(), reference - reference.mean()])
        for energy, reference in zip(energies, references, strict=True)
    ]
    draws = np.random.default_rng(seed).integers(len(each), size=(N_RESAMPLES, len(each)))
    # Correlations of resamples from sums over molecules: pairs are centred, so the pooled means are zero.
    moments = np.array([[pair[0] @ pair[1], pair[0] @ pair[0], pair[1] @ pair[1]] for pair in pairs])
    centred, above = (np.array([one[name] for one in each]) for name in ("centred", "above_lowest"))
    return {
        "molecules": len(each),
        "conformers": sum(map(len, references)),
        "centred": float(centred.mean()),
        "centred_interval": _interval(centred[draws].mean(axis=1)) if len(each) > 1 else None,
        "above_lowest": float(above.mean()),
        "above_lowest_interval": _interval(above[draws].mean(axis=1)) if len(each) > 1 else None,
        "correlation": float(_correlation(moments.sum(axis=0))),
        "correlation_interval": _interval(_correlation(moments[draws].sum(axis=1))) if len(each) > 1 else None,
        "same_lowest": sum(one["same_lowest"] for one in each),
        "spread_of_reference": float(np.mean([np.abs(pair[1]).mean() for pair in pairs])),
    }


def _correlation(moments: Array) -> Array:
    both, one, other = np.moveaxis(moments, -1, 0)
    return np.asarray(both / np.sqrt(one * other))


def _interval(values: Array) -> list[float]:
    return [float(value) for value in np.percentile(values, (2.5, 97.5))]


def groups(
    peptides: list[Peptide], columns: dict[str, dict[str, Array]], references: dict[str, Array], *, seed: int
) -> dict[str, dict[str, Any]]:
    """Compare every column in each class and in all, and all columns on the molecules that every one of them has.

    Args:
        peptides: Those of the set.
        columns: Energies by column and molecule, kcal/mol.
        references: What they are compared with, by molecule, kcal/mol; molecules without are left out.
        seed: Of the bootstrap.

    Returns:
        By group and column what :func:`summary` says.
    """
    peptides = [peptide for peptide in peptides if peptide.name in references]
    common = [peptide for peptide in peptides if all(peptide.name in column for column in columns.values())]
    named = {kind: [one for one in peptides if one.kind == kind] for kind in sorted({one.kind for one in peptides})}
    named["all"] = peptides
    if len(common) < len(peptides):
        named["in every column"] = common
    found: dict[str, dict[str, Any]] = {}
    for group, members in named.items():
        for name, column in columns.items():
            there = [one for one in members if one.name in column]
            if there:
                compared = summary(
                    [column[one.name] for one in there], [references[one.name] for one in there], seed=seed
                )
                found.setdefault(group, {})[name] = compared
    return found


def worst(peptides: list[Peptide], column: dict[str, Array]) -> list[dict[str, Any]]:
    """Return the conformers with the largest deviations after centring, kcal/mol."""
    rows = []
    for one in peptides:
        if one.name in column:
            gap = column[one.name] - one.reference
            rows += [
                {"conformer": f"{one.name}_{number}", "deviation": float(value), "reference": float(label)}
                for number, (value, label) in enumerate(zip(gap - gap.mean(), one.reference, strict=True))
            ]
    return sorted(rows, key=lambda row: -abs(row["deviation"]))[:LISTED]


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__, "pepconf.json")
    parser.add_argument(
        "data", type=Path, help="folder of the set: tables (csv) and structures (xyz, or a tar.gz of them)"
    )
    parser.add_argument("--model", default=None, help="model file (default: the model of the package)")
    parser.add_argument("--engine", default=None, help="a further engine, as of pesx label, such as pyscf")
    parser.add_argument("--level", default=None, help="its level of theory, such as b3lyp-d4/def2-svp")
    parser.add_argument(
        "--limit", type=int, default=10**9, help="the further engine: only so many molecules, small ones first"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes of an engine (default 1)")
    parser.add_argument(
        "--labels",
        type=Path,
        default=Path("runs/pepconf"),
        help="folder of the energies of engines (default %(default)s)",
    )
    arguments = parser.parse_args(words)
    if arguments.level is not None and arguments.engine is None:
        parser.error("--level needs --engine; name the engine that computes it")
    if arguments.limit < 1:
        parser.error(f"--limit: expected at least 1 molecule, came {arguments.limit}")
    return arguments


def energies_by_column(
    peptides: list[Peptide], arguments: argparse.Namespace
) -> tuple[dict[str, dict[str, Array]], str]:
    """Return energies by column and molecule, only where all conformers have one, and the hash of the model."""
    of_model = {one.name: energies_of_model(one, arguments.model) for one in peptides}
    columns = {"model": {name: energy for name, (energy, _) in of_model.items()}}
    engines = [(make_engine("gfn2"), peptides)]
    if arguments.engine is not None:
        engines.append((make_engine(arguments.engine, arguments.level), peptides[: arguments.limit]))
    for engine, members in engines:
        found = {}
        for one in members:
            found[one.name] = energies_of_engine(one, engine, arguments.labels, workers=arguments.workers)
            print(f"{engine.level}: {one.name}", flush=True)
        columns[engine.level] = {name: energy for name, energy in found.items() if np.isfinite(energy).all()}
    return columns, next(digest for _, digest in of_model.values())


def main(arguments: argparse.Namespace) -> None:
    """Evaluate, compare, show and write."""
    set_threads(arguments.threads)
    peptides = read_peptides(arguments.data)
    columns, digest = energies_by_column(peptides, arguments)
    compared = groups(peptides, columns, {one.name: one.reference for one in peptides}, seed=arguments.seed)
    show_groups(LEVEL, compared)
    of_model = {"model": columns["model"]}
    from_gfn2 = groups(peptides, of_model, columns[METHODS["gfn2"]], seed=arguments.seed)
    show_groups(METHODS["gfn2"], from_gfn2)
    results = {
        "reference": LEVEL,
        "unit": "kcal/mol",
        "model": digest,
        "engine_versions": versions("tblite", "pyscf", "pyscf-dispersion"),
        "molecules": [described(one, columns) for one in peptides],
        "groups": compared,
        "model_from_gfn2": from_gfn2,
        "worst": {name: worst(peptides, column) for name, column in columns.items()},
    }
    for name, rows in results["worst"].items():
        show(f"Worst conformers of {name}, kcal/mol", list(rows[0]), [list(row.values()) for row in rows])
    write(arguments.out, settings=plain_settings(arguments), results=results)


def described(peptide: Peptide, columns: dict[str, dict[str, Array]]) -> dict[str, Any]:
    """Return what one molecule is, and its energies above conformer 0, kcal/mol."""
    full, has_orders = to_rdkit(peptide.molecule)
    energies = {name: column[peptide.name] for name, column in columns.items() if peptide.name in column}
    return {
        "name": peptide.name,
        "class": peptide.kind,
        "parts": peptide.parts,
        "smiles": Chem.MolToSmiles(Chem.RemoveHs(full)) if has_orders else None,
        "charge": peptide.frames.charge,
        "atoms": len(peptide.frames.numbers),
        "reference": [round(value, 5) for value in peptide.reference.tolist()],
        "energies": {
            name: [round(value - energy[0], 4) for value in energy.tolist()] for name, energy in energies.items()
        },
        "deviations": {name: deviations(energy, peptide.reference) for name, energy in energies.items()},
    }


def show_groups(level: str, compared: dict[str, dict[str, Any]]) -> None:
    """Print how far the columns are from a level of theory in each group."""
    rows = [
        [
            group,
            name,
            one["molecules"],
            one["conformers"],
            _with_interval(one, "centred"),
            _with_interval(one, "above_lowest"),
            _with_interval(one, "correlation"),
            f"{one['same_lowest']} of {one['molecules']}",
            one["spread_of_reference"],
        ]
        for group, by_column in compared.items()
        for name, one in by_column.items()
    ]
    header = (
        "group",
        "level",
        "molecules",
        "conformers",
        "centred",
        "above lowest",
        "correlation",
        "same lowest",
        "spread",
    )
    show(f"Deviations from {level}, kcal/mol, with 95 % intervals over molecules", header, rows)


def _with_interval(found: dict[str, Any], name: str) -> str:
    low, high = found[f"{name}_interval"] or (None, None)
    return f"{found[name]:.2f}" if low is None else f"{found[name]:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main(parse())
