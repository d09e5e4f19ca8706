"""The convolution of all subnets: exact in any window, and on the CPU as oneDNN does it fastest."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

SLOPE = 0.2
"""LeakyReLU slope of all subnets."""

MOST_INPUTS = 192
"""Channels that oneDNN is given at a time: beyond 224 its float32 kernels cut the sum over the channels by
the size of the window, and a tile differs from the whole picture by a bit (measured with AVX-512)."""

VECTOR = 16
"""Outputs that oneDNN computes at a time in float32; fewer take as long."""


@functools.cache
def _onednn(dtype: torch.dtype) -> bool:
    """Whether oneDNN can convolve in this precision here."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32


class Conv(nn.Conv2d):
    """Odd sides, zero padding to the same size, bias; computes in its input's dtype, not in its weights'.

    On the CPU inference calls oneDNN by name: left to itself torch takes another kernel for small inputs,
    and a tile would differ from the whole picture by a bit (measured; architecture of exact tiles).
    """

    def forward(self, x: Tensor, activate: bool = False) -> Tensor:
        """``activate``: LeakyReLU on the result, which oneDNN does in the same pass."""
        return self.over((x,), activate)

    def over(self, sources: Sequence[Tensor], activate: bool = False) -> Tensor:
        """N inputs H W in pieces by channel, as if they were concatenated -> N outputs H W."""
        if self.adds_up(sources[0]):
            return self._added_up(sources, activate)
        x = sources[0] if len(sources) == 1 else torch.cat(tuple(sources), 1)
        bias = self.bias
        assert bias is not None
        weight, bias = self.weight.to(x.dtype), bias.to(x.dtype)
        if _by_name(x):
            return _convolved(x, weight, bias, activate, self.groups)
        y = fn.conv2d(x, weight, bias, padding=self.kernel_size[0] // 2, groups=self.groups)
        if activate:
            y = _learnt(y) if torch.compiler.is_compiling() else fn.leaky_relu(y, SLOPE)
        return y

    def adds_up(self, x: Tensor) -> bool:
        """Whether :meth:`over` convolves the pieces of ``x``'s kind one by one and never concatenates them.

        In bfloat16 it does not: each partial sum would be rounded to eight bits.
        """
        return x.dtype == torch.float32 and self.groups == 1 and _by_name(x)

    def _added_up(self, sources: Sequence[Tensor], activate: bool) -> Tensor:
        assert self.bias is not None
        weight, bias = self.weight.float(), self.bias.float()
        if self.kernel_size[0] != 3 or 3 * self.out_channels > VECTOR:
            return _summed(sources, weight, bias, activate)
        # Each row of the kernel says outputs of its own: three times as many fill the same vector. Then the
        # three are added up, each from its row of the picture.
        rows = _summed(sources, weight.permute(2, 0, 1, 3).flatten(0, 1).unsqueeze(2), None, False)
        pick = weight.new_zeros(self.out_channels, rows.shape[1], 3, 1)
        for row, own in enumerate(pick.chunk(3, 1)):
            own[:, :, row, 0].fill_diagonal_(1)
        return _convolved(rows, pick, bias, activate)


def added(base: Tensor, fresh: Tensor) -> Tensor:
    """Their sum. ``base`` stays as it is, ``fresh`` may be overwritten."""
    # To make room for a whole window's sum costs as much as half of a convolution (measured).
    return base + fresh if torch.is_grad_enabled() else fresh.add_(base)


def _by_name(x: Tensor) -> bool:
    return x.device.type == "cpu" and not torch.is_grad_enabled() and _onednn(x.dtype)


def _summed(sources: Sequence[Tensor], weight: Tensor, bias: Tensor | None, activate: bool) -> Tensor:
    """What the concatenation of the sources gives, added up piece by piece."""
    pieces = [part for x in sources for part in x.chunk(-(-x.shape[1] // MOST_INPUTS), 1)]
    taps = torch.split(weight, [piece.shape[1] for piece in pieces], 1)
    y = _convolved(pieces[0], taps[0], bias, activate and len(pieces) == 1)
    for piece, own in zip(pieces[1:], taps[1:], strict=True):
        torch.ops.mkldnn._convolution_pointwise_.binary(
            y, _dense(piece), _dense(own), None, _padding(own), [1, 1], [1, 1], 1, "add", 1.0, None, [], None
        )
    return fn.leaky_relu_(y, SLOPE) if activate and len(pieces) > 1 else y


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None, activate: bool, groups: int = 1) -> Tensor:
    post: tuple[str, list[float]] = ("leaky_relu", [SLOPE]) if activate else ("none", [])
    y: Tensor = torch.ops.mkldnn._convolution_pointwise(
        _dense(x), _dense(weight), bias, _padding(weight), [1, 1], [1, 1], groups, *post, ""
    )
    return y


def _dense(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _padding(weight: Tensor) -> list[int]:
    return [side // 2 for side in weight.shape[2:]]


def _learnt(x: Tensor) -> Tensor:
    """LeakyReLU without a mask: a compiled CPU step stores masks one by one, and took 1.3 times as long.

    Where nothing is compiled it is several passes in place of one, and refining took 1.4 times as long.
    """
    return (1 + SLOPE) / 2 * x + (1 - SLOPE) / 2 * x.abs()


def native_bf16(kind: str = "cpu") -> bool:
    """Whether a device of this kind (``cpu``, ``cuda``, ``mps``) multiplies bfloat16 itself.

    A processor that only emulates it takes four times as long as for float32. All else is taken to do it.
    """
    if kind != "cpu":
        return True
    features = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in features)
