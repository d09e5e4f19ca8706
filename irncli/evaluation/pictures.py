"""Test pictures as the protocol wants them: 8-bit colour, alpha dropped, no profile applied."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from irncli.errors import InputError
from irncli.images.formats import looks_like_picture
from irncli.images.probe import DEFAULT_PIXELS
from irncli.images.read import opened_picture, read_picture


@dataclass(frozen=True)
class HighResolution:
    """An original before the crop to a multiple of the scale."""

    name: str
    samples: NDArray[np.uint8]
    """H W 3; a grey file has three equal channels."""
    grey_file: bool
    grey_samples: NDArray[np.uint8]
    """H W: the file's own values, or BT.601 luma (0..255) of a colour picture."""

    def cropped(self, divisor: int, grey: bool = False) -> NDArray[np.uint8]:
        """H W 3, or H W of the grey version, from the top left to sides that ``divisor`` divides.

        Raise InputError if nothing is left.
        """
        samples = self.grey_samples if grey else self.samples
        height, width = (side // divisor * divisor for side in samples.shape[:2])
        if not height or not width:
            raise InputError(f"{self.name}: smaller than {divisor} x {divisor} pixels", "Leave it out.")
        return np.ascontiguousarray(samples[:height, :width])


def find_pictures(folder: Path) -> list[Path]:
    """The pictures directly in a folder, by name. Raise InputError when there is none."""
    try:
        names = sorted(os.listdir(folder))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        what = f"{folder}: not a folder that can be read ({reason})"
        raise InputError(what, "Give folders of pictures with `data`.") from error
    paths = [folder / name for name in names if not name.startswith(".")]
    found = [path for path in paths if looks_like_picture(path)]
    if not found:
        raise InputError(f"{folder}: no picture in this folder", "Give folders of pictures with `data`.")
    return found


def check_original(path: Path) -> None:
    """Raise what :func:`read_original` would raise, as far as it can be told without decoding."""
    with opened_picture(path, max_pixels=DEFAULT_PIXELS) as opened:
        if opened.header.trouble:
            raise opened.header.trouble
    _refuse_deep(path, opened.header.depth)


def read_original(path: Path) -> HighResolution:
    """Raise InputError, naming the file, if it cannot be read as 8-bit samples."""
    picture = read_picture(path).picture
    _refuse_deep(path, picture.depth)
    samples = np.array(np.broadcast_to(picture.colour, (picture.height, picture.width, 3)))
    grey = picture.colour[..., 0] if picture.grey else np.array(Image.fromarray(samples).convert("L"))
    return HighResolution(path.stem, samples, picture.grey, grey)


def _refuse_deep(path: Path, depth: int) -> None:
    if depth > 8:
        what = f"{path}: has {depth} bits per sample, and the protocol is of 8-bit pictures"
        raise InputError(what, "Make an 8-bit copy of it first.")
