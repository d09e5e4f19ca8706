"""The manifest and the record: round trips, and hostile text that only ever raises ManifestError."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irncli.errors import ManifestError
from irncli.manifest import Manifest, RestoredRecord, pixels_digest

HEX = "0123456789abcdef" * 4
MANIFEST = Manifest(
    width=1023,
    height=768,
    scale=4,
    model="irn-x4-1",
    fingerprint=HEX,
    tau=0.0,
    depth=8,
    mode="rgb",
    alpha="none",
    palette=False,
    source_sha256=HEX,
    pixels_sha256=HEX[::-1],
    tool="irn 0.1.0",
)
RECORD = RestoredRecord(
    small_pixels_sha256=HEX,
    source_sha256=HEX,
    model="irn-x4-1",
    fingerprint=HEX,
    tau=0.5,
    seed=7,
    width=1023,
    height=768,
    options={"tile": 512, "dtype": "fp32", "blend": 0.25},
    tool="irn 0.1.0",
)


def changed(**values: Any) -> str:
    """The manifest's JSON with some entries changed."""
    return json.dumps(json.loads(MANIFEST.to_json()) | values)


names = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters="/\\:"), min_size=1, max_size=255
).filter(lambda n: n not in (".", ".."))


@given(
    width=st.integers(1, 2**31 - 1),
    scale=st.integers(2, 64),
    tau=st.floats(0, 10),
    mode=st.sampled_from(["rgb", "grey-as-rgb"]),
    palette=st.booleans(),
    name=st.none() | names,
)
def test_a_manifest_comes_back_as_it_was(**values: Any) -> None:
    manifest = replace(MANIFEST, **values)
    text = manifest.to_json()
    assert text.isascii() and len(text) <= 4096
    assert Manifest.from_json(text) == manifest


def test_the_text_is_sorted_and_leaves_out_an_unasked_name() -> None:
    keys = list(json.loads(MANIFEST.to_json()))
    assert keys == sorted(keys)
    assert "name" not in keys


def test_options_come_back_and_none_are_not_written() -> None:
    assert "options" not in json.loads(MANIFEST.to_json())
    manifest = replace(MANIFEST, options={"strip": 1, "dtype": "bf16"})
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert Manifest.from_json(changed(options={})) == MANIFEST


def test_the_depth_of_the_original_is_8_in_a_manifest_that_does_not_say_it() -> None:
    assert "original_depth" not in json.loads(MANIFEST.to_json()) and MANIFEST.original_depth == 8
    for depth in (8, 16):
        manifest = replace(MANIFEST, depth=depth, original_depth=16)
        assert Manifest.from_json(manifest.to_json()) == manifest
    assert Manifest.from_json(changed(original_depth=8)) == MANIFEST


def test_the_longest_name_still_fits() -> None:
    manifest = replace(MANIFEST, name="\N{GRINNING FACE}" * 255)
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize(
    ("size", "scale", "small"),
    [((1, 1), 4, (1, 1)), ((8, 9), 4, (2, 3)), ((5, 12), 2, (3, 6)), ((7, 4), 8, (1, 1))],
)
def test_the_small_size_is_rounded_up(size: tuple[int, int], scale: int, small: tuple[int, int]) -> None:
    assert replace(MANIFEST, width=size[0], height=size[1], scale=scale).small_size == small


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.text())
def test_arbitrary_text_only_raises_manifest_errors(text: str) -> None:
    for kind in (Manifest, RestoredRecord):
        with pytest.raises(ManifestError):
            kind.from_json(text)


@given(key=st.sampled_from(sorted(json.loads(MANIFEST.to_json()))), value=json_values)
def test_a_changed_entry_is_accepted_whole_or_refused(key: str, value: object) -> None:
    try:
        manifest = Manifest.from_json(changed(**{key: value}))
    except ManifestError:
        return
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert getattr(manifest, key, value) == value


@pytest.mark.parametrize(
    "values",
    [
        {"width": 0},
        {"width": -5},
        {"width": True},
        {"width": 12.0},
        {"width": "12"},
        {"height": 2**31},
        {"scale": 1},
        {"scale": 65},
        {"model": "../../etc/passwd"},
        {"model": "a/b"},
        {"model": ""},
        {"model": "irn-x4-1\n"},
        {"fingerprint": HEX.upper()},
        {"fingerprint": HEX[1:]},
        {"fingerprint": HEX + "\n"},
        {"tau": -0.1},
        {"tau": 17},
        {"tau": False},
        {"depth": 12},
        {"depth": 8.0},
        {"mode": "cmyk"},
        {"mode": ["rgb"]},
        {"alpha": None},
        {"palette": 0},
        {"tool": "irn\x1b[31m"},
        {"name": "../up.png"},
        {"name": "a\\b"},
        {"name": "C:evil.png"},
        {"name": ".."},
        {"name": ""},
        {"name": "a\nb"},
        {"name": None},
        {"name": "\ud800"},
        {"version": 0},
        {"version": 2},
        {"version": True},
        {"irn": "other"},
        {"surplus": 1},
        {"options": None},
        {"original_depth": 12},
        {"original_depth": None},
        {"original_depth": True},
        {"original_depth": 16.0},
        {"original_depth": "16"},
        {"options": {"a b": 1}},
        {"options": {"strip": True}},
    ],
    ids=str,
)
def test_values_that_cannot_be_are_refused(values: dict[str, object]) -> None:
    Manifest.from_json(changed())
    with pytest.raises(ManifestError) as caught:
        Manifest.from_json(changed(**values))
    assert caught.value.what and caught.value.remedy
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "[" * 4096,
        '{"irn":' * 500,
        MANIFEST.to_json().replace("1023", "9" * 3000),
        MANIFEST.to_json().replace("1023", "NaN"),
        MANIFEST.to_json().replace('"tau": 0.0', '"tau": NaN'),
        MANIFEST.to_json().replace('"tau": 0.0', '"tau": Infinity'),
        MANIFEST.to_json().replace('"tau": 0.0', '"tau": 1e999'),
        MANIFEST.to_json().replace('"width"', '"width": 9, "width"'),
        MANIFEST.to_json() + " " * 4096,
        MANIFEST.to_json() + "{}",
        MANIFEST.to_json()[:-1],
        "\ufeff" + MANIFEST.to_json(),
        MANIFEST.to_json().replace('"palette"', '"name": "é", "palette"'),
        "null",
        "7",
        "",
    ],
    ids=lambda text: text[:20],
)
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_json(text)


@pytest.mark.parametrize("key", sorted(set(json.loads(MANIFEST.to_json()))))
def test_every_entry_is_needed(key: str) -> None:
    values = json.loads(MANIFEST.to_json())
    del values[key]
    with pytest.raises(ManifestError):
        Manifest.from_json(json.dumps(values))


def test_a_newer_version_says_to_update() -> None:
    with pytest.raises(ManifestError, match="version 2.*Update irn"):
        Manifest.from_json(changed(version=2, novelty={}))


def test_a_manifest_is_no_record_and_a_record_no_manifest() -> None:
    with pytest.raises(ManifestError, match="restored picture"):
        Manifest.from_json(RECORD.to_json())
    with pytest.raises(ManifestError, match="small picture"):
        RestoredRecord.from_json(MANIFEST.to_json())


def test_impossible_manifests_cannot_be_made() -> None:
    with pytest.raises(ManifestError):
        replace(MANIFEST, width=0)
    with pytest.raises(ManifestError):
        replace(RECORD, seed=-1)


@given(
    seed=st.integers(0, 2**64 - 1),
    options=st.dictionaries(
        st.from_regex(r"[a-z][a-z_]{0,9}", fullmatch=True),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
        | st.integers(-(2**60), 2**60)
        | st.floats(allow_nan=False, allow_infinity=False),
        max_size=5,
    ),
)
def test_a_record_comes_back_as_it_was(seed: int, options: dict[str, str | int | float]) -> None:
    record = replace(RECORD, seed=seed, options=options)
    assert RestoredRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize(
    "options",
    [{"a": True}, {"a": None}, {"a": [1]}, {"a b": 1}, {"a": "x" * 201}, {f"k{n}": 1 for n in range(17)}, []],
    ids=str,
)
def test_record_options_are_checked(options: object) -> None:
    text = json.dumps(json.loads(RECORD.to_json()) | {"options": options})
    with pytest.raises(ManifestError):
        RestoredRecord.from_json(text)


def test_the_digest_covers_shape_depth_and_samples() -> None:
    data = bytes(range(24))
    digests = {
        pixels_digest((2, 4, 3), 8, data),
        pixels_digest((4, 2, 3), 8, data),
        pixels_digest((2, 4, 3), 8, data[::-1]),
        pixels_digest((2, 2, 3), 16, data),
    }
    assert len(digests) == 4
    assert pixels_digest((2, 4, 3), 8, memoryview(data)) == pixels_digest((2, 4, 3), 8, data)
    with pytest.raises(ValueError, match="24 bytes"):
        pixels_digest((2, 4, 4), 8, data)


def test_the_digest_never_changes_between_versions() -> None:
    expected = hashlib.sha256(b"irn pixels 1: 1 2 3, 8 bits\n" + bytes(6)).hexdigest()
    assert pixels_digest((1, 2, 3), 8, bytes(6)) == expected


def test_the_manifest_needs_neither_torch_nor_numpy_nor_pillow() -> None:
    code = "import sys, irncli.manifest; sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'PIL')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
