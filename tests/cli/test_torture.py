"""The torture folder there and back, as nobody: how each file ends, and what is in the pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image
from running import Nobody
from torture import SILENT, Case, Samples, torture, unlock

from irncli.rescale import Rescaler

OUTCOMES = {
    # A restored picture's mode, or what the one line says. The first that fits counts.
    SILENT: SILENT,
    # Pages.
    "TIFF of 3": "has 3 pages",
    "MPO of 2": "RGB",
    "* of 3": "has 3 frames",
    "* oriented ?": "RGB",
    # By plugins.
    "HEIF of 2": "has 2 pages",
    "HEIF of 1? bits": "RGB16",
    "HEIF *A": "RGBA",  # grey with alpha too
    "HEIF *a": "RGBA",
    "* with tag ?": "RGB",
    "JXL I;16": "L16",
    "JXL F": "floating-point samples",
    "JXL of a JPEG": "RGB",
    "a HEIF that lies of its size": "damaged",
    # Modes, depths and ways to write them.
    "PNG I;16*": "L16",
    "TIFF I;16*": "L16",
    "PPM I*": "L16",
    "TIFF F": "floating-point samples",
    "PPM F": "floating-point samples",
    "TIFF I": "32-bit samples",
    "TIFF LAB": "Lab colour",
    "TIFF PA": "RGBA",
    "WEBP *A": "RGBA",
    "WEBP *a": "RGBA",
    "WEBP *": "RGB",
    "GIF RGBA": "RGBA",
    "GIF RGB": "RGB",
    "GIF P": "RGB",
    "GIF of 1": "RGB",
    "GIF *": "L",
    "BMP RGBA": "RGB",  # the fourth byte is for nothing
    "PPM RGBA": "RGB",
    "AVIF *A": "RGBA",
    "AVIF *a": "RGBA",
    "AVIF [1FIL]": "L",
    "AVIF I;16*": "L",
    "AVIF *": "RGB",
    "* LA": "LA",
    "* RGBA": "RGBA",
    "* [1L]": "L",
    "* P": "RGB",
    "* CMYK": "RGB",
    "* RGB": "RGB",
    "* RGBX": "RGB",
    "* YCbCr": "RGB",
    "palette with *": "RGBA",
    "palette of greys": "L",
    "palette of *": "RGB",
    "grey with one clear value": "LA",
    "RGB with one clear colour": "RGBA",
    "TIFF by group?": "L",
    "TIFF by tiff_ccitt": "L",
    "TIFF by *": "RGB",
    "JPEG progressive": "RGB",
    "JPEG 4:2:0": "RGB",
    "WebP without loss": "RGB",
    "WebP without loss with alpha": "RGBA",
    # What libvips writes.
    "vips ??? 1 ushort": "L16",
    "vips ??? 2 ushort": "LA16",
    "vips ??? 3 ushort": "RGB16",
    "vips ??? 4 ushort": "RGBA16",
    "vips png ? ushort": "RGBA16",
    "vips tif 5 uchar": "5 samples a pixel",
    "vips tif ? char": "signed samples",
    "vips tif 1 short": "below zero",
    "vips tif 1 *int": "32-bit samples",
    "vips tif ? ushort": "16 bits per sample",
    "vips tif ? uint": "32 bits per sample",
    "vips tif ? short": "signed samples",
    "vips tif ? int": "signed samples",
    "vips tif ? *complex": "complex samples",
    "vips tif ? float": "floating-point samples",
    "vips tif ? double": "floating-point samples",
    "vips TIFF of Lab": "floating-point samples",
    "vips TIFF of XYZ": "signed samples",
    "vips AVIF of 1? bits": "RGB16",
    "vips gif 1 uchar": "LA",  # libvips gives it a transparent colour
    "vips gif 3 uchar": "RGB",
    "vips gif ? uchar": "RGBA",
    "vips webp 1 uchar": "RGB",
    "vips webp [245] uchar": "RGBA",
    "vips jpg [12] uchar": "L",
    "vips jpg ? uchar": "RGB",
    "vips * 1 uchar": "L",
    "vips * 2 uchar": "LA",
    "vips * 3 uchar": "RGB",
    "vips * [45] uchar": "RGBA",
    "vips *": "RGB",
    # What is broken, or means harm.
    "half of a file": "cut short",
    "six bytes of a file": "",
    "no bytes": "is empty",
    "zero bytes": "is not a picture",
    "words": "is not a picture",
    "a flipped bit": "a checksum in it does not match",
    "bytes behind the end": "RGB",
    "a PNG *": "RGB",
    "a JPEG called PNG": "RGB",
    "a bomb": "500 million are the most",
    "no width": "damaged",
    "no such colour type": "damaged",
    "fewer rows than it says": "cut short",
    "a directory that is its own next": "damaged",
    "300 MB of * in few bytes": "too large",
    "a billion laughs": "RGB",
    "a forged manifest": "RGB",
    "rubbish for EXIF and profile": "RGB",
    "a camera's raw file": SILENT,
    # Names, links, permissions.
    "an odd name": "RGB",
    "a name too long for its output": "its name is too long",
    "in a folder called like a picture": "RGB",
    "thirty folders deep": "RGB",
    "an ordinary file": "RGB",
    "a link": "RGB",
    "a link that leads nowhere": "",
    "a file that may not be read": "no permission",
    "a folder that may not be read": "the folder cannot be read",
}
MODES = ("L", "LA", "RGB", "RGBA", "L16", "LA16", "RGB16", "RGBA16")
"""16: of so many bits a sample, which Pillow has no modes for."""
NOTES = {
    "CMYK converted to RGB without a profile": ("CMYK",),
    "holds 2 pictures, and the first is taken": ("MPO",),
}
"""What is said once in a run, and of which kind the file is that it is said of."""


def outcome(case: Case) -> str:
    return next(text for pattern, text in OUTCOMES.items() if fnmatchcase(case.kind, pattern))


@dataclass(frozen=True)
class Ended:
    cases: list[Case]
    small: dict[str, dict[str, Any]]
    """The record of each input of downscale."""
    restored: dict[str, dict[str, Any]]
    said: str
    statuses: list[int]
    made: set[str]
    """Files below small/ and back/."""


@pytest.fixture
def ended(nobody: Nobody, tmp_path: Path, tiny_model: Path) -> Iterator[Ended]:
    source = tmp_path / "in"
    source.mkdir()
    cases = torture(source)
    for name in ("small", "back"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
    model = ("--model", shutil.copy(tiny_model, tmp_path), "--json")
    names = ("--name", "{stem}.{ext}.x{scale}")  # half.png and half.jpg lie side by side
    try:
        down, up = nobody(
            [
                ("downscale", "-r", "in", "-o", "small/", *names, *model),
                ("upscale", "-r", "small", "-o", "back/", *model),
            ]
        )
        records = [
            {r["input"]: r for r in map(json.loads, ran.lines) if r["type"] == "file"} for ran in (down, up)
        ]
        made = {
            str(p.relative_to(tmp_path)) for top in ("small", "back") for p in (tmp_path / top).rglob("*")
        }
        yield Ended(cases, records[0], records[1], down.err + up.err, [down.status, up.status], made)
    finally:
        unlock(source)


def test_every_file_ends_as_it_should(ended: Ended, tmp_path: Path, tiny_model: Path) -> None:
    """One test: making the folder and going through it twice takes longer than all that is looked at."""
    assert ended.small, ended.said
    wrong = [text for case in ended.cases for text in ill_ended(case, ended)]
    assert not wrong, "\n".join(wrong)
    assert ended.statuses == [3, 0]
    told = [record for records in (ended.small, ended.restored) for record in records.values()]
    outputs = {path for record in told for path in record["outputs"]}
    files = {path for path in ended.made if (tmp_path / path).is_file()}
    assert outputs == files  # nothing else was made, nothing was left over
    pictures = [case for case in ended.cases if outcome(case) in MODES]
    assert len(pictures) == len(files) / 2 > 200
    compare = comparison(tmp_path, Rescaler(str(tiny_model), device="cpu"))
    wrong = [f"{case.kind}: {case.path!r}: {what}" for case in pictures for what in compare(case)]
    assert not wrong, "\n".join(wrong)
    kinds = {f"in/{case.path}": case.kind for case in ended.cases}
    for note, parts in NOTES.items():
        [line] = [line for line in ended.said.splitlines() if note in line]
        assert any(part in kinds[line.split(": ")[1]] for part in parts), line


def ill_ended(case: Case, ended: Ended) -> Iterator[str]:
    """What is wrong with how downscale ended for this file."""
    expected, record = outcome(case), ended.small.get(f"in/{case.path}")
    where = f"{case.kind}: {case.path!r}"
    if expected == SILENT or record is None:
        if (expected == SILENT) != (record is None):
            yield f"{where}: {record}"
        return
    if expected in MODES:
        if record["status"] != "done":
            yield f"{where}: {record}"
        elif ended.restored[record["outputs"][0]]["status"] != "done":
            yield f"{where}: {ended.restored[record['outputs'][0]]}"
        return
    status = 4 if case.kind == "a name too long for its output" else 3
    error = record.get("error", {})
    if (
        error.get("exit_status") != status
        or expected not in error["what"]
        or not error["remedy"].endswith(".")
    ):
        yield f"{where}: {record}"


def comparison(top: Path, rescaler: Rescaler) -> Callable[[Case], Iterator[str]]:
    """``compare(case)`` tells what is wrong with the small and the restored picture of a case."""

    def compare(case: Case) -> Iterator[str]:
        mode, name = outcome(case), Path(case.path)
        assert case.truth is not None, case
        ext = name.suffix[1:] if name.suffix != ".dat" else ""
        stem = name.name.removesuffix(f".{ext}") if ext else name.name
        called = f"{stem}.{ext}"
        small, back = f"small/{name.parent}/{called}.x4.png", f"back/{name.parent}/{called}.png"
        seen = [opened(top / path) for path in (small, back)]
        in_colour = {"L": "RGB", "LA": "RGBA"}  # the small picture of a grey one is RGB
        plain = mode.removesuffix("16")
        if [image.mode for image in seen] != [in_colour.get(plain, plain), mode]:
            yield f"modes {[image.mode for image in seen]}"
            return
        turned = int(case.kind[-1]) if " oriented " in case.kind and not case.kind.endswith(" 1") else None
        if any(image.orientation != (turned or 1) for image in seen):
            yield "another orientation"
        truth = laid_out(case.truth, mode.removesuffix("16"))
        expected, manifest = rescaler.downscale(truth, check=False)
        again = rescaler.upscale(expected, manifest)
        for image, wanted, what in zip(seen, (expected, again), ("small", "restored"), strict=True):
            got = image.samples
            wanted = wanted.reshape(*wanted.shape[:2], -1)
            if got.shape != wanted.shape or got.dtype != wanted.dtype or not np.array_equal(got, wanted):
                yield f"another {what} picture than of the true samples, {got.shape} {wanted.shape}"
        # And by no code of ours: the restored picture is the original, seen from afar.
        if (far := distance(seen[1].samples, truth)) > 20:
            yield f"{far:.0f} levels from the original"

    return compare


@dataclass(frozen=True)
class Seen:
    mode: str
    samples: Samples
    orientation: int


def opened(path: Path) -> Seen:
    """By Pillow, or by libvips where Pillow would cut the samples."""
    with Image.open(path) as image:
        samples, mode, orientation = np.array(image), image.mode, image.getexif().get(274) or 1
    other = pyvips.Image.new_from_buffer(path.read_bytes(), "")
    if other.format == "ushort":
        samples, mode = other.numpy(), ("L16", "LA16", "RGB16", "RGBA16")[other.bands - 1]
    return Seen(mode, samples.reshape(image.height, image.width, -1), orientation)


def laid_out(samples: Samples, mode: str) -> Samples:
    """The truth in the channels that the table names."""
    if mode[0] == "L" and samples.shape[2] > 2:
        assert (samples[..., :1] == samples[..., :3]).all(), "grey by the table, and not by its samples"
        samples = samples[..., [0, *range(3, samples.shape[2])]]
    assert samples.shape[2] == len(mode), (samples.shape, mode)
    return np.ascontiguousarray(samples)


def distance(one: Samples, other: Samples) -> float:
    """The most that the means of 8 x 8 pixels differ, colours weighted by alpha."""
    planes = []
    for samples in (one, other):
        values, top = samples.astype(np.float64), np.iinfo(samples.dtype).max
        if samples.shape[2] in (2, 4):
            values[..., :-1] *= other[..., -1:] / top
        values *= 255 / top
        height, width = (side // 8 * 8 for side in values.shape[:2])
        planes.append(values[:height, :width].reshape(height // 8, 8, width // 8, 8, -1).mean((1, 3)))
    return float(np.abs(planes[0] - planes[1]).max())
