"""Weight files: written, read, recognised, refused."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import FIXTURES, TINY, randomise, save_tiny
from safetensors.torch import load_file, save_file

import irncli
from irncli.errors import IrnError, ModelError, OutputError
from irncli.nn.network import InvertibleRescaler, NetworkConfig
from irncli.pretrained import catalogue
from irncli.pretrained.fingerprint import (
    checked_fingerprint,
    fingerprint_of,
    parameters,
    read_arrays,
    read_header,
)
from irncli.pretrained.load import Latent, import_public, load_weights, save_weights


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    network = randomise(InvertibleRescaler(TINY[4]), 1)
    latent = Latent(np.linspace(-1, 1, 45, dtype=np.float32), np.full(45, 0.1, np.float32))
    fingerprint = save_weights(tmp_path / "w.safetensors", network, {"tau": "0.5"}, latent)
    weights = load_weights(str(tmp_path / "w.safetensors"))
    assert weights.fingerprint == fingerprint and weights.tau == 0.5
    assert np.array_equal(weights.latent.mean, latent.mean)
    for key, value in network.state_dict().items():
        assert torch.equal(weights.network.state_dict()[key], value)
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "w.safetensors").stat().st_mode == plain.stat().st_mode  # others may read it


def test_half_precision_files_load_as_float32(tmp_path: Path) -> None:
    network = randomise(InvertibleRescaler(TINY[4]), 1)
    save_weights(tmp_path / "w.safetensors", network, {}, dtype=torch.float16)
    loaded = irncli.load(str(tmp_path / "w.safetensors"))
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert not loaded.training


def test_eight_bits_are_half_the_bytes_and_nearly_the_same_network(tmp_path: Path) -> None:
    network = randomise(InvertibleRescaler(TINY[4]), 1)
    with torch.no_grad():
        network.levels[0][0].F.out.weight[1] = 0
    half, eight = tmp_path / "half.safetensors", tmp_path / "eight.safetensors"
    save_weights(half, network, {}, dtype=torch.float16)
    fingerprint = save_weights(eight, network, {}, dtype=torch.int8)
    assert sum(a.nbytes for a in read_arrays(eight).values()) < 0.7 * sum(
        a.nbytes for a in read_arrays(half).values()
    )
    loaded = load_weights(str(eight))
    assert loaded.fingerprint == fingerprint
    for key, value in network.state_dict().items():
        there = loaded.network.state_dict()[key]
        most = value.abs().amax((1, 2, 3), keepdim=True) if value.dim() == 4 else torch.zeros(())
        assert ((there - value).abs() <= most / 254 * 1.001).all()
        assert there.dtype == torch.float32
    assert save_weights(tmp_path / "again.safetensors", loaded.network, {}, dtype=torch.int8) == fingerprint
    assert parameters(read_arrays(eight)) == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("change", ["missing", "short", "infinite", "half", "bias", "left over"])
def test_eight_bits_without_their_scales_are_refused(change: str, tmp_path: Path) -> None:
    path, key = tmp_path / "w.safetensors", "levels.0.0.F.out.weight"
    save_weights(path, randomise(InvertibleRescaler(TINY[2]), 1), {}, dtype=torch.int8)
    header, arrays = read_header(path), read_arrays(path)
    if change == "missing":
        del arrays[f"{key}.scale"]
    elif change == "bias":
        arrays["levels.0.0.F.out.bias"] = np.zeros(3, np.int8)
        arrays["levels.0.0.F.out.bias.scale"] = np.ones(3, np.float32)
    elif change == "left over":
        arrays["levels.0.0.F.out.bias.scale"] = np.ones(3, np.float32)
    else:
        scale = arrays[f"{key}.scale"]
        arrays[f"{key}.scale"] = {
            "short": scale[:1], "infinite": scale * np.float32(np.inf), "half": scale.astype(np.float16)
        }[change]  # fmt: skip
    header["fingerprint"] = fingerprint_of(header["config"], header["latent"], arrays)
    save_file({k: torch.from_numpy(v) for k, v in arrays.items()}, path, header)
    with pytest.raises(ModelError):
        load_weights(str(path))


def test_identity_ignores_texts_and_follows_tensors_and_statistics(tmp_path: Path) -> None:
    network = randomise(InvertibleRescaler(TINY[2]), 1)

    def save(**kwargs: object) -> str:
        return save_weights(tmp_path / "w.safetensors", network, **kwargs)  # type: ignore[arg-type]

    first = save(record={})
    assert first == save(record={"figures": "better"})
    assert first != save(record={}, dtype=torch.float16)
    assert first != save(record={}, latent=Latent(np.zeros(9, np.float32), np.zeros(9, np.float32)))
    with torch.no_grad():
        network.levels[0][0].F.out.bias[0] += 1e-7
    assert first != save(record={})


def test_one_flipped_byte_anywhere_is_found(tmp_path: Path) -> None:
    path = save_tiny(tmp_path, 4)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    loaded = load_weights(str(path))
    for offset in [*range(0, 8), *rng.integers(8, len(whole), 60).tolist()]:
        damaged = bytearray(whole)
        damaged[offset] ^= 0x10
        path.write_bytes(damaged)
        try:
            again = load_weights(str(path))
        except ModelError:
            continue
        # What loads all the same may differ in texts of the header alone.
        assert again.fingerprint == loaded.fingerprint
        for key, value in loaded.network.state_dict().items():
            assert torch.equal(value, again.network.state_dict()[key])


@pytest.mark.parametrize("cut", [0, 4, 100, 5000, -1])
def test_a_truncated_file_is_refused(cut: int, tmp_path: Path) -> None:
    path = save_tiny(tmp_path, 4)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelError):
        load_weights(str(path))


def test_a_file_for_another_network_is_refused(tmp_path: Path) -> None:
    path = save_tiny(tmp_path, 4)
    header, tensors = read_header(path), load_file(path)
    header["config"] = TINY[4].to_json().replace("[6,8]", "[6,9]")
    header["fingerprint"] = "0" * 64
    save_file(tensors, path, header)
    with pytest.raises(ModelError, match="fingerprint"):
        load_weights(str(path))


def test_a_hostile_configuration_costs_no_memory(tmp_path: Path) -> None:
    """Gigabytes of weights by its own word, and none in the file."""
    path = save_tiny(tmp_path, 4)
    header, tensors = read_header(path), load_file(path)
    config = NetworkConfig(scale=4, blocks=(64, 64), width=(1024, 1024), subnet="residual", units=8)
    header["config"] = config.to_json()
    arrays = {k: v.numpy() for k, v in tensors.items()}
    header["fingerprint"] = fingerprint_of(header["config"], header["latent"], arrays)
    save_file(tensors, path, header)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="fit"):
        load_weights(str(path))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


@pytest.mark.parametrize(
    ("name", "expected"),
    [("IRN_x4 (1).pth", "IRN_x4-1"), ("mein netz.pth", "mein-netz"), ("---.pth", "unnamed")],
)
def test_a_file_of_any_name_can_be_used(name: str, expected: str, tmp_path: Path) -> None:
    source = FIXTURES / "public-x2-1block-legacy-module-prefix.pth"
    (tmp_path / name).write_bytes(source.read_bytes())
    rescaler = irncli.Rescaler(str(tmp_path / name))
    assert rescaler.name == expected
    rescaler.downscale(np.zeros((4, 4, 3), np.uint8))


HOSTILE_STATISTICS = [
    "null",
    "[]",
    "{",
    pytest.param("[" * 100_000, id="deep"),
    pytest.param('{"mean":[1' + "0" * 400 + '],"std":[1]}', id="huge"),
    '{"mean":[],"std":[]}',
    '{"mean":[NaN],"std":[1.0]}',
    '{"mean":[0.0],"std":[true]}',
]


@pytest.mark.parametrize("text", HOSTILE_STATISTICS)
def test_hostile_statistics_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Latent.from_json(text, 1)


def test_the_import_is_strict(tmp_path: Path) -> None:
    tensors = load_file(FIXTURES / "public-x2-weights.safetensors")

    def refused(change: dict[str, torch.Tensor], match: str, drop: str = "") -> None:
        torch.save({k: v for k, v in (tensors | change).items() if k != drop}, tmp_path / "bad.pth")
        with pytest.raises(ModelError, match=match):
            irncli.load(str(tmp_path / "bad.pth"))

    refused({"extra": torch.zeros(1)}, "extra")
    refused({}, "missing", drop="operations.3.G.conv2.bias")
    refused({"operations.3.G.conv2.bias": torch.zeros(31)}, "shape")
    refused({"operations.0.haar_weights": torch.ones(12, 1, 2, 2)}, "Haar")
    refused({}, "downsampling", drop="operations.0.haar_weights")
    dropped = {k: v for k, v in tensors.items() if not k.startswith("operations.4.")}
    torch.save(dropped, tmp_path / "bad.pth")
    with pytest.raises(ModelError, match="block is missing"):
        irncli.load(str(tmp_path / "bad.pth"))


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("executed",)

    torch.save({"operations.0.haar_weights": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ModelError):
        irncli.load(str(tmp_path / "evil.pth"))


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02garbage", b"PK\x03\x04broken"])
def test_files_that_are_no_weights_are_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError):
        irncli.load(str(tmp_path / name))


def test_an_import_is_the_same_network_with_the_same_identity(tmp_path: Path) -> None:
    source = FIXTURES / "public-x2-1block-legacy-module-prefix.pth"
    told = import_public(source, tmp_path / "ours.safetensors")
    assert (told["scale"], told["blocks"], told["parameters"]) == (2, [1], 208494)
    direct, imported = load_weights(str(source)), load_weights(str(tmp_path / "ours.safetensors"))
    assert direct.fingerprint == imported.fingerprint == told["fingerprint"]
    # The paper trains with z ~ N(0, 1): restoring with zeros would blur.
    assert imported.tau == 1.0 and (imported.latent.std == 1).all()


def test_a_place_that_cannot_be_written_loses_nothing(tmp_path: Path) -> None:
    network = InvertibleRescaler(TINY[2])
    with pytest.raises(OutputError):
        save_weights(tmp_path / "missing" / "w.safetensors", network, {})


def test_the_catalogue_is_true() -> None:
    assert catalogue.entries()
    for entry in catalogue.entries():
        catalogue.verify(entry)
        assert entry.path.stat().st_size == entry.bytes
        header = read_header(entry.path)
        assert header["licence"] == entry.licence == "Apache-2.0"
        assert json.loads(header["config"])["scale"] == entry.scale
        assert catalogue.name_of_fingerprint(entry.fingerprint) == entry.name
        assert catalogue.scale_of(entry.alias) == catalogue.scale_of(str(entry.path)) == entry.scale
        assert load_weights(entry.alias).name == catalogue.find(entry.alias).name  # type: ignore[union-attr]
        assert checked_fingerprint(entry.path, header, read_arrays(entry.path)) == entry.fingerprint
    assert {catalogue.default_name(2), catalogue.default_name(4)} == {"irn-x2", "irn-x4"}


@pytest.mark.parametrize("name", ["irn-x5", "nowhere.safetensors", "a/b", ""])
def test_an_unknown_model_names_those_there_are(name: str) -> None:
    with pytest.raises(IrnError, match="irn-x4") as caught:
        catalogue.resolve(name)
    assert caught.value.status == 5


def test_no_weights_for_a_scale_names_the_scales() -> None:
    with pytest.raises(ModelError, match="x2, x4"):
        catalogue.default_name(7)


def test_the_catalogue_needs_no_torch() -> None:
    code = (
        "import sys; from irncli.pretrained import catalogue as c; "
        "[c.verify(e) for e in c.entries()]; c.scale_of(str(c.entries()[0].path)); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
