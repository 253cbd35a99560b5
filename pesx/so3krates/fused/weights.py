"""What the kernels read: the sizes of a model, and its weights with heads padded to whole vectors."""

from typing import Any, NamedTuple

from numpy.typing import NDArray

from pesx.so3krates.settings import So3kratesSettings

Array = NDArray[Any]


class Shape(NamedTuple):
    """Sizes. Those that end in ``_room`` are padded to whole vectors.

    A row of filters has the heads of the feature branch, then those of the geometric branch, one per degree; a row of
    projections has query, key and value of each head, then query and key of each degree.

    Attributes:
        features: Of an atom.
        row: Columns of matrices that have a number per degree behind the features.
        n_elements: Of the molecule, not of the model.
        head: Features of a head of the feature branch.
        degree_head: Features of a head of the geometric branch, of which there is one per degree.
        narrow: Width of the hidden layer in the spherical part of a filter.
        components_room: For all components of all degrees.
        mixed_room: For what the exchange gives: features and a number per degree.
        filters: Columns of a row of filters.
        projections: Columns of a row of projections.
        energy_room: For the hidden layer of the energy; 0 in this and the next two where a model lacks the readout.
        charge_room: For that of the partial charge.
        ratio_room: For that of the Hirshfeld ratio.
        readout_room: For all three side by side.
        coefficients_room: For both branches' coefficients of a pair, there and back.
        lanes: Numbers in a vector.
        has_norm: Whether there is a norm after attention; then whether a residual network, and both after the exchange.
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
    energy_room: int
    charge_room: int
    ratio_room: int
    readout_room: int
    coefficients_room: int
    lanes: int
    has_norm: bool
    has_refinement: bool
    has_norm_2: bool
    has_refinement_2: bool
    has_repulsion: bool
    has_electrostatics: bool
    has_dispersion: bool


class Weights(NamedTuple):
    """All numbers of a model of a molecule. Matrices are (input, output), so that outputs are vectors; ``_back``: transposes.

    What has one entry per layer begins with the second layer, unless the first layer has it too: residual networks and norms,
    two places per layer, and the exchange. Attention in the first layer has tables of its own, by element.

    Attributes:
        cutoff: Of the network, angstrom.
        cutoff_code: Of :data:`pesx.so3krates.fused.switches.CUTOFF_CODES`.
        neighbours: Divisor of the coefficients.
        cells: Of the tables' grid.
        per_spacing: Cells per angstrom.
        epsilon: Added to the variance in norms.
        is_feature: 1 where a column is a feature, 0 where it is padding.
        first_features: What atoms begin with, by element; charge and spin of the molecule are in it.
        first_values: Values of the first layer, by element.
        first_table: Coefficients of the first layer, by pair of elements.
        radial_table: Radial part of the filters.
        norm: Scale, then shift.
        out: What the hidden layers of the readouts are multiplied by, by element.
        out_bias: Constant of each readout, by element.
        readout_start: First column of each readout's hidden layer, and the end of the last.
        of_degree: 1 where a component belongs to the degree; ``of_degree_back`` with the sign of the reverse direction.
        root: 1 / sqrt(2 l + 1) of each degree.
        parent: Each monomial is this earlier one times the coordinate ``axis``.
        screening: Weights, then decays of the terms that screen nuclei.
        inverse_length: What distances are multiplied by in it, 1/angstrom; each atom of a pair adds its own.
        nuclei: Atomic numbers.
        long_range_cutoff: Angstrom; infinite for none.
        coulomb_at_cutoff: Value and slope of the damped Coulomb kernel at the cutoff; 0 without one.
        polarisability: Of free atoms, atomic units.
        c6: Of pairs of free atoms, atomic units.
    """

    cutoff: float
    cutoff_code: int
    neighbours: float
    cells: int
    per_spacing: float
    epsilon: float
    is_feature: Array
    first_features: Array
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
    out_bias: Array
    readout_start: Array
    of_degree: Array
    of_degree_back: Array
    root: Array
    polynomials: Array
    slopes: Array
    n_monomials: int
    parent: Array
    axis: Array
    n_screening: int
    screening: Array
    inverse_length: Array
    nuclei: Array
    total_charge: float
    long_range_cutoff: float
    electrostatic_damping: float
    coulomb_at_cutoff: float
    coulomb_slope_at_cutoff: float
    dispersion_damping: float
    dispersion_switch: float
    polarisability: Array
    c6: Array


def make_shape(settings: So3kratesSettings, lanes: int, n_elements: int) -> Shape:
    """Return the sizes of a model for vectors of so many lanes, and a molecule of so many elements."""

    def room(size: int) -> int:
        return size + -size % lanes

    features, n_degrees, n_heads = settings.features, len(settings.degrees), settings.n_heads
    head_room, degree_head_room = room(features // n_heads), room(features // n_degrees)
    energy_room = room(settings.readout_width)
    charge_room = energy_room if settings.electrostatics else 0
    ratio_room = room(settings.readout_width // 2) if settings.dispersion else 0
    return Shape(
        features=features,
        features_room=room(features),
        row=room(features) + lanes,
        n_layers=settings.n_layers,
        n_elements=n_elements,
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
        energy_room=energy_room,
        charge_room=charge_room,
        ratio_room=ratio_room,
        readout_room=energy_room + charge_room + ratio_room,
        coefficients_room=room(2 * (n_heads + n_degrees)),
        lanes=lanes,
        has_norm=settings.layer_norm,
        has_refinement=settings.residual_mlp,
        has_norm_2=settings.layer_norm_2,
        has_refinement_2=settings.residual_mlp_2,
        has_repulsion=settings.zbl,
        has_electrostatics=settings.electrostatics,
        has_dispersion=settings.dispersion,
    )


__all__ = ["Array", "Shape", "Weights", "make_shape"]
