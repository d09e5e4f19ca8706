"""PNG and TIFF as their rows come: any size, depth and channels, in bands of any heights, exactly."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import random_picture
from PIL import Image

from irncli.errors import OutputError
from irncli.images import png
from irncli.images.picture import Picture
from irncli.images.read import read_picture
from irncli.images.write import encode, encoding
from irncli.samples import Bands, Samples, blocks

EXAMPLES = Path(__file__).parents[2] / "examples"


@st.composite
def pictures(draw: st.DrawFn) -> Samples:
    """Noise, smooth slopes or flat colour: each filter has something that it foretells best."""
    height, width = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    channels, dtype = draw(st.sampled_from([1, 2, 3, 4])), draw(st.sampled_from([np.uint8, np.uint16]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    steps = rng.integers(-draw(st.sampled_from([0, 3, 300])), 1, (height, width, channels))
    axes = draw(st.sampled_from([(), (0,), (1,), (0, 1)]))
    for axis in axes:
        steps = steps.cumsum(axis)
    return steps.astype(dtype)


def as_it_comes(samples: Samples, heights: list[int]) -> Bands:
    def bands() -> Iterator[Samples]:
        y, turn = 0, 0
        while y < len(samples):
            end = min(y + heights[turn % len(heights)], len(samples))
            yield samples[y:end]
            y, turn = end, turn + 1

    return Bands(samples.shape, samples.dtype, bands)


def decoded(data: bytes, format: str, dtype: np.dtype) -> Samples:  # type: ignore[type-arg]
    """By a reader that is not irn's."""
    if format == "TIFF":
        return tifffile.imread(io.BytesIO(data))
    if dtype == np.uint8:
        return np.asarray(Image.open(io.BytesIO(data)))
    return pyvips.Image.new_from_buffer(data, "").numpy()


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@settings(max_examples=60)
@given(pictures(), st.lists(st.integers(1, 80), min_size=1, max_size=4), st.sampled_from([0, 1, 6, 9]))
def test_any_picture_in_any_bands_comes_back(
    format: str, samples: Samples, heights: list[int], level: int
) -> None:
    alpha = samples.shape[2] in (2, 4)
    colour = np.ascontiguousarray(samples[..., :-1]) if alpha else samples
    whole = Picture(colour, samples[..., -1] if alpha else None)
    data = encode(whole, format, compress=level)[0]
    assert np.array_equal(decoded(data, format, samples.dtype).reshape(samples.shape), samples)
    if not alpha:
        file = io.BytesIO()
        rows = as_it_comes(samples, heights).as_samples()
        encoding(Picture(rows), format, compress=level)[0](file)
        assert file.getvalue() == data


def test_large_rows_and_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = random_picture(50, 300, "RGB", bare=True).colour
    for block in (1, 2000, 5000):
        monkeypatch.setattr(png, "_BLOCK", block)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode(Picture(samples), "PNG")[0]))), samples)


@given(st.integers(1, 40), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 50))
def test_blocks_are_of_so_many_rows(height: int, heights: list[int], rows: int) -> None:
    samples = np.arange(height * 6, dtype=np.uint16).reshape(height, 2, 3)
    for given_rows in (samples, as_it_comes(samples, heights).as_samples()):
        parts = [part.copy() for part in blocks(given_rows, rows)]
        assert [len(part) for part in parts[:-1]] == [rows] * (len(parts) - 1)
        assert np.array_equal(np.concatenate(parts), samples)
    assert np.array_equal(as_it_comes(samples, heights).whole(), samples)


def test_each_filter_is_chosen_where_it_serves() -> None:
    with Image.open(EXAMPLES / "osprey.webp") as image:
        samples = np.asarray(image.convert("RGB"))[100:400, 100:400].copy()
    samples[:4] = 0
    data, stream = encode(Picture(samples), "PNG")[0], bytearray()
    for kind, start, length in png.chunks(io.BytesIO(data)):
        if kind == b"IDAT":
            stream += data[start : start + length]
    chosen = np.frombuffer(zlib.decompress(stream), np.uint8).reshape(300, 901)[:, 0]
    assert set(chosen) == {0, 1, 2, 3, 4}
    by_pillow = io.BytesIO()
    Image.fromarray(samples).save(by_pillow, "PNG", compress_level=6)
    assert len(data) < 1.01 * len(by_pillow.getvalue())


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_text_may_change_behind_the_pixels(format: str, depth: int) -> None:
    """As the digest of pixels does that nobody had before."""
    picture = random_picture(60, 40, "RGB", depth=depth)
    seen = 0

    def bands() -> Iterator[Samples]:
        nonlocal seen
        for y in range(60):
            seen += int(picture.colour[y].sum())
            yield picture.colour[y : y + 1]

    rows = Bands(picture.colour.shape, picture.colour.dtype, bands).as_samples()
    by_rows = Picture(rows, None, picture.metadata)
    file = io.BytesIO()
    encoding(by_rows, format, text=lambda: f"{seen:020}", text_kind="record")[0](file)
    found = read_picture(io.BytesIO(file.getvalue()), name="x")
    assert found.header.text == f"{picture.colour.sum():020}"
    assert file.getvalue() == encode(picture, format, text=found.header.text, text_kind="record")[0]
    assert (found.picture.metadata.icc, found.picture.notes) == (picture.metadata.icc, ())


def test_a_tiff_that_grows_too_large_is_said_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irncli.images.tiff._MOST", 20_000)
    encode(random_picture(60, 60, "RGB", bare=True), "TIFF")
    with pytest.raises(OutputError, match="larger than the 4 GB"):
        encode(random_picture(90, 90, "RGB", bare=True), "TIFF")


PEAK = """
import sys, tempfile
from pathlib import Path
import numpy as np
from irncli.images.picture import Picture
from irncli.images.write import encoding
from irncli.samples import Bands
def peak():
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1]) * 1024
def bands():
    for y in range(0, 3000, 100):
        yield np.full((100, 4000, 3), y, np.uint16)
rows = Bands((3000, 4000, 3), np.dtype(np.uint16), bands)
write, _ = encoding(Picture(rows.as_samples()), sys.argv[1], compress=1)
begun = peak()
with tempfile.TemporaryFile() as file:
    write(file)
print(peak() - begun)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_what_is_written_by_rows_is_never_in_memory(format: str) -> None:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    line = [sys.executable, "-c", PEAK, format]
    grown = int(subprocess.run(line, env=env, check=True, capture_output=True).stdout)
    assert grown < 3000 * 4000 * 6 / 4
