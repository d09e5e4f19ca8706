"""Ten times down and up, the small picture made anew each time: what is lost, picture by picture.

    python benchmarks/cycles.py FOLDER... [--refine N] && python benchmarks/tables.py

Measures into benchmarks/results/sizes/cycles.json. A folder is a set. Each restored picture, rounded to 8
bits as a file would be, is the next original; with --refine each small picture is optimised as by `irn
downscale --refine N`. PSNR-Y against the first original and the first restored picture, a border of the
scale cut off. What that file says of other models, sets and steps stays.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from irncli.atomic import write_whole
from irncli.evaluation.metrics import cut_border, luma, psnr
from irncli.evaluation.pictures import find_pictures, read_original
from irncli.rescale import Rescaler

TOP = Path(__file__).resolve().parents[1]


def cycle(
    rescaler: Rescaler, original: np.ndarray, times: int, refine: int = 0
) -> tuple[list[float], list[float]]:
    """PSNR-Y after each time: against the original, and of the restored against the first restored."""

    def y(image: np.ndarray) -> np.ndarray:
        return luma(cut_border(image, rescaler.scale))

    picture, first, found, drift = original, original, [], []
    for turn in range(times):
        picture = rescaler.upscale(*rescaler.downscale(picture, refine=refine), tau=0.0)
        first = picture if turn == 0 else first
        found.append(psnr(y(picture), y(original)))
        drift.append(psnr(y(picture), y(first)) if turn else float("inf"))
    return found, drift


def main(arguments: Sequence[str], top: Path = TOP) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--models", nargs="+", default=["irn-x4", "irn-x2"])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--refine", type=int, default=0)
    given = parser.parse_args(arguments)
    results = top / "benchmarks" / "results" / "sizes" / "cycles.json"
    rows: list[dict[str, Any]] = json.loads(results.read_text("utf-8")) if results.exists() else []
    for model in given.models:
        rescaler = Rescaler(model)
        for folder in given.folders:
            found, drift = [], []
            for path in find_pictures(folder):
                samples = read_original(path).samples
                height, width = (side // rescaler.scale * rescaler.scale for side in samples.shape[:2])
                original = np.ascontiguousarray(samples[:height, :width])
                pair = cycle(rescaler, original, given.times, given.refine)
                found.append(pair[0])
                drift.append(pair[1][1:])
            row = {
                "model": rescaler.name,
                "refine": given.refine,
                "fingerprint": rescaler.fingerprint,
                "set": folder.resolve().name,
                "pictures": len(found),
                "psnr_y": [round(float(v), 3) for v in np.mean(found, 0)],
                "to_first_restored": [None, *(round(float(v), 3) for v in np.mean(drift, 0))],
            }
            rows = [*(r for r in rows if _asked(r) != _asked(row)), row]
            print(row["model"], row["set"], *(f"{v:.2f}" for v in row["psnr_y"]))  # noqa: T201
            write_whole(results, (json.dumps(rows, indent=1) + "\n").encode())
    return 0


def _asked(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["model"], row["set"], row.get("refine", 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
