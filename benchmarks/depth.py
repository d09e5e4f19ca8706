"""What `irn downscale --depth 16` gains and takes: the table of docs/howto.md.

    python benchmarks/depth.py SET5      measure, into benchmarks/results/depth.json, and write it
    python benchmarks/depth.py           write it from that file, between the markers
    python benchmarks/depth.py --check   fail if the page says anything else

Means over the pictures of a folder by the protocol of the published tables. The small picture is held
against bicubic on its own grid: 8 bits against bicubic of 8, 16 against bicubic of 16.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from table import means, measured

TOP = Path(__file__).resolve().parents[1]
RESULT = Path("benchmarks/results/depth.json")
MODELS = ("irn-x4", "irn-x2")
DEPTHS = (8, 16)
BEGIN, END = "<!-- depth:begin -->", "<!-- depth:end -->"
COLUMNS = (
    "model", "bits of the small picture", "restored, dB", "RGB, dB", "gain, dB",
    "LR-PSNR: RGB, Y, dB", "PNG, bytes",
)  # fmt: skip
NOTE = """\
Means over {of}, whose originals have 8 bits, at tau 0; PSNR on luma unless it says RGB; the gain is on luma.
From `benchmarks/depth.py`."""
MEANS = ("psnr_y", "psnr_rgb", "lr_psnr", "lr_psnr_y", "png_bytes")


def measure(folder: Path) -> dict[str, Any]:
    """Every model and depth on every picture."""
    import numpy as np

    from irncli.evaluation.bicubic import resize
    from irncli.evaluation.measure import quality, small_file
    from irncli.evaluation.metrics import luma, psnr
    from irncli.evaluation.pictures import find_pictures, read_original
    from irncli.rescale import Rescaler
    from irncli.samples import top_of

    rows = []
    for model in MODELS:
        rescaler = Rescaler(model, device="cpu", dtype="fp32", threads=1)
        for path in find_pictures(folder):
            picture = read_original(path).samples
            height, width = (side // rescaler.scale * rescaler.scale for side in picture.shape[:2])
            original = np.ascontiguousarray(picture[:height, :width])
            reals = resize(original / 255.0, Fraction(1, rescaler.scale)).clip(0, 1)
            for depth in DEPTHS:
                small, manifest = rescaler.downscale(original, depth=depth)
                restored = quality(rescaler.upscale(small, manifest, tau=0.0), original, rescaler.scale)
                top = top_of(small)
                guide, own = np.rint(reals * top) * (255 / top), small * (255 / top)
                row = {"model": rescaler.name, "depth": depth, "picture": path.stem}
                row |= {"psnr_y": restored.psnr_y, "psnr_rgb": restored.psnr_rgb}
                row |= {"lr_psnr": psnr(own, guide)}
                row |= {"lr_psnr_y": psnr(luma(own), luma(guide))}
                row |= {"png_bytes": small_file(small, manifest)}
                rows.append(row)
                sys.stderr.write(f"{json.dumps(row)}\n")
    return {"set": folder.name, "rows": rows}


def table(record: dict[str, Any]) -> str:
    """Markdown: one row for each model and depth."""
    lines = [COLUMNS, tuple("---" if i == 0 else "---:" for i in range(len(COLUMNS)))]
    found = means(record["rows"], "depth", MEANS)
    for (model, depth), mean in found.items():
        gain = mean["psnr_y"] - found[model, 8]["psnr_y"]
        lines.append(
            (
                model,
                str(depth),
                f"**{mean['psnr_y']:.2f}**",
                f"{mean['psnr_rgb']:.2f}",
                f"{gain:+.2f}" if depth > 8 else "",
                f"{mean['lr_psnr']:.2f}, {mean['lr_psnr_y']:.2f}",
                f"{mean['png_bytes']:.0f}",
            )
        )
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return text + "\n\n" + NOTE.format(of=record["set"])


def main(arguments: Sequence[str], top: Path = TOP) -> int:
    return measured(arguments, measure, table, top / RESULT, top / "docs" / "howto.md", (BEGIN, END))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
