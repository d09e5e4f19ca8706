"""What cannot be done gets one clear line and the right status (cli.md, points 6, 7, 10)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from running import Irn, Nobody, save
from safetensors.numpy import save_file

from irncli.batch.models import stated
from irncli.manifest import Manifest
from irncli.pretrained.fingerprint import read_arrays, read_header


@pytest.fixture
def small(irn: Irn, tmp_path: Path, tiny_model: Path) -> Path:
    save(tmp_path / "a.png")
    assert irn("downscale", "a.png", "--model", tiny_model).status == 0
    return tmp_path / "a.x4.png"


def changed(small: Path, to: Path) -> Path:
    """The same small picture with one sample changed."""
    with Image.open(small) as image:
        samples, text = np.array(image), image.info["irn"]
    samples[2, 3, 1] ^= 1
    info = PngImagePlugin.PngInfo()
    info.add_itxt("irn", text)
    Image.fromarray(samples).save(to, pnginfo=info)
    return to


def bare(small: Path, to: Path) -> Path:
    """The same pixels without the manifest."""
    with Image.open(small) as image:
        Image.fromarray(np.array(image)).save(to)
    return to


@pytest.mark.parametrize("kind", ["missing", "truncated", "text", "folder", "empty", "bomb", "pipe"])
@pytest.mark.parametrize("command_name", ["downscale", "upscale", "roundtrip", "info"])
def test_inputs_that_are_no_pictures(kind: str, command_name: str, irn: Irn, tmp_path: Path) -> None:
    import os

    path = tmp_path / "photo.png"
    if kind == "truncated":
        path.write_bytes(save(tmp_path / "whole.png", 200, 200).read_bytes()[:30])
    elif kind == "text":
        path.write_text("just words")
    elif kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "bomb":
        save(path, 300, 300)
    words = ("--max-pixels", "80k") if kind == "bomb" and command_name != "info" else ()
    if kind == "bomb" and not words:
        return
    ran = irn(command_name, "photo.png", *words)
    assert (ran.status, ran.out) == (3, "")
    assert ran.error().startswith("irn: photo.png: ") and ran.err.count("photo.png") == 1
    assert ran.err.rstrip().endswith(".")


@pytest.mark.parametrize(
    ("name", "words"), [("j12.jpg", "12 bits"), ("webptif.tif", "WebP"), ("rgb16_zstd.tif", "Zstandard")]
)
def test_a_sound_file_of_a_kind_that_is_not_supported(
    name: str, words: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    path = Path(__file__).parents[1] / "fixtures" / "faults" / name
    ran = irn("downscale", path, "-o", "s.png", "--model", tiny_model)
    assert ran.status == 3 and words in ran.error() and "damaged" not in ran.error()
    assert not list(tmp_path.glob("s*"))


def test_a_jpeg_without_its_end_is_made_small_with_a_word(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    data = save(tmp_path / "a.jpg", 64, 48).read_bytes()
    for name, cut in (("whole", 0), ("endless", 2), ("cut", 60)):
        (tmp_path / f"{name}.jpg").write_bytes(data[: len(data) - cut])
        ran = irn("downscale", f"{name}.jpg", "-o", f"{name}.png", "--model", tiny_model)
        assert ran.status == (3 if cut == 60 else 0) and ("end marker" in ran.err) == (cut == 2)
    whole, endless = (np.array(Image.open(tmp_path / f"{name}.png")) for name in ("whole", "endless"))
    assert np.array_equal(whole, endless) and not (tmp_path / "cut.png").exists()


def test_every_failure_of_a_batch_is_listed_at_the_end(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("words")
    ran = irn("downscale", "gone.png", "good.png", "bad.png", "--model", tiny_model)
    assert (ran.status, ran.lines) == (3, ["good.x4.png"])
    summary, *failures = ran.err.splitlines()[-3:]
    assert summary == "irn: 1 done, 0 skipped, 2 failed"
    assert [line.split(": ")[1] for line in failures] == ["gone.png", "bad.png"]
    ran = irn("downscale", "gone.png", "good.png", "-o", "o/", "--fail-fast", "--model", tiny_model)
    assert ran.status == 3 and ran.out == "" and "1 not tried" in ran.err


def test_a_changed_pixel(small: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    changed(small, tmp_path / "changed.png")
    ran = irn("upscale", "changed.png", "--model", tiny_model)
    assert ran.status == 3 and "--accept-modified" in ran.error()
    ran = irn("upscale", "changed.png", "--model", tiny_model, "--accept-modified")
    assert ran.status == 0 and "changed" in ran.error()


def test_a_lost_manifest(small: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    bare(small, tmp_path / "bare.png")
    ran = irn("upscale", "bare.png", "--model", tiny_model)
    assert ran.status == 3
    assert "not made by irn, or its manifest was lost. Add --scale 4" in ran.error()
    words = ("upscale", "bare.png", "--scale", 4, "--model", tiny_model)
    ran = irn(*words, "-o", "whole.png")
    assert ran.status == 0 and "48x32" in ran.error() and "--size WxH" in ran.err
    assert "if irn did not make it, no hidden detail comes back" in ran.err
    newest = irn("upscale", "bare.png", "--scale", 4, "-o", "newest.png")
    assert newest.status == 0 and stated("irn-x4").name in newest.error()
    assert irn(*words, "--size", "45x31", "-o", "exact.png").status == 0
    irn("upscale", small.name, "--model", tiny_model)
    with Image.open(tmp_path / "exact.png") as one, Image.open(tmp_path / "a.restored.png") as other:
        assert one.size == (45, 31) and np.array_equal(np.asarray(one), np.asarray(other))
    ran = irn(*words, "--size", "300x300", "-o", "wrong.png")
    assert ran.status == 2 and "--size" in ran.error()


def test_a_lost_size_counts_as_it_is_shown(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "turned.png", 12, 8, exif=exif)
    words = ("upscale", "turned.png", "--scale", 4, "--model", tiny_model)
    assert irn(*words, "--size", "31x45", "-o", "o.png").status == 0
    with Image.open(tmp_path / "o.png") as image:
        assert image.size == (45, 31)


@pytest.mark.parametrize(
    ("made_by", "known"),
    [
        (("--scale", 2.5), ("--scale", 2.5, "--size", "93x61")),
        (("--scale", 3), ("--scale", "x3", "--size", "93x61")),
        (("--max-side", 30), ("--size", "93x61")),
        (("--size", "40x40"), ("--size", "93x61")),
        (("--scale", 4), ("--size", "93x61")),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_lost_manifest_of_any_size_is_replaced(
    made_by: tuple[str, object], known: tuple[str, ...], turned: bool, irn: Irn, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    save(tmp_path / "a.png", *((61, 93) if turned else (93, 61)), exif=exif)
    assert irn("downscale", "a.png", *made_by, "-o", "s.png").status == 0
    with Image.open(tmp_path / "s.png") as image:
        image.load()
        Image.fromarray(np.array(image)).save(tmp_path / "bare.png", exif=image.getexif())
    assert irn("upscale", "s.png", "-o", "wanted.png").status == 0
    ran = irn("upscale", "bare.png", *known, "-o", "found.png")
    assert ran.status == 0 and "no manifest: taken for the work of irn-x" in ran.error()
    with Image.open(tmp_path / "wanted.png") as one, Image.open(tmp_path / "found.png") as other:
        assert one.size == ((61, 93) if turned else (93, 61))
        assert np.array_equal(np.asarray(one), np.asarray(other))
    again = ("upscale", "bare.png", *known, "-o", "found.png", "--on-existing")
    assert irn(*again, "resume").out == ""
    (planned,) = (json.loads(line) for line in irn(*again, "overwrite", "--dry-run", "--json").lines[:1])
    assert (planned["output_width"], planned["output_height"]) == one.size
    named = irn("upscale", "bare.png", *known, "--name", "{stem}-{scale}")
    with Image.open(tmp_path / "s.png") as image:
        word = Manifest.from_json(image.text["irn"]).scale_word
    assert named.lines == [f"bare-{word}.png"]
    for options in (("--size", "20x20"), ("--size", "900x900", *known[:-2])):
        ran = irn("upscale", "bare.png", *options, "-o", "no.png")
        assert ran.status == 2 and "--size" in ran.error() and not (tmp_path / "no.png").exists()


def test_a_damaged_manifest(small: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("irn", '{"irn": "manifest"')
    with Image.open(small) as image:
        Image.fromarray(np.array(image)).save(tmp_path / "damaged.png", pnginfo=info)
    assert "damaged" in irn("upscale", "damaged.png", "--model", tiny_model).error()
    assert irn("info", "damaged.png").status == 3
    assert irn("upscale", "damaged.png", "--model", tiny_model, "--scale", 4).status == 0


def test_a_manifest_that_promises_too_much(small: Path, irn: Irn, tiny_model: Path) -> None:
    ran = irn("upscale", small.name, "--model", tiny_model, "--max-pixels", 1000)
    assert ran.status == 3 and "--max-pixels" in ran.error()


def test_a_jpeg_is_no_small_picture(small: Path, irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    with Image.open(small) as image:
        image.convert("RGB").save(tmp_path / "small.jpg")
    ran = irn("upscale", "small.jpg", "--model", tiny_model, "--scale", 4)
    assert ran.status == 3 and "--allow-lossy" in ran.error() and "costs 4 dB at x4" in ran.err
    assert "irn downscale never writes" in ran.err
    assert irn("upscale", "small.jpg", "--model", tiny_model, "--scale", 4, "--allow-lossy").status == 0


def test_options_that_the_manifest_contradicts(
    small: Path, irn: Irn, tmp_path: Path, tiny_model: Path, tiny_x2: Path
) -> None:
    for words in (("--scale", 2, "--model", tiny_x2), ("--model", tiny_x2)):
        ran = irn("upscale", "a.png", small.name, *words)
        assert (ran.status, ran.out) == (2, "") and small.name in ran.error()
    assert irn("upscale", small.name, "--scale", 4, "--model", tiny_model).status == 0


def test_weights_that_are_not_installed_are_named(small: Path, irn: Irn, tiny_model: Path) -> None:
    ran = irn("upscale", small.name)
    assert ran.status == 5 and "tiny-x4" in ran.error() and "--model" in ran.err


def test_transparency_does_not_fit_into_jpeg(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png", mode="RGBA")
    irn("downscale", "a.png", "--model", tiny_model)
    ran = irn("upscale", "a.x4.png", "--format", "jpg", "--model", tiny_model)
    assert ran.status == 2 and "transparency" in ran.error()


def test_transparency_without_a_manifest_does_not_fit_into_jpeg(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png")
    words = ("--scale", 4, "--model", tiny_model)
    for name in ("b.png", "b.webp"):
        save(tmp_path / name, mode="RGBA")
        ran = irn("upscale", "a.png", name, "-o", "o/", "--format", "jpg", *words)
        assert ran.status == 2 and f"{name}: JPEG cannot hold" in ran.error()
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_restored_side_too_long_is_found_before_any_work(
    dry: tuple[str, ...], irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png")
    Image.new("RGB", (17000, 1)).save(tmp_path / "long.png")
    assert irn("downscale", "long.png", "-o", "s/", "--model", tiny_model).status == 0
    save(tmp_path / "bare.png", 4250, 1)
    for word in ("s/long.x4.png", "bare.png"):
        words = ("upscale", "a.png", word, "-o", "o/", "--format", "webp", "--scale", 4)
        ran = irn(*words, "--model", tiny_model, *dry)
        assert ran.status == 2 and f"{word}: WEBP cannot hold its 17000 x" in ran.error()
    assert not (tmp_path / "o").exists()


def test_usage_that_shows_in_a_job_is_status_3(
    small: Path, irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from irncli.batch import resume
    from irncli.errors import UsageError

    def refuses(*_: object, **__: object) -> None:
        raise UsageError("JPEG cannot hold transparency", "Choose png.")

    monkeypatch.setattr(resume, "encode", refuses)
    ran = irn("upscale", small.name, "--model", tiny_model)
    assert ran.status == 3 and "JPEG cannot hold transparency" in ran.error()


def test_a_size_that_does_not_fit_is_found_before_any_work(
    small: Path, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    bare(small, tmp_path / "bare.png")
    words = ("--scale", 4, "--model", tiny_model, "-o", "o/", "--size")
    ran = irn("upscale", "bare.png", *words, "45x40")
    assert ran.status == 2 and "bare.png: --size 45x40 does not fit" in ran.error()
    ran = irn("upscale", "bare.png", small.name, *words, "45x31")
    assert ran.status == 2 and "--size is for pictures without a manifest" in ran.error()
    assert not (tmp_path / "o").exists()


def test_weights_with_one_flipped_byte(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    data = bytearray(tiny_model.read_bytes())
    data[-100] ^= 1
    (tmp_path / "flipped.safetensors").write_bytes(data)
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    for words in (("downscale", "a.png", "--model"), ("roundtrip", "a.png", "--model"), ("info",)):
        ran = irn(*words, "flipped.safetensors")
        assert (ran.status, ran.out) == (5, "") and "damaged" in ran.error()
    ran = irn("downscale", "a.png", "b.png", "--model", "flipped.safetensors")
    assert ran.status == 5 and ran.err.count("damaged") == 1 and "2 not tried" in ran.err
    assert not list(tmp_path.glob("*.x4.png"))


def test_a_header_that_was_forged(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    """It is read before the file is loaded: for names, and for what is to be resumed."""
    save(tmp_path / "a.png")
    header = read_header(tiny_model)
    for name, forged in (("tau", {"tau": "warm"}), ("named", {"name": "../a/b"})):
        save_file(dict(read_arrays(tiny_model)), tmp_path / f"{name}.safetensors", header | forged)
    ran = irn("downscale", "a.png", "--model", "tau.safetensors", "--name", "{stem}.{model}")
    assert ran.status == 5 and "tau.safetensors" in ran.error()
    ran = irn("downscale", "a.png", "--model", "named.safetensors", "--name", "{stem}.{model}")
    assert ran.lines == ["a.a-b.png"], ran


@pytest.mark.parametrize("model", ["nonsense", "gone.safetensors", "a.png"])
def test_no_such_model(model: str, irn: Irn, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    ran = irn("downscale", "a.png", "--model", model)
    assert ran.status == 5 and model in ran.error()


def test_a_device_that_is_not_here(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    ran = irn("downscale", "a.png", "--device", "cuda:99", "--model", tiny_model)
    assert ran.status == 6 and "cpu" in ran.error()


def test_an_output_that_is_a_folder_or_lies_below_a_file(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "a.x4.png").mkdir()
    (tmp_path / "file").touch()
    words = ("downscale", "a.png", "--model", tiny_model)
    assert irn(*words, "--on-existing", "overwrite").status == 4
    ran = irn(*words, "-o", "file/")
    assert ran.status == 4
    ran.error()
    ran = irn(*words, "-o", "n" * 300 + ".png")
    assert ran.status == 4
    ran.error()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("info LONG", 3),
        ("downscale a.png -o LONG/", 4),
        ("roundtrip a.png --report LONG/a.html", 4),
        ("models import LONG -o b.safetensors", 5),
        ("evaluate --model MODEL --data LONG", 3),
        ("evaluate --model MODEL --data . --save LONG/a.json", 4),
        ("train irn-x4 --data LONG -o new/", 3),
        ("train irn-x4 --data . -o new/ --resume LONG", 3),
    ],
)
def test_names_that_no_disk_takes(
    words: str, status: int, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png")
    ran = irn(*words.replace("LONG", "n" * 300).replace("MODEL", str(tiny_model)).split())
    assert ran.status == status, ran
    ran.error()
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_permissions(nobody: Nobody, tmp_path: Path, tiny_model: Path) -> None:
    weights = tmp_path / "tiny.safetensors"
    shutil.copy(tiny_model, weights)
    weights.chmod(0o644)
    save(tmp_path / "a.png").chmod(0o644)
    save(tmp_path / "secret.png").chmod(0o000)
    for folder, mode in (("open", 0o777), ("closed", 0o555), ("dark", 0o000)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder).chmod(mode)
    model = ("--model", weights)
    cases: list[tuple[tuple[object, ...], int]] = [
        (("downscale", "a.png", "-o", "closed/"), 4),
        (("downscale", "a.png", "-o", "closed/new/"), 4),
        (("downscale", "a.png", "-o", "dark/new/"), 4),
        (("evaluate", "--data", "dark"), 3),
        (("downscale", "secret.png", "-o", "open/"), 3),
        (("downscale", "dark", "-o", "open/"), 3),
        (("downscale", "a.png", "-o", "open/b.png", "--log-file", "closed/log"), 4),
    ]
    good = ("downscale", "a.png", "-o", "open/", *model)
    unnamed: list[tuple[tuple[object, ...], int]] = [
        (("info", "dark/a.png"), 3),
        (("models", "import", "dark/a.pth", "-o", "open/a.safetensors"), 5),
        (("roundtrip", "a.png", "--report", "dark/new/a.html"), 4),
        (("evaluate", "--model", "irn-x4", "--data", "dark", "--save", "closed/a.json"), 4),
    ]
    first, *rest = nobody([good, *((*words, *model) for words, _ in cases), *(words for words, _ in unnamed)])
    cases += unnamed
    assert first.status == 0, first
    for ran, (_, status) in zip(rest, cases, strict=True):
        assert (ran.status, ran.out) == (status, ""), ran
        ran.error()
    assert sorted(p.name for p in (tmp_path / "open").iterdir()) == ["a.x4.png"]


def test_a_bug_says_so_and_where_to_report_it(
    irn: Irn, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from irncli.rescale import Rescaler

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(Rescaler, "downscale_picture", broken)
    save(tmp_path / "a.png")
    ran = irn("downscale", "a.png", "--model", tiny_model)
    assert ran.status == 1 and "please report it with the output of --debug" in ran.error()
    ran = irn("downscale", "a.png", "--model", tiny_model, "--debug")
    assert "Traceback" in ran.err and ran.err.splitlines()[-1].startswith("irn: a.png: internal error")
    file, summary = map(json.loads, irn("downscale", "a.png", "--model", tiny_model, "--json").lines)
    assert file["error"]["exit_status"] == summary["exit_status"] == 1
