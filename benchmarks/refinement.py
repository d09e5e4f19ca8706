"""What `irn downscale --refine N` gains and costs: measured into benchmarks/results/refinement.json.

    python benchmarks/refinement.py SET5 && python benchmarks/tables.py

Means over the pictures of a folder by the protocol of the published tables. Seconds are those of the
processor on one thread, so that what else the machine does counts little.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
RESULT = Path("benchmarks/results/refinement.json")
MODELS = ("irn-x4", "irn-x4-best", "irn-x2")
STEPS = (0, 1, 2, 5, 8, 12, 20)


def measure(folder: Path) -> dict[str, Any]:
    """Every model and number of steps on every picture."""
    import numpy as np
    import torch

    from irncli.evaluation.measure import Restoration, small_file, square
    from irncli.evaluation.pictures import find_pictures, read_original
    from irncli.evaluation.protocol import cpu_model
    from irncli.rescale import Rescaler

    rows = []
    for model in MODELS:
        rescaler = Rescaler(model, device="cpu", dtype="fp32", threads=1)
        rescaler.downscale(np.zeros((64, 64, 3), np.uint8), refine=1)  # the first run chooses kernels
        for path in find_pictures(folder):
            original = read_original(path).cropped(rescaler.scale)
            height, width = original.shape[:2]
            for steps in STEPS:
                begun = time.process_time()
                small, manifest = rescaler.downscale(original, refine=steps)
                seconds = time.process_time() - begun
                restored = rescaler.upscale(small, manifest, tau=0.0)
                found = Restoration(path.stem, original, small, restored, square(rescaler.scale))
                ours, lr = found.quality(), found.lr_quality()
                row = {"model": rescaler.name, "steps": steps, "picture": path.stem}
                row |= {"psnr_y": ours.psnr_y, "psnr_rgb": ours.psnr_rgb}
                row |= {"lr_psnr": lr.psnr_rgb, "lr_psnr_y": lr.psnr_y}
                row |= {"png_bytes": small_file(small, manifest)}
                row |= {"seconds_per_megapixel": seconds / height / width * 1e6}
                rows.append(row)
                sys.stderr.write(f"{json.dumps(row)}\n")
    return {"set": folder.name, "cpu": cpu_model(), "torch": torch.__version__, "rows": rows}


if __name__ == "__main__":
    record = measure(Path(sys.argv[1]))
    (TOP / RESULT).write_text(json.dumps(record, indent=1) + "\n", "utf-8")
