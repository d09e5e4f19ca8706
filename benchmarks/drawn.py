"""A hundred drawn pictures of twelve kinds, made small and restored: results/drawn/MODEL.json.

    python benchmarks/drawn.py irn-x4 irn-x2 [--pictures FOLDER] [--no-check]

Letters are of the fonts that the machine has, so figures of two machines differ a little. No training draws
any of them: it has other seeds, and the kinds of UNSEEN it does not know. Each is made small and restored
as `irn downscale` and `irn upscale` do, guard and all. Beside it stands the usual way (Lanczos down and
up), the LR-PSNR, its worst block, and its bytes over those of bicubic's.
``--no-check`` tells what the network alone does. ``--pictures`` writes original, small and restored picture,
to be looked at and for `irn evaluate FOLDER`.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from irncli.evaluation.bicubic import resize
from irncli.evaluation.metrics import luma, psnr
from irncli.rescale import Rescaler
from irncli.training.drawing import KINDS, drawn_picture
from irncli.training.drawing.tools import any_font, colour, contrast

RESULTS = Path(__file__).parent / "results/drawn"
SEED = 77
SIDE = (312, 424)
"""Height and width; neither is a multiple of 16."""
EACH = 7
BEST = 99.0
"""dB; what a picture without any error counts as."""
BLOCK = 8
Pixels = NDArray[np.uint8]
Rng = np.random.Generator


def zone_plate(rng: Rng, height: int, width: int) -> Pixels:
    """Circles ever finer, down to what pixels can hold."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    phase = ((x - width / 2) ** 2 + (y - height / 2) ** 2) * (
        np.pi / max(height, width) * rng.uniform(0.3, 1)
    )
    grey = 127.5 + 127.5 * np.cos(phase)
    return np.rint(np.repeat(grey[..., None], 3, 2)).astype(np.uint8)


def code(rng: Rng, height: int, width: int) -> Pixels:
    """A matrix code: black and white squares of a few pixels, with three corner marks."""
    cell = int(rng.integers(2, 7))
    cells = (rng.random((height // cell + 1, width // cell + 1)) < 0.5).astype(np.uint8) * 255
    for top, left in ((2, 2), (2, cells.shape[1] - 10), (cells.shape[0] - 10, 2)):
        cells[top : top + 7, left : left + 7] = 0
        cells[top + 1 : top + 6, left + 1 : left + 6] = 255
        cells[top + 2 : top + 5, left + 2 : left + 5] = 0
    large = np.kron(cells, np.ones((cell, cell), np.uint8))[:height, :width]
    return np.repeat(large[..., None], 3, 2)


def map_of(rng: Rng, height: int, width: int) -> Pixels:
    """Contour lines over shaded heights, with names."""
    coarse = rng.normal(0, 1, (6, 8))
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    level = (smooth - smooth.min()) / np.ptp(smooth)
    base = np.stack((200 - 90 * level, 220 - 60 * level, 160 + 40 * level), 2)
    lines = np.abs(level * 24 - np.rint(level * 24)) < 0.06
    image = Image.fromarray(np.rint(np.where(lines[..., None], (120, 80, 50), base)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        at = (int(rng.integers(width)), int(rng.integers(height)))
        draw.text(
            at, str(int(rng.integers(100, 3000))), (20, 20, 60), font=any_font(rng, int(rng.integers(8, 14)))
        )
    return np.asarray(image)


def score(rng: Rng, height: int, width: int) -> Pixels:
    """Sheet music: staves, notes, stems, beams."""
    image = Image.new("RGB", (width, height), (255, 255, 250))
    draw = ImageDraw.Draw(image)
    for top in range(18, height - 40, 70):
        for line in range(5):
            draw.line((8, top + 7 * line, width - 8, top + 7 * line), (0, 0, 0))
        x = 30
        while x < width - 20:
            y = top + int(rng.integers(-2, 10)) * 3.5
            draw.ellipse((x, y - 3, x + 8, y + 3), fill=(0, 0, 0))
            draw.line((x + 8, y, x + 8, y - 24), (0, 0, 0))
            if rng.random() < 0.3:
                draw.line((x + 8, y - 24, x + 30, y - 26), (0, 0, 0), 3)
            x += int(rng.integers(14, 34))
    return np.asarray(image)


def table(rng: Rng, height: int, width: int) -> Pixels:
    """A spreadsheet: a grid of one-pixel lines, figures, a selected cell."""
    image = Image.new("RGB", (width, height), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    deep, wide = int(rng.integers(14, 24)), int(rng.integers(46, 80))
    for y in range(0, height, deep):
        draw.line((0, y, width, y), (208, 208, 208))
    for x in range(0, width, wide):
        draw.line((x, 0, x, height), (208, 208, 208))
    for y in range(0, height, deep):
        shade = (240, 246, 255) if y // deep % 2 else None
        for x in range(0, width, wide):
            if shade:
                draw.rectangle((x + 1, y + 1, x + wide - 1, y + deep - 1), fill=shade)
            word = f"{rng.normal(0, 900):.2f}"
            ink = (200, 0, 0) if word.startswith("-") else (30, 30, 30)
            draw.text((x + 4, y + 2), word, ink, font=any_font(rng, deep - 7))
    draw.rectangle((wide, deep, 2 * wide, 2 * deep), outline=(0, 120, 60), width=2)
    return np.asarray(image)


def fractal(rng: Rng, height: int, width: int) -> Pixels:
    """The Mandelbrot set in a palette of hard steps."""
    y, x = np.mgrid[0:height, 0:width]
    zoom = rng.uniform(0.003, 0.007)
    c = (x - width * 0.7) * zoom + 1j * (y - height / 2) * zoom
    z, count = np.zeros_like(c), np.zeros(c.shape, int)
    for _ in range(48):
        inside = np.abs(z) < 2
        z[inside] = z[inside] ** 2 + c[inside]
        count += inside
    palette = rng.integers(0, 256, (49, 3)).astype(np.uint8)
    palette[48] = 0
    return palette[count]


def logo(rng: Rng, height: int, width: int) -> Pixels:
    """A saturated mark and a large word on one colour."""
    ground = colour(rng)
    image = Image.new("RGB", (4 * width, 4 * height), ground)
    draw = ImageDraw.Draw(image)
    mark = contrast(rng, ground)
    draw.ellipse((200, 300, 700, 800), fill=mark)
    draw.pieslice((250, 350, 650, 750), 30, 300, fill=ground)
    draw.text((740, 400), "irn & Co", contrast(rng, ground), font=any_font(rng, 220))
    return np.asarray(image.reduce(4))


UNSEEN: dict[str, Callable[[Rng, int, int], Pixels]] = {
    "zone-plate": zone_plate, "code": code, "map": map_of, "score": score, "table": table, "fractal": fractal,
    "logo": logo,
}  # fmt: skip
"""Kinds that no training draws."""
SCREENS = ("windows", "text", "table")
"""The kinds that a screenshot is made of."""


def photo(rng: Rng, height: int, width: int) -> Pixels:
    """A piece of an example photograph."""
    files = sorted((Path(__file__).parents[1] / "examples").glob("*.webp"))
    with Image.open(files[int(rng.integers(len(files)))]) as image:
        pixels = np.asarray(image.convert("RGB"))
    room = (max(0, pixels.shape[0] - height), max(0, pixels.shape[1] - width))
    top, left = (int(rng.integers(each + 1)) for each in room)
    piece = pixels[top : top + height, left : left + width]
    missing = (height - piece.shape[0], width - piece.shape[1])
    return np.pad(piece, ((0, missing[0]), (0, missing[1]), (0, 0)), "symmetric")


def pictures() -> dict[str, Pixels]:
    """Name -> H W 3: seven of each of the twelve kinds that trainings draw most, three of each unseen one."""
    height, width = SIDE
    kinds = [kind for kind in KINDS if kind not in ("noise", "halftone")]
    found = {
        f"{kind}-{n}": drawn_picture(SEED, n, height, width, photo, kind)
        for kind in kinds
        for n in range(EACH)
    }
    for kind, draw in UNSEEN.items():
        for n in range(3):
            rng = np.random.Generator(np.random.Philox(key=[SEED, n]))
            found[f"{kind}-{n}"] = np.ascontiguousarray(draw(rng, height, width))
    return found


def png(pixels: Pixels) -> int:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return len(out.getvalue())


def capped(a: Pixels, b: Pixels) -> float:
    """PSNR, at most :data:`BEST`."""
    return min(BEST, psnr(a, b))


def judged(
    rescaler: Rescaler, name: str, original: Pixels, check: bool | None, folder: Path | None
) -> dict[str, object]:
    """The row of one picture."""
    scale = rescaler.scale
    small, manifest = rescaler.downscale(original, check=check)
    restored = rescaler.upscale(small, manifest)
    size = small.shape[1], small.shape[0]
    usual = Image.fromarray(original).resize(size, Image.Resampling.LANCZOS)
    usual = np.asarray(usual.resize(original.shape[1::-1], Image.Resampling.LANCZOS))
    pads = [(0, -side % scale) for side in original.shape[:2]] + [(0, 0)]
    bicubic = np.clip(np.rint(resize(np.pad(original, pads, "edge"), 1 / scale)), 0, 255).astype(np.uint8)
    away = np.abs(small.astype(int) - bicubic).astype(float)
    rows, columns = (side // BLOCK * BLOCK for side in away.shape[:2])
    blocks = away[:rows, :columns].reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK, 3)
    if folder:
        for word, pixels in (("", original), (".small", small), (".restored", restored)):
            (folder / f"x{scale}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"x{scale}" / f"{name}{word}.png")
    ours, lanczos = (capped(luma(each), luma(original)) for each in (restored, usual))
    return {
        "name": name,
        "psnr_y": round(ours, 2),
        "lanczos_psnr_y": round(lanczos, 2),
        "gain": round(ours - lanczos, 2),
        "lr_psnr": round(capped(small, bicubic), 2),
        "worst_block": round(float(blocks.mean((1, 3, 4)).max()), 1),
        "worst_sample": int(np.abs(restored.astype(int) - original).max()),
        "bytes": round(png(small) / png(bicubic), 3),
        "restored_by": manifest.restored_by,
        "looked": manifest.psnr_y is not None,
    }


def summary(rows: list[dict[str, object]]) -> dict[str, float]:
    """Over some rows."""
    gains = [float(str(row["gain"])) for row in rows]
    mean = {
        key: float(np.mean([float(str(row[key])) for row in rows])) for key in ("gain", "lr_psnr", "bytes")
    }
    return {key: round(value, 3) for key, value in mean.items()} | {
        "least_gain": min(gains),
        "worse": sum(gain < 0 for gain in gains),
        "least_lr_psnr": min(float(str(row["lr_psnr"])) for row in rows),
        "most_bytes": max(float(str(row["bytes"])) for row in rows),
        "by_lanczos": sum(row["restored_by"] == "lanczos" for row in rows),
        "pictures": len(rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--no-check", action="store_true")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    every = pictures()
    for model in options.models:
        rescaler = Rescaler(model, device="cpu", threads=options.threads)
        check = False if options.no_check else None
        rows = [judged(rescaler, name, each, check, options.pictures) for name, each in every.items()]
        kinds = dict.fromkeys(str(row["name"]).rpartition("-")[0] for row in rows)
        by_kind = {
            kind: summary([r for r in rows if str(r["name"]).rpartition("-")[0] == kind]) for kind in kinds
        }
        screens = [row for row in rows if str(row["name"]).rpartition("-")[0] in SCREENS]
        found = {
            "model": rescaler.name, "check": not options.no_check, "all": summary(rows),
            "screens": summary(screens), "kinds": by_kind, "pictures": rows,
        }  # fmt: skip
        word = "-network-alone" if options.no_check else ""
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{rescaler.name}{word}.json").write_text(
            json.dumps(found, separators=(",", ":")) + "\n", "utf-8"
        )
        for kind, each in ({"all": found["all"], "screens": found["screens"]} | by_kind).items():
            print(f"{rescaler.name:12} {kind:12}", each)  # noqa: T201


if __name__ == "__main__":
    main()
