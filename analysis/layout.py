"""Where the branches of a tree go: places of its nodes, and the lines between them."""

from typing import Any

import numpy as np

from pesx.landscape.tree import Tree

Array = np.ndarray[Any, np.dtype[Any]]

_ISOLATED_SHARE = 0.15
"""Minima that nothing is connected to share at most this part of the width."""


def layout(tree: Tree, slant: float) -> tuple[Array, Array]:
    """Return the horizontal place of each node, in widths of a leaf, and the energy at which its line turns to the side.

    A join stands above its lowest minimum, so the way down to that one is straight. The other branches go to its left and
    right, the lower joined ones inside, so that both sides hold about as many minima. No lines cross.

    Args:
        tree: The tree.
        slant: Height over which lines go to the side below a join; less where they would cross others.
    """
    sizes, lowest, children = tree.sizes, tree.lowest, tree.children()
    start = _starts(tree, sizes, lowest)
    place = np.zeros(len(tree.parent))
    turn = tree.energy.copy()
    stack = [(int(root), start[root]) for root in tree.roots]
    while stack:
        top, left = stack.pop()
        trunk = [top]
        while children[trunk[-1]]:
            trunk.append(next(child for child in children[trunk[-1]] if lowest[child] == lowest[top]))
        sides: tuple[list[int], list[int]] = ([], [])
        width, ceiling = [0, 0], [-np.inf, -np.inf]
        for join in trunk[-2::-1]:
            floor = list(ceiling)
            others = [child for child in children[join] if lowest[child] != lowest[top]]
            for child in sorted(others, key=lambda node: (-sizes[node], tree.energy[lowest[node]], node)):
                side = int(width[1] < width[0])
                sides[side].append(child)
                width[side] += int(sizes[child])
                turn[child] = max(tree.energy[child], floor[side], tree.energy[join] - slant)
                ceiling[side] = max(ceiling[side], turn[child])
                if children[child]:
                    floor[side] = max(floor[side], tree.energy[child])
        place[trunk] = left + width[0] + 0.5
        for child in [*reversed(sides[0]), -1, *sides[1]]:
            if child >= 0:
                stack.append((child, left))
            left += sizes[child] if child >= 0 else 1
    return place, turn


def _starts(tree: Tree, sizes: Array, lowest: Array) -> dict[int, float]:
    """Return where the interval of each root begins: the part of the lowest minimum inside, isolated minima at the right."""
    roots = sorted(tree.roots.tolist(), key=lambda root: (tree.energy[lowest[root]], root))
    parts = [root for root in roots if sizes[root] > 1]
    isolated = [root for root in roots if sizes[root] == 1]
    sides: tuple[list[int], list[int]] = ([], [])
    width = [0, 0]
    for root in parts[1:]:
        side = int(width[0] < width[1])
        sides[1 - side].append(root)
        width[1 - side] += int(sizes[root])
    start, end = {}, 0.0
    for root in [*reversed(sides[0]), *parts[:1], *sides[1]]:
        start[root] = end
        end += float(sizes[root])
    step = min(1.0, _ISOLATED_SHARE * end / len(isolated)) if isolated and parts else 1.0
    gap = 0.03 * end if parts else 0.0
    for number, root in enumerate(isolated):
        start[root] = end + gap + step * (number + 0.5) - 0.5
    return start


def lines(tree: Tree, place: Array, turn: Array) -> Array:
    """Return the line from each node to the one that joins it, three points of (place, energy); NaN for a root.

    Args:
        tree: The tree.
        place: Of :func:`layout`.
        turn: Of :func:`layout`.
    """
    above = np.where(tree.parent >= 0, tree.parent, 0)
    ends = [(place, tree.energy), (place, turn), (place[above], tree.energy[above])]
    points = np.stack([np.stack(end, axis=1) for end in ends], axis=1)
    points[tree.parent < 0] = np.nan
    return points
