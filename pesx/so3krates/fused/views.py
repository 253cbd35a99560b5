"""Many arrays as one argument of a compiled kernel: the address of a block of addresses, read as they are needed.

Numba passes an array as seven numbers and counts its owners; with eighty arrays at every call that meant minutes of
compiling. Here a named tuple of arrays and numbers becomes one address. A field of it, in a kernel, is a number or a
view: an address and strides. Views keep nothing alive; the :class:`Bundle` does.
"""

# ruff: noqa: ARG001 - the signatures are Numba's.

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import from_dtype, types
from numba.core import cgutils
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_getattr, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model, typeof_impl, unbox

BYTE, LONG = ir.IntType(8), ir.IntType(64)

Function = Callable[..., Any]


def emitted(function: Function) -> Function:
    """Make a function of kernels from one that takes types and returns a signature and what emits the code."""
    made: Function = intrinsic(function)
    return made


class ViewType(types.Type):  # type: ignore[misc]
    """An array somewhere in memory whose last axis is contiguous.

    Args:
        scalar: Type of its numbers.
        ndim: How many axes.
    """

    def __init__(self, scalar: types.Number, ndim: int) -> None:
        self.scalar, self.ndim = scalar, ndim
        super().__init__(name=f"View({scalar}, {ndim})")

    @property
    def size(self) -> int:
        """Bytes of a number."""
        return int(self.scalar.bitwidth) // 8


@register_model(ViewType)
class ViewModel(models.StructModel):  # type: ignore[misc]
    """An address, and the bytes from one index to the next along all axes but the last."""

    def __init__(self, manager: Any, view: ViewType) -> None:
        strides = [(f"stride_{axis}", types.intp) for axis in range(view.ndim - 1)]
        super().__init__(manager, view, [("address", types.voidptr), *strides])


class BundleType(types.Type):  # type: ignore[misc]
    """A block of numbers, addresses and strides, eight bytes each.

    Args:
        name: Tells bundles with other fields apart.
        fields: Names and types, in the order of the block.
    """

    def __init__(self, name: str, fields: tuple[tuple[str, types.Type], ...]) -> None:
        self.fields = dict(fields)
        self.slots, slot = {}, 0
        for field, kind in fields:
            self.slots[field] = slot
            slot += kind.ndim if isinstance(kind, ViewType) else 1
        super().__init__(name=name)


@register_model(BundleType)
class BundleModel(models.PrimitiveModel):  # type: ignore[misc]
    """One address."""

    def __init__(self, manager: Any, bundle: BundleType) -> None:
        super().__init__(manager, bundle, BYTE.as_pointer())


class Bundle:
    """Arrays and numbers of a named tuple, ready for kernels.

    Args:
        fields: Contiguous arrays of up to three axes, integers, floating-point numbers and truth values.
    """

    def __init__(self, fields: NamedTuple) -> None:
        self.fields: Any = fields
        block: list[np.ndarray[Any, Any]] = []
        kinds: list[tuple[str, types.Type]] = []
        for name, value in fields._asdict().items():
            if isinstance(value, np.ndarray):
                kinds.append((name, ViewType(from_dtype(value.dtype), value.ndim)))
                block.append(np.array([value.ctypes.data, *value.strides[:-1]], np.int64))
            elif isinstance(value, float):
                kinds.append((name, types.float64))
                block.append(np.array([value]).view(np.int64))
            else:
                kinds.append((name, types.int64))
                block.append(np.array([int(value)], np.int64))
        self._block = np.concatenate(block)
        self.address = self._block.ctypes.data
        scalars = sorted({str(kind.scalar) for _, kind in kinds if isinstance(kind, ViewType)})
        self.kind = BundleType(f"{type(fields).__name__}({', '.join(scalars)})", tuple(kinds))


@typeof_impl.register(Bundle)  # type: ignore[untyped-decorator]
def _typeof(bundle: Bundle, _: Any) -> BundleType:
    return bundle.kind


@unbox(BundleType)  # type: ignore[untyped-decorator]
def _unbox(kind: BundleType, bundle: Any, c: Any) -> Any:
    number = c.pyapi.object_getattr_string(bundle, "address")
    native = c.unbox(types.intp, number)
    c.pyapi.decref(number)
    native.value = c.builder.inttoptr(native.value, BYTE.as_pointer())
    return native


@infer_getattr
class _BundleFields(AttributeTemplate):  # type: ignore[misc]
    key = BundleType

    def generic_resolve(self, bundle: BundleType, name: str) -> types.Type | None:
        return bundle.fields.get(name)


@lower_getattr_generic(BundleType)  # type: ignore[untyped-decorator]
def _get_field(context: Any, builder: Any, bundle: BundleType, address: Any, name: str) -> Any:
    kind = bundle.fields[name]

    def slot(number: int, content: Any) -> Any:
        offset = ir.Constant(LONG, 8 * (bundle.slots[name] + number))
        place = builder.gep(address, [offset], source_etype=BYTE)
        value = builder.load(builder.bitcast(place, content.as_pointer()), align=8, typ=content)
        # Kernels never write to the block, so a field read once need not be read again.
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        return value

    if not isinstance(kind, ViewType):
        return slot(0, context.get_value_type(kind))
    view = cgutils.create_struct_proxy(kind)(context, builder)
    view.address = slot(0, BYTE.as_pointer())
    for axis in range(kind.ndim - 1):
        setattr(view, f"stride_{axis}", slot(1 + axis, LONG))
    return view._getvalue()


def element_address(context: Any, builder: Any, view: ViewType, value: Any, index: list[Any]) -> Any:
    """Emit the address of an element of a view."""
    proxy = cgutils.create_struct_proxy(view)(context, builder, value)
    steps = [getattr(proxy, f"stride_{axis}") for axis in range(view.ndim - 1)] + [ir.Constant(LONG, view.size)]
    offset = ir.Constant(LONG, 0)
    for number, step in zip(index, steps, strict=False):
        offset = builder.add(offset, builder.mul(number, step))
    return builder.gep(proxy.address, [offset], source_etype=BYTE)


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, _: Any) -> Any:
        view, index = args
        if not isinstance(view, ViewType):
            return None
        if isinstance(index, types.Integer):
            part = view.scalar if view.ndim == 1 else ViewType(view.scalar, view.ndim - 1)
            return signature(part, view, types.intp)
        if isinstance(index, types.BaseTuple) and len(index) == view.ndim:
            return signature(view.scalar, view, types.UniTuple(types.intp, view.ndim))
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, _: Any) -> Any:
        view, index, value = args
        if not isinstance(view, ViewType) or not isinstance(value, types.Number):
            return None
        if isinstance(index, types.Integer) and view.ndim == 1:
            return signature(types.void, view, types.intp, view.scalar)
        if isinstance(index, types.BaseTuple) and len(index) == view.ndim:
            return signature(types.void, view, types.UniTuple(types.intp, view.ndim), view.scalar)
        return None


def _numbers(builder: Any, kind: types.Type, index: Any) -> list[Any]:
    return cgutils.unpack_tuple(builder, index) if isinstance(kind, types.BaseTuple) else [index]


@lower_builtin(operator.getitem, ViewType, types.intp)  # type: ignore[untyped-decorator]
@lower_builtin(operator.getitem, ViewType, types.BaseTuple)  # type: ignore[untyped-decorator]
def _get_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    view, out = sig.args[0], sig.return_type
    address = element_address(context, builder, view, args[0], _numbers(builder, sig.args[1], args[1]))
    if not isinstance(out, ViewType):
        scalar = context.get_value_type(out)
        return builder.load(builder.bitcast(address, scalar.as_pointer()), align=view.size, typ=scalar)
    whole = cgutils.create_struct_proxy(view)(context, builder, args[0])
    part = cgutils.create_struct_proxy(out)(context, builder)
    part.address = address
    for axis in range(out.ndim - 1):
        setattr(part, f"stride_{axis}", getattr(whole, f"stride_{axis + 1}"))
    return part._getvalue()


@lower_builtin(operator.setitem, ViewType, types.intp, types.Number)  # type: ignore[untyped-decorator]
@lower_builtin(operator.setitem, ViewType, types.BaseTuple, types.Number)  # type: ignore[untyped-decorator]
def _set_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    view, index, _ = sig.args
    address = element_address(context, builder, view, args[0], _numbers(builder, index, args[1]))
    scalar = context.get_value_type(view.scalar)
    builder.store(args[2], builder.bitcast(address, scalar.as_pointer()), align=view.size)
    return context.get_dummy_value()


@emitted
def shifted(_: Any, view: Any, row: Any, column: Any) -> Any:
    """Return the view of a matrix that begins at this place of it."""

    def emit(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        matrix, *index = values
        part = cgutils.create_struct_proxy(view)(context, builder, matrix)
        part.address = element_address(context, builder, view, matrix, index)
        return part._getvalue()

    return view(view, types.intp, types.intp), emit


__all__ = ["Bundle", "BundleType", "Function", "ViewType", "element_address", "emitted", "shifted"]
