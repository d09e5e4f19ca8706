"""Couplings: invertible blocks made of half-steps.

A half-step reads one set of channels and rewrites the other, so it can run tile by tile, in place:

    parameters(source window) -> the coupling parameters, such as shift and log-scale, as the subnets
                                 compute them (the only part that sees neighbours)
    apply(target, parameters) -> target, pixel by pixel
    undo(target, parameters) -> target, pixel by pixel

A coupling is a list of half-steps; its inverse is the same list undone from the end. ``COUPLINGS`` in
``couplings.py`` names those that a recipe may ask for.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

LOW = 3
"""Channels of the low branch: the small picture."""

MakeSubnet = Callable[[int, int], nn.Module]
"""(inputs, outputs) -> subnet."""

Parameters = tuple[Tensor, ...]
"""Coupling parameters, each N C H W with the channels that a half-step writes."""


def edge_padded(x: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """N C H W with so many copies of its edge on each side; ``x`` itself where all are 0."""
    if top or bottom:
        first, last = x[:, :, :1].expand(-1, -1, top, -1), x[:, :, -1:].expand(-1, -1, bottom, -1)
        x = torch.cat((first, x, last), 2)
    if left or right:
        first, last = x[..., :1].expand(-1, -1, -1, left), x[..., -1:].expand(-1, -1, -1, right)
        x = torch.cat((first, x, last), 3)
    return x


class HalfStep:
    """One half of a coupling. ``reads`` and ``writes`` are channel ranges ``(start, stop)``.

    ``dtype`` is the precision of the subnets alone (None: that of the coefficients, which never change
    theirs). ``border`` is what the subnets see beyond the picture: ``zeros``, which each convolution pads
    with as the paper's do, or ``edge``, the source's own edge repeated.
    """

    reads: tuple[int, int]
    writes: tuple[int, int]

    def __init__(self, subnets: list[nn.Module]) -> None:
        self.subnets = subnets  # owned, named and moved by the coupling
        self.radius = max(int(subnet.radius) for subnet in subnets)  # type: ignore[arg-type]
        self.alignment = max(int(subnet.alignment) for subnet in subnets)  # type: ignore[arg-type]
        self.dtype: torch.dtype | None = None
        self.border = "zeros"

    @property
    def margin(self) -> int:
        """Pixels of the source that are repeated beyond the picture's border, on each side.

        As many as an output sees, so that no convolution's own zeros reach into the picture: of a plain
        picture the coupling parameters are then plain, too. 0 where the border is ``zeros``.
        """
        return 0 if self.border == "zeros" else -(-self.radius // self.alignment) * self.alignment

    def subnet_parameters(self, source: Tensor) -> Parameters:
        """N reads H W in the subnets' precision -> tensors N writes H W in that precision."""
        raise NotImplementedError

    def parameters(self, source: Tensor) -> Parameters:
        """N reads H W -> tensors N writes H W, in the coefficients' precision.

        The only part that sees neighbours: ``radius`` pixels around each.
        """
        inside = source if self.dtype is None else source.to(self.dtype)
        m = self.margin
        parameters = self.subnet_parameters(edge_padded(inside, m, m, m, m))
        h, w = source.shape[2:]
        return tuple(each[:, :, m : m + h, m : m + w].to(source.dtype) for each in parameters)

    def apply(self, target: Tensor, parameters: Parameters) -> Tensor:
        """The forward direction, elementwise."""
        raise NotImplementedError

    def undo(self, target: Tensor, parameters: Parameters) -> Tensor:
        """The inverse direction, elementwise."""
        raise NotImplementedError


class Shift(HalfStep):
    """``target += F(source)``; several subnets: the sum of their outputs."""

    def __init__(self, subnets: list[nn.Module], reads: tuple[int, int], writes: tuple[int, int]) -> None:
        super().__init__(subnets)
        self.reads, self.writes = reads, writes

    def subnet_parameters(self, source: Tensor) -> Parameters:
        return tuple(subnet(source) for subnet in self.subnets)

    def apply(self, target: Tensor, parameters: Parameters) -> Tensor:
        for shift in parameters:
            target = target + shift
        return target

    def undo(self, target: Tensor, parameters: Parameters) -> Tensor:
        for shift in parameters:
            target = target - shift
        return target


class HighAffine(HalfStep):
    """``x2 = x2 * exp(s) + G(x1)``, ``s = clamp * tanh(H(x1) / 2)``: the small picture predicts details.

    With one subnet its outputs are G and H stacked; with two they are separate networks.
    """

    def __init__(self, subnets: list[nn.Module], channels: int, clamp: float) -> None:
        super().__init__(subnets)
        self.clamp = clamp
        self.reads, self.writes = (0, LOW), (LOW, channels)

    def subnet_parameters(self, source: Tensor) -> Parameters:
        out = [subnet(source) for subnet in self.subnets]
        shift, scale = out if len(out) == 2 else out[0].chunk(2, 1)
        return shift, scale

    def log_scale(self, scale: Tensor) -> Tensor:
        # 2 * sigmoid(h) - 1 in the authors' words. torch's sigmoid rounds the last elements of an array
        # differently from the others, so its bits depend on the tile; tanh's do not (measured).
        bounded = torch.tanh(scale * 0.5)
        return bounded if self.clamp == 1.0 else bounded * self.clamp

    def apply(self, target: Tensor, parameters: Parameters) -> Tensor:
        shift, scale = parameters
        return target * torch.exp(self.log_scale(scale)) + shift

    def undo(self, target: Tensor, parameters: Parameters) -> Tensor:
        shift, scale = parameters
        return (target - shift) / torch.exp(self.log_scale(scale))


class Coupling(nn.Module):
    """A block over ``channels`` channels, the first three of them low."""

    half_steps: list[HalfStep]
    streams: list[int]
    """Channels of the parts that are read and written as wholes, in their order."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.streams = [LOW, channels - LOW]

    def forward(self, x: Tensor) -> Tensor:
        return self._sweep(x, inverse=False)

    def inverse(self, y: Tensor) -> Tensor:
        return self._sweep(y, inverse=True)

    def _sweep(self, x: Tensor, *, inverse: bool) -> Tensor:
        parts = list(torch.split(x, self.streams, 1))
        starts = [sum(self.streams[:i]) for i in range(len(parts) + 1)]
        for half in reversed(self.half_steps) if inverse else self.half_steps:
            first, end = (starts.index(edge) for edge in half.reads)
            parameters = half.parameters(_joined(parts[first:end]))
            first, end = (starts.index(edge) for edge in half.writes)
            change = half.undo if inverse else half.apply
            done = change(_joined(parts[first:end]), parameters)
            parts[first:end] = torch.split(done, self.streams[first:end], 1)
        return torch.cat(parts, 1)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class AffineCoupling(Coupling):
    """The paper's block: F, G and H are three subnets."""

    def __init__(self, channels: int, make: MakeSubnet, clamp: float) -> None:
        super().__init__(channels)
        high = channels - LOW
        self.F, self.G, self.H = make(high, LOW), make(LOW, high), make(LOW, high)
        self.half_steps = [
            Shift([self.F], (LOW, channels), (0, LOW)),
            HighAffine([self.G, self.H], channels, clamp),
        ]


class SharedAffineCoupling(Coupling):
    """The paper's block with G and H on one trunk: a third cheaper (family.md, 3.2)."""

    def __init__(self, channels: int, make: MakeSubnet, clamp: float) -> None:
        super().__init__(channels)
        high = channels - LOW
        self.F, self.GH = make(high, LOW), make(LOW, 2 * high)
        self.half_steps = [Shift([self.F], (LOW, channels), (0, LOW)), HighAffine([self.GH], channels, clamp)]


class AdditiveCoupling(Coupling):
    """Shifts alone: nothing is scaled, so no error grows on the way back."""

    def __init__(self, channels: int, make: MakeSubnet, clamp: float) -> None:
        super().__init__(channels)
        low, high = (0, LOW), (LOW, channels)
        self.F, self.G = make(channels - LOW, LOW), make(LOW, channels - LOW)
        self.half_steps = [Shift([self.F], high, low), Shift([self.G], low, high)]


class Prediction(Coupling):
    """HCFlow's conditional step: the high bands as the small picture alone predicts them (family.md, 1.3).

    What is encoded is how far they are from it; restored at temperature 0 they are the prediction. The small
    picture is left as it is.
    """

    def __init__(self, channels: int, make: MakeSubnet, clamp: float) -> None:
        super().__init__(channels)
        self.GH = make(LOW, 2 * (channels - LOW))
        self.half_steps = [HighAffine([self.GH], channels, clamp)]
