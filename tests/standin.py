"""A device with little memory, where there is none: counts real bytes, raises torch's own error."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
"""The name that stands for it: torch has it on every machine, and computes nothing there."""
CPU = torch.device("cpu")


class StandIn(TorchDispatchMode):
    """While it is entered, tensors asked for on :data:`DEVICE` are made on the CPU, and counted.

    As on a real device, what is computed from its tensors lies there too, and an operation on tensors of
    both sides is an error. A storage is counted once, from when it is made until nothing holds it.
    """

    def __init__(self, limit: int) -> None:
        """``limit``: bytes of the device."""
        super().__init__()
        self.limit, self.used, self.peak, self.refused = limit, 0, 0, 0
        self._storages: dict[int, int] = {}

    def free(self, device: torch.device) -> int:
        """In place of ``irncli.execution.memory.available_memory``."""
        assert device == DEVICE
        return self.limit - self.used

    def holds(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._storages

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        wanted = named.get("device")
        if wanted is not None and torch.device(wanted) == DEVICE:
            named["device"] = CPU
        given = [t for t in tree_flatten((args, named))[0] if isinstance(t, Tensor)]
        here = [self.holds(t) for t in given]
        moves = "copy" in func.__name__  # copy_, _to_copy: what may cross
        if not moves and any(here):
            strangers = [t for t, ours in zip(given, here, strict=True) if not ours and t.dim()]
            assert not strangers, f"{func}: tensors of the device and of the host together"
        there = torch.device(wanted) == DEVICE if wanted is not None else bool(here) and here[0]
        out = func(*args, **named)
        if func.__name__.startswith("_to_copy"):
            sources = {t.untyped_storage()._cdata for t in given}
            assert out.untyped_storage()._cdata not in sources
        return tree_map(self._count, out) if there else out

    def _count(self, tensor: Any) -> Any:
        if not isinstance(tensor, Tensor) or self.holds(tensor):
            return tensor
        storage = tensor.untyped_storage()
        size = storage.nbytes()
        if self.used + size > self.limit:
            self.refused += 1
            raise torch.OutOfMemoryError(f"stand-in out of memory: {self.used} of {self.limit} bytes in use")
        key = storage._cdata
        self._storages[key] = size
        self.used += size
        self.peak = max(self.peak, self.used)
        weakref.finalize(storage, self._forget, key)
        return tensor

    def _forget(self, key: int) -> None:
        self.used -= self._storages.pop(key)
