"""Fuzz what reads hostile bytes: manifests, lists, headers, directories, packets, pictures, weight files.

    python scripts/fuzz.py [--seconds 300] [TARGET...]   # so long for each; default: all
    python scripts/fuzz.py --hour                        # an hour over all of them
    pip install atheris                                  # then libFuzzer chooses, by the branches taken

What broke lies in --corpus, with what libFuzzer found interesting, where its next run begins. A target raises
only the errors that it names, holds what it promises, and needs neither long nor much memory for a small
file. The suite runs each target on its seeds and their mutations for a minute (tests/test_fuzz.py).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from fractions import Fraction
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CHILD = "--in-this-process"
PLAIN = "--plainly"


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

    from irncli.batch.headers import Headers
    from irncli.batch.inputs import InputFile, expand
    from irncli.batch.names import Template, small_name
    from irncli.batch.plan import Job, Target, place
    from irncli.cli.output import Output
    from irncli.errors import InputError, ManifestError, ModelError, OutputError, UsageError
    from irncli.images import exif as ifd
    from irncli.images import jxl, png, xmp
    from irncli.images.formats import FORMATS, sniff
    from irncli.images.heif import avif_bits
    from irncli.images.metadata import Metadata, with_orientation
    from irncli.images.picture import Picture
    from irncli.images.probe import probe, webp_is_lossy, webp_size
    from irncli.images.read import read_picture
    from irncli.images.write import encode
    from irncli.manifest import Manifest, RestoredRecord, read_any
    from irncli.sizes import Sampling

DIGEST = "0" * 64
MOST_PIXELS = 1 << 16
OUT = Path("out")
FAULTS = Path(__file__).resolve().parents[1] / "tests/fixtures/faults"
"""Files that irn once broke on."""
LONGEST = 20
"""Seconds of the processor that a small file may take, on a slow machine."""
MEMORY = 3000 << 20
MOST_BROKEN = 10
"""Of a target: then the rest of its time is not spent on the same again."""


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
            found = InputFile(Path(path))
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
    sniff(data)
    assert avif_bits(data) in (8, 10, 12)
    assert min(webp_size(data[:32])) >= 0
    webp_is_lossy(io.BytesIO(data))
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
    looks: list[Callable[[io.BytesIO], object]] = [
        probe,
        lambda stream: Headers().of(Job(Path("-"), (), data=stream.getvalue())),
        *(lambda stream, n=page: probe(stream, page=n) for page in (1, 2)),
        *(lambda stream, n=page: read_picture(stream, max_pixels=MOST_PIXELS, page=n) for page in (1, 2)),
    ]
    for look in looks:
        try:
            look(io.BytesIO(data))
        except InputError:
            continue
    try:
        loaded = read_picture(io.BytesIO(data), max_pixels=MOST_PIXELS)
    except InputError:
        return
    header = probe(io.BytesIO(data))
    assert header == loaded.header, "one thing by its head, and another as a whole"
    assert header.size == (loaded.picture.width, loaded.picture.height)
    for form in ("PNG", "TIFF"):
        try:
            written, _ = encode(loaded.picture, form, text="{}")
        except (OutputError, UsageError):
            continue
        again = read_picture(io.BytesIO(written)).picture
        assert (again.colour == loaded.picture.colour).all()


def weights(data: bytes) -> None:
    """A file is a network, or a ModelError, by every way that asks for it."""
    from irncli.cli.info import describe
    from irncli.pretrained.catalogue import scale_of
    from irncli.pretrained.load import load_weights

    with tempfile.TemporaryDirectory() as folder:
        packed = data[:2] in (b"PK", b"\x80\x02")
        path = Path(folder) / ("w.pth" if packed else "w.safetensors")
        path.write_bytes(data)
        ways: tuple[Callable[[], object], ...] = (
            lambda: describe(path),
            lambda: scale_of(str(path)),
            lambda: load_weights(str(path)),
        )
        for way in ways:
            try:
                way()
            except (ModelError, InputError):
                continue


def lines(data: bytes) -> None:
    """Whatever a file is called, a log has one line of it, without control characters."""
    out, name = Output(), os.fsdecode(data)
    with tempfile.NamedTemporaryFile() as log:
        out.configure(quiet=True, verbose=False, debug=False, log_file=log.name, json=False)
        out.say(name)
        out.detail(name)
        told = log.read().decode()
    assert told.count("\n") == len(told.splitlines()) == 2
    assert told.replace("\n", "").isprintable()


def _manifest_seeds() -> list[bytes]:
    digests = {"fingerprint": DIGEST, "source_sha256": DIGEST, "pixels_sha256": DIGEST}
    plain = {"model": "irn-x4-1", "tau": 0.0, "depth": 8, "alpha": "none", "palette": False, "tool": "irn 1"}
    common: dict[str, Any] = {"width": 45, "height": 31, "scale": 4} | digests | plain
    small = Manifest(mode="rgb", name="a.png", options={"fit": "w9"}, **common)
    resized = Manifest(mode="grey-as-rgb", small=Sampling.scaled(45, 31, Fraction(9, 4)).text, **common)
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
        *((mode, "JXL", {"lossless": True}) for mode in ("L", "RGBA") if FORMATS["JXL"].missing() is None),
        *((mode, "HEIF", {}) for mode in ("RGB",) if FORMATS["HEIF"].missing() is None),
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
    flat = Image.new("RGB", (40, 30), (9, 99, 200))
    options: list[dict[str, Any]] = [
        {"format": "GIF", "save_all": True, "append_images": [Image.new("RGB", (40, 30))]},
        {"format": "JPEG", "progressive": True},
        {"format": "TIFF", "compression": "tiff_adobe_deflate"},
    ]
    for each in options:
        flat.save(file := io.BytesIO(), **each)
        seeds.append(file.getvalue())
    found = [path.read_bytes() for path in _faults() if path.suffix in (".jxl", ".gif", ".png")]
    return [*seeds, held.getvalue(), *found]


def _faults() -> list[Path]:
    return sorted(FAULTS.iterdir()) if FAULTS.is_dir() else []


def _weight_seeds() -> list[bytes]:
    """Networks as small as can be, ours and of the authors' layout, as files of every kind."""
    import torch
    from safetensors.torch import save

    from irncli.nn.network import InvertibleRescaler, NetworkConfig
    from irncli.pretrained.fingerprint import FORMAT, fingerprint_of
    from irncli.pretrained.load import Latent

    config = NetworkConfig(scale=2, blocks=(1,), width=(1,))
    state = InvertibleRescaler(config).state_dict()
    bands = [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]
    public = {"operations.0.haar_weights": torch.tensor(bands).float().reshape(4, 1, 2, 2).repeat(3, 1, 1, 1)}
    public |= {key.replace("levels.0.0.", "operations.1."): value for key, value in state.items()}
    latent = Latent.standard(config.latent_channels).to_json()
    fingerprint = fingerprint_of(
        config.to_json(), latent, {key: value.numpy() for key, value in state.items()}
    )
    header = {"format": FORMAT, "config": config.to_json(), "latent": latent, "fingerprint": fingerprint}
    header |= {"tau": "0.0", "dtype": "fp32", "name": "w"}
    seeds = [save(state, header), save(public)]
    for new in (True, False):
        torch.save(public, file := io.BytesIO(), _use_new_zipfile_serialization=new)
        seeds.append(file.getvalue())
    return seeds + [path.read_bytes() for path in _faults() if path.suffix in (".pth", ".safetensors")]


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
    "jxl": (jxl_head, lambda: [file for file in _picture_seeds() if sniff(file) is FORMATS["JXL"]]),
    "chunks": (chunks, lambda: [file for file in _picture_seeds() if file.startswith(png.SIGNATURE)]),
    "directory": (directory, _directory_seeds),
    "packet": (packet, _packet_seeds),
    "picture": (picture, _picture_seeds),
    "weights": (weights, _weight_seeds),
    "lines": (lines, lambda: [b"a\n2026-01-01T00:00:00 irn: forged.png", b"\x1b[31m\xff\xe2\x80\xae.png"]),
}


@cache
def seeds_of(name: str) -> tuple[bytes, ...]:
    """Of a target, made once."""
    return tuple(TARGETS[name][1]())


# Mutations ---------------------------------------------------------------------------------------

MOST_BYTES = 1 << 17
_VALUES: tuple[Any, ...] = (
    *(0, -1, 1, 2**31 - 1, 2**63, 10**30, 10**400, 0.5, float("inf"), float("-inf"), float("nan")),
    *("", "\x1b[31m\n", "\ud800", "9" * 5000, "x" * 5000, None, True, [], {}, [0] * 99, {"a": {"a": []}}),
)
"""What a number, a word or a list of JSON gives way to."""


def mutated(seed: bytes, chance: random.Random) -> bytes:
    """A seed a little changed: as bytes, or as the kind of file that it is, its checksums made right."""
    kinds: list[Callable[[bytes, random.Random], bytes]] = [_bytes]
    if seed.startswith(png.SIGNATURE):
        kinds.append(_chunks)
    if seed.startswith(b"PK"):
        kinds.append(_archive)
    if seed.startswith(b"{"):
        kinds.append(lambda data, chance: _json(data.decode("utf-8", "replace"), chance).encode())
    if seed[8:9] == b"{":
        kinds.append(_safetensors)
    try:
        return chance.choice(kinds)(seed, chance)[:MOST_BYTES]
    except (InputError, ValueError, KeyError, IndexError, TypeError, struct.error, RecursionError,
            zlib.error, NotImplementedError, zipfile.BadZipFile):  # fmt: skip
        return _bytes(seed, chance)  # it was mutated too much to be of a kind


def _bytes(seed: bytes, chance: random.Random) -> bytes:
    """Flipped, cut out, repeated, blown up, zeroed, overwritten by a number at an edge."""
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(data) + 1)
        way = chance.randrange(7)
        if way == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif way == 1:
            del data[at : at + chance.choice((1, 4, 30))]
        elif way == 2:
            data[at:at] = data[at : at + chance.choice((1, 8, 60))]
        elif way == 3:
            data[at : at + 4] = chance.choice(
                (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\1\0\0\0")
            )
        elif way == 4:  # where the work grows as the square of what is there, this shows it
            part = bytes(data[at : at + chance.choice((1, 4, 12, 60))]) or b" "
            data[at:at] = part * (chance.choice((100, 1000, 50_000)) // len(part))
        elif way == 5:
            size = chance.choice((1, 16, len(data) // 4))
            data[at : at + size] = bytes(len(data[at : at + size]))
        else:
            del data[at:]
    return bytes(data)


def _chunks(seed: bytes, chance: random.Random) -> bytes:
    """A PNG with a chunk changed, doubled, or moved, and right checksums."""
    found = []
    for kind, at, size in png.chunks(io.BytesIO(seed)):
        found.append((kind, seed[at : at + size]))
    at, way = chance.randrange(len(found)), chance.randrange(3)
    kind, body = found[at]
    if way == 0:
        found[at] = kind, _bytes(body, chance)
    elif way == 1:  # a second text, which says something else
        found.insert(chance.randrange(1, len(found)), (kind, _bytes(body, chance)))
    else:
        found.insert(chance.randrange(len(found)), found.pop(at))
    parts = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in found
    )
    return png.SIGNATURE + b"".join(parts)


def _archive(seed: bytes, chance: random.Random) -> bytes:
    """A zip with one of its files changed or blown up, whose directory is right, or says other sizes."""
    with zipfile.ZipFile(io.BytesIO(seed)) as packed:
        files = {entry: packed.read(entry) for entry in packed.namelist()}
    name = chance.choice(sorted(files))
    blown = chance.random() < 0.1
    files[name] = bytes(chance.choice((0, 1 << 12, 64 << 20))) if blown else _bytes(files[name], chance)
    method = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(out := io.BytesIO(), "w", method) as plain:
        for each, data in files.items():
            plain.writestr(each, data)
    made = bytearray(out.getvalue())
    if chance.random() < 0.2:
        at = made.rindex(b"PK\1\2") + 24
        made[at : at + 4] = struct.pack("<I", chance.choice((0, 10, 1 << 30)))
    return bytes(made)


def _json(text: str, chance: random.Random) -> str:
    """JSON with one of its values another."""
    record = json.loads(text)
    at: Any = record
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = chance.choice(keys)
        if isinstance(at[key], dict | list) and at[key] and chance.random() < 0.7:
            at = at[key]
            continue
        if isinstance(at[key], str) and at[key].startswith("{") and chance.random() < 0.7:
            at[key] = _json(at[key], chance)
        elif isinstance(at, dict) and chance.random() < 0.3:
            at[_renamed(str(key), chance)] = at.pop(key)
        else:
            at[key] = chance.choice(_VALUES)
        break
    made = json.dumps(record)
    return made if chance.random() < 0.9 else made.replace("1", "[" * 3000, 1)


def _renamed(key: str, chance: random.Random) -> str:
    """Another index in it, or an end that says more."""
    number = str(chance.choice((0, 1, 2, 63, 999, 10**9, "00", "9" * 5000, "\u0663")))
    parts = [number if part.isdigit() else part for part in key.split(".")]
    return ".".join(parts) if chance.random() < 0.7 else key + "\x1b[31m"


def _safetensors(seed: bytes, chance: random.Random) -> bytes:
    """Weights whose header says something else, and whose fingerprint is right all the same."""
    size = struct.unpack("<Q", seed[:8])[0]
    header, body = json.loads(seed[8 : 8 + size]), seed[8 + size :]
    header = json.loads(_json(json.dumps(header), chance))
    if chance.random() < 0.2:
        body = struct.pack("<f", chance.choice((float("nan"), float("inf"), 1e38))) + body[4:]

    def whole(told: Any) -> bytes:
        text = json.dumps(told).encode()
        return struct.pack("<Q", len(text)) + text + body

    stated = header.get("__metadata__")
    if isinstance(stated, dict) and "fingerprint" in stated:
        from irncli.pretrained.fingerprint import fingerprint_of, read_arrays

        with tempfile.TemporaryDirectory() as folder:
            (path := Path(folder) / "w.safetensors").write_bytes(whole(header))
            with suppress(ModelError, KeyError, AttributeError):
                stated["fingerprint"] = fingerprint_of(stated["config"], stated["latent"], read_arrays(path))
    return whole(header)


def _here(name: str, words: list[str]) -> None:
    """libFuzzer in this process; it never returns."""
    atheris = import_module("atheris")

    def mutate(data: bytes, most: int, number: int) -> bytes:
        chance = random.Random(number)
        if not data or chance.random() < 0.5:
            changed: bytes = atheris.Mutate(data, most)
            return changed
        return mutated(data, chance)[:most]

    atheris.Setup([sys.argv[0], *words], TARGETS[name][0], custom_mutator=mutate)
    atheris.Fuzz()


def _plainly(name: str, seconds: float, corpus: Path) -> int:
    """The same without libFuzzer: mutations of the seeds and of their mutations, by the order of chance."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    target, seeds = TARGETS[name][0], [*seeds_of(name)]
    begun, number, broken = time.monotonic(), 0, 0
    while time.monotonic() < begun + seconds and broken < MOST_BROKEN:
        chance = random.Random(number)
        data = mutated(chance.choice(seeds), chance)
        if chance.random() < 0.3:
            data = mutated(data, chance)
        before = time.process_time()
        try:
            target(data)
            took = time.process_time() - before
            if took > LONGEST:
                raise TimeoutError(f"{took:.0f} s of the processor for {len(data)} bytes")
        except Exception:
            broken += 1
            place = corpus / f"{name}-broken-{number}"
            place.write_bytes(data)
            print(f"{place}:\n{traceback.format_exc()}", flush=True)  # noqa: T201
        number += 1
    print(f"{name}: {number} inputs", flush=True)  # noqa: T201
    return 1 if broken else 0


def main() -> int:
    if sys.argv[1:2] == [CHILD]:
        _here(sys.argv[2], sys.argv[3:])
    if sys.argv[1:2] == [PLAIN]:
        return _plainly(sys.argv[2], float(sys.argv[3]), Path(sys.argv[4]))
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    known = ", ".join(TARGETS)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET", help=known)
    parser.add_argument("--seconds", type=int, default=300, help="for each target [default: 300]")
    parser.add_argument("--hour", action="store_true", help="an hour over all targets, instead")
    default = Path(tempfile.gettempdir()) / "irn-fuzz"
    parser.add_argument("--corpus", type=Path, default=default, help=f"[default: {default}]")
    options = parser.parse_args()
    if options.hour:
        options.seconds = 3600 // len(options.targets or TARGETS)
    guided = find_spec("atheris") is not None
    broken = 0
    for name in options.targets or TARGETS:
        folder = options.corpus / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds_of(name)):
            (folder / f"seed-{number}").write_bytes(seed)
        # Two minutes for a file: a busy machine is no find.
        limits = [f"-max_total_time={options.seconds}", "-timeout=120", "-rss_limit_mb=3000"]
        limits.append(f"-max_len={MOST_BYTES}")
        artifacts = f"-artifact_prefix={options.corpus}/{name}-"
        argv = [sys.executable, __file__, CHILD, name, *limits, artifacts, str(folder)]
        if not guided:
            argv = [sys.executable, __file__, PLAIN, name, str(options.seconds), str(options.corpus)]
        status = subprocess.run(argv, check=False).returncode
        broken += status != 0
        print(f"{name}: {'broke, see above' if status else 'held'}", flush=True)  # noqa: T201
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
