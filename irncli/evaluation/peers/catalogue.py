"""Which peers there are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from irncli.errors import ModelError, UsageError
from irncli.evaluation.peers.dat import DAT
from irncli.evaluation.peers.ncnn import REALESRGAN, SPAN, WAIFU2X
from irncli.evaluation.peers.peer import Adapter, Method, Peer
from irncli.evaluation.peers.resampling import Samples
from irncli.rescale import Rescaler

ADAPTERS: tuple[Adapter, ...] = (DAT, SPAN, WAIFU2X, REALESRGAN)
ALL = "all"


def load_peers(words: Sequence[str], scale: int, threads: int | None = None) -> tuple[Peer, ...]:
    """``words``: names, files of weights, or ``all``: whatever is installed for this scale, at least one.

    Raise ModelError for one that cannot be had, UsageError for one that is asked for twice.
    """
    by_name = {adapter.name: adapter for adapter in ADAPTERS}
    found: list[Peer] = []
    for word in words:
        if word == ALL:
            ready = [a for a in ADAPTERS if scale in a.scales and not a.missing()]
            if not ready:
                raise ModelError(
                    "no peer is installed", "Run pip install --no-deps -r benchmarks/peers.txt first."
                )
            found += [adapter.load(scale) for adapter in ready]
        elif word in by_name:
            found.append(by_name[word].load(scale))
        else:
            try:
                found.append(weights_peer(word, scale, threads))
            except ModelError as error:
                there = ", ".join(by_name)
                raise ModelError(error.what, f"Peers are {there}, {ALL}, or a file of weights.") from error
    names = [peer.name for peer in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"`peer` asks for {min(twice)} twice", "Drop one.")
    return tuple(found)


def weights_peer(word: str, scale: int, threads: int | None = None) -> Peer:
    """``word``: a .pth or .safetensors file, or a name of the catalogue. Raise ModelError."""
    rescaler = Rescaler(word, device="cpu", threads=threads)
    if rescaler.scale != scale:
        raise ModelError(f"`peer={word}` is x{rescaler.scale}, not x{scale}", "Leave it out.")
    name = Path(word).stem

    def both_ways(original: Samples) -> Method:
        small, manifest = rescaler.downscale(original)
        begun = time.perf_counter()
        restored = rescaler.upscale(small, manifest)
        return Method(small, restored, time.perf_counter() - begun)

    source = f"{rescaler.name} {rescaler.fingerprint[:12]}"
    return Peer(name, name, "rescaling network", source, "brought by the user", both_ways)
