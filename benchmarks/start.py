"""How long ``irn --help`` and ``irn --version`` take: seconds of the clock and of the processor, medians.

    python benchmarks/start.py [--runs 15]

The contract's figure is 0.3 s on a machine that does nothing else; on one that does, the processor's count.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time


def spent(words: list[str]) -> tuple[float, float]:
    """Of one process: by the clock, and of all processors."""
    begun, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = ended.ru_utime + ended.ru_stime - used.ru_utime - used.ru_stime
    return time.perf_counter() - begun, processor


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    for name, words in (
        ("python alone", ["-c", "pass"]),
        ("irn --version", ["-m", "irncli", "--version"]),
        ("irn --help", ["-m", "irncli", "--help"]),
        ("irn downscale --help", ["-m", "irncli", "downscale", "--help"]),
    ):
        spent([sys.executable, *words])  # the files into memory
        each = [spent([sys.executable, *words]) for _ in range(runs)]
        clock, processor = (statistics.median(column) for column in zip(*each, strict=True))
        print(f"{name:22} {clock:.3f} s, processor {processor:.3f} s")  # noqa: T201


if __name__ == "__main__":
    main()
