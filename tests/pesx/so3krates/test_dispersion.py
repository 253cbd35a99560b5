import pytest
import torch

from pesx.errors import ConfigError
from pesx.so3krates.dispersion import FINE_STRUCTURE, Dispersion, free_atoms
from pesx.so3krates.graph import replicas
from pesx.so3krates.molecular_pairs import molecular_pairs
from pesx.so3krates.settings import So3kratesSettings
from pesx.units import BOHR, HARTREE


def energies(distances: list[float], *, cutoff: float | None = None, ratio: float = 1.0, numbers=(6, 8)):
    settings = So3kratesSettings(dispersion=True, long_range_cutoff=cutoff)
    positions = torch.zeros(len(distances), 2, 3, dtype=torch.float64)
    positions[:, 1, 1] = torch.tensor(distances, dtype=torch.float64)
    positions.requires_grad_()
    pairs = molecular_pairs(replicas(torch.tensor(numbers), positions, 5.0))
    element = torch.tensor([settings.elements.index(number) for number in numbers]).repeat(len(distances))
    ratios = torch.full((2 * len(distances),), ratio, dtype=torch.float64)
    return Dispersion(settings).double()(ratios, element, pairs)[pairs.is_pair], positions


def test_far_atoms_attract_by_c6() -> None:
    c, o = (free_atoms((number,)) for number in (6, 8))
    (alpha_c, c6_c), (alpha_o, c6_o) = ((float(a), float(b)) for a, b in (c, o))
    c6 = 2 * c6_c * c6_o * alpha_c * alpha_o / (alpha_c**2 * c6_o + alpha_o**2 * c6_c)
    expected = -HARTREE * c6 / (200.0 / BOHR) ** 6
    assert float(energies([200.0])[0].detach()) == pytest.approx(expected, rel=1e-3)


def test_equal_atoms_have_the_c6_of_the_free_atom_times_the_ratio_squared() -> None:
    _, c6 = free_atoms((6,))
    for ratio in (1.0, 0.8):
        found = float(energies([300.0], ratio=ratio, numbers=(6, 6))[0].detach())
        assert found == pytest.approx(-HARTREE * float(c6) * ratio**2 / (300.0 / BOHR) ** 6, rel=1e-3)


def test_all_three_terms_and_their_damping() -> None:
    alpha, c6 = (float(value) for value in free_atoms((6,)))
    radius = FINE_STRUCTURE ** (-4 / 21) * alpha ** (1 / 7)
    width = -0.00433008 + 0.24428889 * radius + 0.04125273 * radius**2 - 0.00078893 * radius**3
    gamma = 1 / (2 * width**2)
    r, p = 3.0 / BOHR, 1.2 * 2 * 2.54 * alpha ** (1 / 7)
    terms = c6 / (r**6 + p**6) + 5 * c6 / gamma / (r**8 + p**8) + 245 * c6 / (8 * gamma**2) / (r**10 + p**10)
    assert float(energies([3.0], numbers=(6, 6))[0].detach()) == pytest.approx(-HARTREE * terms, rel=1e-6)


def test_a_cutoff_leaves_what_is_well_inside_and_nothing_beyond() -> None:
    distances = [3.0, 9.9, 11.0, 12.0, 13.0]
    free, cut = energies(distances)[0].detach(), energies(distances, cutoff=12.0)[0].detach()
    assert torch.equal(free[:2], cut[:2])
    assert 0.0 < float(cut[2] / free[2]) < 1.0
    assert not cut[3:].any()


@pytest.mark.parametrize("ratio", [0.0, 1e-6, 1.0])
def test_gradients_are_finite_for_coincident_and_vanishing_atoms(ratio: float) -> None:
    energy, positions = energies([0.0, 1e-9, 0.5], ratio=ratio)
    (gradient,) = torch.autograd.grad(energy.sum(), positions)
    assert energy.isfinite().all()
    assert gradient.isfinite().all()


def test_an_element_without_data_is_named() -> None:
    with pytest.raises(ConfigError, match="U"):
        Dispersion(So3kratesSettings(elements=(1, 92)))
