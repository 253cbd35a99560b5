"""What the kernels read: the sizes of a model, and its weights with heads padded to whole vectors."""

from typing import Any, NamedTuple

from numpy.typing import NDArray

from pesx.errors import ConfigError
from pesx.so3krates.settings import So3kratesSettings

Array = NDArray[Any]

CUTOFF_CODES = {"polynomial": 0, "cosine": 1, "exponential": 2}


class Shape(NamedTuple):
    """Sizes. Those that end in ``_room`` are padded to whole vectors.

    A row of filters has the heads of the feature branch, then those of the geometric branch, one per degree; a row of
    projections has query, key and value of each head, then query and key of each degree.
    """

    features: int
    features_room: int
    row: int
    n_layers: int
    n_elements: int
    n_heads: int
    head: int
    head_room: int
    n_degrees: int
    degree_head: int
    degree_head_room: int
    narrow: int
    narrow_room: int
    components_room: int
    mixed_room: int
    filters: int
    projections: int
    readout: int
    readout_room: int
    coefficients_room: int
    lanes: int
    has_norm: bool
    has_refinement: bool
    has_norm_2: bool
    has_refinement_2: bool


class Weights(NamedTuple):
    """All numbers of a model. Matrices are (input, output), so that outputs are vectors; ``_back`` are their transposes."""

    cutoff: float
    cutoff_code: int
    neighbours: float
    cells: int
    per_spacing: float
    epsilon: float
    out_bias: float
    is_feature: Array
    embedding: Array
    first_values: Array
    first_table: Array
    radial_table: Array
    spherical_in: Array
    spherical_bias: Array
    spherical_out: Array
    spherical_back: Array
    project_heads: Array
    project_degrees: Array
    heads_back: Array
    degrees_back: Array
    refine: Array
    refine_bias: Array
    refine_back: Array
    norm: Array
    mix: Array
    mix_bias: Array
    mix_back: Array
    hidden: Array
    hidden_bias: Array
    hidden_back: Array
    out: Array
    scale: Array
    shift: Array
    of_degree: Array
    of_degree_back: Array
    root: Array
    polynomials: Array
    slopes: Array
    n_monomials: int
    parent: Array
    axis: Array


def make_shape(settings: So3kratesSettings, lanes: int) -> Shape:
    """Return the sizes of a model for vectors of so many lanes."""

    def room(size: int) -> int:
        return size + -size % lanes

    features, n_degrees, n_heads = settings.features, len(settings.degrees), settings.n_heads
    head_room, degree_head_room = room(features // n_heads), room(features // n_degrees)
    return Shape(
        features=features,
        features_room=room(features),
        row=room(features) + lanes,
        n_layers=settings.n_layers,
        n_elements=len(settings.elements),
        n_heads=n_heads,
        head=features // n_heads,
        head_room=head_room,
        n_degrees=n_degrees,
        degree_head=features // n_degrees,
        degree_head_room=degree_head_room,
        narrow=features // 4,
        narrow_room=room(features // 4),
        components_room=room(sum(2 * degree + 1 for degree in settings.degrees)),
        mixed_room=room(features + n_degrees),
        filters=n_heads * head_room + n_degrees * degree_head_room,
        projections=3 * n_heads * head_room + 2 * n_degrees * degree_head_room,
        readout=settings.readout_width,
        readout_room=room(settings.readout_width),
        coefficients_room=room(2 * (n_heads + n_degrees)),
        lanes=lanes,
        has_norm=settings.layer_norm,
        has_refinement=settings.residual_mlp,
        has_norm_2=settings.layer_norm_2,
        has_refinement_2=settings.residual_mlp_2,
    )


def check(settings: So3kratesSettings) -> None:
    """Make sure that the kernels cover a model.

    Raises:
        ConfigError: They do not; names what they lack.
    """
    strange = [name for name in ("zbl", "electrostatics", "dispersion") if getattr(settings, name)]
    strange += [name for name in ("charge_embedding", "spin_embedding") if getattr(settings, name)]
    if strange:
        raise ConfigError(
            f"Expected a short-range model of neutral molecules for the fast path; this one has {', '.join(strange)}. Use "
            "the model itself."
        )
    if settings.cutoff_function not in CUTOFF_CODES:
        raise ConfigError(
            f"Expected a cutoff function among {sorted(CUTOFF_CODES)} for the fast path, came "
            f"{settings.cutoff_function}. Use the model itself."
        )


__all__ = ["CUTOFF_CODES", "Array", "Shape", "Weights", "check", "make_shape"]
