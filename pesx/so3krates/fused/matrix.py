"""Products of small matrices, a register tile at a time.

Every row of a product is computed by the same instructions in the same order however many rows there are, which the
matrix libraries do not promise; and a product of a few rows costs no library call.
"""

# ruff: noqa: ARG001 - the signatures are Numba's.

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from pesx.so3krates.fused.vectors import (
    BYTES,
    VectorType,
    apart,
    compiled,
    fill,
    lanes_of,
    load,
    multiply_add,
    read,
    spread,
    store,
    write,
)
from pesx.so3krates.fused.views import element_address, emitted

TALL = BYTES == 64
"""Whether there are 32 registers, enough for tiles of eight rows."""


def make_tile(n_rows: int, n_vectors: int) -> Any:
    """Return a function that adds to a tile of ``out`` the product of some rows of ``left`` and columns of ``right``.

    Args:
        n_rows: Of the tile; those of ``out`` are those of ``left``.
        n_vectors: Columns of the tile, in vectors.
    """

    @emitted
    def tile(_: Any, left: Any, row: Any, inner: Any, right: Any, out: Any, column: Any) -> Any:
        kinds, n = {"left": left, "right": right, "out": out}, types.intp

        def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            return _emit_tile(context, builder, kinds, values, (n_rows, n_vectors))

        return types.void(left, n, n, right, out, n), emit

    return tile


def _emit_tile(context: Any, builder: Any, kinds: dict[str, Any], values: Any, size: tuple[int, int]) -> Any:
    left, row, inner, right, out, column = values
    vector, long = VectorType(kinds["out"].scalar), ir.IntType(64)
    kind = vector.ir_type()

    def spot(which: str, matrix: Any, at_row: Any, at_column: Any, vectors: int = 0) -> Any:
        shifted = builder.add(at_column, ir.Constant(long, vectors * vector.lanes))
        return element_address(context, builder, kinds[which], matrix, [at_row, shifted])

    zero = ir.Constant(long, 0)
    rows = [builder.add(row, ir.Constant(long, number)) for number in range(size[0])]
    spots = [[spot("out", out, at, column, number) for number in range(size[1])] for at in rows]
    sums = [[cgutils.alloca_once_value(builder, read(builder, at, vector)) for at in line] for line in spots]
    starts = [builder.bitcast(spot("left", left, at, zero), kind.element.as_pointer()) for at in rows]
    with cgutils.for_range(builder, inner) as loop:
        columns = [read(builder, spot("right", right, loop.index, column, n), vector) for n in range(size[1])]
        for start, line in zip(starts, sums, strict=True):
            address = builder.gep(start, [loop.index], source_etype=kind.element)
            number = fill(builder, builder.load(address, align=vector.bits // 8, typ=kind.element), vector)
            for numbers, sum_ in zip(columns, line, strict=True):
                builder.store(multiply_add(builder, number, numbers, builder.load(sum_, typ=kind)), sum_)
    for places, line in zip(spots, sums, strict=True):
        for place, sum_ in zip(places, line, strict=True):
            write(builder, builder.load(sum_, typ=kind), place, vector)
    return context.get_dummy_value()


tile_8_3, tile_4_3, tile_2_3, tile_1_3 = (make_tile(rows, 3) for rows in (8, 4, 2, 1))
tile_8_2, tile_2_2, tile_1_2 = (make_tile(rows, 2) for rows in (8, 2, 1))
tile_8_1, tile_1_1 = (make_tile(rows, 1) for rows in (8, 1))


@compiled
def add_product(left: Any, inner: int, right: Any, out: Any, rows: int, width: int) -> None:
    """Add to the first rows and columns of ``out`` the product of those of ``left`` and ``right``.

    Args:
        left: Matrix of at least ``rows`` rows and ``inner`` columns.
        inner: Columns of ``left`` and rows of ``right`` to sum over.
        right: Matrix of at least ``inner`` rows and ``width`` columns.
        out: Matrix of at least ``rows`` rows and ``width`` columns.
        rows: How many rows.
        width: How many columns; a multiple of a vector's lanes.
    """
    apart()
    lanes = lanes_of(out)
    column = 0
    while column < width:
        left_over = (width - column) // lanes
        if left_over >= 3:
            row = 0
            if TALL:
                while row + 8 <= rows:
                    tile_8_3(left, row, inner, right, out, column)
                    row += 8
            while row + 4 <= rows:
                tile_4_3(left, row, inner, right, out, column)
                row += 4
            while row + 2 <= rows:
                tile_2_3(left, row, inner, right, out, column)
                row += 2
            if row < rows:
                tile_1_3(left, row, inner, right, out, column)
            column += 3 * lanes
        elif left_over == 2:
            row = 0
            if TALL:
                while row + 8 <= rows:
                    tile_8_2(left, row, inner, right, out, column)
                    row += 8
            while row + 2 <= rows:
                tile_2_2(left, row, inner, right, out, column)
                row += 2
            if row < rows:
                tile_1_2(left, row, inner, right, out, column)
            column += 2 * lanes
        else:
            row = 0
            while row + 8 <= rows:
                tile_8_1(left, row, inner, right, out, column)
                row += 8
            while row < rows:
                tile_1_1(left, row, inner, right, out, column)
                row += 1
            column += lanes


@compiled
def clear(out: Any, rows: int, width: int) -> None:
    """Set the first rows and columns of a matrix to zero; ``width`` is a multiple of a vector's lanes."""
    for row in range(rows):
        for column in range(0, width, lanes_of(out)):
            store(out, row, column, spread(out, 0.0))


@compiled
def copy_rows(source: Any, out: Any, rows: int, width: int) -> None:
    """Copy the first rows and columns of a matrix; ``width`` is a multiple of a vector's lanes."""
    for row in range(rows):
        for column in range(0, width, lanes_of(out)):
            store(out, row, column, load(source, row, column))


__all__ = ["TALL", "add_product", "clear", "copy_rows"]
