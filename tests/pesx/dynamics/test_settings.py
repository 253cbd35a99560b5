from typing import Any

import pytest
import torch

from pesx.dynamics.langevin import Langevin
from pesx.dynamics.nose_hoover import NoseHoover
from pesx.dynamics.settings import DynamicsSettings
from pesx.dynamics.verlet import VelocityVerlet
from pesx.errors import ConfigError

MASSES = torch.ones(3, dtype=torch.float64)


def test_times_become_steps() -> None:
    settings = DynamicsSettings("CCO", time=50.0, timestep=0.5, every=100.0)
    assert settings.n_steps == 100_000
    assert settings.steps_between_frames == 200
    assert DynamicsSettings("CCO", time=0.3, timestep=0.1, every=0.3).n_steps == 3000


def test_every_temperature_has_its_replicas() -> None:
    settings = DynamicsSettings("CCO", temperature=(300.0, 500.0), replicas=3)
    assert settings.temperatures == (300.0, 300.0, 300.0, 500.0, 500.0, 500.0)


def test_the_integrator_is_that_asked_for() -> None:
    langevin = DynamicsSettings("CCO", friction=2.0, seed=4).integrator_of(MASSES)
    assert isinstance(langevin, Langevin)
    assert langevin.friction == 0.002
    assert langevin.noise.seed == 4
    assert isinstance(DynamicsSettings("CCO", integrator="verlet").integrator_of(MASSES), VelocityVerlet)
    chains = DynamicsSettings("CCO", integrator="nose-hoover", relaxation=50.0).integrator_of(MASSES)
    assert isinstance(chains, NoseHoover)
    assert chains.relaxation == 50.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"time": 0.0}, "time"),
        ({"time": float("nan")}, "time"),
        ({"time": float("inf")}, "time"),
        ({"time": 0.05}, "whole number of --every"),
        ({"timestep": -1.0}, "timestep"),
        ({"every": 100.3}, "whole number of --timestep .* 100.5 fs would do"),
        ({"every": 0.1}, "whole number of --timestep"),
        ({"replicas": 0}, "replicas"),
        ({"temperature": ()}, "temperature"),
        ({"temperature": (300.0, -5.0)}, "temperature"),
        ({"temperature": (0.0,)}, "temperature"),
        ({"friction": -1.0}, "friction"),
        ({"seed": -1}, "seed"),
        ({"uncertainty": 0.0}, "uncertainty"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"Expected .*{message}"):
        DynamicsSettings("CCO", **wrong)
