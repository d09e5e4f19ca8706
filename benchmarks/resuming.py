"""Makes the notebook's table of a run that was killed and resumed, from ``benchmarks/results/resuming``.

    python benchmarks/resuming.py            write it between the markers of docs/lab.md
    python benchmarks/resuming.py --check    fail if docs/lab.md says anything else

The files are ``irn evaluate --json`` of weights from ``irn train``, all of fifty million of the same
pixels.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from table import load, renew

from irncli.evaluation.scores import Scores

TOP = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- resuming:begin -->", "<!-- resuming:end -->"
UNBROKEN = "unbroken"
WAYS = {
    UNBROKEN: "unbroken",
    "checkpoint": "killed, resumed from its full checkpoint",
    "weights": "killed, resumed from its averaged weights alone: a new schedule over the steps left",
    "luma": "the recipe as it is since, unbroken: luma counted half as much again, guide 1.2",
    "short": "another recipe, unbroken: `irn-x4-short --steps 2033`",
}
"""Stem of the file -> what was done."""


def table(found: dict[str, Scores]) -> str:
    """Markdown: a row a way and set; empty without results."""
    if not found:
        return ""
    heads = ("Mpx in the last file", "restored, dB", "against unbroken", "LR-PSNR, dB")
    rows = [("run", "set", *heads), ("---", "---", *("---:",) * len(heads))]
    for name, words in WAYS.items():
        scores = found[name]
        for each, whole in zip(scores.sets, found[UNBROKEN].sets, strict=True):
            gain = each.mean.restored.psnr_y - whole.mean.restored.psnr_y
            rows.append((
                words, each.name, f"{(scores.trained_pixels or 0) / 1e6:.1f}",
                f"{each.mean.restored.psnr_y:.2f}", "" if name == UNBROKEN else f"{gain:+.3f}",
                f"{each.mean.small.lr_psnr:.2f}",
            ))  # fmt: skip
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main(arguments: Sequence[str], top: Path = TOP) -> int:
    folder = top / "benchmarks" / "results" / "resuming"
    found = {name: scores for name in WAYS for scores in load(folder, f"{name}.json")}
    return renew(arguments, {top / "docs" / "lab.md": table(found)}, BEGIN, END)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
