import numpy as np
import pytest
from pyscf import dft, gto
from scipy.spatial.transform import Rotation

from pesx.engines.density import Density, carried, rotation_onto

BENT = np.array([[0.0, 0.0, 0.0], [0.98, 0.02, 0.0], [-0.27, 0.93, 0.05]])
TURN = Rotation.from_euler("xyz", [1.0, 2.0, 3.0]).as_matrix()


def _solved(positions, *, charge=0, spin=0, guess=None):
    atoms = list(zip("OHH", positions.tolist(), strict=True))
    molecule = gto.M(atom=atoms, basis="def2-svp", charge=charge, spin=spin, verbose=0)
    calculation = dft.KS(molecule, xc="pbe")
    calculation.grids.level = 1
    calculation.conv_tol = 1e-9
    calculation.chkfile = None
    vars(calculation).pop("_chkfile").close()
    calculation.kernel(dm0=None if guess is None else carried(guess, molecule))
    assert calculation.converged
    return calculation


@pytest.mark.parametrize(("charge", "spin"), [(0, 0), (1, 1)])
def test_from_the_density_before_it_is_fewer_cycles_to_the_same_energy(charge, spin):
    before = _solved(BENT, charge=charge, spin=spin)
    moved = (BENT + 0.03 * np.eye(3)) @ TURN.T
    fresh = _solved(moved, charge=charge, spin=spin)
    warm = _solved(moved, charge=charge, spin=spin, guess=Density(before.mol, before.make_rdm1()))
    assert warm.e_tot == pytest.approx(fresh.e_tot, abs=1e-7)
    assert warm.cycles < fresh.cycles


def test_a_turned_molecule_has_the_turned_density():
    before, after = _solved(BENT), _solved(BENT @ TURN.T)
    guess = carried(Density(before.mol, before.make_rdm1()), after.mol)
    np.testing.assert_allclose(guess, after.make_rdm1(), atol=1e-3)  # what the grid owes to its orientation


def test_a_carried_density_keeps_its_electrons_in_whole_orbitals():
    before = _solved(BENT)
    stretched = gto.M(atom=list(zip("OHH", (1.2 * BENT @ TURN.T).tolist(), strict=True)), basis="def2-svp", verbose=0)
    matrix = carried(Density(before.mol, before.make_rdm1()), stretched)
    overlap = stretched.intor("int1e_ovlp")
    assert np.trace(matrix @ overlap) == pytest.approx(10.0, abs=1e-8)
    np.testing.assert_allclose(matrix @ overlap @ matrix, 2.0 * matrix, atol=1e-8)


def test_rotations_are_found_and_are_no_reflections():
    np.testing.assert_allclose(rotation_onto(BENT, BENT @ TURN.T + 3.0), TURN, atol=1e-12)
    rng = np.random.default_rng(0)
    handed = rng.standard_normal((5, 3))
    assert np.linalg.det(rotation_onto(handed, -handed)) == pytest.approx(1.0)
