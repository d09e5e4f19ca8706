"""Makes the table of the scales between the trained ones from what `irn evaluate --scale` said.

    irn evaluate --data Set5 --scale 1.5,2,2.5,3,3.5,4,8 --json FILE --on-existing overwrite
    python benchmarks/any_scale.py            write it between the markers of README and model card
    python benchmarks/any_scale.py --check    fail if a page says anything else

FILE is ``benchmarks/results/sizes/any-scale.json``. Nothing is computed here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from table import renew

TOP = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- any-scale:begin -->", "<!-- any-scale:end -->"
AIDN = {"1.5": (50.61, 48.56), "2.5": (40.77, 46.04), "3.5": (37.25, 44.21)}
"""The best figures that we know at such scales (Set5): unrounded PSNR-Y, and its small picture's."""
HEAD = (
    "scale",
    "by",
    "restored, dB / SSIM",
    "unrounded",
    "LR-PSNR: RGB, Y, dB / SSIM",
    "bicubic",
    "AIDN",
)
NOTE = """\
{set} by `irn evaluate --scale`, PSNR and SSIM on luma, a border of the scale cut off; *unrounded* is the
restored picture before a file's 8 bits, as the arbitrary-scale papers judge it. AIDN, trained for every
scale: unrounded, and its small picture on luma. Ours is not: between the trained scales the picture is
resampled before the network and after it, and beyond 4 it is shrunk first."""


def table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [HEAD, ("---:", "---", *["---:"] * 5)]
    for row in rows:
        mean = row["mean"]
        small = f"{mean['lr_psnr']:.2f}, {mean['lr_psnr_y']:.2f} / {_ssim(mean['lr_ssim_y'])}"
        theirs = AIDN.get(row["scale"]) if row["set"] == "Set5" else None
        lines.append(
            (
                row["scale"],
                row["model"],
                f"**{mean['psnr_y']:.2f}** / {_ssim(mean['ssim_y'])}",
                f"{mean['unrounded_psnr_y']:.2f}",
                small,
                f"{mean['bicubic_psnr_y']:.2f}",
                f"{theirs[0]:.2f} at {theirs[1]:.2f}" if theirs else "",
            )
        )
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return text + "\n\n" + NOTE.format(set=" and ".join(dict.fromkeys(row["set"] for row in rows)))


def _ssim(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def main(arguments: Sequence[str], top: Path = TOP) -> int:
    results = top / "benchmarks" / "results" / "sizes" / "any-scale.json"
    text = table(json.loads(results.read_text("utf-8"))["rows"])
    pages = (top / "README.md", top / "weights" / "MODEL_CARD.md")
    return renew(arguments, dict.fromkeys(pages, text), BEGIN, END)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
