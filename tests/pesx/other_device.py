"""Runs a command of pesx on a device that is none: a second memory in the same processor.

Its tensors say that they are elsewhere, and refuse to meet those of the CPU wherever those of a GPU would. So what forgets to
move a tensor fails here as it would there. For the tests only; the device is called ``aside``.
"""

import sys
from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("aside")
DEVICE = torch.device("aside:0")
PRODUCTS = ("aten.mm.", "aten.addmm.", "aten.bmm.")
seen: Counter[str] = Counter()


class Aside(torch.Tensor):
    """A tensor of the device; what is in it lies on the CPU."""

    content: torch.Tensor

    @staticmethod
    def __new__(cls, content: torch.Tensor) -> "Aside":
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            content.size(),
            strides=content.stride(),
            storage_offset=content.storage_offset(),
            dtype=content.dtype,
            device=DEVICE,
        )
        made.content = content.detach()
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _call(func, args, kwargs or {})


def _content(value: Any) -> Any:
    return value.content if isinstance(value, Aside) else value


def _must_be_there(name: str, args: Any, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the tensors that a GPU wants on itself: all but numbers, and what picks rows."""
    if name.startswith(("aten.index.", "aten.index_put")) and isinstance(args[0], Aside):
        tensors = [given for given in (args[0], *args[2:3]) if isinstance(given, torch.Tensor)]
    return [tensor for tensor in tensors if tensor.dim() > 0]


def _call(func: Any, args: Any, kwargs: Any) -> Any:
    name, asked = str(func), kwargs.get("device")
    tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.Tensor)]
    is_there = any(isinstance(tensor, Aside) for tensor in tensors)
    is_copy = name.startswith(("aten._to_copy", "aten.copy_"))
    if is_there and not is_copy:
        strange = [t for t in _must_be_there(name, args, tensors) if not isinstance(t, Aside)]
        if strange:
            raise RuntimeError(
                f"{name} got tensors of two devices; one of shape {tuple(strange[0].shape)} is on the CPU."
            )
    seen[name] += is_there
    goes_there = is_there if asked is None else torch.device(asked).type == DEVICE.type
    if asked is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    plain_args, plain_kwargs = tree_map(_content, (args, kwargs))
    out = func(*plain_args, **plain_kwargs)
    is_in_place = func._schema.name.endswith("_") and not func._schema.name.endswith("__")
    if is_in_place and isinstance(args[0], torch.Tensor):
        return args[0]
    return tree_map(lambda value: Aside(value) if goes_there and isinstance(value, torch.Tensor) else value, out)


class Everywhere(TorchDispatchMode):
    """Also takes the calls that make tensors on the device out of none."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _call(func, args, kwargs or {})


def _reach_what_modes_do_not() -> torch.library.Library:
    """Answer for calls that torch makes by itself, past all modes."""

    def empty_strided(size: Any, stride: Any, dtype: Any = None, **_: Any) -> torch.Tensor:
        return Aside(torch.empty_strided(size, stride, dtype=dtype, device="cpu"))

    def copy_from(source: torch.Tensor, target: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        _content(target).copy_(_content(source))
        return target

    answers = torch.library.Library("aten", "IMPL")
    answers.impl("empty_strided", empty_strided, "PrivateUse1")
    answers.impl("_copy_from", copy_from, "PrivateUse1")
    of_cpu, of_list = torch.Tensor.tolist, torch.tensor
    torch.Tensor.tolist = lambda self: of_cpu(_content(self))
    torch.tensor = lambda *given, device=None, **more: of_list(*given, **more).to(device or "cpu")
    return answers


def main(words: list[str]) -> int:
    """Run a command."""
    kept = _reach_what_modes_do_not()
    from pesx.cli.main import main as command

    with Everywhere():
        # The trial of the trial: what is to be found is found.
        here, there = torch.ones(2), torch.ones(2, device="aside")
        assert (there + there).cpu().tolist() == [2.0, 2.0]
        with pytest.raises(RuntimeError, match="two devices"):
            there + here
        seen.clear()
        code = command(words)
    del kept
    n_products = sum(count for name, count in seen.items() if name.startswith(PRODUCTS))
    assert n_products > 100, f"the network was not there: {n_products} products of matrices"
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
