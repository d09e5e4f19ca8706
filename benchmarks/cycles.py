"""Ten times down and up, the small picture made anew each time: what is lost, picture by picture.

    python benchmarks/cycles.py FOLDER... --json benchmarks/results/sizes/cycles.json

A folder is a set. Each restored picture, rounded to 8 bits as a file would be, is the next original. PSNR-Y
against the first original and against the first restored picture, a border of the scale cut off.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from irncli.evaluation.metrics import cut_border, luma, psnr
from irncli.evaluation.pictures import find_pictures, read_original
from irncli.images.whole import write_whole
from irncli.rescale import Rescaler


def cycle(rescaler: Rescaler, original: np.ndarray, times: int) -> tuple[list[float], list[float]]:
    """PSNR-Y after each time: against the original, and of the restored against the first restored."""

    def y(image: np.ndarray) -> np.ndarray:
        return luma(cut_border(image, rescaler.scale))

    picture, first, found, drift = original, original, [], []
    for turn in range(times):
        picture = rescaler.upscale(*rescaler.downscale(picture), tau=0.0)
        first = picture if turn == 0 else first
        found.append(psnr(y(picture), y(original)))
        drift.append(psnr(y(picture), y(first)) if turn else float("inf"))
    return found, drift


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--models", nargs="+", default=["irn-x4", "irn-x2"])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()

    rows = []
    for model in given.models:
        rescaler = Rescaler(model)
        for folder in given.folders:
            found, drift = [], []
            for path in find_pictures(folder):
                samples = read_original(path).samples
                height, width = (side // rescaler.scale * rescaler.scale for side in samples.shape[:2])
                pair = cycle(rescaler, np.ascontiguousarray(samples[:height, :width]), given.times)
                found.append(pair[0])
                drift.append(pair[1][1:])
            row = {
                "model": rescaler.name,
                "identity": rescaler.identity,
                "set": folder.resolve().name,
                "pictures": len(found),
                "psnr_y": [round(float(v), 3) for v in np.mean(found, 0)],
                "to_first_restored": [None, *(round(float(v), 3) for v in np.mean(drift, 0))],
            }
            rows.append(row)
            print(row["model"], row["set"], *(f"{v:.2f}" for v in row["psnr_y"]))  # noqa: T201
    write_whole(given.json, (json.dumps(rows, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
