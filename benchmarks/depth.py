"""What `irn downscale --depth 16` gains and costs: measured into benchmarks/results/depth.json.

    python benchmarks/depth.py SET5 && python benchmarks/tables.py

Means over the pictures of a folder by the protocol of the published tables. The small picture is held
against bicubic on its own grid: 8 bits against bicubic of 8, 16 against bicubic of 16.
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
RESULT = Path("benchmarks/results/depth.json")
MODELS = ("irn-x4", "irn-x2")
DEPTHS = (8, 16)


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


if __name__ == "__main__":
    record = measure(Path(sys.argv[1]))
    (TOP / RESULT).write_text(json.dumps(record, indent=1) + "\n", "utf-8")
