"""What the guard costs a batch of photographs: results/guard.json.

    python benchmarks/guard.py [FOLDER ...] [--rounds N]

Each photograph (of examples/ unless folders are given) is made small with the guard and without it, by turns,
in one process. The ratio is of all pictures' time together; how many the guard looked at stands beside it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median

from irncli.images.read import read_picture
from irncli.rescale import Rescaler

TOP = Path(__file__).resolve().parents[1]
RESULT = TOP / "benchmarks/results/guard.json"
SUFFIXES = (".webp", ".png", ".jpg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, default=[TOP / "examples"])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    files = [p for folder in options.folders for p in sorted(folder.iterdir()) if p.suffix in SUFFIXES]
    pictures = [read_picture(path) for path in files]
    found = {}
    for model in ("irn-x4", "irn-x2"):
        rescaler = Rescaler(model, device="cpu")
        rescaler.downscale_picture(pictures[0])
        ratios, looked = [], 0
        for _ in range(options.rounds):
            seconds = {None: 0.0, False: 0.0}
            looked = 0
            for picture in pictures:
                for check in seconds:
                    begun = time.perf_counter()
                    _, manifest = rescaler.downscale_picture(picture, check=check)
                    seconds[check] += time.perf_counter() - begun
                    looked += manifest.psnr_y is not None
            ratios.append(seconds[None] / seconds[False])
        found[rescaler.name] = {
            "pictures": len(pictures),
            "looked_at": looked,
            "times_the_seconds": round(median(ratios), 3),
            "rounds": [round(ratio, 3) for ratio in ratios],
        }
        print(rescaler.name, found[rescaler.name])  # noqa: T201
    RESULT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
