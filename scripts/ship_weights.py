"""Put trained weights into weights/: a small file, default precision by measurement, catalogue entry.

    python scripts/ship_weights.py runs/irn-x4.safetensors irn-x4-2 --valid FOLDER [--continues irn-x4-1]

The source is what `irn train` wrote. The default precision is the fastest whose loss against fp32, both
directions run in it, is at most 0.02 dB PSNR-Y on the validation pictures: bf16, or bf16 with the half-steps
that lose most in fp32, or fp32. What a small picture made in one precision loses when restored in another
stands in the header too. Storing in half precision changes each weight by up to 2^-11, in eight bits by up to
a 254th of the largest of its channel: `irn evaluate` on the shipped file says what that costs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from irncli.evaluation.measure import across_precisions
from irncli.execution.precision import fastest
from irncli.pretrained.load import Weights, load_weights, save_weights
from irncli.rescale import Rescaler
from irncli.training.data import read_dataset

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
SOURCE = "trained by the irn developers with `irn train {recipe}`"
STORED = {"fp32": torch.float32, "fp16": torch.float16, "int8": torch.int8}
ALLOWED_LOSS = 0.02
"""dB PSNR-Y against fp32."""
SIDE = 256
"""Pixels a side of the centre that is judged of each picture."""


def centres(folder: Path) -> list[NDArray[np.uint8]]:
    """Of the validation pictures, all that is judged."""
    dataset = read_dataset([folder], 64, print)
    found = []
    for index in range(len(dataset.sizes)):
        picture = dataset.picture(index).numpy()
        y, x = (max(0, (side - SIDE) // 2) for side in picture.shape[:2])
        found.append(np.ascontiguousarray(picture[y : y + SIDE, x : x + SIDE]))
    return found


def measure(path: Path, pictures: list[NDArray[np.uint8]], dtypes: Iterable[str]) -> dict[str, float]:
    """Mean PSNR-Y, keyed `down precision > up precision`."""
    runs = {dtype: Rescaler(str(path), dtype=dtype, device="cpu") for dtype in dtypes}
    found: dict[str, list[float]] = {}
    for picture in pictures:
        for key, db in across_precisions(runs, picture).items():
            found.setdefault(key, []).append(db)
    return {key: round(float(np.mean(values)), 4) for key, values in found.items()}


def measured(path: Path, pictures: list[NDArray[np.uint8]], half_steps: int) -> dict[str, str]:
    """What the header says of precisions: the default, and what all that come into question cost."""
    pairs = measure(path, pictures, ["fp32", "bf16"])

    def loss(dtype: str) -> float:
        both = f"{dtype} > {dtype}"
        found = pairs[both] if both in pairs else measure(path, pictures, [dtype])[both]
        lost = pairs["fp32 > fp32"] - found
        print(f"{dtype}: {lost:.4f} dB")  # noqa: T201
        return lost

    dtype = fastest(loss, half_steps, ALLOWED_LOSS)
    if f"{dtype} > {dtype}" not in pairs:
        pairs = measure(path, pictures, ["fp32", "bf16", dtype])
    return {"dtype": dtype, "precisions": json.dumps(pairs)}


def write(weights: Weights, path: Path, header: dict[str, str], stored: torch.dtype) -> str:
    return save_weights(path, weights.network, weights.header | header, weights.latent, stored)


def with_entry(entries: list[dict[str, Any]], entry: dict[str, Any], refine: int) -> list[dict[str, Any]]:
    """The catalogue with a new entry, which takes over its alias's name ending in -best.

    With ``refine`` 0 there is none, unless weights of another alias, trained for it alone, have it.
    """
    best = f"{entry['alias'].removesuffix('-best')}-best"
    if refine:
        entry = entry | {"best": best, "refine": refine}
    kept = []
    for older in entries:
        if older.get("best") == best and (refine or older["alias"] == entry["alias"]):
            older = {key: value for key, value in older.items() if key not in ("best", "refine")}
        if older["name"] != entry["name"]:
            kept.append(older)
    return sorted([entry, *kept], key=lambda e: (e["scale"], e["alias"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trained", type=Path)
    parser.add_argument("name", help="versioned: irn-x4-1; irn-x4-best-1 if trained for -best alone")
    parser.add_argument("--valid", type=Path, required=True, help="folder of validation pictures")
    parser.add_argument(
        "--stored", choices=STORED, default="fp16", help="what the file's numbers are; int8 with scales"
    )
    parser.add_argument(
        "--no-mixed", action="store_true",
        help="bf16 or fp32, no search for half-steps to keep in fp32: hours where bf16 is emulated",
    )  # fmt: skip
    parser.add_argument("--started-from", default="", help="weights that the training began with, in words")
    parser.add_argument(
        "--continues", default="", help="weights that it began with: their pixels and steps count, too"
    )
    parser.add_argument(
        "--also", type=int, nargs=2, metavar=("PIXELS", "STEPS"), default=(0, 0),
        help="what the header of --continues leaves out: runs in between that started_from tells of",
    )  # fmt: skip
    parser.add_argument(
        "--refine", type=int, default=8, help="steps of the name that ends in -best; 0: there is none"
    )
    options = parser.parse_args()

    weights = load_weights(str(options.trained))
    alias = options.name.rsplit("-", 1)[0]
    path = WEIGHTS / f"{options.name}.safetensors"
    stored = STORED[options.stored]
    header = {"name": options.name, "dtype": "fp32"}
    if options.started_from:
        header["started_from"] = options.started_from
    if options.continues:
        before = load_weights(options.continues).header
        for key, more in zip(("pixels", "steps"), options.also, strict=True):
            header[key] = str(int(weights.header[key]) + int(before[key]) + more)
        header.setdefault("started_from", options.continues)
    write(weights, path, header, stored)
    half_steps = 0 if options.no_mixed else len(weights.network.half_steps())
    header |= measured(path, centres(options.valid), half_steps)
    print(json.dumps(header, indent=1))  # noqa: T201
    fingerprint = write(weights, path, header, stored)

    catalogue = WEIGHTS / "catalogue.json"
    entries = json.loads(catalogue.read_text("utf-8")) if catalogue.exists() else []
    entry = {
        "name": options.name,
        "alias": alias,
        "scale": weights.network.scale,
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "fingerprint": fingerprint,
        "licence": weights.header["licence"],
        "source": SOURCE.format(recipe=alias),
    }
    catalogue.write_text(json.dumps(with_entry(entries, entry, options.refine), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
