"""Couplings: invertible blocks made of half-steps.

A half-step reads one set of channels and rewrites the other, so it can run tile by tile, in place:

    terms(source window) -> what the subnets say (the only part that sees neighbours)
    apply(target, terms) -> target, pixel by pixel      undo(target, terms) -> target

A coupling is a list of half-steps; its inverse is the same list undone from the end. A new coupling is
one class and one line in ``COUPLINGS``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

LOW = 3
"""Channels of the low branch: the small picture."""

MakeSubnet = Callable[[int, int], nn.Module]
"""(inputs, outputs) -> subnet."""

Terms = tuple[Tensor, ...]


class HalfStep:
    """One half of a coupling. ``reads`` and ``writes`` are channel ranges ``(start, stop)``.

    ``dtype`` is the precision of the subnets alone (None: that of the coefficients, which never change
    theirs).
    """

    reads: tuple[int, int]
    writes: tuple[int, int]

    def __init__(self, subnets: list[nn.Module]) -> None:
        self.subnets = subnets  # owned, named and moved by the coupling
        self.radius = max(int(subnet.radius) for subnet in subnets)  # type: ignore[arg-type]
        self.alignment = max(int(subnet.alignment) for subnet in subnets)  # type: ignore[arg-type]
        self.dtype: torch.dtype | None = None

    def subnet_terms(self, source: Tensor) -> Terms:
        """N reads H W in the subnets' precision -> tensors N writes H W in the same."""
        raise NotImplementedError

    def terms(self, source: Tensor) -> Terms:
        """N reads H W -> tensors N writes H W, in the coefficients' precision.

        The only part that sees neighbours: ``radius`` pixels around each.
        """
        inside = source if self.dtype is None else source.to(self.dtype)
        return tuple(term.to(source.dtype) for term in self.subnet_terms(inside))

    def apply_terms(self, target: Tensor, terms: Terms) -> Tensor:
        """The forward direction, elementwise."""
        raise NotImplementedError

    def undo_terms(self, target: Tensor, terms: Terms) -> Tensor:
        """The inverse direction, elementwise."""
        raise NotImplementedError


class LowShift(HalfStep):
    """``x1 += F(x2)``: the details correct the small picture."""

    def __init__(self, subnet: nn.Module, channels: int) -> None:
        super().__init__([subnet])
        self.reads, self.writes = (LOW, channels), (0, LOW)

    def subnet_terms(self, source: Tensor) -> Terms:
        return (self.subnets[0](source),)

    def apply_terms(self, target: Tensor, terms: Terms) -> Tensor:
        return target + terms[0]

    def undo_terms(self, target: Tensor, terms: Terms) -> Tensor:
        return target - terms[0]


class HighAffine(HalfStep):
    """``x2 = x2 * exp(s) + G(x1)``, ``s = clamp * tanh(H(x1) / 2)``: the small picture predicts details.

    With one subnet its outputs are G and H stacked; with two they are separate networks.
    """

    def __init__(self, subnets: list[nn.Module], channels: int, clamp: float) -> None:
        super().__init__(subnets)
        self.clamp = clamp
        self.reads, self.writes = (0, LOW), (LOW, channels)

    def subnet_terms(self, source: Tensor) -> Terms:
        out = [subnet(source) for subnet in self.subnets]
        shift, scale = out if len(out) == 2 else out[0].chunk(2, 1)
        return shift, scale

    def log_scale(self, scale: Tensor) -> Tensor:
        # 2 * sigmoid(h) - 1 in the authors' words. torch's sigmoid rounds the last elements of an array
        # differently from the others, so its bits depend on the tile; tanh's do not (measured).
        bounded = torch.tanh(scale * 0.5)
        return bounded if self.clamp == 1.0 else bounded * self.clamp

    def apply_terms(self, target: Tensor, terms: Terms) -> Tensor:
        shift, scale = terms
        return target * torch.exp(self.log_scale(scale)) + shift

    def undo_terms(self, target: Tensor, terms: Terms) -> Tensor:
        shift, scale = terms
        return (target - shift) / torch.exp(self.log_scale(scale))


class Coupling(nn.Module):
    """A block over ``channels`` channels, the first three of them low."""

    half_steps: list[HalfStep]

    def forward(self, x: Tensor) -> Tensor:
        return self._sweep(x, inverse=False)

    def inverse(self, y: Tensor) -> Tensor:
        return self._sweep(y, inverse=True)

    def _sweep(self, x: Tensor, *, inverse: bool) -> Tensor:
        parts = {(0, LOW): x[:, :LOW], (LOW, x.shape[1]): x[:, LOW:]}
        for half in reversed(self.half_steps) if inverse else self.half_steps:
            terms = half.terms(parts[half.reads])
            change = half.undo_terms if inverse else half.apply_terms
            parts[half.writes] = change(parts[half.writes], terms)
        return torch.cat(tuple(parts.values()), 1)


class AffineCoupling(Coupling):
    """The paper's block: F, G and H are three subnets."""

    def __init__(self, channels: int, make: MakeSubnet, clamp: float) -> None:
        super().__init__()
        high = channels - LOW
        self.F, self.G, self.H = make(high, LOW), make(LOW, high), make(LOW, high)
        self.half_steps = [
            LowShift(self.F, channels),
            HighAffine([self.G, self.H], channels, clamp),
        ]


class SharedAffineCoupling(Coupling):
    """The same block with G and H on one trunk: a third cheaper (family.md, 3.2)."""

    def __init__(self, channels: int, make: MakeSubnet, clamp: float) -> None:
        super().__init__()
        high = channels - LOW
        self.F, self.GH = make(high, LOW), make(LOW, 2 * high)
        self.half_steps = [LowShift(self.F, channels), HighAffine([self.GH], channels, clamp)]


COUPLINGS: dict[str, type[AffineCoupling] | type[SharedAffineCoupling]] = {
    "affine": AffineCoupling,
    "affine-shared": SharedAffineCoupling,
}
