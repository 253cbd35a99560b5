import pytest
import torch

from pesx.errors import ContractError
from pesx.so3krates.uncertainty import Uncertainty

N_FEATURES = 5


@pytest.fixture
def seen():
    """Features of forty structures, of which the last one hardly varies."""
    return torch.randn(40, N_FEATURES, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * torch.tensor(
        [3.0, 2.0, 1.0, 1.0, 0.01]
    )


@pytest.fixture
def new():
    return torch.randn(7, N_FEATURES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_it_is_the_posterior_of_a_bayesian_linear_regression(seen, new):
    # Weights ~ N(0, prior^2), labels = features @ weights + N(0, noise^2).
    noise, prior = 0.3, 2.0
    posterior = torch.linalg.inv(seen.mT @ seen / noise**2 + torch.eye(N_FEATURES) / prior**2)
    exact = torch.einsum("ki,ij,kj->k", new, posterior, new).sqrt()
    found = Uncertainty.of(seen.mT @ seen, ridge=(noise / prior) ** 2, level="toy").with_alpha(noise)
    torch.testing.assert_close(found.sigma(new), exact)


def test_of_a_difference_it_is_that_of_the_difference_of_the_predictions(seen, new):
    found = Uncertainty.of(seen.mT @ seen, ridge=0.1, level="toy")
    covariance = torch.linalg.inv(seen.mT @ seen + 0.1 * torch.eye(N_FEATURES))
    between = new @ covariance @ new.mT
    expected = (between.diagonal() + between[0, 0] - 2 * between[:, 0]).clamp(min=0).sqrt()
    torch.testing.assert_close(found.sigma_of_difference(new, new[:1]), expected, atol=1e-7, rtol=1e-6)
    assert found.sigma_of_difference(new, new).eq(0).all()


def test_it_grows_away_from_the_data(seen):
    found = Uncertainty.of(seen.mT @ seen, ridge=1e-6, level="toy")
    often, seldom = torch.eye(N_FEATURES, dtype=torch.float64)[[0, 4]]
    sigma = found.sigma(torch.stack([often, 2 * often, 10 * often, seldom]))
    torch.testing.assert_close(sigma[1:3] / sigma[0], torch.tensor([2.0, 10.0], dtype=torch.float64))
    assert sigma[3] > 50 * sigma[0]


def test_what_was_never_seen_is_bounded_by_the_ridge(new):
    found = Uncertainty.of(torch.zeros(N_FEATURES, N_FEATURES), ridge=4.0, level="toy")
    torch.testing.assert_close(found.sigma(new), new.norm(dim=1) / 2)


def test_a_row_depends_on_itself_alone(seen, new):
    found = Uncertainty.of(seen.mT @ seen, ridge=0.1, level="toy")
    whole = found.sigma(new)
    torch.testing.assert_close(torch.cat([found.sigma(row[None]) for row in new]), whole, rtol=1e-13, atol=0)
    spoilt = new.clone()
    spoilt[2] = torch.nan
    rows = torch.arange(len(new)) != 2
    assert torch.equal(found.sigma(spoilt)[rows], whole[rows])
    assert found.sigma(spoilt)[2].isnan()


def test_features_of_another_model_are_refused(seen, new):
    found = Uncertainty.of(seen.mT @ seen, ridge=0.1, level="toy")
    with pytest.raises(ContractError, match="Expected 5 readout features"):
        found.sigma(new[:, :4])
