"""Fuzz what reads hostile bytes: manifests, lists, templates, headers, directories, packets, whole pictures.

    pip install atheris
    python scripts/fuzz.py --seconds 300 [TARGET...]     # so long for each; default: all

What was found interesting stays in --corpus and is where the next run begins; what broke lies beside it. A
target raises only the errors that it names, and holds what it promises. The suite runs each target on its
seeds and their mutations without atheris (tests/test_fuzz.py).
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

CHILD = "--in-this-process"


def _watched() -> AbstractContextManager[Any]:
    """Where imports tell libFuzzer which branches they take."""
    if __name__ == "__main__" and CHILD in sys.argv:
        context: AbstractContextManager[Any] = import_module("atheris").instrument_imports(
            include=["irncli", "PIL"]
        )
        return context
    return nullcontext()


with _watched():
    import numpy as np
    from PIL import Image, PngImagePlugin

    from irncli.batch.discover import Found
    from irncli.batch.names import Template, small_name
    from irncli.batch.plan import Target, place
    from irncli.batch.words import expand
    from irncli.errors import InputError, ManifestError, OutputError, UsageError
    from irncli.images import ifd, jxl, plugins, png, sniff, xmp
    from irncli.images.colour import Picture
    from irncli.images.encode import encode
    from irncli.images.files import peek_alpha, peek_stream, peek_turned, read_stream
    from irncli.images.metadata import Metadata, with_orientation
    from irncli.manifest import Manifest, RestoredRecord, read_any
    from irncli.sizes import Grid

DIGEST = "0" * 64
MOST_PIXELS = 1 << 16
OUT = Path("out")


def manifest(data: bytes) -> None:
    """Any text is a record or a ManifestError, and a record is written as it was read."""
    text = data.decode("utf-8", "replace")
    for read in (Manifest.from_json, RestoredRecord.from_json, read_any):
        try:
            record = read(text)
        except ManifestError:
            continue
        assert type(record).from_json(record.to_json()) == record
        if isinstance(record, Manifest):
            assert min(record.small_size) >= 1


def words(data: bytes) -> None:
    """No line of a list leads out of the output folder."""
    for nul in (False, True):
        for path in expand(["@-"], nul=nul, stdin=lambda: data).paths:
            assert path and "\0" not in path
            found = Found(Path(path))
            there = place(found, Target(folder=OUT), small_name(found.path.name, "x4", ".png"))
            assert os.path.dirname(os.path.normpath(there)) == str(OUT)


def template(data: bytes) -> None:
    """No template leads out of the output folder."""
    source = Path("..a/..") / "...png"
    try:
        made = Template(os.fsdecode(data.replace(b"\0", b"")))
        name = made.fill(source, "..", scale=4, model="m", suffix=".png")
    except UsageError:
        return
    assert os.path.normpath(OUT / name).startswith(f"{OUT}{os.sep}")


def head(data: bytes) -> None:
    """The first bytes of a file are never too odd to look at."""
    sniff.begins_like_picture(data)
    assert sniff.avif_bits(data) in (8, 10, 12)
    assert min(sniff.webp_size(data[:32])) >= 0
    sniff.webp_is_lossy(io.BytesIO(data))
    turned = with_orientation(data, 3)
    assert len(turned) == len(data) and with_orientation(turned, 3) == turned


def jxl_head(data: bytes) -> None:
    """The head of a JPEG XL is read, or an InputError."""
    try:
        read = jxl.read_head(io.BytesIO(data))
    except InputError:
        return
    assert read.width > 0 and read.height > 0 and read.bits > 0


def chunks(data: bytes) -> None:
    """PNG chunks end, with InputError where they are not whole."""
    stream = io.BytesIO(data)
    for look in (png.check_chunks, lambda s: png.late_text(s, b"irn", 1 << 16)):
        try:
            look(stream)
        except InputError:
            continue


def directory(data: bytes) -> None:
    """A TIFF directory that could be read is written as it was."""
    try:
        read = ifd.parse(data)
    except ifd.IfdError:
        return
    assert ifd.parse(ifd.file_head(read)) == read


def packet(data: bytes) -> None:
    """Our properties come out of a packet as they went in, and the packet without them as it was."""
    own = {"manifest": "{\"a\": '<&>'}", "layout": "LA"}
    try:
        _, rest = xmp.split(data)
        merged = xmp.merge(rest, own)
    except xmp.XmpError:
        return
    assert xmp.split(merged)[0] == own
    if rest is not None:
        assert xmp.split(merged)[1] == rest


def picture(data: bytes) -> None:
    """A file is a picture that can be written and read again, or an InputError."""
    for look in (peek_alpha, peek_turned, lambda stream: peek_stream(stream, "-")):
        try:
            look(io.BytesIO(data))
        except InputError:
            continue
    try:
        loaded = read_stream(io.BytesIO(data), "-", max_pixels=MOST_PIXELS)
    except InputError:
        return
    for form in ("PNG", "TIFF"):
        try:
            written, _ = encode(loaded.picture, form, text="{}")
        except (OutputError, UsageError):
            continue
        again = read_stream(io.BytesIO(written), "-").picture
        assert (again.colour == loaded.picture.colour).all()


def _manifest_seeds() -> list[bytes]:
    digests = {"identity": DIGEST, "source_sha256": DIGEST, "pixels_sha256": DIGEST}
    plain = {"model": "irn-x4-1", "tau": 0.0, "depth": 8, "alpha": "none", "palette": False, "tool": "irn 1"}
    common: dict[str, Any] = {"width": 45, "height": 31, "scale": 4} | digests | plain
    small = Manifest(mode="rgb", name="a.png", options={"fit": "w9"}, **common)
    resized = Manifest(mode="grey", small=Grid.scaled(45, 31, Fraction(9, 4)).text, **common)
    record = RestoredRecord(DIGEST, DIGEST, "irn-x4-1", DIGEST, 1.0, 7, 45, 31, {"quality": 95}, "irn 1")
    return [each.to_json().encode() for each in (small, resized, record)]


def _picture_seeds() -> list[bytes]:
    exif = Image.Exif()
    exif[274], exif[315] = 6, "me"
    exif.get_ifd(0x8769)[36867] = "2020:01:02 03:04:05"
    text = PngImagePlugin.PngInfo()
    text_of_one = _manifest_seeds()[0].decode()
    text.add_itxt("irn", text_of_one)
    rest = {"exif": exif.tobytes(), "dpi": (300, 300)}
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        *((mode, "PNG", rest | {"pnginfo": text}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *((mode, "TIFF", rest) for mode in ("1", "L", "LA", "RGB", "RGBA", "CMYK", "LAB", "I;16", "F")),
        *((mode, "JPEG", rest) for mode in ("L", "RGB", "CMYK")),
        *((mode, "WEBP", {"lossless": True, "exif": rest["exif"]}) for mode in ("RGB", "RGBA")),
        *((mode, "GIF", {}) for mode in ("L", "P")),
        *((mode, "BMP", {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
        *((mode, "PPM", {}) for mode in ("1", "L", "RGB", "I;16")),
        ("RGB", "AVIF", {}),
        *((mode, "JXL", {"lossless": True}) for mode in ("L", "RGBA") if plugins.missing("JXL") is None),
        *((mode, "HEIF", {}) for mode in ("RGB",) if plugins.missing("HEIF") is None),
        ("RGB", "TIFF", {"compression": "tiff_lzw"}),
        ("RGB", "TIFF", {"save_all": True, "append_images": [Image.new("L", (5, 4))]}),
    ]
    seeds = []
    for mode, form, options in kinds:
        image = Image.linear_gradient("L").resize((9, 7)).convert("RGB")
        image = Image.new(mode, (9, 7)) if mode in ("I;16", "LAB") else image.convert(mode)
        file = io.BytesIO()
        image.save(file, form, **options)
        seeds.append(file.getvalue())
    y, x = np.mgrid[:7, :9]
    colour = np.stack([x * 7000, y * 9000, x * y * 1000], 2).astype(np.uint16)
    deep = Picture(colour, colour[..., 0].copy(), Metadata(exif=b"Exif\0\0" + rest["exif"]))
    seeds += [encode(deep, form, text=text_of_one)[0] for form in ("PNG", "TIFF")]
    seeds.append(encode(replace(deep, alpha=None), "TIFF")[0])
    seeds.append(b"P6 9 7 4095\n" + (colour >> 4).astype(">u2").tobytes())
    shallow = replace(deep, colour=(colour >> 8).astype(np.uint8), alpha=None)
    seeds += [encode(shallow, "JXL", text=text_of_one, text_kind=kind)[0] for kind in ("manifest", "record")]
    held = io.BytesIO()
    import_module("pillow_heif").from_pillow(Image.new("RGB", (16, 16), (90, 30, 200))).save(held)
    return [*seeds, held.getvalue()]


def _packet_seeds() -> list[bytes]:
    plain = xmp.merge(None, {"manifest": "{}"})
    element = b"<irn:manifest xmlns:irn='urn:irncli:1.0:'>{}</irn:manifest></rdf:RDF>"
    return [plain, plain.replace(b"</rdf:RDF>", element), plain.replace(b"/>", b" dc:a='b' xmlns:dc='d'/>")]


def _directory_seeds() -> list[bytes]:
    return [file for file in _picture_seeds() if file[:2] in (b"II", b"MM")]


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "manifest": (manifest, _manifest_seeds),
    "words": (words, lambda: ["\ufeff# list\na[1].png\r\n../é*.png\n@b".encode(), b"a.png\0../b\0\0/c/..\0"]),
    "template": (template, lambda: [b"{stem}.{ext}.x{scale}", b"{parent}/{{{model}}}.webp", b"../{stem}"]),
    "head": (head, _picture_seeds),
    "jxl": (jxl_head, lambda: [file for file in _picture_seeds() if plugins.plugin_format(file) == "JXL"]),
    "chunks": (chunks, lambda: [file for file in _picture_seeds() if file.startswith(png.SIGNATURE)]),
    "directory": (directory, _directory_seeds),
    "packet": (packet, _packet_seeds),
    "picture": (picture, _picture_seeds),
}


def _here(name: str, words: list[str]) -> None:
    """libFuzzer in this process; it never returns."""
    atheris = import_module("atheris")
    atheris.Setup([sys.argv[0], *words], TARGETS[name][0])
    atheris.Fuzz()


def main() -> int:
    if sys.argv[1:2] == [CHILD]:
        _here(sys.argv[2], sys.argv[3:])
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    known = ", ".join(TARGETS)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET", help=known)
    parser.add_argument("--seconds", type=int, default=300, help="for each target")
    default = Path(tempfile.gettempdir()) / "irn-fuzz"
    parser.add_argument("--corpus", type=Path, default=default, help=f"[default: {default}]")
    options = parser.parse_args()
    broken = 0
    for name in options.targets or TARGETS:
        folder = options.corpus / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(TARGETS[name][1]()):
            (folder / f"seed-{number}").write_bytes(seed)
        # Two minutes for a file: a busy machine is no find.
        limits = [f"-max_total_time={options.seconds}", "-timeout=120", "-rss_limit_mb=3000"]
        limits.append("-max_len=20000")
        artifacts = f"-artifact_prefix={options.corpus}/{name}-"
        argv = [sys.executable, __file__, CHILD, name, *limits, artifacts, str(folder)]
        status = subprocess.run(argv, check=False).returncode
        broken += status != 0
        print(f"{name}: {'broke, see above' if status else 'held'}", flush=True)  # noqa: T201
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
