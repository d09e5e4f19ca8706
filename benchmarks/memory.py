"""Peak resident memory of `irn downscale` and `irn upscale`, as the operating system counts it.

    python benchmarks/memory.py [--megapixels 4 12 24] [--model irn-x4] [--json FILE]

Each command is a process of its own on a picture of noise and slopes; prints megabytes and seconds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image


def picture(path: Path, megapixels: float) -> None:
    """A 4:3 picture of about that many megapixels: slopes with a little noise, quick to decode."""
    height = int((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = height * 4 // 3
    y, x = np.mgrid[:height, :width].astype(np.uint16)
    noise = np.random.default_rng(0).integers(0, 16, (height, width), np.uint8)
    planes = [(x * 200 // width + noise), (y * 200 // height + noise), ((x + y) * 100 // width + noise)]
    Image.fromarray(np.stack(planes, 2).astype(np.uint8)).save(path, compress_level=1)


def run(*words: str) -> tuple[float, float]:
    """Megabytes at the peak and seconds of one irn process."""
    code = (
        "import resource, subprocess, sys;"
        "r = subprocess.run([sys.executable, '-m', 'irncli', *sys.argv[1:]]).returncode;"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(r)"
    )
    begun = time.perf_counter()
    line = [sys.executable, "-c", code, *words, "-q"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return int(done.stdout.splitlines()[-1]) / 1e3 * 1.024, time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[4, 12, 24])
    parser.add_argument("--model", default="irn-x4")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for megapixels in options.megapixels:
        with tempfile.TemporaryDirectory() as folder:
            large, small, back = (Path(folder) / n for n in ("large.png", "small.png", "back.png"))
            picture(large, megapixels)
            for verb, words in (
                ("downscale", ("downscale", str(large), "--model", options.model, "-o", str(small))),
                ("upscale", ("upscale", str(small), "-o", str(back))),
            ):
                memory, seconds = run(*words)
                rows.append(
                    {"command": verb, "megapixels": megapixels, "peak_mb": memory, "seconds": seconds}
                )
                print(  # noqa: T201
                    f"{verb:9} {megapixels:6.0f} MP {memory:8.0f} MB {seconds:7.1f} s"
                    f" {seconds / megapixels:6.2f} s/MP"
                )
    if options.json:
        options.json.write_text(json.dumps({"model": options.model, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
