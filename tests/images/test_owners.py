"""Where two libraries read one file, each transform is made once: turning, dividing by alpha, more bits."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
import pyvips
import tifffile
from PIL import Image

from irncli.errors import InputError
from irncli.images.picture import TURN, Picture
from irncli.images.probe import probe
from irncli.images.read import read_picture

FAULTS = Path(__file__).parents[1] / "fixtures" / "faults"
HEIGHT, WIDTH = 48, 64
DOWN, ACROSS = np.mgrid[:HEIGHT, :WIDTH]
SCENE = np.stack([ACROSS * 3 + 20, DOWN * 4 + 10, (ACROSS > 40) * 200 + (DOWN < 10) * 40], 2).astype(np.uint8)


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[274] = orientation
    return tags.tobytes()


def avif(bits: int, orientation: int, alpha: bool = False) -> bytes:
    planes = np.dstack((SCENE, SCENE[..., 0])) if alpha else SCENE
    if bits == 8:
        file = io.BytesIO()
        Image.fromarray(planes).save(file, "AVIF", exif=exif(orientation), quality=95)
        return file.getvalue()
    kind = pyvips.GValue.gint_type
    image = pyvips.Image.new_from_array(planes.astype(np.uint16) * 257, interpretation="rgb16").copy()
    image.set_type(kind, "orientation", orientation)  # written as irot and imir
    data: bytes = image.heifsave_buffer(compression="av1", bitdepth=bits, effort=0, Q=95)
    return data


def heic(bits: int, orientation: int, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
    if bits == 8:
        image = pillow_heif.from_bytes("RGB", (WIDTH, HEIGHT), SCENE.tobytes())
    else:
        deep = (SCENE.astype(np.uint16) * 257).tobytes()
        image = pillow_heif.from_bytes("RGB;16", (WIDTH, HEIGHT), deep)
    file = io.BytesIO()
    image.save(file, quality=95, exif=exif(orientation))
    return file.getvalue()


def displayed(samples: np.ndarray, orientation: int) -> np.ndarray:
    image = Image.fromarray(samples)
    turn = TURN.get(orientation)
    return np.asarray(image if turn is None else image.transpose(turn)).astype(int)


def seen(picture: Picture) -> np.ndarray:
    """As a viewer shows it, of 8 bits."""
    colour = picture.colour if picture.depth == 8 else (picture.colour >> 8).astype(np.uint8)
    return displayed(colour, picture.metadata.orientation)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("format", ["avif", "heic"])
def test_a_turned_picture_is_turned_once(
    format: str, bits: int, orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = avif(bits, orientation) if format == "avif" else heic(bits, orientation, monkeypatch)
    assert (b"irot" in data or b"imir" in data) == (orientation != 1)
    picture, wanted = read_picture(io.BytesIO(data), name="x").picture, displayed(SCENE, orientation)
    assert picture.depth == (8 if bits == 8 else 16)
    assert seen(picture).shape == wanted.shape and np.abs(seen(picture) - wanted).mean() < 4
    assert probe(io.BytesIO(data)).size == (picture.width, picture.height)


def test_alpha_is_turned_with_its_picture() -> None:
    picture = read_picture(io.BytesIO(avif(10, 6, alpha=True)), name="x").picture
    assert picture.alpha is not None and picture.metadata.orientation == 6
    assert np.abs((picture.alpha >> 8).astype(int) - SCENE[..., 0]).mean() < 4


def test_the_file_with_ten_bits_looks_like_its_twin_with_eight() -> None:
    deep, twin = (read_picture(FAULTS / name).picture for name in ("turn6_10.avif", "turn6.avif"))
    assert (deep.depth, twin.depth) == (16, 8) and seen(deep).shape == (96, 64, 3)
    assert np.abs(seen(deep) - seen(twin)).mean() < 2


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("format", ["avif", "heic"])
def test_a_multiplied_picture_of_more_bits_is_divided_as_its_twin_of_eight(format: str, bits: int) -> None:
    """200 100 40 at an alpha of 255 on the left and 128 on the right, stored multiplied by it."""
    wanted = np.full((64, 64, 4), (200, 100, 40, 255), np.uint8)
    wanted[:, 32:, 3] = 128
    stored = wanted.copy()
    stored[..., :3] = np.rint(wanted[..., :3] * (wanted[..., 3:] / 255))
    file = io.BytesIO()
    if format == "heic":
        mode, deep = ("RGBa", stored) if bits == 8 else ("RGBa;16", stored.astype(np.uint16) * 257)
        pillow_heif.from_bytes(mode, (64, 64), deep.tobytes()).save(file, quality=95)
    elif bits == 8:
        Image.fromarray(wanted).save(file, "AVIF", quality=95, alpha_premultiplied=True)
    else:  # as libvips writes the stored ones, with a reference "prem" added
        file.write((FAULTS / "multiplied10.avif").read_bytes())
    assert b"prem" in file.getvalue()
    picture = read_picture(file, name="x").picture
    assert picture.alpha is not None and picture.depth == (8 if bits == 8 else 16)
    got = np.dstack((picture.colour, picture.alpha)) / (1 if bits == 8 else 257)
    assert np.abs(got - wanted)[:, [4, 12, 20, 44, 52, 60]].max() <= 3


def layered(depth: int, channels: int, **options: Any) -> tuple[np.ndarray, bytes]:
    """Samples and a TIFF of them; an associated alpha is none, half or all in turn."""
    top, rng = (1 << depth) - 1, np.random.default_rng(depth + channels)
    samples = rng.integers(0, top + 1, (37, 41, channels)).astype(np.uint8 if depth == 8 else np.uint16)
    if options.get("extrasamples") == ["assocalpha"]:
        samples[..., -1] = np.array([0, top // 3, top])[np.arange(37) % 3, None]
        samples[..., :-1] = np.minimum(samples[..., :-1], samples[..., -1:])
    planes = samples
    if options.get("planarconfig") == "separate":
        planes = np.ascontiguousarray(np.moveaxis(samples, 2, 0))
    file = io.BytesIO()
    tifffile.imwrite(file, planes, photometric="rgb" if channels > 2 else "minisblack", **options)
    return samples, file.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("stored", [{}, {"compression": "zlib"}, {"tile": (16, 32)}])
def test_colour_is_divided_by_its_alpha_once(
    stored: dict[str, Any], channels: int, depth: int, order: str
) -> None:
    samples, data = layered(depth, channels, extrasamples=["assocalpha"], byteorder=order, **stored)
    picture = read_picture(io.BytesIO(data), name="x").picture
    alpha = samples[..., -1:].astype(float)
    wanted = samples[..., :-1] * ((1 << depth) - 1.0) / np.maximum(alpha, 1)
    assert picture.alpha is not None and np.array_equal(picture.alpha, samples[..., -1])
    assert np.abs(np.where(alpha, picture.colour - wanted, 0)).max() <= 1


STORED = {
    "one strip": {"rowsperstrip": 37},
    "strips": {"rowsperstrip": 5},
    "deflated strips": {"rowsperstrip": 5, "compression": "zlib", "predictor": True},
    "tiles": {"tile": (16, 32)},
    "deflated tiles": {"tile": (16, 32), "compression": "zlib"},
}


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(
    ("channels", "alpha"),
    [(2, "unassalpha"), (2, "assocalpha"), (3, None), (4, "unassalpha"), (4, "assocalpha")],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_samples_in_planes_come_right_or_are_refused_by_name(
    order: str, channels: int, alpha: str | None, depth: int, kind: str
) -> None:
    extra = {"extrasamples": [alpha]} if alpha else {}
    samples, data = layered(
        depth, channels, planarconfig="separate", byteorder=order, **extra, **STORED[kind]
    )
    try:
        picture = read_picture(io.BytesIO(data), name="x").picture
    except InputError as error:
        assert "plane" in error.what and "damaged" not in error.what and "tiffcp" in error.remedy
        trouble = probe(io.BytesIO(data)).trouble
        assert trouble is not None and "plane" in trouble.what
        assert channels == 2 or "tiles" in kind or alpha == "assocalpha"
        return
    assert channels > 2
    if alpha:
        assert picture.alpha is not None and np.array_equal(picture.alpha, samples[..., -1])
    if alpha != "assocalpha":
        assert np.array_equal(picture.colour, samples[..., :3])
