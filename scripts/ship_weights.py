"""Put trained weights into weights/: half-precision file, catalogue entry.

    python scripts/ship_weights.py runs/irn-x4.safetensors irn-x4-1 [--fp32] [--dtype bf16] [--grey]

The source is what `irn train` wrote. Storing in half precision changes the network by up to 2^-11 of each
weight: `irn evaluate` on the shipped file says what that costs, and the figures in the README are its.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import torch

from irncli.pretrained.load import load_weights, save_weights

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
SOURCE = "trained by the irn developers with `irn train {recipe}`"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trained", type=Path)
    parser.add_argument("name", help="versioned: irn-x4-1")
    parser.add_argument("--fp32", action="store_true", help="store in single precision")
    parser.add_argument("--dtype", default="fp32", help="default precision of the subnets")
    parser.add_argument(
        "--grey", action="store_true", help="one plane restores a grey picture as well as three do (measured)"
    )
    parser.add_argument("--started-from", default="", help="weights that the training began with")
    options = parser.parse_args()

    weights = load_weights(str(options.trained))
    alias = options.name.rsplit("-", 1)[0]
    header = dict(weights.header) | {
        "name": options.name,
        "dtype": options.dtype,
        "grey": str(options.grey).lower(),
    }
    if options.started_from:
        header["started_from"] = options.started_from
    for key in ("format", "config", "latent", "identity"):
        header.pop(key)
    path = WEIGHTS / f"{options.name}.safetensors"
    stored = torch.float32 if options.fp32 else torch.float16
    identity = save_weights(path, weights.network, header, weights.latent, stored)

    catalogue = WEIGHTS / "catalogue.json"
    entries = json.loads(catalogue.read_text("utf-8")) if catalogue.exists() else []
    entry = {
        "name": options.name,
        "alias": alias,
        "scale": weights.network.scale,
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "identity": identity,
        "licence": header["licence"],
        "source": SOURCE.format(recipe=alias),
    }
    entries = [entry, *(e for e in entries if e["name"] != options.name)]
    entries.sort(key=lambda e: (e["scale"], e["alias"]))
    catalogue.write_text(json.dumps(entries, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
