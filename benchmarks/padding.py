"""By what a picture is padded whose sides the scale does not divide: edge against reflection, in docs/lab.md.

    python benchmarks/padding.py SET5      measure, into benchmarks/results/padding.json, and write it
    python benchmarks/padding.py           write it from that file, between the markers
    python benchmarks/padding.py --check   fail if the page says anything else

Each picture is cut to sides that leave one pixel over, where most has to be made up: it is padded by either
way to whole cells beforehand, made small, restored and cut again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from table import measured

TOP = Path(__file__).resolve().parents[1]
RESULT = Path("benchmarks/results/padding.json")
MODELS = ("irn-x4", "irn-x2")
WAYS = {"edge": "edge", "reflection": "reflect"}
"""Our name and numpy's."""
CELLS = 2
"""Of the small picture at the padded border: what is judged beside the whole."""
BEGIN, END = "<!-- padding:begin -->", "<!-- padding:end -->"
NOTE = """\
Means over {of}, each cut to leave one pixel over, at tau 0; PSNR on luma. The border is the {cells} last rows
and columns of the small picture's pixels. From `benchmarks/padding.py`."""


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


def table(record: dict[str, Any]) -> str:
    """Markdown: one row for each model and way."""
    lines = ["| model | padded by | whole, dB | border, dB |", "| --- | --- | ---: | ---: |"]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in record["rows"]:
        groups.setdefault((row["model"], row["padding"]), []).append(row)
    for (model, way), group in groups.items():
        whole, border = (sum(r[k] for r in group) / len(group) for k in ("psnr_y", "border_psnr_y"))
        lines.append(f"| {model} | {way} | {whole:.2f} | {border:.2f} |")
    return "\n".join(lines) + "\n\n" + NOTE.format(of=record["set"], cells=CELLS)


def main(arguments: Sequence[str], top: Path = TOP) -> int:
    return measured(arguments, measure, table, top / RESULT, top / "docs" / "lab.md", (BEGIN, END))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
