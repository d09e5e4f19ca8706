"""Makes the notebook's table from the rows in ``benchmarks/results/lab.json``.

    python benchmarks/lab_table.py            write it between the markers of docs/lab.md
    python benchmarks/lab_table.py --check    fail if docs/lab.md says anything else

The rows come from ``scripts/lab.py``. Nothing is computed here but the order: by set, machine, then HR.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- lab:begin -->", "<!-- lab:end -->"
COLUMNS = (
    "variant", "HR, dB", "LR-PSNR, dB", "grey, dB", "guide", "Mpx", "steps", "ms a step",
    "multiply-adds a pixel", "parameters", "s a megapixel", "why",
)  # fmt: skip
NONE_YET = "No row yet."


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: one table for each set and machine, the best restoration first."""
    if not rows:
        return NONE_YET
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["set"], row["device"]), []).append(row)
    out = []
    for (name, device), members in sorted(groups.items()):
        lines = [COLUMNS, tuple("---" if i in (0, 4, 11) else "---:" for i in range(len(COLUMNS)))]
        lines += [_row(row) for row in sorted(members, key=lambda r: -r["valid_psnr_y"])]
        drawn = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        out.append(f"**{name}**, on {device}:\n\n{drawn}")
    return "\n\n".join(out)


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    loss, grey = row["recipe"]["loss"], row["valid_grey_db"]
    return (
        row["variant"],
        f"{row['valid_psnr_y']:.2f}",
        f"{row['valid_lr_psnr']:.2f}",
        "" if grey is None else f"{grey:.2f}",
        f"{loss['guide'].upper()} {loss['guide_weight']:g}",
        f"{row['pixels'] / 1e6:.3g}",
        f"{row['steps']:,}",
        f"{row['ms_per_step']:.3g}",
        f"{row['multiply_adds'] / 1e3:.0f}k",
        f"{row['parameters'] / 1e6:.2f} M",
        f"{row['seconds_per_megapixel']:.2g}",
        row["why"],
    )


def insert(page: str, text: str) -> str:
    """The page with ``text`` between its markers. Raise ValueError if it has none."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/lab.md lacks {BEGIN} or {END}")
    return f"{head}{BEGIN}\n{text}\n{END}{tail}"


def main(arguments: Sequence[str], top: Path = TOP) -> int:
    page, results = top / "docs" / "lab.md", top / "benchmarks" / "results" / "lab.json"
    rows = json.loads(results.read_text("utf-8")) if results.exists() else []
    before = page.read_text("utf-8")
    after = insert(before, table(rows))
    if list(arguments) == ["--check"]:
        if before != after:
            sys.stderr.write("docs/lab.md disagrees with lab.json: run python benchmarks/lab_table.py\n")
        return int(before != after)
    if arguments:
        sys.stderr.write("usage: python benchmarks/lab_table.py [--check]\n")
        return 2
    page.write_text(after, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
