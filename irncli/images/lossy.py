"""Whether a file's pixels were stored with loss: only where the file says so for certain."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from irncli.images import jxl
from irncli.images.sniff import avif_halves_colour, webp_is_lossy


def stored_with_loss(stream: BinaryIO, image: Image.Image) -> bool:
    """Whether the samples of an opened file cannot be those that were saved; where it is read stays the same.

    False for what nobody can tell from the file: an AVIF at full resolution may be without loss.
    """
    at = stream.tell()
    stream.seek(0)
    try:
        match image.format:
            case "JPEG" | "MPO":
                return True
            case "TIFF":
                return image.info.get("compression") in ("jpeg", "tiff_jpeg")
            case "WEBP":
                return webp_is_lossy(stream)
            case "AVIF":
                return avif_halves_colour(stream.read(1 << 20))
            case "HEIF":
                return image.info.get("chroma") in (420, 422)
            case "JXL":
                return jxl.read_head(stream).lossy
        return False
    finally:
        stream.seek(at)
