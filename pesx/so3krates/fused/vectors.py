"""Vector registers in Numba code: a type as wide as the processor's registers, and the few operations the kernels need.

Compilers find vector instructions in plain loops only where they can prove that arrays do not overlap and where trip
counts suit them. Here each operation says what it means, so sums have one order everywhere, whatever the batch.
"""

# ruff: noqa: ARG001 - the signatures are Numba's.

import hashlib
import math
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

from pesx.so3krates.fused.views import Function, element_address, emitted

BYTES = 64 if llvmlite.binding.get_host_cpu_features().get("avx512f", False) else 32
"""Of a vector."""


class VectorType(types.Type):  # type: ignore[misc]
    """Some floating-point numbers in one register.

    Args:
        scalar: Numba type of each.
    """

    def __init__(self, scalar: types.Float) -> None:
        self.scalar, self.bits = scalar, int(scalar.bitwidth)
        self.lanes = 8 * BYTES // self.bits
        super().__init__(name=f"Vector({scalar}, {self.lanes})")

    def ir_type(self) -> ir.VectorType:
        """Return the type as LLVM knows it."""
        return ir.VectorType(ir.FloatType() if self.bits == 32 else ir.DoubleType(), self.lanes)


@register_model(VectorType)
class VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    """A vector is one LLVM value."""

    def __init__(self, manager: Any, vector: VectorType) -> None:
        super().__init__(manager, vector, vector.ir_type())


def compiled(function: Function) -> Function:
    """Make a function part of the kernels that call it; Python cannot call it."""
    inner = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    kernel: Function = numba.njit(error_model="numpy", **inner)(function)
    return kernel


def merged(function: Function) -> Function:
    """Copy a function into the one kernel that calls it, before anything is compiled."""
    kernel: Function = numba.njit(inline="always")(function)
    return kernel


def entry(function: Function) -> Function:
    """Make a kernel that Python can call.

    It is compiled at the first call and does not hold the interpreter. The machine code is kept on disk where there is a
    folder to write to, under a name that changes with the source of any kernel.
    """
    options = {"nogil": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
    function.__qualname__ = f"{function.__qualname__}_{_digest()}"
    try:
        kernel: Function = numba.njit(cache=True, **options)(function)
    except RuntimeError:
        kernel = numba.njit(**options)(function)
    return kernel


CONSTANTS = ("cutoff.py", "dispersion.py", "electrostatics.py", "graph.py", "tabulated.py", "zbl.py", "../units.py")
"""Files with numbers that kernels use; they become part of machine code."""


def _digest() -> str:
    """Return a hash of all that ends up in machine code; Numba itself looks at the file of the called kernel alone."""
    here = Path(__file__).parent
    files = [*sorted(here.glob("*.py")), *(here.parent / name for name in CONSTANTS)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


@emitted
def apart(_: Any) -> Any:
    """Keep the function that calls this from being copied into its callers, and its loops from being unrolled.

    Both would be long to compile, and the second would gain nothing: the loops are over whole vectors already.
    """

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        builder.function.attributes.add("noinline")
        builder.function.attributes.add("optsize")
        return context.get_dummy_value()

    return types.void(), emit


def read(builder: Any, address: Any, vector: VectorType) -> Any:
    """Emit a load from any address."""
    pointer = builder.bitcast(address, vector.ir_type().as_pointer())
    return builder.load(pointer, align=vector.bits // 8, typ=vector.ir_type())


def write(builder: Any, value: Any, address: Any, vector: VectorType) -> None:
    """Emit a store to any address."""
    builder.store(value, builder.bitcast(address, vector.ir_type().as_pointer()), align=vector.bits // 8)


def constant(vector: VectorType, number: float) -> ir.Constant:
    """Return the vector with the same number in all lanes."""
    return ir.Constant(vector.ir_type(), [number] * vector.lanes)


def fill(builder: Any, scalar: Any, vector: VectorType) -> Any:
    """Emit a copy of a scalar to all lanes."""
    index = ir.IntType(32)
    single = builder.insert_element(ir.Constant(vector.ir_type(), ir.Undefined), scalar, ir.Constant(index, 0))
    mask = ir.Constant(ir.VectorType(index, vector.lanes), [0] * vector.lanes)
    return builder.shuffle_vector(single, ir.Constant(vector.ir_type(), ir.Undefined), mask)


def multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Emit a b + c with one rounding."""
    return _llvm(builder, "fma", a, b, c)


def _llvm(builder: Any, name: str, *values: Any) -> Any:
    """Emit a call of one of LLVM's own functions of vectors."""
    kind = values[0].type
    bits = 32 if isinstance(kind.element, ir.FloatType) else 64
    signature = ir.FunctionType(kind, [kind] * len(values))
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.v{kind.count}f{bits}")
    return builder.call(function, values)


@emitted
def lanes_of(_: Any, view: Any) -> Any:
    """Return how many numbers of a view's type a vector holds."""
    lanes = VectorType(view.scalar).lanes

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        return context.get_constant(types.intp, lanes)

    return types.intp(view), emit


@emitted
def load(_: Any, view: Any, row: Any, column: Any) -> Any:
    """Return the numbers of a matrix that begin at this place."""
    vector = VectorType(view.scalar)

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        matrix, *index = values
        return read(builder, element_address(context, builder, sig.args[0], matrix, index), vector)

    return vector(view, types.intp, types.intp), emit


@emitted
def store(_: Any, view: Any, row: Any, column: Any, vector: Any) -> Any:
    """Write a vector to a place of a matrix."""

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        matrix, *index, numbers = values
        write(builder, numbers, element_address(context, builder, sig.args[0], matrix, index), vector)
        return context.get_dummy_value()

    return types.void(view, types.intp, types.intp, vector), emit


@emitted
def spread(_: Any, view: Any, number: Any) -> Any:
    """Return a vector for a view with the same number in all lanes."""
    vector = VectorType(view.scalar)

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        return fill(builder, values[1], vector)

    return vector(view, view.scalar), emit


@emitted
def fma(_: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a b + c, rounded once."""

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        return multiply_add(builder, *values)

    return a(a, a, a), emit


@emitted
def total(_: Any, vector: Any) -> Any:
    """Return the sum of the lanes: halves on halves, always in the same order."""

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        numbers, index = values[0], ir.IntType(32)
        width = vector.lanes
        while width > 1:
            width //= 2
            low, high = (ir.Constant(ir.VectorType(index, width), list(range(s, s + width))) for s in (0, width))
            nothing = ir.Constant(numbers.type, ir.Undefined)
            parts = [builder.shuffle_vector(numbers, nothing, mask) for mask in (low, high)]
            numbers = builder.fadd(*parts)
        return builder.extract_element(numbers, ir.Constant(index, 0))

    return vector.scalar(vector), emit


def _exponential(builder: Any, vector: VectorType, x: Any) -> Any:
    """Emit exp of each lane, right to the last bit or two; arguments beyond the range count as its ends."""
    is_single = vector.bits == 32
    mantissa, bias, end, terms = (23, 127, 87.0, 7) if is_single else (52, 1023, 708.0, 13)
    # ln 2 in two parts; a whole number times the first is exact.
    high, low = (0.693359375, -2.12194440e-4) if is_single else (0.693145751953125, 1.42860682030941723212e-6)
    kind = vector.ir_type()
    x = _llvm(builder, "maxnum", x, constant(vector, -end))
    x = _llvm(builder, "minnum", x, constant(vector, end))
    # Adding a number this large leaves the rounded integer in the last bits.
    shift = constant(vector, 1.5 * 2.0**mantissa)
    shifted = multiply_add(builder, x, constant(vector, 1.4426950408889634), shift)
    power = builder.fsub(shifted, shift)
    rest = multiply_add(builder, power, constant(vector, -high), x)
    rest = multiply_add(builder, power, constant(vector, -low), rest)
    series = constant(vector, 1.0 / math.factorial(terms))
    for term in reversed(range(terms)):
        series = multiply_add(builder, series, rest, constant(vector, 1.0 / math.factorial(term)))
    whole = ir.VectorType(ir.IntType(vector.bits), vector.lanes)
    bits = builder.add(builder.bitcast(shifted, whole), ir.Constant(whole, [bias] * vector.lanes))
    bits = builder.shl(bits, ir.Constant(whole, [mantissa] * vector.lanes))
    return builder.fmul(series, builder.bitcast(bits, kind))


@emitted
def sigmoid(_: Any, vector: Any) -> Any:
    """Return 1 / (1 + exp(-x)) of each lane."""

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        one = constant(vector, 1.0)
        decay = _exponential(builder, vector, builder.fsub(constant(vector, 0.0), values[0]))
        return builder.fdiv(one, builder.fadd(one, decay))

    return vector(vector), emit


INSTRUCTIONS = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul", operator.truediv: "fdiv"}


class _Arithmetic(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, _: Any) -> Any:
        a, b = args
        return signature(a, a, a) if isinstance(a, VectorType) and a == b else None


def _give_operator(operation: Callable[[Any, Any], Any], instruction: str) -> None:
    infer_global(operation)(type(instruction, (_Arithmetic,), {}))

    @lower_builtin(operation, VectorType, VectorType)  # type: ignore[untyped-decorator]
    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        return getattr(builder, instruction)(*values)


for _operation, _instruction in INSTRUCTIONS.items():
    _give_operator(_operation, _instruction)


__all__ = [
    "BYTES",
    "VectorType",
    "apart",
    "compiled",
    "entry",
    "fma",
    "lanes_of",
    "load",
    "merged",
    "sigmoid",
    "spread",
    "store",
    "total",
]
