"""Muon for the convolutions, AdamW for the rest.

Muon (Jordan et al. 2024): the momentum of a weight, seen as a matrix, is made orthogonal by five
Newton-Schulz steps. With the update scaled by 0.2 sqrt(max(rows, columns)) its size per element is
AdamW's, so one learning rate serves both (Liu et al. 2025). ``torch.optim.Muon`` refuses 4-D weights.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from irncli.nn.convolution import native_bf16
from irncli.training.recipe import OptimiserConfig

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """K R C float32 -> nearly orthogonal K R C, computed in bfloat16 where that is fast."""
    a, b, c = NEWTON_SCHULZ
    x: Tensor = matrices.bfloat16() if native_bf16(matrices.device.type) else matrices
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    out: Tensor = x.mT if tall else x
    return out.to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Weights of two or more dimensions; those of one shape are orthogonalised in one batch."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """A step; nothing changes where the attribute ``found_inf`` (a tensor, as GradScaler sets it) is 1.

        So a gradient that is not finite is skipped on the device, without asking it.
        """
        found_inf: Tensor | None = getattr(self, "found_inf", None)
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    by_shape[p.shape].append(p)
            for shape, params in by_shape.items():
                grads = torch.stack([p.grad.reshape(shape[0], -1) for p in params])  # type: ignore[union-attr]
                buffers = [self._momentum(p) for p in params]
                before = torch.stack(buffers)
                momentum = before.lerp(grads, 1 - group["momentum"])
                nesterov = grads.lerp(momentum, group["momentum"])
                rows, columns = nesterov.shape[1:]
                update = orthogonalise(nesterov) * (0.2 * max(rows, columns) ** 0.5)
                if found_inf is not None:
                    momentum = torch.where(found_inf > 0, before, momentum)
                    update = torch.where(found_inf > 0, 0, update)
                torch._foreach_copy_(buffers, list(momentum.unbind()))
                changes = [change.reshape(shape) for change in (update * -group["lr"]).unbind()]
                torch._foreach_add_(params, changes)

    def _momentum(self, p: Tensor) -> Tensor:
        state = self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p.reshape(p.shape[0], -1))
        momentum: Tensor = state["momentum"]
        return momentum


def make_optimisers(network: nn.Module, config: OptimiserConfig) -> list[torch.optim.Optimizer]:
    """Muon on the weights and AdamW (no decay) on biases and other vectors; or the paper's Adam on all."""
    if config.kind == "adam":
        return [
            torch.optim.Adam(
                network.parameters(),
                config.rate,
                betas=(0.9, 0.999),
                weight_decay=config.weight_decay,
                fused=True,  # the fused ones know ``found_inf`` (see Muon.step)
            )
        ]
    weights = [p for p in network.parameters() if p.dim() >= 2]
    vectors = [p for p in network.parameters() if p.dim() < 2]
    return [
        Muon(weights, config.rate),
        torch.optim.AdamW(vectors, config.rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True),
    ]


def rate_at(step: int, share: float, config: OptimiserConfig) -> float:
    """Learning rate: linear warm-up, constant or halved in stairs, linear decay to ``final``.

    ``share`` of the run is done, 0..1; the warm-up alone counts steps.
    """
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    rate = config.rate * 0.5 ** sum(share >= each for each in config.halve_at)
    if share < config.decay_from:
        return rate
    left = (1 - share) / max(1 - config.decay_from, 1e-9)
    return rate * (config.final + (1 - config.final) * max(left, 0.0))
