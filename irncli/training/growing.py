"""A network that begins as a smaller one: an x8 whose last two levels are those of a trained x4, or an x4
that is wider and deeper than a trained one.

The finer levels come first and begin as the identity, so what the trained levels get is the mean of 2x2
pixels in place of the picture. The details that the finer levels leave beside it pass through them untouched:
nothing of what the trained levels read, and nothing of what they write, is lost or moved.

A wider network of the same scale computes what the trained one does: its new channels are drawn, but nothing
reads them yet, and its new couplings, at the end of each level, begin as the identity.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from irncli.nn.coupling import LOW, Coupling
from irncli.nn.network import InvertibleRescaler, NetworkConfig

COUPLINGS = ("affine", "affine-shared", "additive")
SUBNETS = ("residual", "wide")
"""Those whose inputs and outputs are met by one convolution each."""


def can_grow(trained: NetworkConfig, wanted: NetworkConfig) -> bool:
    """Whether the one can begin as the other: of a smaller scale, or of the same one."""
    return _can_widen(trained, wanted) if trained.scale == wanted.scale else _can_rise(trained, wanted)


def _can_widen(trained: NetworkConfig, wanted: NetworkConfig) -> bool:
    """Whether they differ in width and number of couplings alone, and in these the wanted one has more."""
    if wanted.levels != trained.levels:
        return False
    sizes = zip(wanted.blocks + wanted.width, trained.blocks + trained.width, strict=True)
    fits = all(mine >= theirs for mine, theirs in sizes)
    same = replace(wanted, blocks=trained.blocks, width=trained.width) == trained
    kind = wanted.coupling in COUPLINGS and wanted.subnet == "residual" and not wanted.predict
    return same and fits and kind and wanted != trained


def _can_rise(trained: NetworkConfig, wanted: NetworkConfig) -> bool:
    """Whether the levels of the one are the last levels of the other."""
    more = wanted.levels - trained.levels
    same = ("subnet", "units", "coupling", "clamp", "downsampling", "predict", "predict_units")
    return (
        wanted.downsampling == "haar"
        and more > 0
        and wanted.coupling in COUPLINGS
        and wanted.subnet in SUBNETS
        and not wanted.predict
        and all(getattr(trained, key) == getattr(wanted, key) for key in same)
        and (wanted.blocks[more:], wanted.width[more:]) == (trained.blocks, trained.width)
    )


@torch.no_grad()
def grow(network: InvertibleRescaler, trained: InvertibleRescaler) -> None:
    """Fill the last levels of ``network``, or the narrower part of all of them, with ``trained``.

    ``network`` is fresh, so that its other couplings are the identity. Raise ValueError unless
    :func:`can_grow` says that it can.
    """
    if not can_grow(trained.config, network.config):
        raise ValueError("the trained network is no part of it")
    if trained.scale == network.scale:
        for level, source in zip(network.levels, trained.levels, strict=True):
            for mine, theirs in zip(level, source, strict=False):  # type: ignore[call-overload]
                _widen(mine, theirs)
        return
    more = network.config.levels - trained.config.levels
    here = torch.arange(LOW)
    """Where the channels of the trained network's level are among those of this one's."""
    after = LOW * 4**more
    for mine, theirs in zip(network.levels[more:], trained.levels, strict=True):
        # A Haar step puts the means of all channels first, then all H, V, D.
        here = torch.cat([here + band * after for band in range(4)])
        after *= 4
        for one, other in zip(mine, theirs, strict=True):  # type: ignore[call-overload]
            _place(one, other, here)


def _widen(mine: Coupling, theirs: Coupling) -> None:
    for one, other in zip(mine.half_steps, theirs.half_steps, strict=True):
        for subnet, source in zip(one.subnets, other.subnets, strict=True):
            target = subnet.state_dict()
            for key, value in source.state_dict().items():
                whole = target[key]
                if not key.startswith("inp."):  # its inputs are the trained one's
                    whole[: len(value)] = 0  # of the new channels nothing comes into the old ones
                whole[tuple(slice(n) for n in value.shape)] = value.to(whole)
            subnet.load_state_dict(target)


def _place(mine: Coupling, theirs: Coupling, here: Tensor) -> None:
    for one, other in zip(mine.half_steps, theirs.half_steps, strict=True):
        reads = here[slice(*other.reads)] - one.reads[0]
        writes = here[slice(*other.writes)] - one.writes[0]
        width = one.writes[1] - one.writes[0]
        for subnet, source in zip(one.subnets, other.subnets, strict=True):
            state = dict(source.state_dict())
            target = subnet.state_dict()
            # A subnet may say several things of each channel, one after the other: shift and scale.
            times = target["out.bias"].numel() // width
            outputs = torch.cat([writes + k * width for k in range(times)])
            ends = (("inp.weight", reads, 1), ("out.weight", outputs, 0), ("out.bias", outputs, 0))
            for key, index, axis in ends:
                whole = torch.zeros_like(target[key])
                state[key] = whole.index_copy(axis, index.to(whole.device), state[key].to(whole))
            subnet.load_state_dict(state)
