"""Any rescaling network as a peer: the authors' file if a user has it, or other weights of irn."""

from __future__ import annotations

import time
from pathlib import Path

from irncli.errors import ModelError
from irncli.evaluation.peers.peer import Peer, Way
from irncli.evaluation.peers.resampling import Samples
from irncli.rescale import Rescaler


def weights_peer(word: str, scale: int, threads: int | None = None) -> Peer:
    """``word``: a .pth or .safetensors file, or a name of the catalogue. Raise ModelError."""
    rescaler = Rescaler(word, device="cpu", threads=threads)
    if rescaler.scale != scale:
        raise ModelError(f"--peer {word} is x{rescaler.scale}, not x{scale}", "Leave it out.")
    name = Path(word).stem

    def both_ways(original: Samples) -> Way:
        small, manifest = rescaler.downscale(original)
        begun = time.perf_counter()
        restored = rescaler.upscale(small, manifest)
        return Way(small, restored, time.perf_counter() - begun)

    source = f"{rescaler.name} {rescaler.identity[:12]}"
    return Peer(name, name, "rescaling network", source, "brought by the user", both_ways)
