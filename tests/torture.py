"""A folder of everything that a picture file can be, made anew each time; ``python tests/torture.py FOLDER``.

Each file is a :class:`Case`: what it is, in words that the table of outcomes in cli/test_torture.py goes by,
and what is truly in it, read by nothing of ours.
"""

from __future__ import annotations

import io
import os
import socket
import sys
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401 (teaches Pillow the format)
import pyvips
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence, PngImagePlugin

pillow_heif.register_heif_opener()

Samples = NDArray[Any]
WIDTH, HEIGHT = 26, 19
"""Of nearly all: no scale divides them, and the sides differ."""
FORMATS = {
    "PNG": "png", "TIFF": "tif", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "PPM": "ppm",
    "AVIF": "avif",
}  # fmt: skip
PLUGGED = {"HEIF": "heic", "JXL": "jxl"}
LOSSLESS: dict[str, dict[str, Any]] = {
    "HEIF": {"quality": -1, "chroma": 444, "matrix_coefficients": 0},
    "JXL": {"lossless": True},
}
ORIENTED = ("PNG", "TIFF", "JPEG", "WEBP", "AVIF")
SILENT = "passed over"


@dataclass(frozen=True)
class Case:
    path: str
    """Below the folder."""
    kind: str
    truth: Samples | None = None
    """H W C as stored, uint8, or uint16 for more bits; None for what is no picture."""


def scene(height: int = HEIGHT, width: int = WIDTH) -> Samples:
    """Smooth, every channel its own way: what any network restores, and no mistake leaves alone."""
    y, x = np.mgrid[:height, :width]
    return np.stack([40 + 4 * x, 210 - 5 * y, 60 + 2 * x + 3 * y], 2).clip(0, 255).astype(np.uint8)


def alpha(height: int = HEIGHT, width: int = WIDTH) -> Samples:
    """A clear part, a slope, a solid part."""
    return (np.mgrid[:height, :width][1] * 24 - 160).clip(0, 255).astype(np.uint8)


def grey() -> Samples:
    return np.asarray(Image.fromarray(scene()).convert("L"))


def grey16() -> Samples:
    return (grey().astype(np.uint16) * 257)[..., None]


def of_mode(mode: str) -> Image.Image:
    """The scene in a mode of Pillow's."""
    colour = Image.fromarray(scene())
    if mode.startswith("I;16"):
        order = ">u2" if mode.endswith("B") else "<u2"
        data = (grey().astype(np.uint16) * 257).astype(order)
        return Image.frombytes(mode, colour.size, data.tobytes())
    if mode == "I":
        return Image.fromarray(grey().astype(np.int32) * 257)
    if mode == "LAB":
        return Image.merge("LAB", colour.split())
    if mode[-1] in "Aa":
        solid = mode.replace("a", "A")
        image = colour.convert("P" if mode == "PA" else solid[:-1])
        image.putalpha(Image.fromarray(alpha()))
        return image if mode == solid else image.convert(mode)
    return colour.convert(mode)


def truth(path: Path, page: int = 0) -> Samples:
    """What Pillow alone makes of an 8-bit file, as L, LA, RGB or RGBA samples."""
    with Image.open(path) as image:
        image.seek(page)
        bands = "L" if image.mode in ("1", "L", "LA", "La", "I;16") else "RGB"
        clear = image.has_transparency_data
        samples = np.array(image.convert("RGBA" if clear else bands))
    if clear and bands == "L":
        samples = samples[..., 2:]
    return samples if samples.ndim == 3 else samples[..., None]


class Folder:
    """Collects cases while it writes their files."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.cases: list[Case] = []

    def put(self, path: str, kind: str, data: bytes, samples: Samples | None = None) -> Path:
        there = self.top / path
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(data)
        self.cases.append(Case(path, kind, samples))
        return there

    def deep(self, path: str, kind: str, data: bytes, samples: Samples) -> None:
        """Of more than 8 bits, which Pillow may cut."""
        self.put(path, kind, data, samples)

    def picture(self, path: str, kind: str, data: bytes) -> None:
        """With whatever truth Pillow finds in it, if any."""
        there = self.put(path, kind, data)
        with suppress(Exception):
            self.cases[-1] = Case(path, kind, truth(there))


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def torture(top: Path) -> list[Case]:
    """Make them all below ``top``, an empty folder."""
    folder = Folder(top)
    for part in (by_pillow, by_vips, by_plugins, oriented, pages, broken, hostile, names, links, others):
        part(folder)
    return folder.cases


def by_pillow(folder: Folder) -> None:
    """Every mode that Pillow writes into a format that irn reads, and the ways to write it."""
    for form, suffix in FORMATS.items():
        for mode in Image.MODES:
            try:
                data = saved(of_mode(mode), form)
            except (OSError, KeyError, ValueError):
                continue  # Pillow does not write it
            name = mode.replace(";", "_") + ("~" if mode[-1] == "a" else "")  # no two by upper case alone
            if mode.startswith("I") and form in ("PNG", "TIFF", "PPM"):
                folder.deep(f"pillow/{name}.{suffix}", f"{form} {mode}", data, grey16())
                continue
            folder.picture(f"pillow/{name}.{suffix}", f"{form} {mode}", data)
    grey, palette, colour = (of_mode(mode) for mode in ("L", "P", "RGB"))
    two = of_mode("1")
    more: list[tuple[str, Image.Image, str, dict[str, Any]]] = [
        *(
            (f"palette of {1 << bits} colours", colour.quantize(1 << bits), "PNG", {"bits": bits})
            for bits in (1, 2, 4)
        ),
        ("palette with one clear colour", palette, "PNG", {"transparency": int(np.asarray(palette)[0, 0])}),
        ("palette with an alpha each", palette, "PNG", {"transparency": bytes(range(0, 255, 2))}),
        ("palette with one clear colour", palette, "GIF", {"transparency": int(np.asarray(palette)[0, 0])}),
        ("grey with one clear value", grey, "PNG", {"transparency": int(np.asarray(grey)[3, 3])}),
        ("RGB with one clear colour", colour, "PNG", {"transparency": tuple(scene()[4, 5].tolist())}),
        ("palette of greys", grey.convert("P"), "GIF", {}),
        *(
            (f"TIFF by {way}", colour, "TIFF", {"compression": way})
            for way in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        ),
        *(
            (f"TIFF by {way}", two, "TIFF", {"compression": way})
            for way in ("group3", "group4", "tiff_ccitt")
        ),
        ("JPEG progressive", colour, "JPEG", {"progressive": True, "quality": 100}),
        ("JPEG 4:2:0", colour, "JPEG", {"subsampling": "4:2:0", "quality": 100}),
        ("WebP without loss", colour, "WEBP", {"lossless": True}),
        ("WebP without loss with alpha", of_mode("RGBA"), "WEBP", {"lossless": True, "exact": True}),
    ]  # fmt: skip
    for number, (kind, image, form, options) in enumerate(more):
        folder.picture(f"pillow/way{number}.{FORMATS[form]}", kind, saved(image, form, **options))


def by_vips(folder: Folder) -> None:
    """Every depth and number of bands that libvips writes."""
    planes = np.concatenate((scene(), alpha()[..., None], grey()[..., None]), 2)
    deep = {
        "uchar": 1.0, "char": 0.4, "ushort": 257.0, "short": 100.0, "uint": 1e6, "int": 1e6,
        "float": 1 / 255, "double": 1 / 255, "complex": 1.0, "dpcomplex": 1.0,
    }  # fmt: skip
    formats: dict[str, tuple[str, ...]] = {"png": ("uchar", "ushort"), "tif": tuple(deep)}
    for suffix, depths in (formats | dict.fromkeys(("jpg", "webp", "gif"), ("uchar",))).items():
        for depth in depths:
            for bands in range(1, 6):
                picked = planes[..., [[4], [4, 3], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4]][bands - 1]]
                array = np.ascontiguousarray(picked * deep[depth]).astype(np.float64)
                wide = {"ushort": "rgb16" if bands > 2 else "grey16"}
                space = wide.get(depth, "srgb" if bands > 2 else "b-w")
                image = pyvips.Image.new_from_array(array).cast(depth).copy(interpretation=space)
                try:
                    data = image.write_to_buffer(f".{suffix}")
                except pyvips.Error:
                    continue
                kind = f"vips {suffix} {bands} {depth}"
                path = f"vips/{depth}{bands}.{suffix}"
                if depth == "ushort":
                    folder.deep(path, kind, data, array[..., :4].astype(np.uint16))
                else:
                    folder.picture(path, kind, data)
    colour = pyvips.Image.new_from_array(scene()).copy(interpretation="srgb")
    wide = (colour.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    inks = pyvips.Image.new_from_array(np.array(of_mode("CMYK"))).copy(interpretation="cmyk")
    tiles = {"tile": True, "tile_width": 16, "tile_height": 16}
    ways: list[tuple[str, Any, str, dict[str, Any]]] = [
        ("vips interlaced PNG", colour, "png", {"interlace": True}),
        ("vips palette PNG", colour, "png", {"palette": True}),
        ("vips tiled TIFF", colour, "tif", tiles),
        ("vips pyramid", colour, "tif", tiles | {"pyramid": True}),
        ("vips pyramid with sub-IFDs", colour, "tif", tiles | {"pyramid": True, "subifd": True}),
        ("vips BigTIFF", colour, "tif", {"bigtiff": True}),
        ("vips TIFF of Lab", colour.colourspace("lab"), "tif", {}),
        ("vips TIFF of XYZ", colour.colourspace("xyz"), "tif", {}),
        ("vips TIFF of CMYK", inks, "tif", {}),
        ("vips JPEG of CMYK", inks, "jpg", {}),
        ("vips AVIF", colour, "avif", {"lossless": True}),
        ("vips AVIF of 10 bits", wide, "avif", {"bitdepth": 10}),
        ("vips AVIF of 12 bits", wide, "avif", {"bitdepth": 12}),
    ]  # fmt: skip
    for number, (kind, image, suffix, options) in enumerate(ways):
        data, path = image.write_to_buffer(f".{suffix}", **options), f"vips/way{number}.{suffix}"
        if bits := options.get("bitdepth"):  # which libvips moves up to the highest of 16
            stored = pyvips.Image.new_from_buffer(data, "").numpy() >> (16 - bits)
            folder.deep(path, kind, data, np.rint(stored * 65535.0 / ((1 << bits) - 1)).astype(np.uint16))
        else:
            folder.picture(path, kind, data)


def by_plugins(folder: Folder) -> None:
    """HEIF and JPEG XL: modes, depths, orientations, several pictures, and what is broken or lies."""
    colour = Image.fromarray(scene())
    for form, suffix in PLUGGED.items():
        for mode in ("1", "L", "LA", "La", "P", "RGB", "RGBA", "RGBa"):
            try:
                data = saved(of_mode(mode), form, **LOSSLESS[form])
            except (OSError, KeyError, ValueError, NotImplementedError):
                continue  # the plugin does not write it
            name = mode + ("~" if mode[-1] == "a" else "")
            folder.picture(f"plugged/{name}.{suffix}", f"{form} {mode}", data)
        folder.picture(f"plugged/lossy.{suffix}", f"{form} RGB", saved(colour, form, quality=95))
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[274] = orientation
            data = saved(colour, form, exif=exif.tobytes(), **LOSSLESS[form])
            # A HEIF's container turns the pixels, the tag of a JPEG XL turns nothing: upright either way.
            turned = Image.fromarray(scene())
            turned.info["exif"] = exif.tobytes()
            seen = np.asarray(ImageOps.exif_transpose(turned)) if form == "HEIF" else scene()
            folder.put(f"plugged/turned{orientation}.{suffix}", f"{form} with tag {orientation}", data, seen)
    for bits in (10, 12):
        levels = np.rint(scene().astype(np.uint16) * ((1 << bits) - 1) / 255).astype(np.uint16)
        whole = (levels << (16 - bits)).astype("<u2").tobytes()
        pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
        deep = pillow_heif.from_bytes("RGB;16", (WIDTH, HEIGHT), whole)
        deep.save(held := io.BytesIO(), **LOSSLESS["HEIF"])
        pillow_heif.options.SAVE_HDR_TO_12_BIT = False
        truth16 = np.rint(levels * 65535.0 / ((1 << bits) - 1)).astype(np.uint16)
        folder.deep(f"plugged/bits{bits}.heic", f"HEIF of {bits} bits", held.getvalue(), truth16)
    two = pillow_heif.from_pillow(colour)
    two.add_from_pillow(ImageOps.mirror(colour))
    two.save(held := io.BytesIO(), quality=95)
    folder.put("plugged/two.heic", "HEIF of 2", held.getvalue())
    grey = Image.fromarray(grey16()[..., 0])
    folder.deep("plugged/I_16.jxl", "JXL I;16", saved(grey, "JXL", lossless=True), grey16())
    real = saved(Image.fromarray(np.zeros((8, 8), np.float32)), "JXL", lossless=True)
    folder.put("plugged/real.jxl", "JXL F", real)
    with Image.open(io.BytesIO(saved(colour, "JPEG", quality=95))) as jpeg:
        folder.picture("plugged/jpeg.jxl", "JXL of a JPEG", saved(jpeg, "JXL", lossless_jpeg=True))
    lies = bytearray(saved(colour, "HEIF", **LOSSLESS["HEIF"]))
    size = lies.index(b"ispe") + 8
    lies[size : size + 8] = b"\0\1\0\0" * 2
    folder.put("plugged/lies.heic", "a HEIF that lies of its size", bytes(lies))
    fields = ((0, 1), (2, 2), (99_999, 18), (0, 3), (2, 2), (99_999, 18), (1, 1))  # 100000 x 100000, as usual
    number = place = 0
    for value, count in fields:
        number, place = number | value << place, place + count
    folder.put("plugged/bomb.jxl", "a bomb", b"\xff\x0a" + number.to_bytes(16, "little"))


def oriented(folder: Folder) -> None:
    """Every orientation in every format that has one; the pixels lie the same way in all of them."""
    for form in ORIENTED:
        options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
        options |= {"quality": 100} if form in ("JPEG", "AVIF") else {}
        image, suffix = Image.fromarray(scene()), FORMATS[form]
        upright = truth(
            folder.put(f"oriented/none.{suffix}", "an ordinary file", saved(image, form, **options))
        )
        folder.cases[-1] = Case(f"oriented/none.{suffix}", "an ordinary file", upright)
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[274] = orientation
            data = saved(image, form, exif=exif, **options)
            # Not by Pillow's reading: it turns the pixels of some formats.
            path = f"oriented/{form.lower()}{orientation}.{suffix}"
            folder.put(path, f"{form} oriented {orientation}", data, upright)


def pages(folder: Folder) -> None:
    """Animations and files of several pages."""
    frames = [Image.fromarray(np.roll(scene(), shift, 1)) for shift in (0, 5, 9)]
    for form, suffix in (
        ("GIF", "gif"),
        ("PNG", "apng"),
        ("PNG", "png"),
        ("WEBP", "webp"),
        ("AVIF", "avif"),
        ("TIFF", "tif"),
    ):
        data = saved(frames[0], form, save_all=True, append_images=frames[1:])
        folder.put(f"pages/three.{suffix}", f"{form} of 3", data)
    there = folder.put(
        "pages/two.jpg", "MPO of 2", saved(frames[0], "MPO", save_all=True, append_images=frames[1:2])
    )
    folder.cases[-1] = Case("pages/two.jpg", "MPO of 2", truth(there))
    one = saved(frames[0], "GIF", save_all=True)
    folder.picture("pages/one.gif", "GIF of 1", one)
    with Image.open(there) as image:
        assert len(list(ImageSequence.Iterator(image))) == 2


def chunk(kind: bytes, body: bytes) -> bytes:
    """Of a PNG file."""
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def png(width: int, height: int, rows: bytes, *more: bytes, depth: int = 8, kind: int = 2) -> bytes:
    """A PNG of this head, these rows (each with its filter's byte) and chunks between both."""
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, kind, 0, 0, 0])
    parts = (chunk(b"IHDR", head), *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def rows() -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in scene())


def broken(folder: Folder) -> None:
    """Cut, flipped, empty and other than its name says."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
    for form, suffix in (FORMATS | PLUGGED).items():
        whole = saved(noise, form, **({"lossless": True} if form == "WEBP" else {}))
        folder.put(f"broken/half.{suffix}", "half of a file", whole[: len(whole) // 2])
        folder.put(f"broken/head.{suffix}", "six bytes of a file", whole[:6])
        folder.put(f"broken/empty.{suffix}", "no bytes", b"")
        folder.put(f"broken/zeros.{suffix}", "zero bytes", bytes(400))
        folder.put(f"broken/words.{suffix}", "words", b"<!doctype html><title>404</title>" * 9)
    whole = saved(Image.fromarray(scene()), "PNG")
    flipped = bytearray(whole)
    flipped[whole.index(b"IDAT") + 30] ^= 4
    folder.put("broken/flipped.png", "a flipped bit", bytes(flipped))
    folder.picture("broken/tail.png", "bytes behind the end", whole + b"more" * 99)
    folder.picture("broken/really-png.jpg", "a PNG called JPEG", whole)
    folder.picture(
        "broken/really-jpeg.png", "a JPEG called PNG", saved(Image.fromarray(scene()), "JPEG", quality=100)
    )
    folder.picture("broken/no-extension", "a PNG without extension", whole)
    folder.picture("broken/extension.dat", "a PNG called otherwise", whole)


def hostile(folder: Folder) -> None:
    """Made to hurt."""
    wide = png(100_000, 100_000, bytes(100_000))
    folder.put("hostile/bomb.png", "a bomb", wide)
    folder.put("hostile/none.png", "no width", png(0, 5, b""))
    folder.put("hostile/kind.png", "no such colour type", png(WIDTH, HEIGHT, rows(), kind=5))
    folder.put("hostile/short.png", "fewer rows than it says", png(WIDTH, HEIGHT, rows()[:-200]))
    gif = bytearray(saved(of_mode("P"), "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    folder.put("hostile/bomb.gif", "a bomb", bytes(gif))
    webp = saved(of_mode("RGBA"), "WEBP", lossless=True)
    vp8x = b"VP8X" + (10).to_bytes(4, "little") + b"\x10\0\0\0" + b"\xff\x7f\0" + b"\xff\x7f\0"
    body = b"WEBP" + vp8x + webp[12:]
    folder.put("hostile/bomb.webp", "a bomb", b"RIFF" + len(body).to_bytes(4, "little") + body)
    tiff = bytearray(saved(of_mode("RGB"), "TIFF"))
    entry = bytes(tiff).index(
        b"\x00\x01\x04\x00\x01\x00\x00\x00" if tiff[:2] == b"II" else b"\x01\x00\x00\x04"
    )
    tiff[entry + 8 : entry + 12] = b"\xff\xff\x00\x00"
    folder.put("hostile/lies.tif", "fewer rows than it says", bytes(tiff))
    loop = b"II*\0\x08\0\0\0\x01\0\x00\x01\x03\0\x01\0\0\0\x04\0\0\0\x08\0\0\0"
    folder.put("hostile/loop.tif", "a directory that is its own next", loop)
    text = zlib.compress(bytes(300_000_000), 9)
    folder.picture(
        "hostile/ztxt.png",
        "300 MB of text in few bytes",
        png(WIDTH, HEIGHT, rows(), chunk(b"zTXt", b"irn\0\0" + text)),
    )
    folder.picture(
        "hostile/iccp.png",
        "300 MB of profile in few bytes",
        png(WIDTH, HEIGHT, rows(), chunk(b"iCCP", b"x\0\0" + text)),
    )
    info = PngImagePlugin.PngInfo()
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    info.add_itxt("XML:com.adobe.xmp", f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><x:xmpmeta>&l9;</x:xmpmeta>')
    folder.picture(
        "hostile/laughs.png", "a billion laughs", saved(Image.fromarray(scene()), "PNG", pnginfo=info)
    )
    for name, value in (("forged", '{"irn": "manifest", "width": 99999999}'), ("deep", "[" * 4000)):
        info = PngImagePlugin.PngInfo()
        info.add_itxt("irn", value)
        folder.picture(
            f"hostile/{name}.png", "a forged manifest", saved(Image.fromarray(scene()), "PNG", pnginfo=info)
        )
    data = saved(
        Image.fromarray(scene()), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff", icc_profile=b"no profile"
    )
    folder.picture("hostile/rubbish.png", "rubbish for EXIF and profile", data)
    folder.put("hostile/raw.dng", "a camera's raw file", saved(of_mode("RGB"), "TIFF"))


ODD = [
    "two  spaces.png", "-dash.png", "--help.png", "@list.png", "a[1]*?.png", "{stem}.png", "%s%n.png",
    "$(id) `id`.png", "quote'\".png", "back\\slash.png", "new\nline.png", "\x1b[31mred.png",
    "caf\u00e9 e\u0301.png", "\U0001f30a\u200f.png", "photo.x4.png", "a.b..c.png", ".png.png", "UPPER.PNG",
    "~.png", "con.png", "trailing .png",
]  # fmt: skip


def names(folder: Folder) -> None:
    """Whole pictures with odd names."""
    data = saved(Image.fromarray(scene()), "PNG")
    for name in ODD:
        folder.put(f"names/{name}", "an odd name" if not name.startswith(".") else SILENT, data, scene())
    folder.put("names/" + os.fsdecode(b"\xff\xfe.png"), "an odd name", data, scene())
    folder.put("names/" + "n" * 243 + ".png", "an odd name", data, scene())  # its output takes 255 bytes
    folder.put("names/" + "m" * 251 + ".png", "a name too long for its output", data, scene())
    folder.put("a folder.png/inside.png", "in a folder called like a picture", data, scene())
    deep = "/".join(f"level{i}" for i in range(30))
    folder.put(f"deep/{deep}/a.png", "thirty folders deep", data, scene())


def links(folder: Folder) -> None:
    """Links, and what is no file at all."""
    data = saved(Image.fromarray(scene()), "PNG")
    own = folder.put("links/own.png", "an ordinary file", data, scene())
    folder.put("links/below/b.png", "an ordinary file", data, scene())
    below = folder.top / "links"
    for name, target, kind in (
        ("link.png", "own.png", "a link"),
        ("dangling.png", "nowhere", "a link that leads nowhere"),
        ("self.png", "self.png", "a link that leads nowhere"),
        ("loop", ".", SILENT),  # a folder that was entered already
        ("again", "below", SILENT),
        ("dangling.txt", "nowhere", SILENT),
    ):
        (below / name).symlink_to(target)
        folder.cases.append(Case(f"links/{name}", kind, scene() if kind == "a link" else None))
    os.link(own, below / "hard.png")
    folder.cases.append(Case("links/hard.png", "an ordinary file", scene()))
    os.mkfifo(below / "pipe.png")
    folder.cases.append(Case("links/pipe.png", SILENT))
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(below)  # the path of a socket has a limit
        try:
            listening.bind("socket.png")
        finally:
            os.chdir(here)
    folder.cases.append(Case("links/socket.png", SILENT))


def others(folder: Folder) -> None:
    """What lies beside pictures, and what may not be read."""
    data = saved(Image.fromarray(scene()), "PNG")
    for name, body in (
        ("notes.txt", b"words"),
        ("Thumbs.db", bytes(90)),
        ("script.sh", b"#!/bin/sh\n"),
        ("P3 is how this begins.md", b"P3 is how this begins"),
        (".hidden.png", data),
        (".hidden/a.png", data),
        ("weights.pth", b"\x80\x02."),
    ):
        folder.put(f"others/{name}", SILENT, body)
    folder.put("others/secret.png", "a file that may not be read", data, scene()).chmod(0)
    folder.put("dark/a.png", SILENT, data).parent.chmod(0)
    folder.cases.append(Case("dark", "a folder that may not be read"))


def unlock(top: Path) -> None:
    """So that whoever made the folder can remove it."""
    (top / "dark").chmod(0o700)


if __name__ == "__main__":
    for case in torture(Path(sys.argv[1])):
        print(case.kind, repr(case.path), sep="\t")  # noqa: T201
