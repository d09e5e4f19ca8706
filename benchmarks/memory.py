"""Peak resident memory of `irn downscale` and `irn upscale`, as the operating system counts it.

    python benchmarks/memory.py [--megapixels 4 12 24] [--budget 2GB] --json benchmarks/results/memory.json

Each command is a process of its own on a picture of slopes and noise; prints megabytes, seconds of the clock
and of the processors: the latter tell what a megapixel costs on a machine that does something else as well.
Rows of other sizes and models stay in the file, which is written anew after each command.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from irncli.atomic import write_whole
from irncli.evaluation.protocol import cpu_model
from irncli.execution.engine import _cores
from irncli.nn.convolution import native_bf16

CODE = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "irncli", *sys.argv[1:]])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime)
sys.exit(done.returncode)
"""


def picture(path: Path, megapixels: float) -> None:
    """A 4:3 picture of about that many megapixels: slopes with a little noise, quick to decode."""
    height = int((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = height * 4 // 3
    x = np.arange(width)
    random = np.random.default_rng(0)
    samples = np.empty((height, width, 3), np.uint8)
    for y in range(height):
        noise = random.integers(0, 16, width)
        down = y * 100 // height
        for channel, slope in enumerate((x * 200 // width, 2 * down, x * 100 // width + down)):
            samples[y, :, channel] = slope + noise
    Image.fromarray(samples).save(path, compress_level=1)


def run(*words: str) -> dict[str, float]:
    """Megabytes at the peak and seconds of one irn process."""
    begun = time.perf_counter()
    line = [sys.executable, "-c", CODE, *words, "-q"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    peak, cpu = done.stdout.splitlines()[-1].split()
    return {
        "peak_mb": round(int(peak) * 1.024 / 1e3),
        "seconds": round(time.perf_counter() - begun, 1),
        "cpu_seconds": round(float(cpu), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[4, 12, 24])
    parser.add_argument("--model", default="irn-x4")
    parser.add_argument("--budget", help="--memory-budget of both commands")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    if options.json and options.json.exists():
        rows = json.loads(options.json.read_text("utf-8"))["rows"]
    machine = {
        "cpu": cpu_model(), "system": platform.machine(), "torch": torch.__version__,
        "native_bf16": native_bf16(),
    }  # fmt: skip
    words = ["--max-pixels", "500000000", *(["--memory-budget", options.budget] if options.budget else [])]
    for megapixels in options.megapixels:
        with tempfile.TemporaryDirectory() as folder:
            large, small, back = (Path(folder) / n for n in ("large.png", "small.png", "back.png"))
            picture(large, megapixels)
            for verb, line in (
                ("downscale", [str(large), "--model", options.model, "-o", str(small)]),
                ("upscale", [str(small), "--model", options.model, "-o", str(back)]),
            ):
                key = {
                    "model": options.model, "command": verb, "megapixels": megapixels,
                    "budget": options.budget,
                }  # fmt: skip
                found = run(verb, *line, *words)
                row = {**key, "threads": _cores(), **found}
                rows = [*(r for r in rows if {k: r.get(k) for k in key} != key), row]
                print(  # noqa: T201
                    f"{verb:9} {megapixels:6.0f} MP {found['peak_mb']:6.0f} MB {found['seconds']:7.1f} s"
                    f" {found['cpu_seconds'] / megapixels:6.2f} processor s/MP",
                    flush=True,
                )
                if options.json:
                    text = json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n"
                    write_whole(options.json, text.encode())


if __name__ == "__main__":
    main()
