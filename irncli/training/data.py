"""Training pictures: decoded once into memory, cropped and turned from there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from irncli.errors import InputError, TrainingError
from irncli.images.files import READABLE_SUFFIXES, read_picture


@dataclass(frozen=True)
class Pool:
    """All pictures as one flat uint8 tensor, H W 3 each, one after the other."""

    samples: Tensor
    starts: Tensor
    """First sample of each picture, int64."""
    sizes: Tensor
    """Height and width of each picture, int64, K 2."""
    digest: str
    """SHA-256 over the files' names and bytes."""

    @property
    def pixels(self) -> int:
        return self.samples.numel() // 3

    def picture(self, index: int) -> Tensor:
        """H W 3 uint8, a view."""
        h, w = self.sizes[index].tolist()
        start = int(self.starts[index])
        return self.samples[start : start + h * w * 3].view(h, w, 3)


def find_pictures(folders: Sequence[Path]) -> list[Path]:
    """Pictures in the folders and below, by name. Raise TrainingError for what is no folder."""
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise TrainingError(f"{folder}: not a folder", "Give folders of pictures with --data.")
        found += sorted(
            p
            for p in folder.rglob("*")
            if p.suffix.lower() in READABLE_SUFFIXES and not p.name.startswith(".") and p.is_file()
        )
    return found


def read_pool(
    folders: Sequence[Path],
    minimum: int,
    report: Callable[[str], None],
    limit: int | None = None,
    at_least: int = 0,
) -> Pool:
    """Decode all pictures with both sides of at least ``minimum`` pixels.

    What cannot be read is reported and passed over. Raise TrainingError when nothing is left, or less
    than ``at_least`` pixels.
    """
    parts: list[Tensor] = []
    sizes: list[tuple[int, int]] = []
    digest = hashlib.sha256()
    small = 0
    for path in find_pictures(folders)[:limit]:
        try:
            loaded = read_picture(path)
        except InputError as error:
            report(f"passed over: {error.what}")
            continue
        colour = loaded.picture.colour
        array = np.array(np.broadcast_to(colour, (*colour.shape[:2], 3)))
        if min(array.shape[:2]) < minimum:
            small += 1
            continue
        digest.update(path.name.encode() + b"\0" + bytes.fromhex(loaded.sha256))
        parts.append(torch.from_numpy(array).reshape(-1))
        sizes.append((array.shape[0], array.shape[1]))
    if small:
        report(f"{small} pictures have a side under {minimum} pixels, passed over")
    if not parts:
        raise TrainingError(
            f"no picture of at least {minimum} x {minimum} pixels that can be read",
            "Give more or larger pictures, or a smaller patch in the recipe.",
        )
    pixels = sum(part.numel() for part in parts) // 3
    if pixels < at_least:
        raise TrainingError(
            f"too few pictures: {pixels} pixels in all, and one step alone takes {at_least}",
            "Give more or larger pictures with --data, or a smaller batch or patch in the recipe.",
        )
    lengths = torch.tensor([part.numel() for part in parts])
    return Pool(
        samples=torch.cat(parts),
        starts=torch.cumsum(lengths, 0) - lengths,
        sizes=torch.tensor(sizes),
        digest=digest.hexdigest(),
    )


def draw_batch(pool: Pool, batch: int, size: int, seed: int, step: int) -> Tensor:
    """``batch`` random crops, flipped and transposed, N 3 size size float32 in [0, 1].

    Depends on (seed, step) alone, so a resumed run sees what an unbroken one would have. Pictures are
    drawn by their area.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, step]))
    room = (pool.sizes - size + 1).numpy()
    area = room.prod(1).astype(np.float64)
    crops = []
    for index in rng.choice(len(area), batch, p=area / area.sum()):
        y, x = (int(rng.integers(room[index, axis])) for axis in (0, 1))
        crop = pool.picture(int(index))[y : y + size, x : x + size]
        turn = int(rng.integers(8))
        if turn & 1:
            crop = crop.flip(0)
        if turn & 2:
            crop = crop.flip(1)
        if turn & 4:
            crop = crop.transpose(0, 1)
        crops.append(crop)
    return torch.stack(crops).permute(0, 3, 1, 2).float().div_(255.0)
