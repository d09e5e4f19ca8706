"""Small pictures that were stored with loss are refused, where their file says so (cli.md, point 10)."""

from __future__ import annotations

from pathlib import Path

import pillow_heif
import pillow_jxl  # noqa: F401 (teaches Pillow the format)
import pytest
from PIL import Image
from running import Irn, save

LOSSY = {
    "webp": {"quality": 95},
    "avif": {"quality": 95},
    "heif": {"quality": 95},
    "jxl": {"quality": 95},
    "tif": {"compression": "jpeg"},
}
WITHOUT_LOSS = {
    "webp": {"lossless": True},
    "avif": {"quality": 95, "subsampling": "4:4:4"},  # nobody can tell
    "heif": {"quality": -1, "chroma": 444, "matrix_coefficients": 0},
    "jxl": {"lossless": True},
    "tif": {"compression": "tiff_deflate"},
}


@pytest.mark.parametrize("suffix", LOSSY)
def test_what_is_surely_stored_with_loss_is_refused_like_a_jpeg(
    suffix: str, irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    pillow_heif.register_heif_opener()
    options = ("--model", tiny_model, "--scale", 4)
    for mode in ("RGB", "RGBA") if suffix != "tif" else ("RGB",):
        name = f"small{mode}.{suffix}"
        save(tmp_path / name, 12, 8, mode, **LOSSY[suffix])
        for more in ((), ("--dry-run",)):
            ran = irn("upscale", name, *options, *more)
            assert ran.status == 3 and "irn downscale never writes" in ran.error(), name
            assert "--allow-lossy" in ran.err and "4 dB at x4" in ran.err
        assert irn("upscale", name, *options, "--allow-lossy").status == 0
        save(tmp_path / name, 12, 8, mode, **WITHOUT_LOSS[suffix])
        assert irn("upscale", name, *options, "--on-existing", "overwrite").status == 0, name


def test_loss_behind_a_manifest_is_a_change_and_a_restored_picture_is_no_small_one(
    irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png")
    options = ("--model", tiny_model)
    assert irn("downscale", "a.png", "--format", "webp", *options).status == 0
    with Image.open(tmp_path / "a.x4.webp") as image:
        image.save(tmp_path / "b.webp", quality=95, xmp=image.info["xmp"])
    ran = irn("upscale", "b.webp", *options)
    assert ran.status == 3 and "lossy WebP" in ran.error() and "--accept-modified" in ran.err
    ran = irn("upscale", "b.webp", "--accept-modified", *options)
    assert ran.status == 0 and "changed" in ran.error()
    assert irn("upscale", "a.x4.webp", "-o", "r.jpg", *options).status == 0
    assert irn("upscale", "a.x4.webp", "-o", "r.png", *options).status == 0
    for name in ("r.jpg", "r.png"):
        for words in ((), ("--scale", 4), ("--scale", 4, "--allow-lossy"), ("--scale", 4, "--dry-run")):
            ran = irn("upscale", name, "-o", "e.png", *words, *options)
            assert ran.status == 3 and "this is a restored picture" in ran.error(), words
    assert not (tmp_path / "e.png").exists()
