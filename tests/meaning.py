"""What colours mean, by the formulas of the standards and not by irn: for the tests that look at them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

Places = tuple[float, ...]
"""White, red, green and blue, x and y each."""
SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
ADOBE = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
BT2020 = (0.3127, 0.329, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046)


def gama(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


def chrm(places: Places) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in places))


def cicp(primaries: int, transfer: int) -> tuple[bytes, bytes]:
    return b"cICP", bytes([primaries, transfer, 0, 1])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(path: Path, image: Image.Image, *chunks: tuple[bytes, bytes]) -> Path:
    """A PNG with these chunks behind its header."""
    file = io.BytesIO()
    image.save(file, "PNG")
    data = file.getvalue()
    path.write_bytes(data[:33] + b"".join(chunk(*each) for each in chunks) + data[33:])
    return path


def chunks_of(path: Path) -> list[tuple[bytes, bytes]]:
    data, at, found = path.read_bytes(), 8, []
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += length + 12
    return found


def srgb_curve(x: np.ndarray) -> np.ndarray:
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def to_srgb(levels: np.ndarray, places: Places, curve: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Levels 0 to 255 of light that the curve and the primaries tell -> those that sRGB has for it."""

    def columns(p: Places) -> np.ndarray:
        x = np.array([[p[i] / p[i + 1], 1, (1 - p[i] - p[i + 1]) / p[i + 1]] for i in (2, 4, 6, 0)]).T
        return x[:, :3] * np.linalg.solve(x[:, :3], x[:, 3])

    assert places[:2] == SRGB[:2]
    light = curve(levels / 255.0) @ (np.linalg.inv(columns(SRGB)) @ columns(places)).T
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255


def shown(image: Image.Image, icc: bytes | None) -> np.ndarray:
    """What a program that manages colours shows on an sRGB screen."""
    if icc is None:
        return np.asarray(image.convert("RGB")).astype(float)
    target = ImageCms.createProfile("sRGB")
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    return np.asarray(ImageCms.profileToProfile(image, source, target, outputMode="RGB")).astype(float)
