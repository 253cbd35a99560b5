import torch

from pesx.monitors.view import all_pairs, distances


def test_pairs(ala3):
    pairs = all_pairs(ala3)
    assert len(pairs.atoms) == 42 * 41 // 2
    assert pairs.atoms[pairs.bonded].tolist() == ala3.bonds.tolist()
    assert sorted([*pairs.bonded.tolist(), *pairs.free.tolist()]) == list(range(len(pairs.atoms)))
    assert all(pairs.number[i, j] == pairs.number[j, i] == k for k, (i, j) in enumerate(pairs.atoms.tolist()))


def test_distances_far_from_the_origin_and_in_any_batch(ala3):
    """In float32, 500 angstrom away, where squares alone would lose a tenth of an angstrom."""
    pairs = all_pairs(ala3)
    x = ala3.positions.repeat(9, 1, 1) + 0.1 * torch.arange(9.0, dtype=torch.float64)[:, None, None]
    exact = torch.stack([torch.nn.functional.pdist(row) for row in x])
    far = (x + 500.0).float()
    assert (distances(far, pairs) - exact).abs().max() < 2e-4
    assert torch.equal(distances(far, pairs)[4:5], distances(far[4:5], pairs))
