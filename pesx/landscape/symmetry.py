"""A network with the orders of the point groups of its minima and transition states."""

from dataclasses import replace

from pesx.identity.point_groups import TOLERANCE, point_group_orders
from pesx.landscape.network import Network, StationaryPoints
from pesx.typing import Int, Positions, Tensor


def with_point_groups(
    network: Network,
    structures: tuple[Positions, Positions],
    numbers: Int[Tensor, "N"],
    *,
    mirror: str = "distinct",
    tolerance: float = TOLERANCE,
) -> Network:
    """Return the network with the orders of its point groups, as the mirror policy counts them.

    A single atom in an external field has no symmetry of its own, so its orders stay 1.

    Args:
        network: Of a run, or part of it.
        structures: All minima and all transition states of the run, in the order of their numbers.
        numbers: Atomic numbers.
        mirror: ``distinct`` or ``merge``, as in the run.
        tolerance: See :func:`~pesx.identity.point_groups.point_group_orders`.
    """
    if len(numbers) == 1:
        return network

    def with_orders(points: StationaryPoints, positions: Positions) -> StationaryPoints:
        orders = point_group_orders(positions[points.number], numbers, tolerance=tolerance)
        return replace(points, order=orders.under(mirror))

    return replace(
        network,
        minima=with_orders(network.minima, structures[0]),
        transition_states=with_orders(network.transition_states, structures[1]),
    )


__all__ = ["with_point_groups"]
