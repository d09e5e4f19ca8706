"""What small pictures gain by going through the network together: processor time of each, alone and not.

    python benchmarks/small_batches.py [--size 96x64] [--runs 5] [--json FILE]

Processor time, in one thread: other programs do not count. The bits are compared as well.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from irncli.rescale import Rescaler

TOGETHER = (2, 4, 8, 16, 32)


def spent(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="96x64")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--model", default="irn-x4")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    codec = Rescaler(options.model, device="cpu", dtype="fp32", threads=1).codec
    sampling = codec.sampling(height, width)
    noise = np.random.default_rng(0).integers(0, 256, (max(TOGETHER), height, width, 3), np.uint8)
    pictures = list(map(np.ascontiguousarray, noise))
    alone = [codec.down(picture, sampling) for picture in pictures]
    smalls = list(alone)

    def down(count: int) -> None:
        known = codec.encode_several(pictures[:count], sampling) if count > 1 else [None]
        made = [codec.down(p, sampling, encoded=k) for p, k in zip(pictures, known, strict=False)]
        assert all(map(np.array_equal, made, alone))

    def up(count: int) -> None:
        known = codec.decode_several(smalls[:count], sampling) if count > 1 else [None]
        for small, decoded in zip(smalls, known, strict=False):
            codec.up(small, sampling, False, 0.0, 0, decoded=decoded).whole()

    seconds: dict[tuple[str, int], list[float]] = {}
    for run in range(options.runs + 1):
        for count in (1, *TOGETHER):
            for name, work in (("down", down), ("up", up)):
                took = spent(lambda work=work, count=count: work(count)) / count
                if run:  # the first compares a picture alone
                    seconds.setdefault((name, count), []).append(took)
    rows = []
    for (name, count), found in seconds.items():
        each = statistics.median(found)
        gain = statistics.median(seconds[name, 1]) / each
        row = {"direction": name, "together": count, "milliseconds": round(1000 * each, 2)}
        rows.append(row | {"times_faster": round(gain, 2)})
        print(rows[-1])  # noqa: T201
    if options.json:
        record = {"size": options.size, "model": options.model, "runs": options.runs, "rows": rows}
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
