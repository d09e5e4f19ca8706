"""What colours mean, texts and claims: they travel, or one note says that they cannot (cli.md, point 13)."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from meaning import (
    ADOBE,
    BT2020,
    P3,
    chrm,
    chunk,
    chunks_of,
    cicp,
    gama,
    png_with,
    shown,
    srgb_curve,
    to_srgb,
)
from PIL import Image, ImageOps
from running import Irn, scene

from irncli.images.heif import colour_of
from irncli.images.icc import chunk_of
from irncli.images.png import told_chunks
from irncli.images.read import read_picture

PICTURE = Image.fromarray(scene(24, 20))
RDF = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def packet(attributes: bytes, inside: bytes = b"") -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="' + RDF + b'"><r:Description r:about="" '
        b'xmlns:dc="http://purl.org/dc/elements/1.1/" ' + attributes + b">" + inside
        + b"</r:Description></r:RDF></x:xmpmeta>"
    )  # fmt: skip


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg_with(path: Path, *segments: bytes, behind: bytes = b"", image: Image.Image = PICTURE) -> Path:
    """A JPEG with these segments behind its start."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95)
    data = file.getvalue()
    path.write_bytes(data[:2] + b"".join(segments) + data[2:] + behind)
    return path


def avif_of(path: Path, primaries: int, transfer: int, image: Image.Image = PICTURE) -> Path:
    """An AVIF whose container says these."""
    file = io.BytesIO()
    image.save(file, "AVIF")
    head, _, rest = file.getvalue().partition(b"colrnclx")
    path.write_bytes(head + b"colrnclx" + struct.pack(">HH", primaries, transfer) + rest[4:])
    return path


def source(folder: Path, kind: str, image: Image.Image = PICTURE) -> Path:
    match kind:
        case "gamma":
            return png_with(folder / "a.png", image, gama(0.45455), chrm(ADOBE))
        case "cicp":
            return png_with(folder / "a.png", image, cicp(12, 13))
        case "nclx":
            return avif_of(folder / "a.avif", 12, 13, image)
    raise AssertionError(kind)


MEANING = {
    "gamma": (ADOBE, lambda x: x**2.2),
    "cicp": (P3, srgb_curve),
    "nclx": (P3, srgb_curve),
}


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("kind", ["gamma", "cicp", "nclx"])
def test_colours_mean_the_same_in_every_file(
    kind: str, mode: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    """By a program that manages colours and knows profiles only."""
    path = source(tmp_path, kind, PICTURE.convert(mode))
    made = []
    for small in ("png", "webp", "tiff"):
        words = ("downscale", path.name, "-o", f"s.{small}", "--model", tiny_model)
        assert (ran := irn(*words)).status == 0 and ran.err == ""
        made.append(f"s.{small}")
        for form in ("png", "jpg", "webp", "tiff", "avif") if small == "png" else ("png",):
            made.append(f"{small}.{form}")
            ran = irn("upscale", f"s.{small}", "-o", made[-1], "--model", tiny_model)
            assert ran.status == 0 and ran.err == "", made[-1]
    for name in made:
        with Image.open(tmp_path / name) as image:
            levels = np.asarray(image.convert("RGB"))
            got = shown(image, image.info["icc_profile"])
        assert np.abs(got - to_srgb(levels, *MEANING[kind])).mean() < 1.5, name
        if name.endswith(".png") and kind == "gamma":
            assert {gama(0.45455), chrm(ADOBE)} <= set(chunks_of(tmp_path / name)), name
        elif name.endswith(".png"):
            assert cicp(12, 13) in chunks_of(tmp_path / name), name


def test_a_small_jpeg_xl_brings_colours_back_and_a_restored_one_says_that_it_cannot(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    source(tmp_path, "cicp")
    ran = irn("downscale", "a.png", "-o", "s.jxl", "--model", tiny_model)
    assert ran.status == 0 and "profile" in ran.error()
    assert irn("upscale", "s.jxl", "-o", "b.png", "--model", tiny_model).err == ""
    assert cicp(12, 13) in chunks_of(tmp_path / "b.png")
    assert "profile" in irn("upscale", "s.jxl", "-o", "b.jxl", "--model", tiny_model).error()


def test_the_usual_gamma_is_no_profile_and_stays(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    png_with(tmp_path / "a.png", PICTURE, gama(0.45455))
    png_with(tmp_path / "b.png", PICTURE, (b"sRGB", b"\1"), gama(0.45455))
    for name, kept in (("a", [gama(0.45455)]), ("b", [(b"sRGB", b"\1"), gama(0.45455)])):
        assert irn("downscale", f"{name}.png", "-o", "s/", "--model", tiny_model).err == ""
        assert irn("upscale", f"s/{name}.x4.png", "-o", f"r/{name}.png", "--model", tiny_model).err == ""
        found = chunks_of(tmp_path / f"r/{name}.png")
        assert [each for each in found if each[0] in (b"gAMA", b"sRGB", b"iCCP")] == kept


@pytest.mark.parametrize("transfer", [16, 18], ids=["pq", "hlg"])
@pytest.mark.parametrize("kind", ["png", "avif"])
def test_hdr_never_becomes_sdr_without_a_word(
    kind: str, transfer: int, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    if kind == "png":
        light = ((b"cLLI", bytes(8)), (b"mDCV", bytes(24)))
        png_with(tmp_path / "a.png", PICTURE, cicp(9, transfer), *light)
    else:
        avif_of(tmp_path / "a.avif", 9, transfer)
    for small in ("png", "webp"):
        ran = irn("downscale", f"a.{kind}", "-o", f"s.{small}", "--model", tiny_model)
        assert ran.status == 0 and (ran.err == "" if small == "png" else "HDR" in ran.error())
        assert irn("upscale", f"s.{small}", "-o", f"{small}.png", "--model", tiny_model).err == ""
        found = chunks_of(tmp_path / f"{small}.png")
        # A profile could show it as SDR only, and goes before cICP in many programs.
        assert cicp(9, transfer) in found and b"iCCP" not in dict(found)
        assert kind == "avif" or set(light) <= set(found)
    assert irn("upscale", "s.png", "-o", "b.avif", "--model", tiny_model).err == ""
    with (tmp_path / "b.avif").open("rb") as file:
        assert colour_of(file) == (9, transfer)
    for form in ("jpg", "webp", "tiff", "jxl"):
        ran = irn("upscale", "s.png", "-o", f"b.{form}", "--model", tiny_model)
        assert ran.status == 0 and "HDR" in ran.error()
        if form != "jxl":
            with Image.open(tmp_path / f"b.{form}") as image:
                assert chunk_of(image.info["icc_profile"]) == (cicp(9, transfer),)
    assert "HDR" in irn("upscale", "s.png", "-o", "c.png", "--strip", "--model", tiny_model).error()


def test_a_meaning_that_no_profile_has_is_told(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    png_with(tmp_path / "a.png", PICTURE, (b"cICP", bytes([9, 14, 0, 0])))
    assert irn("downscale", "a.png", "-o", "s.png", "--model", tiny_model).err == ""
    assert (b"cICP", bytes([9, 14, 0, 0])) in chunks_of(tmp_path / "s.png")
    assert "colours mean" in irn("upscale", "s.png", "-o", "b.jpg", "--model", tiny_model).error()


def test_nclx_is_that_of_the_picture_and_not_of_another_item(tmp_path: Path) -> None:
    """A gain map beside it has its own, and an ICC profile goes before it."""
    path = avif_of(tmp_path / "a.avif", 9, 16)
    data = path.read_bytes()
    at = data.index(b"ipma")
    count = data[at + 14]
    numbers = [at + 15 + n for n in range(count)]
    colr = next(n for n in numbers if (data[n] & 0x7F) == 1 + _properties(data).index(b"colr"))
    moved = data[:colr] + bytes([data[numbers[0]]]) + data[colr + 1 :]  # its own is another property
    assert colour_of(io.BytesIO(data)) == (9, 16) and colour_of(io.BytesIO(moved)) is None
    for end in range(0, len(data), 7):
        colour_of(io.BytesIO(data[:end]))


def _properties(data: bytes) -> list[bytes]:
    at = data.index(b"ipco") + 4
    end, kinds = at - 8 + int.from_bytes(data[at - 8 : at - 4], "big"), []
    while at < end:
        kinds.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4], "big")
    return kinds


TEXTS = [
    (b"tEXt", b"parameters\0a tree with a bird\nSteps: 20"),
    (b"tEXt", "Author\0Jos\xe9".encode("latin-1")),
    (b"iTXt", b"Title\0\0\0de\0Titel\0" + "Bäume 木".encode()),
    (b"zTXt", b"Comment\0\0" + zlib.compress(b"chore")),
    (b"tEXt", b"Comment\0another"),
]


def test_texts_of_a_png_come_back_as_they_were(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    png_with(tmp_path / "a.png", PICTURE, *TEXTS[:3])
    data = png_with(tmp_path / "a.png", PICTURE, *TEXTS[:3]).read_bytes()
    late = b"".join(chunk(*each) for each in TEXTS[3:])  # some tools put them behind the pixels
    (tmp_path / "a.png").write_bytes(data[:-12] + late + data[-12:])
    for small in ("png", "webp", "tiff", "jxl"):
        assert irn("downscale", "a.png", "-o", f"s.{small}", "--model", tiny_model).err == ""
        assert irn("upscale", f"s.{small}", "-o", f"{small}.png", "--model", tiny_model).err == ""
        found = [each for each in chunks_of(tmp_path / f"{small}.png") if each[0][1:] in (b"EXt", b"TXt")]
        assert [each for each in found if not each[1].startswith(b"irn\0")] == TEXTS, small
    for form in ("webp", "tiff", "avif", "jxl", "jpg"):
        ran = irn("upscale", "s.png", "-o", f"b.{form}", "--model", tiny_model)
        assert ran.status == 0 and "Author" in ran.error()
    assert b"\xff\xfe\x00\x09another" in (tmp_path / "b.jpg").read_bytes()
    assert irn("upscale", "s.png", "-o", "c.png", "--strip", "--model", tiny_model).err == ""
    assert irn("downscale", "a.png", "-o", "c.x4.png", "--strip", "--model", tiny_model).err == ""
    for name in ("c.png", "c.x4.png"):
        assert b"tree" not in (tmp_path / name).read_bytes()


def test_texts_beyond_what_a_small_webp_carries_are_told(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    png_with(tmp_path / "a.png", PICTURE, gama(1.0), (b"tEXt", b"prompt\0" + b"x" * 40_000))
    assert "prompt" in irn("downscale", "a.png", "-o", "s.webp", "--model", tiny_model).error()
    assert irn("upscale", "s.webp", "-o", "b.png", "--model", tiny_model).err == ""
    assert gama(1.0) in chunks_of(tmp_path / "b.png")


def test_a_text_with_a_wrong_checksum_is_none(tmp_path: Path) -> None:
    data = png_with(tmp_path / "a.png", PICTURE, TEXTS[0], TEXTS[1]).read_bytes()
    damaged = io.BytesIO(data.replace(b"Steps: 20", b"Steps: 21"))
    assert told_chunks(damaged, ()) == ([TEXTS[1]], True)
    for end in range(0, len(data), 5):
        told_chunks(io.BytesIO(data[:end]), ())


def test_thousands_of_texts_are_bounded_and_told(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    png_with(tmp_path / "a.png", PICTURE, *((b"tEXt", b"key\0%d" % n) for n in range(3000)))
    assert "texts" in irn("downscale", "a.png", "-o", "s.png", "--model", tiny_model).error()
    assert b"key\x00999" in (tmp_path / "s.png").read_bytes()


def test_comments_of_a_jpeg_come_back(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    texts = [b"first", "zweiter: größer".encode(), b"caf\xe9 in Latin-1", b"x" * 65_533]
    jpeg_with(tmp_path / "a.jpg", *(segment(0xFE, text) for text in texts))
    for small in ("png", "webp"):
        words = ("downscale", "a.jpg", "-o", f"s.{small}", "--model", tiny_model)
        assert (irn(*words).err == "") == (small == "png")  # too long for the other, which is told
    assert irn("upscale", "s.png", "-o", "b.jpg", "--model", tiny_model).err == ""
    data = (tmp_path / "b.jpg").read_bytes()
    assert [data.count(segment(0xFE, text)) for text in texts] == [1, 1, 1, 1]
    assert irn("upscale", "s.png", "-o", "b.png", "--model", tiny_model).err == ""
    with Image.open(tmp_path / "b.png") as image:
        image.load()
    assert (b"tEXt", b"Comment\0first") in chunks_of(tmp_path / "b.png")
    assert "Comment" in irn("upscale", "s.png", "-o", "b.avif", "--model", tiny_model).error()


def test_comments_are_written_row_by_row_too(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    jpeg_with(tmp_path / "a.jpg", segment(0xFE, b"first"), image=Image.fromarray(scene(640, 480)))
    words = ("--model", tiny_model, "--memory-budget", "1MB")
    assert irn("downscale", "a.jpg", "-o", "s.png", *words).status == 0
    assert irn("upscale", "s.png", "-o", "b.png", *words).status == 0
    assert b"first" in (tmp_path / "b.png").read_bytes()


def extended_jpeg(path: Path, size: int, *, lost: bool = False) -> Path:
    """XMP in two parts, the second in pieces that stand in any order; or one of them lost."""
    name = b"0123456789ABCDEF0123456789ABCDEF"
    note = b'xmlns:n="http://ns.adobe.com/xmp/note/" dc:format="image/jpeg" n:HasExtendedXMP="%s"' % name
    text = packet(b'xmlns:ex="http://example.com/"', b"<ex:note>" + b"word " * (size // 5) + b"</ex:note>")
    pieces = [
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + name + struct.pack(">II", len(text), at)
                + text[at : at + 40_000])
        for at in range(0, len(text), 40_000)
    ]  # fmt: skip
    main = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet(note))
    return jpeg_with(path, *pieces[lost:][::-1], main)


@pytest.mark.parametrize("size", [10_000, 130_000])
def test_xmp_in_parts_is_one(size: int, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    extended_jpeg(tmp_path / "a.jpg", size)
    assert irn("downscale", "a.jpg", "-o", "s.png", "--model", tiny_model).err == ""
    for form in ("png", "webp", "jpg", "tiff", "avif", "jxl"):
        assert irn("upscale", "s.png", "-o", f"b.{form}", "--model", tiny_model).err == ""
        got = read_picture(tmp_path / f"b.{form}").picture.metadata.xmp
        assert got and got.count(b"word ") == size // 5 and b"image/jpeg" in got
        assert b"HasExtended" not in got
        # A JPEG alone may point to a part, which is there then.
        data = (tmp_path / f"b.{form}").read_bytes()
        assert (b"HasExtendedXMP" in data) == (form == "jpg" and size > 65_000)
    assert irn("info", "b.jpg", "--json").lines[0].count('"record"') == 1


def test_a_lost_part_of_xmp_is_told_and_no_longer_promised(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    extended_jpeg(tmp_path / "a.jpg", 100_000, lost=True)
    assert "XMP" in irn("downscale", "a.jpg", "-o", "s.png", "--model", tiny_model).error()
    small = (tmp_path / "s.png").read_bytes()
    assert b"HasExtendedXMP" not in small and b"image/jpeg" in small


CAMERA, CONTAINER = b"http://ns.google.com/photos/1.0/camera/", b"http://ns.google.com/photos/1.0/container/"
PARTS = (
    b'<c:Directory xmlns:c="%s"><r:Seq><r:li r:parseType="Resource"><c:Item xmlns:i="%sitem/" i:Mime="%s" '
    b'i:Semantic="%s" i:Length="99"/></r:li></r:Seq></c:Directory><dc:title>kept</dc:title>'
)


@pytest.mark.parametrize(
    ("word", "xmp"),
    [
        (
            "video",
            packet(
                b'xmlns:g="%s" g:MotionPhoto="1" g:MotionPhotoVersion="1"' % CAMERA,
                PARTS % (CONTAINER, CONTAINER, b"video/mp4", b"MotionPhoto"),
            ),
        ),
        (
            "video",
            packet(b'xmlns:g="%s" g:MicroVideo="1" g:MicroVideoOffset="99" dc:title="kept"' % CAMERA),
        ),
        (
            "video",
            packet(
                b'xmlns:g="%s"' % CAMERA,
                b"<g:MotionPhoto>1</g:MotionPhoto><dc:title>kept</dc:title>",
            ),
        ),
        (
            "gain map",
            packet(
                b'xmlns:h="http://ns.adobe.com/hdr-gain-map/1.0/" h:Version="1.0"',
                PARTS % (CONTAINER, CONTAINER, b"image/jpeg", b"GainMap"),
            ),
        ),
    ],
)
def test_nothing_claims_a_video_or_a_gain_map_that_is_gone(
    word: str, xmp: bytes, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    main = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp)
    jpeg_with(tmp_path / "a.jpg", main, behind=b"\0\0\0\x18ftypmp42" + bytes(500))
    assert word in irn("downscale", "a.jpg", "-o", "s.png", "--model", tiny_model).error()
    for form in ("png", "jpg"):
        assert irn("upscale", "s.png", "-o", f"b.{form}", "--model", tiny_model).err == ""
    for name in ("s.png", "b.png", "b.jpg"):
        data = (tmp_path / name).read_bytes()
        assert not [w for w in (b"MotionPhoto", b"MicroVideo", b"GainMap", b"h:Version") if w in data], name
        assert b"kept" in data and b"ftyp" not in data


def test_a_video_by_its_mark_at_the_end_is_told(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    behind = bytes(200) + b"MotionPhoto_Data" + bytes(400) + b"SEFT"
    jpeg_with(tmp_path / "a.jpg", behind=behind)
    assert "video" in irn("downscale", "a.jpg", "-o", "s.png", "--model", tiny_model).error()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_strip_never_turns_a_picture(orientation: int, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    tags = Image.Exif()
    tags[274], tags[271] = orientation, "maker"
    Image.fromarray(scene(40, 24)).save(tmp_path / "a.jpg", exif=tags)
    turned = (24, 40) if orientation >= 5 else (40, 24)
    smalls = [(form, True) for form in ("png", "webp", "tiff", "jxl")] + [("png", False)]
    for small, stripped in smalls:
        words = ("--strip",) if stripped else ()
        name = f"s{stripped}.{small}"
        assert irn("downscale", "a.jpg", "-o", name, *words, "--model", tiny_model).err == ""
        forms = ("png",) if stripped else ("png", "jpg", "webp", "tiff", "avif", "jxl")
        for form in forms:
            back = f"{small}.{stripped}.{form}"
            words = () if stripped else ("--strip",)
            assert irn("upscale", name, "-o", back, *words, "--model", tiny_model).err == ""
            assert b"maker" not in (tmp_path / back).read_bytes()
            assert read_picture(tmp_path / back).picture.metadata.orientation == orientation
            with Image.open(tmp_path / back) as image:
                assert ImageOps.exif_transpose(image).size == turned, back


@pytest.mark.parametrize("size", [65_480, 65_560, 70_000, 200_000])
@pytest.mark.parametrize("tag", [37500, 37510])
def test_exif_too_long_for_a_jpeg_leaves_the_picture_standing(
    tag: int, size: int, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    tags = Image.Exif()
    tags[274], tags[315] = 6, "somebody"
    tags.get_ifd(0x8769).update({tag: bytes(size), 36867: "2020:01:02 03:04:05"})
    PICTURE.save(tmp_path / "a.png", exif=tags)
    assert irn("downscale", "a.png", "-o", "s.png", "--model", tiny_model).err == ""
    long = len(read_picture(tmp_path / "s.png").picture.metadata.exif or b"") > 65_533
    ran = irn("upscale", "s.png", "-o", "b.jpg", "--model", tiny_model)
    assert ran.status == 0 and (("EXIF" in ran.error()) if long else ran.err == "")
    with Image.open(tmp_path / "b.jpg") as image:
        kept = image.getexif()
        assert (kept[274], kept[315]) == (6, "somebody")
        assert kept.get_ifd(0x8769)[36867] == "2020:01:02 03:04:05"
        assert ImageOps.exif_transpose(image).size == (20, 24)
    for form in ("webp", "png", "avif", "tiff"):
        assert irn("upscale", "s.png", "-o", f"b.{form}", "--model", tiny_model).err == ""
        got = read_picture(tmp_path / f"b.{form}").picture.metadata
        assert got.orientation == 6 and bytes(size) in (got.exif or b"")


def hostile_tiff(entries: int) -> bytes:
    """A grey TIFF whose EXIF directory has so many."""
    tags = [
        (256, 8),
        (257, 8),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 0),
        (277, 1),
        (278, 8),
        (279, 64),
        (34665, 0),
    ]
    start = 8 + 2 + 12 * len(tags) + 4
    places = {273: start, 34665: start + 64}
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    head += b"".join(struct.pack("<HHII", tag, 4, 1, places.get(tag, value)) for tag, value in tags)
    exif = b"".join(struct.pack("<HHII", tag + 1, 4, 1, 7) for tag in range(entries))
    return head + bytes(4) + bytes(64) + struct.pack("<H", entries) + exif + bytes(4)


SPACES = packet(b'xmlns:i="urn:irncli:1.0:" i:other="x"' + b" " * 900_000)
ELEMENTS = packet(b"", b"<dc:a/>" * 1_000_000)
PREFIXES = packet(
    b"", b"".join(b'<dc:a dc:b="" xmlns:p%d="urn:irncli:1.0:" p%d:q=""/>' % (n, n) for n in range(30_000))
)


@pytest.mark.parametrize(
    ("name", "xmp"), [("a.png", SPACES), ("a.webp", ELEMENTS), ("b.png", PREFIXES), ("a.tif", b"")]
)
def test_metadata_is_never_worth_minutes(
    name: str, xmp: bytes, command: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    """Each of them took minutes to hours, and the processes here are given up after two."""
    if name.endswith("tif"):
        (tmp_path / name).write_bytes(hostile_tiff(65_000))
    elif name.endswith("png"):
        text = b"XML:com.adobe.xmp\0" + bytes(4) + xmp
        png_with(tmp_path / name, PICTURE, (b"iTXt", text))
    else:
        PICTURE.save(tmp_path / name, lossless=True, xmp=xmp)
    assert command("info", name).status == 0
    assert command("downscale", name, "-o", "s.png", "--model", tiny_model).status == 0
    assert command("upscale", "s.png", "-o", "b.tiff", "--model", tiny_model).status == 0


def test_wide_colours_look_alike_in_pictures_of_16_bits(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    pytest.importorskip("pyvips")
    import pyvips

    levels = np.repeat(scene(24, 20), 1, axis=1).astype(np.uint16) * 257
    deep = pyvips.Image.new_from_memory(levels.tobytes(), 24, 20, 3, "ushort").copy(interpretation="rgb16")
    data = deep.pngsave_buffer()
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(*cicp(9, 14)) + data[33:])
    assert irn("downscale", "a.png", "-o", "s.png", "--model", tiny_model).status == 0
    assert irn("upscale", "s.png", "-o", "b.png", "--model", tiny_model).status == 0
    for name in ("s.png", "b.png"):
        assert cicp(9, 14) in chunks_of(tmp_path / name) and b"iCCP" in dict(chunks_of(tmp_path / name))
    got = read_picture(tmp_path / "b.png").picture
    assert got.depth == 16 and got.metadata.chunks == (cicp(9, 14),) and got.metadata.icc is None
    curve = lambda x: np.where(x < 0.081, x / 4.5, ((x + 0.099) / 1.099) ** (1 / 0.45))  # noqa: E731
    eight = (got.colour >> 8).astype(np.uint8)
    seen = shown(Image.fromarray(eight), got.metadata.profile(False))
    assert np.abs(seen - to_srgb(eight, BT2020, curve)).mean() < 1.5
