"""What each precision costs a shipped file: down and up in every pair of precisions, PSNR-Y.

    python benchmarks/precision.py SET... --json benchmarks/results/precision.json

Beside the means stands how many pictures of the set they are of; with --most fewer are judged, in the order
of their names, and the file is written anew after each so that a run may be cut off. Rows of other models
and sets stay in it.
"""

from __future__ import annotations

import argparse
import json
import platform
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from irncli.atomic import write_whole
from irncli.evaluation.measure import across_precisions
from irncli.evaluation.pictures import find_pictures, read_original
from irncli.evaluation.protocol import cpu_model
from irncli.rescale import Rescaler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="a folder is a set")
    parser.add_argument("--models", nargs="+", default=["irn-x4", "irn-x2"])
    parser.add_argument("--dtypes", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--most", type=int, help="pictures of a set  [all]")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()

    rows: list[dict[str, object]] = []
    if given.json.exists():
        rows = json.loads(given.json.read_text("utf-8"))["rows"]
    machine = {"cpu": cpu_model(), "system": platform.machine(), "torch": torch.__version__}
    for folder in given.folders:
        for model in given.models:
            runs = {dtype: Rescaler(model, dtype=dtype, device="cpu") for dtype in given.dtypes}
            one = next(iter(runs.values()))
            files = list(find_pictures(folder))
            found: list[dict[str, float]] = []
            for path in islice(files, given.most):
                samples = read_original(path).samples
                height, width = (side // one.scale * one.scale for side in samples.shape[:2])
                found.append(across_precisions(runs, np.ascontiguousarray(samples[:height, :width])))
                row = {
                    "model": one.name,
                    "fingerprint": one.fingerprint,
                    "default": one.weights.dtype,
                    "set": folder.resolve().name,
                    "pictures": len(found),
                    "of": len(files),
                    "psnr_y": {key: round(float(np.mean([f[key] for f in found])), 4) for key in found[0]},
                    "worst_loss": {
                        key: round(float(max(f["fp32 > fp32"] - f[key] for f in found)), 4)
                        for key in found[0]
                    },
                }
                own = (row["model"], row["set"])
                kept = [r for r in rows if (r["model"], r["set"]) != own]
                text = json.dumps({"machine": machine, "rows": [*kept, row]}, indent=1) + "\n"
                write_whole(given.json, text.encode())
            rows = [*kept, row]
            print(row["model"], row["set"], row["pictures"], row["psnr_y"])  # noqa: T201


if __name__ == "__main__":
    main()
