"""Makes the README's table of the example photographs from what `irn roundtrip` said of them.

    irn roundtrip examples/*.webp --scale 4 --json > benchmarks/results/examples/x4.jsonl
    irn roundtrip examples/*.webp --scale 2 --json > benchmarks/results/examples/x2.jsonl
    python benchmarks/examples.py            write it between the README's markers
    python benchmarks/examples.py --check    fail if the README says anything else

Nothing is computed here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from table import renew

TOP = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- examples:begin -->", "<!-- examples:end -->"
SCALES = (4, 2)
NOTE = """\
Each photograph of `examples/` there and back by one run of `irn roundtrip examples/*.webp`: PSNR-Y in dB,
the gain over Lanczos down and up, and LR-PSNR. The weakest: {weakest}."""


def load(path: Path) -> dict[str, dict[str, Any]]:
    """Figures by picture, the mean last. Raise ValueError if a picture failed."""
    out: dict[str, dict[str, Any]] = {}
    for line in path.read_text("utf-8").splitlines():
        record = json.loads(line)
        if "figures" in record:
            out[Path(record["input"]).stem] = record["figures"]
        elif "mean" in record:
            out["mean"] = record["mean"]
        else:
            raise ValueError(f"{path}: {line}")
    return out


def table(found: dict[int, dict[str, dict[str, Any]]]) -> str:
    """Markdown: one row a picture, four columns a scale."""
    head, rule = ["picture"], ["---"]
    for scale in found:
        head += [f"x{scale} restored", "Lanczos", "gain", "LR-PSNR"]
        rule += ["---:"] * 4
    rows = [head, rule]
    for name in next(iter(found.values())):
        row = [f"**{name}**" if name == "mean" else name]
        for figures in found.values():
            f = figures[name]
            row += [f"{f['psnr_y']:.2f}", f"{f['lanczos_psnr_y']:.2f}", f"{f['gain_y']:+.2f}"]
            row.append(f"{f['lr_psnr']:.2f}")
        rows.append(row)
    weakest = "; ".join(f"at x{scale} {_weakest_of(figures)}" for scale, figures in found.items())
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n\n" + NOTE.format(weakest=weakest)


def _weakest_of(figures: dict[str, dict[str, Any]]) -> str:
    gain, least = _weakest(figures, "gain_y"), _weakest(figures, "psnr_y")
    return least if gain == least else f"{least} (least dB) and {gain} (least gain)"


def _weakest(figures: dict[str, dict[str, Any]], key: str) -> str:
    return min((name for name in figures if name != "mean"), key=lambda name: float(figures[name][key]))


def main(arguments: Sequence[str], top: Path = TOP) -> int:
    folder = top / "benchmarks" / "results" / "examples"
    text = table({scale: load(folder / f"x{scale}.jsonl") for scale in SCALES})
    return renew(arguments, {top / "README.md": text}, BEGIN, END)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
