"""Weights between two networks of one shape, such as a run's end and its beginning.

    python scripts/blend_weights.py runs/irn-x4.safetensors irn-x4-2 0.2 runs/blend.safetensors --valid FOLDER

Every number is (1 - SHARE) of the first and SHARE of the second; the latent's statistics are measured again.
If the second is where a run began and the first its end, the blend lies between them in PSNR and LR-PSNR
(after Wortsman et al. 2022, robust fine-tuning); `irn evaluate` says where. Header and
counts are the first's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from irncli.pretrained.load import Weights, load_weights, save_weights
from irncli.training.data import Dataset, read_dataset
from irncli.training.export import measure_latent


def blend(first: Weights, second: Weights, share: float) -> None:
    """Move ``first``'s network by ``share``, 0..1, towards ``second``'s. ValueError: other shapes."""
    if first.network.config != second.network.config:
        raise ValueError(f"{first.name} and {second.name} are not networks of one shape")
    other = second.network.state_dict()
    first.network.load_state_dict({k: v.lerp(other[k], share) for k, v in first.network.state_dict().items()})


def write(first: Weights, second: Weights, share: float, path: Path, dataset: Dataset) -> str:
    """Blend, measure the latent on ``dataset``, write; return the fingerprint."""
    blend(first, second, share)
    latent = measure_latent(first.network, dataset)
    mixed = f"{1 - share:.3g} of {first.fingerprint}, {share:.3g} of {second.name} ({second.fingerprint})"
    return save_weights(path, first.network, first.header | {"blend": mixed}, latent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("share", type=float, help="of the second, 0..1")
    parser.add_argument("output", type=Path)
    parser.add_argument("--valid", type=Path, required=True, help="folder of validation pictures")
    given = parser.parse_args()
    if not 0 <= given.share <= 1:
        parser.error("share must lie in 0..1")
    dataset = read_dataset([given.valid], 64, print)
    write(load_weights(given.first), load_weights(given.second), given.share, given.output, dataset)


if __name__ == "__main__":
    main()
