"""What `irn downscale --refine N` gains and takes: the table of docs/howto.md.

    python benchmarks/refinement.py SET5      measure, into benchmarks/results/refinement.json, and write it
    python benchmarks/refinement.py           write it from that file, between the markers
    python benchmarks/refinement.py --check   fail if the page says anything else

Means over the pictures of a folder by the protocol of the published tables. Seconds are those of the
processor on one thread, so that what else the machine does counts little.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from table import means, measured

TOP = Path(__file__).resolve().parents[1]
RESULT = Path("benchmarks/results/refinement.json")
MODELS = ("irn-x4", "irn-x4-best", "irn-x2")
STEPS = (0, 1, 2, 5, 8, 12, 20)
BEGIN, END = "<!-- refinement:begin -->", "<!-- refinement:end -->"
COLUMNS = (
    "model", "steps", "restored, dB", "RGB, dB", "gain, dB", "LR-PSNR: RGB, Y, dB", "PNG, bytes",
    "s/MP", "gain for a further s/MP, dB",
)  # fmt: skip
NOTE = """\
Means over {of} at tau 0, PSNR on luma unless it says RGB; the gain is on luma. Seconds of the processor,
one thread of {cpu}, for each megapixel made small; from `benchmarks/refinement.py`."""
MEANS = ("psnr_y", "psnr_rgb", "lr_psnr", "lr_psnr_y", "png_bytes", "seconds_per_megapixel")


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


def table(record: dict[str, Any]) -> str:
    """Markdown: one row for each model and number of steps."""
    lines = [COLUMNS, tuple("---" if i == 0 else "---:" for i in range(len(COLUMNS)))]
    found = means(record["rows"], "steps", MEANS)
    for (model, steps), mean in found.items():
        plain = found[model, 0]
        gain = mean["psnr_y"] - plain["psnr_y"]
        further = mean["seconds_per_megapixel"] - plain["seconds_per_megapixel"]
        lines.append(
            (
                model,
                str(steps),
                f"**{mean['psnr_y']:.2f}**",
                f"{mean['psnr_rgb']:.2f}",
                f"{gain:+.2f}" if steps else "",
                f"{mean['lr_psnr']:.2f}, {mean['lr_psnr_y']:.2f}",
                f"{mean['png_bytes']:.0f}",
                f"{mean['seconds_per_megapixel']:.1f}",
                f"{gain / further:.3f}" if steps else "",
            )
        )
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return text + "\n\n" + NOTE.format(of=record["set"], cpu=record["cpu"])


def main(arguments: Sequence[str], top: Path = TOP) -> int:
    return measured(arguments, measure, table, top / RESULT, top / "docs" / "howto.md", (BEGIN, END))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
