"""How to pad a picture whose sides the scale does not divide: edge against reflection, results/padding.json.

    python benchmarks/padding.py SET5 && python benchmarks/tables.py

Each picture is cut to sides that leave one pixel over, where most has to be made up: it is padded by either
way to whole cells beforehand, made small, restored and cut again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
RESULT = Path("benchmarks/results/padding.json")
MODELS = ("irn-x4", "irn-x2")
WAYS = {"edge": "edge", "reflection": "reflect"}
"""Our name and numpy's."""
CELLS = 2
"""Of the small picture at the padded border: what is judged beside the whole."""


def measure(folder: Path) -> dict[str, Any]:
    """Every model and way on every picture."""
    import numpy as np

    from irncli.evaluation.metrics import luma, psnr
    from irncli.evaluation.pictures import find_pictures, read_original
    from irncli.rescale import Rescaler

    rows = []
    for model in MODELS:
        rescaler = Rescaler(model, device="cpu", dtype="fp32", threads=1)
        scale = rescaler.scale
        for path in find_pictures(folder):
            picture = read_original(path).samples
            height, width = ((side - 1) // scale * scale + 1 for side in picture.shape[:2])
            original = picture[:height, :width]
            for way, mode in WAYS.items():
                whole = np.pad(original, ((0, scale - 1), (0, scale - 1), (0, 0)), mode=mode)
                restored = rescaler.upscale(*rescaler.downscale(whole), tau=0.0)[:height, :width]
                true, back = luma(original), luma(restored)
                inner = np.s_[: height - CELLS * scale, : width - CELLS * scale]
                border = np.ones(true.shape, bool)
                border[inner] = False
                row = {"model": rescaler.name, "padding": way, "picture": path.stem}
                row |= {"psnr_y": psnr(true, back), "border_psnr_y": psnr(true[border], back[border])}
                rows.append(row)
                sys.stderr.write(f"{json.dumps(row)}\n")
    return {"set": folder.name, "rows": rows}


if __name__ == "__main__":
    record = measure(Path(sys.argv[1]))
    (TOP / RESULT).write_text(json.dumps(record, indent=1) + "\n", "utf-8")
