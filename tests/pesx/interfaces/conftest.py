import pytest
import torch

from pesx.so3krates import checkpoint
from pesx.so3krates.model import So3krates, So3kratesSettings


def _write(path, **settings):
    torch.manual_seed(0)
    model = So3krates(So3kratesSettings(features=24, n_layers=2, mean_neighbours=8.0, **settings))
    model.set_reference_energies({1: -13.0, 6: -1030.0, 8: -2040.0})
    checkpoint.save(path, model, {"level": "none"})
    return path


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    """An untrained short-range model."""
    return _write(tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.fixture(scope="session")
def charged_path(tmp_path_factory):
    """An untrained model that knows charge and spin, with every optional part."""
    return _write(
        tmp_path_factory.mktemp("model") / "charged.safetensors",
        charge_embedding=True,
        spin_embedding=True,
        zbl=True,
        electrostatics=True,
        dispersion=True,
        element_shift=True,
        layer_norm=True,
        residual_mlp_2=True,
        radial_basis="bernstein",
        cutoff_function="exponential",
    )
