import pytest
import torch

from pesx.potentials.lennard_jones import LennardJones
from pesx.relax.modes import modes, rigid_projector
from pesx.saddles.second import bounded, fixed_motions, internal, rigid_motions, spectrum, updated

GENERATOR = torch.Generator().manual_seed(5)
POSITIONS = torch.randn(4, 5, 3, generator=GENERATOR, dtype=torch.float64)
LINE = torch.arange(5.0).double()[:, None] * torch.tensor([1.0, 1.0, 1.0]).double()


def matrices(n, size):
    plain = torch.randn(n, size, size, generator=GENERATOR, dtype=torch.float64)
    return plain + plain.mT


def test_rigid_motions_span_what_the_projector_projects_on():
    for positions in (POSITIONS, LINE[None], torch.zeros(1, 1, 3).double()):
        motions = rigid_motions(positions)
        torch.testing.assert_close(motions @ motions.mT, rigid_projector(positions))


def test_internal_leaves_nothing_rigid():
    vectors = torch.randn(4, 15, generator=GENERATOR, dtype=torch.float64)
    inside = internal(vectors, rigid_motions(POSITIONS))
    torch.testing.assert_close((rigid_projector(POSITIONS) @ inside[..., None])[..., 0], torch.zeros(4, 15).double())


def test_the_spectrum_is_that_of_the_modes():
    second = LennardJones().hessian(1.3 * POSITIONS)
    found = spectrum(second, rigid_motions(1.3 * POSITIONS))
    exact = modes(LennardJones(), 1.3 * POSITIONS)
    torch.testing.assert_close(found.values[:, 0], exact.lowest)
    assert found.n_internal.tolist() == [9] * 4
    assert ((found.values < -1e-3) & found.is_internal).sum(dim=1).tolist() == exact.n_negative.tolist()


def test_fixed_coordinates_are_outside():
    found = spectrum(
        torch.diag(torch.tensor([2.0, -1.0, -5.0])).double()[None], fixed_motions(torch.zeros(1, 1, 3), (0, 1)).double()
    )
    assert found.n_internal.tolist() == [2]
    assert found.values[0, :2].tolist() == [-1.0, 2.0]


def test_an_update_agrees_with_the_step_and_stays_symmetric():
    second, truth = matrices(4, 15), matrices(4, 15)
    step = torch.randn(4, 15, generator=GENERATOR, dtype=torch.float64)
    rise = (truth @ step[..., None])[..., 0]
    new = updated(
        second, step, rise, rows=torch.ones(4, dtype=torch.bool), now=spectrum(second, torch.zeros(4, 15, 6).double())
    )
    torch.testing.assert_close((new @ step[..., None])[..., 0], rise)
    torch.testing.assert_close(new, new.mT)


def test_rows_that_are_left_out_zero_or_not_finite_stay_as_they_are():
    second, step = matrices(4, 15), torch.ones(4, 15).double()
    step[1] = 0.0
    step[2] = torch.nan
    new = updated(
        second,
        step,
        step,
        rows=torch.tensor([False, True, True, True]),
        now=spectrum(second, torch.zeros(4, 15, 6).double()),
    )
    assert torch.equal(new[:3], second[:3])
    assert not torch.equal(new[3], second[3])


def test_a_hessian_that_is_not_finite_spoils_its_own_spectrum_only():
    second = matrices(3, 15)
    whole = spectrum(second, rigid_motions(POSITIONS[:3]))
    second[1, 0, 0] = torch.nan
    spoilt = spectrum(second, rigid_motions(POSITIONS[:3]))
    assert torch.equal(spoilt.values[[0, 2]], whole.values[[0, 2]])
    assert spoilt.values[1].isnan().all()


def test_curvatures_beyond_bounds_are_brought_back_and_others_stay():
    generator = torch.Generator().manual_seed(3)
    positions = torch.randn(2, 4, 3, dtype=torch.float64, generator=generator)
    noise = torch.randn(2, 12, 12, dtype=torch.float64, generator=generator)
    outside = rigid_motions(positions)
    second = noise + noise.mT
    second[1] *= 0.1
    found, known = bounded(second, spectrum(second, outside), (-2.0, 3.0))
    assert torch.equal(found[1], second[1])
    before, after = (spectrum(matrices, outside).values[0, :6] for matrices in (second, found))
    assert before[0] < -2.0
    assert before[-1] > 3.0
    torch.testing.assert_close(after, before.clamp(-2.0, 3.0))
    torch.testing.assert_close(known.values[0, :6], after)


def test_a_hessian_without_eigenvalues_spoils_its_own_spectrum_only(monkeypatch: pytest.MonkeyPatch):
    plain = torch.linalg.eigh

    def failing(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if matrix.abs().max() > 1e100:
            raise torch.linalg.LinAlgError("did not converge")
        return plain(matrix)

    monkeypatch.setattr(torch.linalg, "eigh", failing)
    second = torch.eye(12, dtype=torch.float64).expand(2, -1, -1).clone()
    second[0] *= 1e200
    positions = torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = spectrum(second, rigid_motions(positions))
    assert found.values[0].isnan().all()
    assert found.values[1].isfinite().all()
