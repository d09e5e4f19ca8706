"""Training pictures: found, decoded once into memory, kept there as one tensor, and cut to random crops.

A step's crops are planned as a few whole numbers on the CPU, from (seed, step) alone, and cut by one gather
on the pictures' own device. Nothing comes back, so a GPU never waits for the CPU.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from irncli.errors import InputError, TrainingError
from irncli.images.formats import READABLE_SUFFIXES
from irncli.images.read import read_picture

MANIFEST = "MANIFEST.tsv"
"""Beside the pictures: a table with the columns ``file`` and ``licence``."""
UNSTATED = "not stated"

Report = Callable[[str], None]


@dataclass(frozen=True)
class Dataset:
    """All pictures as one flat uint8 tensor, H W 3 each, one after the other."""

    samples: Tensor
    """On the device that trains; everything else stays on the CPU."""
    starts: Tensor
    """First sample of each picture, int64."""
    sizes: Tensor
    """Height and width of each picture, int64, K 2."""
    digest: str
    """SHA-256 over the files' names and bytes."""
    licences: dict[str, int] = field(default_factory=dict)
    """Licence -> how many pictures stand under it."""
    notes: list[str] = field(default_factory=list)
    """What was passed over, in words."""
    drawn: int = 0
    """How many of the pictures, the last ones, are drawn and no photographs."""

    @property
    def pixels(self) -> int:
        return self.samples.numel() // 3

    def picture(self, index: int) -> Tensor:
        """One picture, H W 3 uint8, as a view of the samples."""
        h, w = self.sizes[index].tolist()
        start = int(self.starts[index])
        return self.samples[start : start + h * w * 3].view(h, w, 3)

    def to(self, device: str) -> Dataset:
        """The dataset with its samples on another device."""
        return replace(self, samples=self.samples.to(device))


def find_pictures(folders: Sequence[Path]) -> list[Path]:
    """Pictures in the folders and below, by name. Raise TrainingError for what is no folder."""
    found: list[Path] = []
    for folder in folders:
        if not os.path.isdir(folder):
            raise TrainingError(f"{folder}: not a folder", "Give folders of pictures with `data`.")
        found += sorted(
            p
            for p in folder.rglob("*")
            if p.suffix.lower() in READABLE_SUFFIXES and not p.name.startswith(".") and os.path.isfile(p)
        )
    return found


def read_dataset(
    folders: Sequence[Path],
    minimum: int,
    report: Report,
    limit: int | None = None,
    at_least: int = 0,
    cache: Path | None = None,
) -> Dataset:
    """All pictures with both sides of at least ``minimum`` pixels, decoded, or from a cache of them.

    What cannot be read is reported and passed over. Raise TrainingError when nothing is left, or less
    than ``at_least`` pixels.
    """

    paths = find_pictures(folders)[:limit]
    key = _key(paths, minimum)
    dataset = load_cached(cache, key, report) if cache else None
    if dataset is None:
        dataset = _decode(paths, minimum, report)
        if cache:
            save_cached(cache, key, dataset, report)
    if dataset.pixels < at_least:
        raise TrainingError(
            f"too few pictures: {dataset.pixels} pixels in all, and one step alone takes {at_least}",
            "Give more or larger pictures with `data`, or a smaller batch or patch in the recipe.",
        )
    return dataset


def _key(paths: Sequence[Path], minimum: int) -> str:
    """A digest of all that decides what a dataset holds; no file is decoded for it."""
    digest = hashlib.sha256(str(minimum).encode())
    for path in paths:
        try:
            content = hashlib.sha256(path.read_bytes()).digest()
        except OSError:
            content = b"unreadable"
        digest.update(os.fsencode(path.name) + b"\0" + content)
    return digest.hexdigest()


def _decode(paths: Sequence[Path], minimum: int, report: Report) -> Dataset:
    parts: list[Tensor] = []
    sizes: list[tuple[int, int]] = []
    notes: list[str] = []
    licences: Counter[str] = Counter()
    tables: dict[Path, dict[str, str]] = {}
    digest = hashlib.sha256()
    small = 0
    for path in paths:
        try:
            loaded = read_picture(path)
        except InputError as error:
            notes.append(f"passed over: {error.what}")
            continue
        if loaded.picture.depth > 8:
            notes.append(f"passed over: {path.name} has {loaded.picture.depth} bits per sample")
            continue
        colour = loaded.picture.colour
        array = np.array(np.broadcast_to(colour, (*colour.shape[:2], 3)))
        if min(array.shape[:2]) < minimum:
            small += 1
            continue
        digest.update(os.fsencode(path.name) + b"\0" + bytes.fromhex(loaded.sha256))
        parts.append(torch.from_numpy(array).reshape(-1))
        sizes.append((array.shape[0], array.shape[1]))
        if path.parent not in tables:
            tables[path.parent] = _licences_in(path.parent)
        licences[tables[path.parent].get(path.name, UNSTATED)] += 1
    if small:
        notes.append(f"{small} pictures have a side under {minimum} pixels, passed over")
    for note in notes:
        report(note)
    if not parts:
        raise TrainingError(
            f"no picture of at least {minimum} x {minimum} pixels that can be read",
            "Give more or larger pictures, or a smaller patch in the recipe.",
        )
    lengths = torch.tensor([part.numel() for part in parts])
    return Dataset(
        samples=torch.cat(parts),
        starts=torch.cumsum(lengths, 0) - lengths,
        sizes=torch.tensor(sizes),
        digest=digest.hexdigest(),
        licences=dict(sorted(licences.items())),
        notes=notes,
    )


def with_drawn(dataset: Dataset, count: int, side: int, seed: int, *, evenly: bool = False) -> Dataset:
    """The dataset and ``count`` drawn pictures, ``side`` pixels a side, some with pieces of photographs.

    ``evenly``: as many of each kind, in turn.
    """
    from irncli.training.drawing import KINDS, drawn_picture

    kinds = [*KINDS] if evenly else [None]

    def photo(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
        picture = dataset.picture(int(rng.integers(len(dataset.sizes)))).numpy()
        room = (max(0, picture.shape[0] - height), max(0, picture.shape[1] - width))
        y, x = (int(rng.integers(each + 1)) for each in room)
        piece = picture[y : y + height, x : x + width]
        missing = (height - piece.shape[0], width - piece.shape[1])
        return np.pad(piece, ((0, missing[0]), (0, missing[1]), (0, 0)), "symmetric")

    drawn = np.stack([drawn_picture(seed, i, side, side, photo, kinds[i % len(kinds)]) for i in range(count)])
    samples = torch.from_numpy(drawn).reshape(-1)
    starts = dataset.samples.numel() + torch.arange(count) * (3 * side * side)
    digest = hashlib.sha256(bytes.fromhex(dataset.digest) + hashlib.sha256(drawn.tobytes()).digest())
    return replace(
        dataset,
        samples=torch.cat((dataset.samples, samples)),
        starts=torch.cat((dataset.starts, starts)),
        sizes=torch.cat((dataset.sizes, torch.full((count, 2), side))),
        digest=digest.hexdigest(),
        drawn=dataset.drawn + count,
    )


def _licences_in(folder: Path) -> dict[str, str]:
    """File name -> licence, by the folder's own table, if it has one."""
    try:
        with (folder / MANIFEST).open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t")
            return {row["file"]: row["licence"] or UNSTATED for row in rows}
    except (OSError, KeyError, UnicodeDecodeError, csv.Error):
        return {}


def plan_crops(
    dataset: Dataset, batch: int, size: int, seed: int, step: int, drawn_share: float = 0.0
) -> NDArray[np.int64]:
    """``batch`` rows (first sample, stride down, stride right), of crops of ``size`` pixels a side.

    Pictures are chosen by their area, a share of them among the dataset's drawn ones. A flip is a stride
    backwards from the other end, a transposition exchanges the strides.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, step]))
    sizes, starts = dataset.sizes.numpy(), dataset.starts.numpy()
    room = sizes - size + 1
    area = room.prod(1).astype(np.float64)
    if dataset.drawn:
        photographs, drawn = np.split(area, [len(area) - dataset.drawn])
        photographs *= (1 - drawn_share) / photographs.sum()
        drawn *= drawn_share / drawn.sum()
    plan = np.empty((batch, 3), np.int64)
    for row, index in enumerate(rng.choice(len(area), batch, p=area / area.sum())):
        y, x = (int(rng.integers(room[index, axis])) for axis in (0, 1))
        turn = int(rng.integers(8))
        down, right = 3 * int(sizes[index, 1]), 3
        first = int(starts[index]) + y * down + x * right
        if turn & 1:
            first, down = first + (size - 1) * down, -down
        if turn & 2:
            first, right = first + (size - 1) * right, -right
        plan[row] = (first, right, down) if turn & 4 else (first, down, right)
    return plan


def cut_crops(samples: Tensor, plan: Tensor, size: int) -> Tensor:
    """The planned crops, N 3 size size float32 in [0, 1]; ``plan`` on the device of ``samples``."""
    along = torch.arange(size, device=samples.device)
    first, down, right = plan.view(-1, 3, 1, 1, 1).unbind(1)
    index = first + down * along.view(1, -1, 1, 1) + right * along.view(1, 1, -1, 1)
    crops = samples[index + torch.arange(3, device=samples.device)]
    return crops.permute(0, 3, 1, 2).float().div_(255.0)


def to_device(numbers: NDArray[Any], device: torch.device) -> Tensor:
    """Without waiting: from pinned memory, in the order of the GPU's other work."""
    tensor = torch.from_numpy(numbers)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


FORMAT = "irn-pictures-1"


def load_cached(path: Path, key: str, report: Callable[[str], None]) -> Dataset | None:
    """The dataset of that key, or None. What was passed over when it was made is said again.

    Raise TrainingError for a file of another kind, in whose place the cache would be put.
    """
    if _is_foreign(path):
        raise TrainingError(f"{path}: a file that is no cache of irn's pictures", "Give another `cache`.")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT or header.get("key") != key:
                return None
            tensors = {name: file.get_tensor(name) for name in ("samples", "starts", "sizes")}
            facts = json.loads(header["facts"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None  # not there, cut or not ours: it will be made anew
    for note in facts["notes"]:
        report(note)
    return Dataset(**tensors, **facts)


def _is_foreign(path: Path) -> bool:
    """Whether there is a file that irn has not made for this, as far as that can be told of one cut short."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return False
    if not head:
        return False
    try:
        with safe_open(path, "pt") as tensors:
            return (tensors.metadata() or {}).get("format") != FORMAT
    except (OSError, SafetensorError):
        return b"__metadata__" not in head


def save_cached(path: Path, key: str, dataset: Dataset, report: Callable[[str], None]) -> None:
    """Whole or not at all. A full disk is no reason not to train: it is only said."""
    facts = {"digest": dataset.digest, "licences": dataset.licences, "notes": dataset.notes}
    header = {"format": FORMAT, "key": key, "facts": json.dumps(facts)}
    tensors = {"samples": dataset.samples, "starts": dataset.starts, "sizes": dataset.sizes}
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, header)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        report(f"{path}: cannot be written ({error}): the next start decodes all pictures again")
