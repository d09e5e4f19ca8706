"""Weight files made to break: what they say of themselves is checked before it is believed (cli.md, 15)."""

from __future__ import annotations

import io
import json
import pickle
import resource
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import save_tiny
from safetensors.torch import save_file

import irncli
from irncli.batch.models import stated
from irncli.cli.app import main
from irncli.cli.info import describe
from irncli.errors import ModelError
from irncli.pretrained.catalogue import scale_of
from irncli.pretrained.fingerprint import fingerprint_of, read_arrays, read_header
from irncli.pretrained.load import load_weights

FIXTURES = Path(__file__).parents[1] / "fixtures"
FAULTS = FIXTURES / "faults"
LIMIT = 3 << 30
KEY, HAAR = "operations.1.F.conv1.weight", "operations.0.haar_weights"
Tensors = dict[str, Any]


@pytest.fixture(scope="module")
def sound() -> dict[str, torch.Tensor]:
    return torch.load(FIXTURES / "public-x2-1block-legacy-module-prefix.pth", weights_only=True)


def refused_everywhere(path: Path) -> None:
    for way in (load_weights, scale_of, stated, lambda name: describe(Path(name))):
        with pytest.raises(ModelError):
            way(str(path))


@pytest.mark.parametrize("name", ["pub-idx.safetensors", "expanded-tensor.pth", "bomb.pth", "index.pth"])
@pytest.mark.parametrize(
    "words", ["info @", "downscale a.png --dry-run --model @", "models import @ -o o.safetensors"]
)
def test_sizes_are_believed_only_after_they_are_checked(name: str, words: str, tmp_path: Path) -> None:
    """Gigabytes by their own word: refused, with little more memory than torch alone takes."""
    if name == "bomb.pth":
        bomb(tmp_path / name)
    elif name == "index.pth":
        key = "operations.9999999999.F.conv1.weight"
        torch.save({HAAR: torch.zeros(1), key: torch.zeros(1)}, tmp_path / name)
    else:
        shutil.copy(FAULTS / name, tmp_path / name)
    (tmp_path / "a.png").write_bytes((FAULTS / "two-manifests.png").read_bytes())
    code = (
        "import resource, sys; import irncli.pretrained.load; from irncli.cli.app import main\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "status = main(sys.argv[1:])\n"
        "more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "sys.exit(f'{more} kB') if more > 200_000 else sys.exit(status)"
    )

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))

    argv = [sys.executable, "-c", code, *(name if word == "@" else word for word in words.split())]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, preexec_fn=limited, check=False)
    assert done.returncode == 5 and done.stderr.count("\n") == 1, done.stderr


def bomb(path: Path) -> None:
    """800 MB of zeros in less than 1 MB."""
    plain = io.BytesIO()
    torch.save({HAAR: torch.zeros(1)}, plain)
    with zipfile.ZipFile(plain) as there, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in there.namelist():
            packed.writestr(name, there.read(name))
        with packed.open("archive/data/1", "w") as file:
            for _ in range(800):
                file.write(bytes(1 << 20))


def test_a_zip_whose_directory_lies_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb(path := tmp_path / "lies.pth")
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\1\2") + 24
    data[at : at + 4] = struct.pack("<I", 100)
    path.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused_everywhere(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


@pytest.mark.parametrize(
    "name", ["pub-0d.safetensors", "pub-idx.safetensors", "sparse.pth", "expanded-tensor.pth"]
)
def test_what_once_was_called_a_bug(name: str) -> None:
    refused_everywhere(FAULTS / name)


def test_an_index_of_thousands_of_digits_is_no_index(tmp_path: Path) -> None:
    key = f"operations.{'9' * 5000}.F.conv1.weight"
    save_file({HAAR: torch.zeros(12, 1, 2, 2), key: torch.zeros(1, 1, 1, 1)}, tmp_path / "w.safetensors")
    refused_everywhere(tmp_path / "w.safetensors")
    for key in ("operations.00.conv_weights", "operations.\u0663.F.conv1.weight"):
        save_file({key: torch.zeros(9, 9)}, tmp_path / "w.safetensors")
        refused_everywhere(tmp_path / "w.safetensors")


CHANGES: dict[str, Callable[[torch.Tensor], Any]] = {
    "nan": lambda w: torch.full_like(w, float("nan")),
    "too large for float32": lambda w: torch.full_like(w, 1e300, dtype=torch.float64),
    "sparse": lambda w: w.flatten(1).to_sparse(),
    "sparse rows": lambda w: torch.eye(3).to_sparse_csr(),
    "of no device": lambda w: torch.empty_like(w, device="meta"),
    "complex": lambda w: w.to(torch.complex64),
    "whole numbers": lambda w: w.to(torch.int64),
    "without a dimension": lambda w: torch.zeros(()),
    "empty": lambda w: torch.zeros(0, 12, 3, 3),
    "repeated": lambda w: torch.zeros(1).expand(32, 1 << 20, 1 << 10, 3),
    "no tensor": lambda w: [w],
}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("change", CHANGES)
def test_tensors_that_are_none(change: str, legacy: bool, sound: Tensors, tmp_path: Path) -> None:
    tensors = {key.removeprefix("module."): value for key, value in sound.items()}
    for key in (KEY, HAAR):
        bad = tensors | {key: CHANGES[change](tensors[key])}
        torch.save(bad, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
        refused_everywhere(tmp_path / "w.pth")


def test_one_storage_for_many_tensors_is_counted_once(tmp_path: Path) -> None:
    shared = torch.zeros(1 << 20)
    torch.save({f"x{n}": shared for n in range(500)}, tmp_path / "w.pth")
    refused_everywhere(tmp_path / "w.pth")


def test_a_pickle_that_asks_for_memory_is_refused_unread(tmp_path: Path) -> None:
    class Asks:
        def __reduce__(self) -> tuple[object, tuple[int]]:
            return bytearray, (10**12,)

    for new in (True, False):
        torch.save({"x": Asks()}, tmp_path / "w.pth", _use_new_zipfile_serialization=new)
        refused_everywhere(tmp_path / "w.pth")
    long = b"L" + b"9" * 100_000 + b"L\n."
    for data in (b"\x8d" + struct.pack("<Q", 2**60), long, b"]" * 100_000, b"", b"I\n."):
        (tmp_path / "w.pth").write_bytes(b"\x80\x02" + data)
        refused_everywhere(tmp_path / "w.pth")
    (tmp_path / "w.pth").write_bytes(pickle.dumps({"x": 1}))
    refused_everywhere(tmp_path / "w.pth")


def test_a_sound_file_that_somebody_has_packed_again_is_read(sound: Tensors, tmp_path: Path) -> None:
    torch.save(sound, tmp_path / "w.pth")
    with (
        zipfile.ZipFile(tmp_path / "w.pth") as there,
        zipfile.ZipFile(tmp_path / "again.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in there.namelist():
            packed.writestr(name, there.read(name))
    half = {key: value.half() for key, value in sound.items()}
    torch.save(half, tmp_path / "half.pth")
    one, other = (load_weights(str(tmp_path / name)).fingerprint for name in ("w.pth", "again.pth"))
    assert one == other and irncli.load(str(tmp_path / "half.pth")).scale == 2


def of_ours(
    path: Path, header: dict[str, str], change: Callable[[Tensors], None] = lambda arrays: None
) -> None:
    """A file of ours with other texts or tensors, and the fingerprint that belongs to them."""
    told, arrays = read_header(path) | header, dict(read_arrays(path))
    change(arrays)
    told["fingerprint"] = fingerprint_of(told["config"], told["latent"], arrays)
    save_file({key: torch.from_numpy(value) for key, value in arrays.items()}, path, told)


@pytest.mark.parametrize(
    "config",
    ["", "words", "[1]", "[" * 20_000, '{"a":' * 20_000 + "1" + "}" * 20_000, '{"scale":Infinity}',
     '{"scale":1e999}', '{"scale":NaN}', '{"scale":' + "9" * 5000 + "}"],
    ids=lambda text: text[:20],
)  # fmt: skip
@pytest.mark.parametrize("field", ["config", "latent"])
def test_texts_of_a_header_that_are_no_json(field: str, config: str, tmp_path: Path) -> None:
    path = save_tiny(tmp_path, 4)
    of_ours(path, {field: config})
    for way in (load_weights, lambda name: describe(Path(name))):
        with pytest.raises(ModelError):
            way(str(path))
    if field == "config":
        with pytest.raises(ModelError):
            scale_of(str(path))


@pytest.mark.parametrize("scale", [None, True, "4", 4.0, -4, 10**300, [4]], ids=str)
def test_a_scale_that_is_none(scale: object, tmp_path: Path) -> None:
    path = save_tiny(tmp_path, 4)
    of_ours(path, {"config": json.dumps(json.loads(read_header(path)["config"]) | {"scale": scale})})
    for way in (load_weights, scale_of):
        with pytest.raises(ModelError):
            way(str(path))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_of_ours_that_are_not_finite(value: float, tmp_path: Path) -> None:
    def change(arrays: Tensors) -> None:
        key = next(key for key, array in arrays.items() if array.dtype == np.float32)
        arrays[key] = arrays[key].copy()
        arrays[key].flat[0] = value

    path = save_tiny(tmp_path, 4)
    of_ours(path, {}, change)
    for way in (load_weights, lambda name: describe(Path(name))):
        with pytest.raises(ModelError):
            way(str(path))


def test_no_text_of_a_header_speaks_for_irn(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = save_tiny(tmp_path, 4)
    texts = {"type": "summary", "status": "failed", "input": "x", "kind": "picture", "parameters": "9"}
    of_ours(path, texts | {"tau": "nan", "name": "\x1b[31mred\nirn: forged", "k\x1by": "v"})
    with pytest.raises(ModelError):
        stated(str(path))
    assert main(["info", "--json", str(path)]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["type"], told["input"], told["kind"]) == ("file", str(path), "weights")
    assert told["status"] == "done" and told["parameters"] > 9
    assert main(["info", str(path), str(FAULTS / "escapes.safetensors")]) == 0
    shown = capfd.readouterr().out
    assert "\x1b" not in shown and "\\x1b[31mred\\nirn: forged" in shown
    assert "\\x1b[31mRED" in shown and "\\x1b[32mkey: 1" in shown
