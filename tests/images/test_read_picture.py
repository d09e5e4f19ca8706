"""What cannot be read is refused with the path, the reason and what to do, and never read by half."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from permissions import obey_permissions
from pictures import TEXT, facts_of, random_picture, saved
from PIL import Image

from irncli.atomic import write_whole
from irncli.errors import InputError
from irncli.images import exif as ifd
from irncli.images.formats import READABLE_SUFFIXES, WRITABLE, looks_like_picture
from irncli.images.picture import to_pillow
from irncli.images.probe import probe
from irncli.images.read import read_picture
from irncli.images.write import encode

PICTURE = random_picture(40, 50, "RGB")
AVIF = "AVIF" in WRITABLE.values()
SAMPLES: dict[str, bytes] = {
    "png": encode(PICTURE, "PNG", text=TEXT)[0],
    "interlaced png": saved(to_pillow(PICTURE), "PNG"),
    "jpg": encode(PICTURE, "JPEG")[0],
    "progressive jpg": saved(to_pillow(PICTURE), "JPEG", progressive=True),
    "webp": encode(PICTURE, "WEBP", text=TEXT)[0],
    "lossy webp": saved(to_pillow(PICTURE), "WEBP"),
    "tif": encode(PICTURE, "TIFF", text=TEXT)[0],
    "raw tif": saved(to_pillow(PICTURE), "TIFF"),
    "lzw tif": saved(to_pillow(PICTURE), "TIFF", compression="tiff_lzw"),
    "jpeg tif": saved(to_pillow(PICTURE), "TIFF", compression="jpeg"),
    "bmp": saved(to_pillow(PICTURE), "BMP"),
    "gif": saved(to_pillow(PICTURE), "GIF"),
    "ppm": saved(to_pillow(PICTURE), "PPM"),
} | ({"avif": encode(PICTURE, "AVIF")[0]} if AVIF else {})


def refusal(path: Path, **options: int) -> str:
    """The message of the refusal, which must begin with the path and be one printable line."""
    with pytest.raises(InputError) as caught:
        read_picture(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert caught.value.remedy
    assert message.isprintable(), message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_whole_file_is_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"ein bild ☃.{kind.split()[-1]}"
    path.write_bytes(SAMPLES[kind])
    loaded = read_picture(path)
    assert loaded.picture.colour.shape == (40, 50, 3)
    assert len(loaded.sha256) == 64
    assert facts_of(path)[:3] == (loaded.header.text, (50, 40), loaded.header.format)
    assert looks_like_picture(path)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_file_cut_anywhere_is_refused_or_lacks_no_pixel(kind: str) -> None:
    data = SAMPLES[kind]
    whole = read_picture(io.BytesIO(data), name="x").picture.colour
    step = max(1, len(data) // 60)
    cuts = {*range(1, len(data) - 24, step), *range(len(data) - 24, len(data))}
    refused = 0
    for cut in sorted(cuts):
        try:
            colour = read_picture(io.BytesIO(data[:cut]), name="x").picture.colour
        except InputError as error:
            assert str(error).startswith("x: ")
            refused += 1
        else:
            assert np.array_equal(colour, whole), f"cut at {cut} of {len(data)} was read by half"
            assert cut >= len(data) - 24, f"cut at {cut} of {len(data)} was read"
    assert refused > 30


@pytest.mark.parametrize("kind", ["png", "interlaced png"])
def test_a_flipped_bit_in_a_png_is_found(kind: str) -> None:
    data = SAMPLES[kind]
    start = data.index(b"IDAT") + 4
    for at in range(start, len(data) - 16, 37):
        with pytest.raises(InputError):
            read_picture(io.BytesIO(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]), name="x")


def test_a_png_without_its_end_or_with_a_wrong_checksum_is_refused() -> None:
    """Pillow takes both, because it has all the pixels."""
    data = SAMPLES["png"]
    for broken in (data[:-12], data[:-16], data[:-16] + bytes(4) + data[-12:]):
        with pytest.raises(InputError, match="cut short|damaged"):
            read_picture(io.BytesIO(broken), name="x")


@pytest.mark.parametrize("kind", SAMPLES)
@given(data=st.data())
def test_damage_never_raises_anything_but_input_errors(kind: str, data: st.DataObject) -> None:
    broken = bytearray(SAMPLES[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        # Headers matter most.
        at = data.draw(st.integers(0, len(broken) - 1) | st.integers(0, min(400, len(broken) - 1)))
        broken[at] = data.draw(st.integers(0, 255))
    try:
        read_picture(io.BytesIO(bytes(broken)), name="x", max_pixels=10_000)
    except InputError as error:
        assert str(error).isprintable()


def test_what_is_no_picture(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "missing.png")
    folder = tmp_path / "folder.png"
    folder.mkdir()
    assert "folder" in refusal(folder)
    for name, data, words in (
        ("empty.png", b"", "empty"),
        ("text.png", b"this is not a picture at all\n", "not a picture"),
        ("page.jpg", b"<html><body>404</body></html>", "not a picture"),
        ("cut.png", SAMPLES["png"][:20], "cut short"),
        ("raw.nef", SAMPLES["tif"], "raw file"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        assert words in refusal(path)
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    assert "regular file" in refusal(pipe)
    assert "regular file" in refusal(Path("/dev/null"))
    assert "cannot be opened" in refusal(tmp_path / ("x" * 300 + ".png"))
    with pytest.raises(InputError):
        read_picture(Path("nul\0.png"))


def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(SAMPLES["png"])
    path.chmod(0)
    code = f"""
from pathlib import Path
from irncli.images.read import read_picture
from irncli.errors import InputError
try:
    read_picture(Path({str(path)!r}))
except InputError as error:
    print(error)
"""
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, preexec_fn=obey_permissions)
    assert "no permission" in done.stdout, done.stderr


def _animation(format: str, frames: int = 3, **options: int) -> bytes:
    pictures = [Image.new("RGB", (6, 5), (80 * n, 0, 255 - 80 * n)) for n in range(frames)]
    return saved(pictures[0], format, save_all=True, append_images=pictures[1:], **options)


@pytest.mark.parametrize(
    ("suffix", "format", "word"),
    [
        (".gif", "GIF", "3 frames"),
        (".png", "PNG", "3 frames"),
        (".webp", "WEBP", "3 frames"),
        (".tif", "TIFF", "3 pages"),
    ],
)
def test_animations_and_pages_are_refused_with_their_number(
    suffix: str, format: str, word: str, tmp_path: Path
) -> None:
    path = tmp_path / f"moving{suffix}"
    path.write_bytes(_animation(format))
    message = refusal(path)
    assert word in message and "`page=" in message
    assert probe(path).pages == 3
    for page in (1, 2, 3):
        colour = read_picture(path, page=page).picture.colour
        assert abs(int(colour[2, 2, 0]) - 80 * (page - 1)) <= 12
    assert "no page 4" in refusal(path, page=4)
    assert "no page 0" in refusal(path, page=0)


def test_a_telephone_jpeg_with_a_second_picture_is_read_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    path.write_bytes(_animation("MPO", 2))
    loaded = read_picture(path)
    assert loaded.header.format == "JPEG"
    assert len(loaded.picture.notes) == 1 and "2 pictures" in loaded.picture.notes[0]


def test_the_reduced_copy_in_a_tiff_is_no_page(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(PICTURE.colour, photometric="rgb")
        writer.write(PICTURE.colour[::2, ::2].copy(), photometric="rgb", subfiletype=1)
    assert np.array_equal(read_picture(path).picture.colour, PICTURE.colour)


@pytest.mark.parametrize("kind", SAMPLES)
def test_large_pictures_are_stopped_by_our_limit(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"large.{kind.split()[-1]}"
    path.write_bytes(SAMPLES[kind])
    read_picture(path, max_pixels=2000)
    message = refusal(path, max_pixels=1999)
    assert "50 x 40" in message and "`max_pixels`" in message


def test_a_bomb_is_stopped_before_anything_is_allocated() -> None:
    """A PNG of 60000 x 60000 that says so in its header only, and a WebP of the largest size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = (60000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"x\x9c") + chunk(b"IEND", b"")
    webp = saved(Image.new("RGB", (1, 1)), "WEBP", lossless=True)
    at = webp.index(b"VP8L") + 9
    webp = webp[:at] + (16382 | 16382 << 14).to_bytes(4, "little") + webp[at + 4 :]
    code = """
import io, resource, sys
from irncli.errors import InputError
from irncli.images.read import read_picture
resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))
try:
    read_picture(io.BytesIO(sys.stdin.buffer.read()), name="x", max_pixels=200_000_000)
except InputError as error:
    print(error)
"""
    for data, size in ((png, "60000 x 60000"), (webp, "16383 x 16383")):
        done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=False)
        assert size in done.stdout.decode(), done.stderr.decode()


def test_pillows_own_limit_is_off_inside_and_back_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    path = tmp_path / "a.webp"
    path.write_bytes(SAMPLES["webp"])
    filters = list(warnings.filters)

    def read_many() -> None:
        for _ in range(20):
            read_picture(path)

    threads = [threading.Thread(target=read_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == 10
    assert warnings.filters == filters
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)


def unanimated_png() -> bytes:
    """A sound PNG that calls itself an animation of no frames: Pillow warns."""
    data, body = SAMPLES["interlaced png"], b"acTL" + bytes(8)
    chunk = (8).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return data[:33] + chunk + data[33:]


def hundred_samples_tiff() -> bytes:
    """A TIFF with so many samples a pixel that Pillow logs it as an error."""
    directory = ifd.Directory()
    for tag, value in ((256, 1), (257, 1), (258, 8), (262, 2), (277, 100), (273, 8), (279, 1)):
        directory.put(tag, ifd.SHORT, value)
    return ifd.file_head(directory)


def test_nothing_is_printed_and_no_warning_escapes() -> None:
    """Decoders in C write to stderr by themselves, so a subprocess looks at the real one."""
    code = """
import io, sys, warnings
warnings.simplefilter("error")
sys.path[:0] = sys.argv[1:]
from test_read_picture import SAMPLES, unanimated_png, hundred_samples_tiff
from irncli.errors import InputError
from irncli.images.read import read_picture
for kind, data in SAMPLES.items():
    for cut in (len(data), len(data) // 2, len(data) - 30):
        for at in (9, 20, 200, len(data) // 3):
            broken = bytearray(data[:cut])
            if cut < len(data):
                broken[min(at, cut - 1)] ^= 255
            try:
                read_picture(io.BytesIO(bytes(broken)), name="x")
            except InputError:
                pass
read_picture(io.BytesIO(unanimated_png()), name="x")
try:
    read_picture(io.BytesIO(hundred_samples_tiff()), name="x")
except InputError:
    pass
"""
    folders = map(str, Path(__file__).parents[:2])
    done = subprocess.run([sys.executable, "-c", code, *folders], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_pictures_are_told_by_suffix_and_by_their_first_bytes(tmp_path: Path) -> None:
    assert looks_like_picture.__doc__
    for kind, data in SAMPLES.items():
        path = tmp_path / f"{kind} without suffix"
        path.write_bytes(data)
        assert looks_like_picture(path), kind
    for name, data, expected in (
        ("notes.txt", b"BMW and PNG are words", False),
        ("short", b"B", False),
        ("empty", b"", False),
        ("broken.PNG", b"text", True),
        ("camera.NEF", SAMPLES["tif"], False),
        ("P1 report", b"P1 is late", False),
        ("BigTIFF", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0", True),
        ("BigTIFF of Motorola's order", b"MM\0+\0\x08\0\0\0\0\0\0\0\0\0\x10", True),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        assert looks_like_picture(path) == expected, name
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("folder.png", "pipe.png", "missing.png", "nul\0.png"):
        assert not looks_like_picture(tmp_path / name)
    assert set(WRITABLE) <= READABLE_SUFFIXES


def test_a_picture_that_cannot_be_asked_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that may be listed and not entered; as root no permission shows that."""

    def closed(path: Path) -> bool:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "is_file", closed)
    assert looks_like_picture(Path("a.png")) and not looks_like_picture(Path("a.txt"))


def test_peeking_decodes_nothing_and_loads_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    at = SAMPLES["png"].index(b"IDAT") + 20
    path.write_bytes(SAMPLES["png"][:at] + bytes(8) + SAMPLES["png"][at + 8 :])
    assert facts_of(path)[:3] == (TEXT, (50, 40), "PNG")
    code = (
        "import sys; from pathlib import Path; from irncli.images.probe import probe;"
        f"probe(Path({str(path)!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_digest_is_of_the_files_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_whole(path, SAMPLES["png"])
    assert read_picture(path).sha256 == hashlib.sha256(SAMPLES["png"]).hexdigest()
