"""Import of SO3LR, a pretrained SO3krates with long-range interactions: Kabylda et al. 2025, doi:10.1021/jacs.5c09558.

Its parameters come as a tree of arrays: in the pickle that the SO3LR package installs, or in an npz file with the paths of the
tree as keys.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pesx.errors import CheckpointError, ConfigError
from pesx.so3krates.checkpoint import Card
from pesx.so3krates.flax import ParameterTree, read_parameters
from pesx.so3krates.model import So3krates
from pesx.so3krates.settings import So3kratesSettings
from pesx.so3krates.so3lr_weights import fill

ELEMENTS = (1, 6, 7, 8, 9, 15, 16, 17)
"""What SO3LR was trained on; its tables have rows for others, which hold nothing but random numbers."""

LEVEL = "PBE0+MBD"

HYPERPARAMETERS = "hyperparameters.json"
"""Beside the parameters, where the SO3LR package puts it."""

_NORM_EPSILON = 1e-6
"""What flax adds to the variance."""

_BASES = {"phys": "physnet", "bernstein": "bernstein", "bessel": "bessel"}
_CUTOFFS = {"phys": "polynomial", "cosine": "cosine", "exponential": "exponential"}

PUBLISHED: dict[str, Any] = {
    "cutoff": 4.5,
    "cutoff_fn": "phys",
    "degrees": [1, 2, 3, 4],
    "dispersion_energy_bool": True,
    "dispersion_energy_scale": 1.2,
    "electrostatic_energy_bool": True,
    "electrostatic_energy_scale": 4.0,
    "energy_regression_dim": 128,
    "layer_normalization_1": True,
    "layer_normalization_2": True,
    "num_features": 128,
    "num_heads": 4,
    "num_layers": 3,
    "num_radial_basis_fn": 32,
    "radial_basis_fn": "bernstein",
    "residual_mlp_1": True,
    "residual_mlp_2": False,
    "use_charge_embed": True,
    "use_spin_embed": True,
    "zbl_repulsion_bool": True,
    "avg_num_neighbors": 13.168995780096482,
}
"""Hyperparameters of the published model, for parameters that come without a file of them."""

_FIXED = {
    "activation_fn": "silu",
    "energy_activation_fn": "silu",
    "energy_learn_atomic_type_scales": True,
    "energy_learn_atomic_type_shifts": True,
    "message_normalization": "avg_num_neighbors",
    "qk_non_linearity": "identity",
}
"""Hyperparameters that have one value here."""


def import_so3lr(path: str | os.PathLike[str]) -> tuple[So3krates, Card]:
    """Read SO3LR parameters.

    Args:
        path: ``params.pkl`` of the SO3LR package, the folder it is in, or an npz file.

    Returns:
        The model, in single precision, and a card. Its energies leave out the mean energy per atom of the
        training data, which is the same for all elements.

    Raises:
        CheckpointError: The file is missing, damaged, or not SO3LR parameters.
    """
    path = Path(path)
    path = path / "params.pkl" if path.is_dir() else path
    tree = ParameterTree(read_parameters(path), path)
    hyperparameters = _read_hyperparameters(path.with_name(HYPERPARAMETERS))
    try:
        model = So3krates(_settings(hyperparameters))
    except (ConfigError, KeyError, TypeError) as error:
        raise CheckpointError(f"Expected hyperparameters of SO3LR beside {path}, came others: {error}") from error
    fill(model, tree)
    tree.check_all_used()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card = {
        "name": "SO3LR",
        "source": "doi:10.1021/jacs.5c09558",
        "license": "MIT",
        "imported_from": {"file": path.name, "sha256": digest},
        "elements": list(ELEMENTS),
        "level_of_theory": LEVEL,
        "energies": "relative only: not trained on energies; the mean energy per atom of the training data is left out",
    }
    return model, card


def _read_hyperparameters(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return PUBLISHED
    try:
        content = json.loads(path.read_text())
        found = {**content["model"], "avg_num_neighbors": content["data"]["avg_num_neighbors"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"Expected hyperparameters of SO3LR in {path}, came something else: {error!r}."
        ) from error
    for name, value in _FIXED.items():
        if found.get(name, value) != value:
            raise CheckpointError(f"Expected {name} = {value!r} in {path}, came {found[name]!r}; pesx has no other.")
    return found


def _settings(hyperparameters: Mapping[str, Any]) -> So3kratesSettings:
    value = hyperparameters.__getitem__
    return So3kratesSettings(
        elements=ELEMENTS,
        features=value("num_features"),
        n_layers=value("num_layers"),
        n_heads=value("num_heads"),
        degrees=tuple(value("degrees")),
        cutoff=value("cutoff"),
        n_radial=value("num_radial_basis_fn"),
        mean_neighbours=value("avg_num_neighbors"),
        residual_mlp=value("residual_mlp_1"),
        layer_norm=value("layer_normalization_1"),
        levels=(LEVEL,),
        radial_basis=_BASES[value("radial_basis_fn")],
        cutoff_function=_CUTOFFS[value("cutoff_fn")],
        charge_embedding=value("use_charge_embed"),
        spin_embedding=value("use_spin_embed"),
        residual_mlp_2=value("residual_mlp_2"),
        layer_norm_2=value("layer_normalization_2"),
        layer_norm_epsilon=_NORM_EPSILON,
        readout_features=value("energy_regression_dim"),
        element_shift=True,
        zbl=value("zbl_repulsion_bool"),
        electrostatics=value("electrostatic_energy_bool"),
        electrostatic_damping=value("electrostatic_energy_scale"),
        dispersion=value("dispersion_energy_bool"),
        dispersion_damping=value("dispersion_energy_scale"),
    )


__all__ = ["ELEMENTS", "HYPERPARAMETERS", "LEVEL", "PUBLISHED", "import_so3lr"]
