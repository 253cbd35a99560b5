import dataclasses

import pytest
import torch

from pesx.so3krates.attention import ALIGNMENT, Attention, Contraction, Filter, HeadLinear, Pairs, aligned
from pesx.so3krates.harmonics import spherical_harmonics
from pesx.so3krates.model import So3kratesSettings
from pesx.typing import Tensor

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

DEGREES = (1, 2, 3)
SETTINGS = So3kratesSettings(features=24, n_heads=4, degrees=DEGREES, n_radial=8)
N_ATOMS = 5
FIRST, SECOND = torch.triu_indices(N_ATOMS, N_ATOMS, offset=1)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rotation() -> Tensor:
    turn, _ = torch.linalg.qr(randn(3, 3, seed=9))
    return turn * torch.linalg.det(turn)


def components(vectors: Tensor) -> Tensor:
    """Spherical harmonics of all degrees, padded like Euclidean variables."""
    harmonics = spherical_harmonics(DEGREES, torch.nn.functional.normalize(vectors, dim=-1))
    return torch.nn.functional.pad(harmonics, (0, aligned(harmonics.shape[1]) - harmonics.shape[1]))


def all_pairs(positions: Tensor) -> Pairs:
    """Every pair of one molecule, without a cutoff."""
    centre, neighbour = torch.cat([FIRST, SECOND]), torch.cat([SECOND, FIRST])
    vectors = torch.nn.functional.normalize(positions[neighbour] - positions[centre], dim=-1)
    distance = (positions[FIRST] - positions[SECOND]).norm(dim=-1)
    return Pairs(
        radial=torch.exp(-distance[:, None] * torch.arange(1, 9)),
        cutoff=torch.full((len(centre), 1), 0.25, dtype=torch.float64),
        harmonics=0.25 * components(vectors),
        centre=centre,
        neighbour=neighbour,
        cell=centre * N_ATOMS + neighbour,
        slot=None,
        n_molecules=1,
        width=N_ATOMS,
    )


@pytest.fixture
def attention() -> Attention:
    torch.manual_seed(0)
    return Attention(SETTINGS, Contraction(DEGREES), first=False).double()


@pytest.mark.parametrize("size", range(1, 18))
def test_aligned_is_the_next_multiple(size: int) -> None:
    assert aligned(size) % ALIGNMENT == 0
    assert 0 <= aligned(size) - size < ALIGNMENT


def test_invariants_do_not_turn_and_tell_degrees_apart() -> None:
    contraction, vectors = Contraction(DEGREES).double(), randn(6, 3)
    turned = contraction.invariants(components(vectors @ rotation().T))
    assert torch.allclose(turned, contraction.invariants(components(vectors)), atol=1e-10)
    for column, degree in enumerate(DEGREES):
        start = sum(2 * lower + 1 for lower in DEGREES if lower < degree)
        alone = torch.zeros(1, contraction.n_components, dtype=torch.float64)
        alone[:, start : start + 2 * degree + 1] = 1.0
        expected = torch.zeros(1, contraction.n_degrees, dtype=torch.float64)
        expected[:, column] = (2 * degree + 1) ** 0.5
        assert torch.allclose(contraction.invariants(alone), expected)
        assert torch.equal(contraction.expand(expected) != 0, alone != 0)


def test_heads_do_not_mix() -> None:
    linear, x = HeadLinear(24, 4).double(), randn(3, 24)
    changed = x.clone()
    changed[:, 6:12] += 1.0
    is_same = (linear(x) == linear(changed)).all(dim=0).view(4, 6)
    assert is_same.all(dim=1).tolist() == [True, False, True, True]


def test_the_first_filter_hears_of_distances_alone() -> None:
    torch.manual_seed(0)
    radial, invariants = randn(4, 8), randn(4, aligned(3), seed=1)
    later = Filter(SETTINGS, first=False).double()
    assert not torch.allclose(later(radial, invariants), later(radial, 2 * invariants))
    assert not hasattr(Filter(SETTINGS, first=True), "spherical_in")


def test_messages_turn_with_the_molecule(attention: Attention) -> None:
    positions, x = randn(N_ATOMS, 3), randn(N_ATOMS, 24, seed=1)
    turn, vectors = rotation(), randn(N_ATOMS, 3, seed=2)
    message, change = attention(x, components(vectors), all_pairs(positions))
    turned, turned_change = attention(x, components(vectors @ turn.T), all_pairs(positions @ turn.T))
    assert torch.allclose(message, turned, atol=1e-10)
    # Vectors are the components of degree 1, in whatever order the harmonics have them.
    axes = components(torch.eye(3, dtype=torch.float64))[:, :3]
    basis = torch.linalg.inv(axes)
    assert torch.allclose(change[:, :3] @ basis @ turn.T, turned_change[:, :3] @ basis, atol=1e-10)
    assert torch.allclose(
        attention.contraction.invariants(change), attention.contraction.invariants(turned_change), atol=1e-10
    )


def test_the_dense_gather_is_a_sum_over_neighbours(attention: Attention) -> None:
    pairs, x = all_pairs(randn(N_ATOMS, 3)), randn(N_ATOMS, 24, seed=1)
    coefficients, value = randn(len(pairs.centre), 4, seed=3), attention.value(x)
    by_head = (coefficients[..., None] * value[pairs.neighbour].view(-1, 4, 6)).flatten(1)
    expected = torch.zeros_like(x).index_add(0, pairs.centre, by_head)
    assert torch.allclose(attention._gather_features(coefficients, value, pairs), expected, atol=1e-12)


def test_a_pair_beyond_the_cutoff_says_nothing(attention: Attention) -> None:
    pairs, x = all_pairs(randn(N_ATOMS, 3)), randn(N_ATOMS, 24, seed=1)
    keep = (pairs.centre != 2) & (pairs.neighbour != 2)
    cutoff, harmonics = pairs.cutoff * keep[:, None], pairs.harmonics * keep[:, None]
    pairs = dataclasses.replace(pairs, cutoff=cutoff, harmonics=harmonics)
    euclidean = components(randn(N_ATOMS, 3, seed=4))
    message, change = attention(x, euclidean, pairs)
    other = x.clone()
    other[2] += 1.0
    assert torch.equal(attention(other, euclidean, pairs)[0], message)
    assert not message[2].any()
    assert not change[2].any()
    assert message[[0, 1, 3, 4]].all()
