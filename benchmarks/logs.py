"""What the notebook tells of runs: figures out of their logs, and of files scored on the test sets.

``log:NAME:STEP:COLUMN`` is a cell of ``results/training/NAME.csv``, the step a number, ``first`` or ``last``;
``score:NAME:SET:hr``, ``:lr`` and ``:rgb`` are means of the file NAME on a test set, ``score:NAME+STEPS:...``
with its small pictures refined; ``x8-table`` is that of the x8 which was begun.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

from table import load

COLUMNS = {
    "hr": ("valid_psnr_y", ".2f"),
    "lr": ("valid_lr_psnr", ".2f"),
    "mpx": ("megapixels", ".0f"),
    "minutes": ("seconds", ".0f"),
    "loss": ("loss", ".3g"),
    "refined": ("valid_refined_db", ".2f"),
    "drawn": ("valid_drawn_gain", ".2f"),
    "drawn-lr": ("valid_drawn_lr_psnr", ".2f"),
}


def logged(results: Path) -> dict[str, str]:
    """Every cell of every log, by its name."""
    found: dict[str, str] = {}
    for path in sorted((results / "training").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for when, row in (("first", rows[0]), ("last", rows[-1])) + tuple((r["step"], r) for r in rows):
            found[f"log:{path.stem}:{when}:step"] = row["step"]
            for name, (column, form) in COLUMNS.items():
                if text := row.get(column):
                    value = float(text) / (60 if name == "minutes" else 1)
                    found[f"log:{path.stem}:{when}:{name}"] = format(value, form)
    return found


def scored(results: Path) -> dict[str, str]:
    """The means of every scored file on every set, of the shipped ones and of the earlier."""
    found: dict[str, str] = {}
    for scores in (s for s in [*load(results), *load(results / "earlier")] if not s.grey):
        of = f"{scores.model}+{scores.refine}" if scores.refine else scores.model
        for each in scores.sets:
            mean = each.mean
            values = (mean.restored.psnr_y, mean.restored.psnr_rgb, mean.small.lr_psnr)
            for name, value in zip(("hr", "rgb", "lr"), values, strict=True):
                found[f"score:{of}:{each.name}:{name}"] = f"{value:.2f}"
    return found


def x8_table(results: Path) -> str:
    """Markdown: the x8 which was begun, beside the way that ``--scale 8`` takes."""
    rows = json.loads((results / "sizes" / "x8-begun.json").read_text("utf-8"))["rows"]
    heads = ["set", "by", "restored, dB", "LR-PSNR, dB", "bicubic, dB"]
    lines = [heads, ["---", "---", *["---:"] * 3]]
    for row in rows:
        way = "as begun" if row["model"] == "irn-x8" else "shrunk first"
        figures = (row["mean"][key] for key in ("psnr_y", "lr_psnr", "bicubic_psnr_y"))
        lines.append([row["set"], f"{row['model']}, {way}", *(f"{value:.2f}" for value in figures)])
    return "\n".join(["", *("| " + " | ".join(line) + " |" for line in lines), ""])
