from dataclasses import replace

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import AllChem

from pesx.chemistry.embed import molecule_from_smiles
from pesx.chemistry.perceive import to_rdkit
from pesx.errors import ConfigError
from pesx.geometry.internal import bonded_torsions
from pesx.molecule import Molecule
from pesx.potentials.learned import LearnedPotential
from pesx.relax.model_hessian import ModelHessian
from pesx.relax.preconditioned import PreconditionedLbfgs
from pesx.relax.quench import Convergence, quench
from pesx.so3krates.checkpoint import load
from pesx.typing import Tensor

DIPEPTIDE = molecule_from_smiles("CC(=O)N[C@@H](C)C(=O)NC")
WATER = molecule_from_smiles("O")


def shaken(molecule: Molecule, n: int = 3) -> Tensor:
    noise = torch.randn(n, molecule.n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return molecule.positions + 0.05 * noise


def rotation() -> Tensor:
    turn, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    return turn * torch.linalg.det(turn)


@pytest.mark.parametrize("molecule", [DIPEPTIDE, WATER, molecule_from_smiles("C#CC")], ids=lambda one: one.formula)
@pytest.mark.parametrize("floor", [0.1, 1.0])
def test_it_is_symmetric_and_positive_definite(molecule: Molecule, floor: float) -> None:
    guess = ModelHessian(molecule, floor)(shaken(molecule))
    assert torch.allclose(guess, guess.mT, atol=1e-10)
    assert float(torch.linalg.eigvalsh(guess).min()) > floor * (1 - 1e-9)


def test_rigid_motions_feel_the_floor_alone() -> None:
    positions = shaken(DIPEPTIDE)
    guess = ModelHessian(DIPEPTIDE, floor=0.2)(positions)
    for axis in torch.eye(3, dtype=torch.float64):
        for motion in (axis.expand_as(positions), torch.linalg.cross(axis.expand_as(positions), positions)):
            along = motion.flatten(1)
            assert torch.allclose((guess @ along[..., None])[..., 0], 0.2 * along, atol=1e-9)


def test_it_turns_with_the_molecule() -> None:
    positions, turn, model = shaken(DIPEPTIDE), rotation(), ModelHessian(DIPEPTIDE)
    everywhere = torch.block_diag(*[turn] * DIPEPTIDE.n_atoms)
    turned = model(positions @ turn.T + torch.tensor([1.0, -2.0, 3.0]))
    assert torch.allclose(turned, everywhere @ model(positions) @ everywhere.T, atol=1e-9)


def test_stretches_are_stiff_and_torsions_soft() -> None:
    guess = ModelHessian(DIPEPTIDE, floor=1e-3)(DIPEPTIDE.positions[None])[0]
    first, second = DIPEPTIDE.bonds.T
    along = torch.nn.functional.normalize(DIPEPTIDE.positions[second] - DIPEPTIDE.positions[first], dim=-1)
    for i, j, unit in zip(first.tolist(), second.tolist(), along, strict=True):
        force_constant = -float(unit @ guess[3 * i : 3 * i + 3, 3 * j : 3 * j + 3] @ unit)
        # A bond of organic chemistry: 300 to 1300 N/m, and some more from the angles around it.
        assert 18 < force_constant < 120
    values = torch.linalg.eigvalsh(guess)
    n_torsions = len({(j, k) for _, j, k, _ in bonded_torsions(DIPEPTIDE.bonds).tolist()})
    assert n_torsions > 5
    assert float(values[6 + n_torsions // 2]) < 0.02 * float(values[-1])


def test_a_bond_weakens_with_its_length() -> None:
    positions = WATER.positions.repeat(2, 1, 1)
    hydrogen = int((WATER.numbers == 1).nonzero()[0])
    positions[1, hydrogen] += positions[1, hydrogen] - positions[1, int((WATER.numbers == 8).nonzero())]
    stiffest = torch.linalg.eigvalsh(ModelHessian(WATER)(positions))[:, -2]
    assert float(stiffest[1]) < 0.9 * float(stiffest[0])


def test_float32_and_clashes_do() -> None:
    model = ModelHessian(DIPEPTIDE)
    single = model(DIPEPTIDE.positions[None].float())
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), model(DIPEPTIDE.positions[None]), rtol=1e-3, atol=1e-3)
    assert torch.isfinite(model(torch.zeros(1, DIPEPTIDE.n_atoms, 3, dtype=torch.float64))).all()


def test_it_knows_the_atoms_not_their_order() -> None:
    order = torch.arange(DIPEPTIDE.n_atoms).flip(0)
    other = replace(
        DIPEPTIDE,
        numbers=DIPEPTIDE.numbers[order],
        positions=DIPEPTIDE.positions[order],
        bonds=DIPEPTIDE.n_atoms - 1 - DIPEPTIDE.bonds.flip(1),
    )
    places = (3 * order[:, None] + torch.arange(3)).flatten()
    same = ModelHessian(DIPEPTIDE)(DIPEPTIDE.positions[None])[0][places][:, places]
    assert torch.allclose(ModelHessian(other)(other.positions[None])[0], same, atol=1e-9)


def test_a_floor_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="floor"):
        ModelHessian(WATER, floor=0.0)


def test_on_a_way_down_what_is_soft_counts_as_stiffer() -> None:
    positions = shaken(DIPEPTIDE, 1)
    plain = torch.linalg.eigvalsh(ModelHessian(DIPEPTIDE)(positions)[0])
    steep = torch.linalg.eigvalsh(ModelHessian.for_descent(DIPEPTIDE)(positions)[0])
    n_soft = len(plain) // 4
    assert bool((steep[:n_soft] > 1.2 * plain[:n_soft]).all())
    assert float(steep[-1]) < float(plain[-1])


def test_a_way_down_is_shorter_in_its_own_metric() -> None:
    graph = Chem.Mol(to_rdkit(DIPEPTIDE)[0])
    chosen = AllChem.EmbedMultipleConfs(graph, 8, randomSeed=3)
    starts = torch.tensor(np.array([graph.GetConformer(number).GetPositions() for number in chosen]))
    potential = LearnedPotential(load()[0], DIPEPTIDE.numbers)
    counts = []
    for metric in (ModelHessian.for_descent(DIPEPTIDE), ModelHessian(DIPEPTIDE)):
        ends = quench(PreconditionedLbfgs(metric), potential, starts, convergence=Convergence(fmax=0.01, max_steps=300))
        assert bool((ends.fmax <= 0.01).all())
        counts.append(float(ends.n_evaluations.double().mean()))
    assert counts[0] < 0.8 * counts[1]
