"""Bombs, cut files, forged manifests, full disks, through the command line (cli.md, 6, 9, 10, 15)."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from running import Irn, environment, save, with_mounts

MEMORY = 4 << 30


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def bomb(path: Path, width: int, height: int) -> Path:
    """A PNG that says so in its header and has next to no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    body = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("words", [(), ("--max-pixels", "20G")], ids=["default", "raised"])
@pytest.mark.parametrize("size", [(100_000, 100_000), (60_000, 40_000)], ids=str)
def test_a_real_bomb(words: tuple[str, ...], size: tuple[int, int], tmp_path: Path, tiny_model: Path) -> None:
    bomb(tmp_path / "bomb.png", *size)
    argv = [sys.executable, "-m", "irncli", "downscale", "bomb.png", "--model", str(tiny_model), *words]
    done = subprocess.run(
        argv, cwd=tmp_path, env=environment(), capture_output=True, text=True, preexec_fn=limited
    )
    assert done.returncode == 3 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("irn: bomb.png: ")
    assert ("does not fit into memory" if words else "500 million are the most") in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["bomb.png"]


def test_pictures_cut_in_the_middle_of_their_pixels(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    suffixes = ("png", "jpg", "webp", "tif", "bmp", "gif", "ppm", "avif")
    for suffix in suffixes:
        whole = tmp_path / f"whole.{suffix}"
        Image.fromarray(noise).save(whole, **({"lossless": True} if suffix == "webp" else {}))
        data = whole.read_bytes()
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / f"in/{suffix}.{suffix}").write_bytes(data[: len(data) // 2])
        whole.unlink()
    save(tmp_path / "in/whole.png")
    ran = irn("downscale", "in", "-o", "o/", "--model", tiny_model)
    assert (ran.status, ran.lines) == (3, ["o/whole.x4.png"])
    failures = [line for line in ran.err.splitlines() if line.startswith("irn: in/")]
    assert all("damaged" in line or "cut short" in line for line in failures), failures
    assert sorted(line.split(": ")[1] for line in failures) == sorted(f"in/{s}.{s}" for s in suffixes)
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["whole.x4.png"]


@pytest.mark.parametrize(
    "forged",
    [
        {"scale": 2},
        {"scale": 2, "width": 24, "height": 16},
        {"scale": 8},
        {"scale": 8, "width": 96, "height": 64},
        {"scale": 64, "width": 12 * 64, "height": 8 * 64},
        {"scale": 0},
        {"scale": -4},
        {"scale": 4.0},
        {"scale": "4"},
        {"tau": 12},
        {"tau": -1},
        {"tau": 1e300},
        {"tau": None},
        {"width": 49},
        {"height": 33},
        {"width": 0},
        {"width": 2**31 - 1, "height": 2**31 - 1},
        {"width": 10**25},
        {"depth": 16},
        {"mode": "grey"},
        {"alpha": "network"},
        {"pixels_sha256": "0" * 64},
        {"irn": "record"},
        {"name": "../../etc/passwd"},
        {"more": "x" * 5000},
    ],
    ids=lambda forged: json.dumps(forged)[:40],
)
def test_forged_manifests(
    forged: dict[str, object], irn: Irn, tmp_path: Path, tiny_model: Path
) -> None:
    save(tmp_path / "a.png")
    assert irn("downscale", "a.png", "--model", tiny_model).status == 0
    info = PngImagePlugin.PngInfo()
    with Image.open(tmp_path / "a.x4.png") as image:
        info.add_itxt("irn", json.dumps(json.loads(image.info["irn"]) | forged))
        image.save(tmp_path / "forged.png", pnginfo=info)
    ran = irn("upscale", "forged.png", "-o", "o/", "--model", tiny_model)
    assert (ran.status, ran.out) == (3, ""), ran
    assert ran.error().startswith("irn: forged.png: ")
    assert not (tmp_path / "o").exists()


IN_A_SMALL_DISK = """
mount -t tmpfs -o size=20k none o || exit 99
"$0" -m irncli "$@"
status=$?
ls -A o
exit $status
"""


@pytest.mark.mount
def test_a_disk_that_is_really_full(irn: Irn, tmp_path: Path, tiny_model: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    words = ["downscale", "a.png", "--model", str(tiny_model), "-o"]
    assert irn(*words, "whole.png").status == 0
    assert (tmp_path / "whole.png").stat().st_size > 21_000, "it would fit"
    (tmp_path / "o").mkdir()
    done = with_mounts(IN_A_SMALL_DISK, *words, "o/", cwd=tmp_path)
    assert done.returncode == 4 and done.stderr.count("\n") == 1, done
    assert "no space is left" in done.stderr and done.stdout == ""
