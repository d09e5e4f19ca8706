"""Pictures and metadata that the tests of this room share."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from irncli.images.metadata import Metadata
from irncli.images.picture import Picture
from irncli.images.probe import probe
from irncli.samples import dtype_of

RGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = RGB_PROFILE[:16] + b"GRAY" + RGB_PROFILE[20:]
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="a &amp; b"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
TEXT = '{"irn": "manifest", "odd": "it\'s <&> \\"x\\""}'


def exif(orientation: int = 6) -> bytes:
    tags = Image.Exif()
    tags[274] = orientation
    tags[315] = "José".encode()
    tags[282] = tags[283] = 300.0
    tags[296] = 2
    below = Image.Exif()
    below[36867] = "2020:01:02 03:04:05"
    below[37510] = b"ASCII\0\0\0hello"
    tags.get_ifd(0x8769).update(below)
    tags.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.5)})
    return tags.tobytes()


def tags_of(block: bytes | None) -> dict[int, Any]:
    """All tags of an EXIF block by value, offsets left out, so that two blocks can be compared."""
    parsed = Image.Exif()
    parsed.load(block or b"")
    found: dict[int, Any] = {k: v for k, v in parsed.items() if k not in (0x8769, 0x8825)}
    return found | {p: dict(parsed.get_ifd(p)) for p in (0x8769, 0x8825)}


def metadata(grey: bool, orientation: int = 6) -> Metadata:
    return Metadata(GREY_PROFILE if grey else RGB_PROFILE, exif(orientation), XMP, (300.0, 300.0))


def random_picture(
    height: int,
    width: int,
    mode: str,
    seed: int = 0,
    *,
    bare: bool = False,
    opaque: bool = False,
    depth: int = 8,
) -> Picture:
    """Noise in ``mode`` (L, LA, RGB, RGBA), with all metadata unless ``bare``."""
    rng, kind, top = np.random.default_rng(seed), dtype_of(depth), (1 << depth) - 1
    colour = rng.integers(0, top + 1, (height, width, 1 if mode[0] == "L" else 3), dtype=kind)
    alpha: NDArray[Any] | None = None
    if mode.endswith("A"):
        # Many holes: colours under alpha 0 are what encoders like to change.
        alpha = rng.choice(np.array([0, top, top // 2 + 1], kind), (height, width))
        alpha = np.full_like(alpha, top) if opaque else alpha
    return Picture(colour, alpha, Metadata() if bare else metadata(mode[0] == "L"))


def assert_same_pixels(got: Picture, expected: Picture) -> None:
    assert (got.colour.shape, got.depth) == (expected.colour.shape, expected.depth)
    wrong = int((got.colour != expected.colour).sum())
    assert wrong == 0, f"{wrong} of {got.colour.size} samples differ"
    assert (got.alpha is None) == (expected.alpha is None)
    if got.alpha is not None and expected.alpha is not None:
        assert np.array_equal(got.alpha, expected.alpha)


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def facts_of(source: Path | BinaryIO) -> tuple[str | None, tuple[int, int], str, int]:
    """Text, size, format and depth, by the header."""
    header = probe(source)
    return header.text, header.size, header.format, header.depth
