"""What holds for all tests."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Use one thread: the tests are small, and threads only get into each other's way."""
    torch.set_num_threads(1)


_ASKS = ("aten._local_scalar_dense", "aten.nonzero.", "aten.masked_select", "aten.equal", "aten._unique2")
_COPIES = (torch.Tensor.tolist, torch.Tensor.cpu, torch.Tensor.numpy)


class _Operations(TorchDispatchMode):
    def __init__(self, seen: Counter[str]) -> None:
        super().__init__()
        self._seen = seen

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        is_mask = name.startswith(("aten.index.", "aten.index_put")) and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        if is_mask or name.startswith(_ASKS):
            self._seen[name] += 1
        return func(*args, **(kwargs or {}))


class _Copies(TorchFunctionMode):
    def __init__(self, seen: Counter[str]) -> None:
        super().__init__()
        self._seen = seen

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _COPIES:
            self._seen[func.__name__] += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture
def host_reads():
    """Return a context that counts, by name, the operations for which a host would have to wait for its device."""

    @contextmanager
    def counting() -> Iterator[Counter[str]]:
        seen: Counter[str] = Counter()
        with _Copies(seen), _Operations(seen):
            yield seen

    return counting
