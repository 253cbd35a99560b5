from dataclasses import replace

import pytest

from pesx.connect.parts import Sizes
from pesx.connect.presets import surface_parts
from pesx.errors import ConfigError
from pesx.potentials.muller_brown import MullerBrown


@pytest.mark.parametrize("name", ["push", "highest"])
def test_a_displacement_of_nothing_leads_nowhere(name: str):
    with pytest.raises(ConfigError, match=name):
        replace(surface_parts(MullerBrown()), **{name: 0.0})


@pytest.mark.parametrize("name", ["n_bands", "n_searches"])
def test_a_batch_holds_at_least_one(name: str):
    with pytest.raises(ConfigError, match=name):
        Sizes(**{name: 0})


def test_hessians_are_renewed_after_at_least_one_step():
    with pytest.raises(ConfigError, match="renew"):
        replace(surface_parts(MullerBrown()), renew=0)
