"""--scale 2.5, --size, --width, --height, --max-side: the size asked for, and the original's again."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import save_tiny
from PIL import Image
from running import ROOT, Irn, save

from irncli.batch.names import original_stem
from irncli.manifest import Manifest
from irncli.rescale import Rescaler
from irncli.sizes import SizeSpec


def psnr(a: Image.Image, b: Image.Image) -> float:
    x, y = (np.asarray(image.convert("RGB"), np.float64) for image in (a, b))
    return float(10 * np.log10(255**2 / np.mean((x - y) ** 2)))


@pytest.mark.parametrize(
    "words, name, size",
    [
        (["--scale", "2.5"], "a.x2.5.png", (103, 69)),
        (["--scale", "1.5"], "a.x1.5.png", (171, 114)),
        (["--scale", "3"], "a.x3.png", (86, 57)),
        (["--size", "100x90"], "a.100x90.png", (100, 90)),
        (["--max-side", "128"], "a.max128.png", (128, 86)),
        (["--width", "200"], "a.w200.png", (200, 134)),
        (["--height", "50"], "a.h50.png", (75, 50)),
    ],
)
def test_a_photograph_comes_back_better_than_by_lanczos(
    words: list[str], name: str, size: tuple[int, int], irn: Irn, tmp_path: Path
) -> None:
    with Image.open(ROOT / "examples/osprey.webp") as photo:
        original = photo.convert("RGB").crop((300, 200, 556, 371))
    original.save(tmp_path / "a.png")
    assert irn("downscale", "a.png", *words).lines == [name]
    with Image.open(tmp_path / name) as small:
        assert small.size == size
        lanczos = original.resize(size, Image.Resampling.LANCZOS)
        assert psnr(small, lanczos) > 27  # an ordinary thumbnail, up to half a pixel from its place
    assert irn("upscale", name).lines == ["a.restored.png"]
    with Image.open(tmp_path / "a.restored.png") as back:
        assert back.size == original.size
        enlarged = lanczos.resize(original.size, Image.Resampling.LANCZOS)
        assert psnr(back, original) > psnr(enlarged, original) + 1.5


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(11, 80), st.booleans(), st.integers(0, 3))
def test_any_size_and_scale_comes_back_in_its_size(
    tiny: dict[int, Rescaler], width: int, height: int, tenths: int, by_size: bool, seed: int
) -> None:
    scale = Fraction(tenths, 10)
    size = SizeSpec(scale=scale)
    if by_size:
        small = (max(1, int(width / scale)), max(1, int(height / (seed + 1))))
        if small == (width, height) or width > 8 * small[0] or height > 8 * small[1]:
            return
        size = SizeSpec(width=small[0], height=small[1])
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 1 + seed), np.uint8)
    rescaler = tiny[2 if tenths <= 20 else 4]
    little, manifest = rescaler.downscale(picture[..., 0] if seed == 0 else picture, size)
    sampling = size.sampling(width, height)
    assert little.shape[:2] == sampling.small
    again = Manifest.from_json(manifest.to_json())
    assert again.sampling == sampling
    restored = rescaler.upscale(little, again, tau=1.0)
    assert restored.shape == (picture[..., 0] if seed == 0 else picture).shape


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Rescaler]:
    folder = tmp_path_factory.mktemp("tiny")
    return {scale: Rescaler(str(save_tiny(folder, scale)), device="cpu") for scale in (2, 4)}


def test_no_tile_and_no_thread_changes_a_bit(tmp_path: Path) -> None:
    model = str(save_tiny(tmp_path, 4))
    picture = np.random.default_rng(1).integers(0, 256, (301, 203, 4), np.uint8)
    found = []
    for tile, threads in (("off", 1), (32, 1), (64, 2), (200, 1)):
        rescaler = Rescaler(model, device="cpu", tile=tile, threads=threads)
        small, manifest = rescaler.downscale(picture, SizeSpec(scale=Fraction(5, 2)))
        found.append((small, rescaler.upscale(small, manifest)))
    for small, back in found[1:]:
        assert np.array_equal(small, found[0][0]) and np.array_equal(back, found[0][1])


def test_the_networks_own_scale_is_not_resampled(tiny: dict[int, Rescaler]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (61, 43, 4), np.uint8)
    plain, asked = tiny[4].downscale(picture), tiny[4].downscale(picture, SizeSpec(scale=Fraction(4)))
    assert np.array_equal(plain[0], asked[0]) and asked[1].small is None
    exact = tiny[2].downscale(picture[:60, :42], SizeSpec(width=21, height=30))
    assert exact[1].small is None and np.array_equal(exact[0], tiny[2].downscale(picture[:60, :42])[0])


def test_plain_transparency_stays_exact(tiny: dict[int, Rescaler]) -> None:
    picture = np.full((90, 70, 4), 128, np.uint8)
    picture[:, :35, 3], picture[:, 35:, 3] = 0, 255
    small, manifest = tiny[4].downscale(picture, SizeSpec(scale=Fraction("2.7")))
    alpha = tiny[4].upscale(small, manifest)[..., 3]
    assert not alpha[:, :28].any() and (alpha[:, 42:] == 255).all()


def test_a_turned_picture_is_measured_as_it_is_shown(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (80, 60)).save(tmp_path / "a.jpg", exif=exif)
    assert irn("downscale", "a.jpg", "--width", 30, "--model", tiny_model).status == 0
    with Image.open(tmp_path / "a.w30.png") as small:
        assert small.size == (40, 30) and small.getexif()[274] == 6
    plan = json.loads(irn("downscale", "a.jpg", "--height", 30, "--dry-run", "--json").lines[0])
    assert (plan["output_width"], plan["output_height"]) == (30, 23)


def test_each_picture_of_a_folder_gets_the_network_that_fits_it(irn: Irn, tmp_path: Path) -> None:
    for name, side in (("near", 60), ("far", 130), ("tiny", 40), ("vast", 330)):
        save(tmp_path / f"in/{name}.png", side, side // 2)
    ran = irn("downscale", "in", "-o", "s/", "--max-side", 40, "--json")
    lines = [json.loads(line) for line in ran.lines]
    models = {Path(line["input"]).stem: line.get("model", "") for line in lines[:-1]}
    assert models["near"].startswith("irn-x2") and models["far"].startswith("irn-x4")
    errors = {Path(line["input"]).stem: str(line.get("error")) for line in lines[:-1]}
    assert "not be smaller" in errors["tiny"] and "more than 8 times" in errors["vast"] and ran.status == 3
    assert irn("downscale", "in", "-o", "s/", "--max-side", 40, "--on-existing", "resume").lines == []
    again = irn("downscale", "in", "-o", "s/", "--max-side", 39, "--on-existing", "resume", "--fail-fast")
    assert len(again.lines) + len(list((tmp_path / "s").glob("*.max39.png"))) > 0


def test_a_model_takes_every_scale_that_no_other_weights_are_for(irn: Irn, tmp_path: Path) -> None:
    save(tmp_path / "a.png", 60, 40)
    assert irn("downscale", "a.png", "--scale", 3, "--model", "irn-x4").lines == ["a.x3.png"]
    assert irn("upscale", "a.x3.png").lines == ["a.restored.png"]
    assert "contradicts" in irn("downscale", "a.png", "--scale", 2, "--model", "irn-x4").error()


def test_resume_makes_another_size_again(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png", 60, 40)
    words = ("downscale", "a.png", "-o", "s.png", "--on-existing", "resume", "--model", tiny_model)
    assert irn(*words, "--width", 30).lines == ["s.png"]
    assert irn(*words, "--width", 30).lines == []
    assert irn(*words, "--width", 20).lines == ["s.png"]


@pytest.mark.parametrize(
    "words",
    [
        "--scale 2.5 --max-side 9", "--size 9x9 --width 4", "--size 9", "--width 0", "--scale 1.05",
        "--scale x",
        "--scale 1/0", "--width 9 --name {stem}-{model}.png",
    ],
)  # fmt: skip
def test_sizes_that_cannot_be_are_one_line(words: str, irn: Irn, tmp_path: Path) -> None:
    save(tmp_path / "a.png", 60, 40)
    ran = irn("downscale", "a.png", *words.split())
    assert ran.status == 2 and ". " in ran.error() and [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_scale_without_an_end_makes_no_folder(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png", 60, 40)
    words = ("downscale", "a.png", "--scale", "7/3", "--model", tiny_model)
    assert irn(*words).lines == ["a.x7_3.png"]
    assert irn(*words, "--name", "{stem}-{scale}").lines == ["a-7_3.png"]
    assert irn("upscale", "a.x7_3.png", "--model", tiny_model).lines == ["a.restored.png"]
    with Image.open(tmp_path / "a.restored.png") as image:
        assert image.size == (60, 40)


def test_upscale_knows_the_scale_that_was_asked_for(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    """Not that of the network that it went through."""
    save(tmp_path / "a.png", 61, 40)
    model = ("--model", tiny_model)
    for asked, told in ((("--scale", 2.5), "2.5"), (("--size", "30x20"), "30x20"), (("--scale", 4), "4")):
        assert irn("downscale", "a.png", *asked, *model, "-o", f"{told}/").status == 0
        assert irn("upscale", told, *model, "-o", "o/", "--name", "{scale}").lines == [f"o/{told}.png"]
        ran = irn("upscale", told, *model, "-o", "p/", "--scale", 4)
        assert (ran.status == 0) == (told == "4")
        assert ran.status == 0 or (ran.status == 2 and f"which says {told}." in ran.error())


def test_the_stem_of_every_name() -> None:
    for word in ("x4", "x2.5", "x7_3", "1200x800", "w1200", "h800", "max1200"):
        assert original_stem(f"photo.{word}.png") == "photo"
    assert original_stem("photo.wide.png") == "photo.wide"
