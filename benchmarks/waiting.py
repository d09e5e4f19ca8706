"""What OMP_WAIT_POLICY=PASSIVE, which irn sets, does to a run alone, two at once, and one beside a busy loop.

    python benchmarks/waiting.py [--pictures 50] [--size 192x128] [--runs 3] [--note TEXT] [--json FILE]

Wall clock of whole runs of irn downscale. Both policies take turns, so that whatever else the machine does
falls on both alike: the ratios say more than the seconds. The load average before and after stands beside
them, and ``--note`` says what else was at work.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

RUN = "from irncli.cli.app import entry; entry()"
POLICIES = {"passive": RUN, "libgomp's own": f"import torch; {RUN}"}
"""OpenMP reads the policy as torch is loaded: loaded before irn could set it, it keeps its own."""
BUSY = "while True: pass"
CASES = ("alone", "two at once", "beside a busy loop")


def seconds(case: str, policy: str, pictures: Path) -> float:
    """Until all runs of irn have ended."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_"))}
    busy = [subprocess.Popen([sys.executable, "-c", BUSY])] if case == "beside a busy loop" else []
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        irn = [sys.executable, "-c", POLICIES[policy], "downscale", str(pictures), "-q", "-o"]
        runs = [
            subprocess.Popen([*irn, f"{folder}/{n}/"], env=environment, stdout=subprocess.DEVNULL)
            for n in range(2 if case == "two at once" else 1)
        ]
        statuses = [run.wait() for run in runs]
        took = time.perf_counter() - begun
    for process in busy:
        process.kill()
        process.wait()
    assert not any(statuses), statuses
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--size", default="192x128")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--note", default="")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    noise = np.random.default_rng(0)
    load_before = os.getloadavg()[0]
    found: dict[tuple[str, str], list[float]] = {(c, p): [] for c in CASES for p in POLICIES}
    with tempfile.TemporaryDirectory() as folder:
        for n in range(options.pictures):
            samples = noise.integers(0, 256, (height, width, 3), np.uint8)
            Image.fromarray(samples).save(Path(folder) / f"{n}.png")
        seconds("alone", "passive", Path(folder))  # for the disk's cache
        for run in range(options.runs):
            for case in CASES:
                order = list(POLICIES)[:: 1 if run % 2 else -1]
                for policy in order:
                    found[case, policy].append(round(seconds(case, policy, Path(folder)), 2))
    rows = []
    for case in CASES:
        passive, own = found[case, "passive"], found[case, "libgomp's own"]
        ratio = statistics.median(b / a for a, b in zip(passive, own, strict=True))
        rows.append({"case": case, "passive_s": passive, "own_s": own, "own_over_passive": round(ratio, 2)})
        print(rows[-1])  # noqa: T201
    if options.json:
        record = {
            "pictures": options.pictures, "size": options.size, "runs": options.runs, "cores": os.cpu_count(),
            "load_before": round(load_before, 1), "load_after": round(os.getloadavg()[0], 1),
            "note": options.note, "rows": rows,
        }  # fmt: skip
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
