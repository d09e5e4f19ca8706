"""The record inside a small picture, and the one inside a restored picture: hostile until checked.

Both are one line of ASCII JSON with sorted keys, at most 4096 bytes:

    {"alpha": "none", "depth": 8, "height": 768, ..., "irn": "manifest", "version": 1, "width": 1024}

Nothing in them is believed before :meth:`Manifest.from_json` has returned, and nothing is allocated by it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from typing import Any, NoReturn

from irncli.errors import ManifestError
from irncli.sizes import Sampling

VERSION = 1
MOST_BYTES = 4096
MODES = ("rgb", "grey", "grey-as-rgb")
ALPHAS = ("none", "network", "resampled")
RESTORED_BY = ("network", "lanczos")

_MANIFEST_MAY_LACK: dict[str, object] = {
    "name": None, "options": {}, "small": None, "original_depth": 8, "restored_by": "network", "psnr_y": None,
}  # fmt: skip
"""What is not written where it is as it was before these entries were thought of."""
_RECORD_MAY_LACK: dict[str, object] = {"pixels_sha256": ""}
_REMEDY = "Restore it without its manifest: irn upscale --scale 4."
_LARGEST_SIDE = 2**31 - 1
_LARGEST_SEED = 2**64 - 1
_HEX = re.compile(r"[0-9a-f]{64}")
MOST_DB = 99.0
MAX_TAU = 10.0
"""The highest temperature of a latent: beyond it there is noise alone."""
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOOL = re.compile(r"[ -~]{1,64}")
_DRIVE = re.compile(r"[A-Za-z]:")
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")


@dataclass(frozen=True)
class Manifest:
    """What a small picture says about its original. Checked as it is made: ManifestError."""

    width: int
    """Of the original, in pixels as stored."""
    height: int
    scale: int
    model: str
    """Versioned name, such as ``irn-x4-1``."""
    fingerprint: str
    """Of the network, 64 hexadecimal digits."""
    tau: float
    """The tau that the model restores with by default."""
    depth: int
    """Bits a sample of the small picture: 8 or 16."""
    mode: str
    """One of :data:`MODES`; ``grey-as-rgb`` is a grey original stored as an RGB small picture."""
    alpha: str
    """One of :data:`ALPHAS`: ``network`` was rescaled like a grey picture, ``resampled`` by bicubic."""
    palette: bool
    """The original was a palette or 1-bit picture."""
    source_sha256: str
    """Of the source file's bytes."""
    pixels_sha256: str
    """Of the small picture's own pixels, see :func:`pixels_digest`."""
    tool: str
    """Such as ``irn 0.1.0``."""
    name: str | None = None
    """The original's file name without folders, only on request."""
    options: Mapping[str, str | int | float] = field(default_factory=dict)
    """Up to 16 further options that shaped the file; not written when there are none."""
    small: str | None = None
    """Of a small picture that is not of the network's own size: its size and scale (:meth:`Grid.text`)."""
    original_depth: int = 8
    """Bits a sample of the original, which the restored picture has again: 8 or 16."""
    restored_by: str = "network"
    """One of :data:`RESTORED_BY`: ``lanczos`` is an ordinary small picture, to be enlarged by that filter."""
    psnr_y: float | None = None
    """Of the restored picture against the original, in dB, where it was restored before it was kept."""
    version: int = VERSION

    def __post_init__(self) -> None:
        _check_version(self.version, "manifest")
        _whole("width", self.width, 1, _LARGEST_SIDE)
        _whole("height", self.height, 1, _LARGEST_SIDE)
        _whole("scale", self.scale, 2, 64)
        _words("model", self.model, _MODEL)
        _words("fingerprint", self.fingerprint, _HEX)
        object.__setattr__(self, "tau", _real("tau", self.tau))
        for key, value in (("depth", self.depth), ("original_depth", self.original_depth)):
            if _whole(key, value, 8, 16) not in (8, 16):
                _refuse(key)
        _one_of("mode", self.mode, MODES)
        _one_of("alpha", self.alpha, ALPHAS)
        if not isinstance(self.palette, bool):
            _refuse("palette")
        _words("source_sha256", self.source_sha256, _HEX)
        _words("pixels_sha256", self.pixels_sha256, _HEX)
        _words("tool", self.tool, _TOOL)
        if self.name is not None and not holds_name(self.name):
            _refuse("name")
        _check_options(self.options)
        _one_of("restored_by", self.restored_by, RESTORED_BY)
        if self.psnr_y is not None:
            object.__setattr__(self, "psnr_y", _real("psnr_y", self.psnr_y, most=MOST_DB))
        if self.small is not None:
            _grid_text(self.width, self.height, self.small)

    @property
    def grid(self) -> Sampling:
        """How the small picture's pixels lie over the original's."""
        if self.small is not None:
            return Sampling.from_text(self.width, self.height, self.small)
        return Sampling.scaled(self.width, self.height, Fraction(self.scale))

    @property
    def small_size(self) -> tuple[int, int]:
        """Width and height of the small picture: the original's over the scale, rounded up, or ``small``."""
        grid = self.grid
        return grid.small_width, grid.small_height

    @property
    def scale_word(self) -> str:
        """See :attr:`irncli.sizes.Grid.word`."""
        return self.grid.word

    def to_json(self) -> str:
        """ASCII JSON, sorted keys, at most 4096 bytes; the twin of :meth:`from_json`."""
        return _write("manifest", self)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """The manifest in ``text``, which may be anything at all; raise ManifestError and nothing else."""
        return cls(**_read("manifest", text, cls))


@dataclass(frozen=True)
class RestoredRecord:
    """What a restored picture says about how it was made. Checked like :class:`Manifest`."""

    small_pixels_sha256: str
    """Of the small picture's pixels, see :func:`pixels_digest`."""
    source_sha256: str
    """Of the small picture's file."""
    model: str
    fingerprint: str
    tau: float
    seed: int
    width: int
    height: int
    options: Mapping[str, str | int | float] = field(default_factory=dict)
    """Up to 16 further options that change the pixels."""
    tool: str = ""
    version: int = VERSION
    pixels_sha256: str = ""
    """Of the restored picture's own pixels, as the file gives them back; not known of early files."""

    def __post_init__(self) -> None:
        _check_version(self.version, "record")
        if self.pixels_sha256 != "":
            _words("pixels_sha256", self.pixels_sha256, _HEX)
        _words("small_pixels_sha256", self.small_pixels_sha256, _HEX)
        _words("source_sha256", self.source_sha256, _HEX)
        _words("model", self.model, _MODEL)
        _words("fingerprint", self.fingerprint, _HEX)
        object.__setattr__(self, "tau", _real("tau", self.tau))
        _whole("seed", self.seed, 0, _LARGEST_SEED)
        _whole("width", self.width, 1, _LARGEST_SIDE)
        _whole("height", self.height, 1, _LARGEST_SIDE)
        _check_options(self.options)
        _words("tool", self.tool, _TOOL)

    def to_json(self) -> str:
        """ASCII JSON, sorted keys, at most 4096 bytes; the twin of :meth:`from_json`."""
        return _write("record", self)

    @classmethod
    def from_json(cls, text: str) -> RestoredRecord:
        """The record in ``text``, which may be anything at all; raise ManifestError and nothing else."""
        return cls(**_read("record", text, cls))


def read_any(text: str) -> Manifest | RestoredRecord:
    """Whichever of the two it says it is; raise ManifestError and nothing else."""
    if _values(text)["irn"] == "manifest":
        return Manifest.from_json(text)
    try:
        return RestoredRecord.from_json(text)
    except ManifestError as error:
        if error.remedy != _REMEDY:
            raise
        what = error.what.replace("its manifest", "its record")
        raise ManifestError(what, "Restore the small picture again: irn upscale.") from error


def says_restored(text: str) -> bool:
    """Whether it calls itself the record of a restored picture, whatever else is wrong with it."""
    try:
        return bool(_values(text)["irn"] == "record")
    except ManifestError:
        return False


def check_size(manifest: Manifest, width: int, height: int) -> None:
    """Raise ManifestError unless a small picture of this size can be the one that the manifest tells of."""
    if manifest.small_size != (width, height):
        told = "{}x{}".format(*manifest.small_size)
        what = f"{width}x{height} pixels where its manifest says {told}: it was resized"
        raise ManifestError(what, "Use the file as it was made.")


def holds_name(name: object) -> bool:
    """Whether it is a file's name that a manifest can hold, one that stays in its folder.

    No separators, no dots alone, nothing that is not printable.
    """
    if not isinstance(name, str) or not 0 < len(name) <= 255 or name in (".", ".."):
        return False
    return "/" not in name and "\\" not in name and not _DRIVE.match(name) and name.isprintable()


def lost_manifest() -> ManifestError:
    """What to say of a picture without any manifest."""
    what = "not made by irn, or its manifest was lost"
    return ManifestError(what, "Add --scale 4 if irn made it; in any other picture no detail is hidden.")


def pixels_hash(shape: tuple[int, ...], depth: int) -> hashlib._Hash:
    """SHA-256 that :func:`pixels_digest` has before the first sample, for samples that are still to come."""
    return hashlib.sha256(f"irn pixels 1: {' '.join(map(str, shape))}, {depth} bits\n".encode("ascii"))


def pixels_digest(shape: tuple[int, ...], depth: int, data: bytes | memoryview | Iterable[memoryview]) -> str:
    """SHA-256 over a line with the shape and the depth, then the samples: 64 hexadecimal digits.

    ``data`` holds the samples row by row, channels last, little-endian at 16 bits, whole or in parts. Raise
    ValueError when its length does not fit the shape.
    """
    digest, count = pixels_hash(shape, depth), 0
    for part in (data,) if isinstance(data, bytes | memoryview) else data:
        digest.update(part)
        count += memoryview(part).nbytes
    if count != math.prod(shape) * (depth // 8):
        raise ValueError(f"{count} bytes are not {shape} samples of {depth} bits")
    return digest.hexdigest()


OLD_KEY = "identity"
"""What ``fingerprint`` was called until December 2026: such small pictures are about."""


def _write(kind: str, record: Manifest | RestoredRecord) -> str:
    values = asdict(record) | {"irn": kind}
    lacks = _MANIFEST_MAY_LACK if kind == "manifest" else _RECORD_MAY_LACK
    values = {key: value for key, value in values.items() if key not in lacks or value != lacks[key]}
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, allow_nan=False)
    if len(text) > MOST_BYTES:
        raise ManifestError(f"its {kind} would take {len(text)} bytes, and {MOST_BYTES} are the most")
    return text


def _read(kind: str, text: str, cls: type[Manifest] | type[RestoredRecord]) -> dict[str, Any]:
    """The values of a record of this kind: right keys, values still unchecked."""
    values = _values(text)
    if values.pop("irn") != kind:
        if kind == "manifest":
            raise ManifestError(
                "this is a restored picture, not a small one",
                "Give the small picture, or make one from this with irn downscale.",
            )
        raise ManifestError("this is a small picture, not a restored one", "Restore it with irn upscale.")
    _check_version(values.get("version"), kind)
    known = {f.name for f in fields(cls)}
    if unknown := sorted(values.keys() - known):
        # The key comes from the file: repr keeps control codes off the terminal.
        raise ManifestError(f"its {kind} has an unknown entry {unknown[0][:40]!r}", _REMEDY)
    may_lack = (_MANIFEST_MAY_LACK if kind == "manifest" else _RECORD_MAY_LACK).keys()
    if missing := sorted(known - may_lack - values.keys()):
        raise ManifestError(f"its {kind} lacks the entry {missing[0]!r}", _REMEDY)
    for key in ("name", "small", "psnr_y"):
        if key in values and values[key] is None:
            _refuse(key)
    return values


def _values(text: str) -> dict[str, Any]:
    """What the text holds, a record of either kind by its key ``irn``; nothing else is checked."""
    if len(text) > MOST_BYTES:
        raise ManifestError(f"its manifest is longer than {MOST_BYTES} bytes", _REMEDY)
    if not text.isascii():
        raise ManifestError("its manifest is not ASCII", _REMEDY)
    try:
        values = json.loads(
            text,
            object_pairs_hook=_no_twice,
            parse_int=_short(int),
            parse_float=_short(float),
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise ManifestError("its manifest is damaged: no valid JSON", _REMEDY) from error
    if not isinstance(values, dict) or values.get("irn") not in ("manifest", "record"):
        raise ManifestError("its manifest is damaged: not a record of irn", _REMEDY)
    if OLD_KEY in values and "fingerprint" not in values:
        values["fingerprint"] = values.pop(OLD_KEY)
    return values


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("an entry stands twice")
    return values


def _short(number: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(digits: str) -> Any:
        if len(digits) > 30:
            raise ValueError("a number is too long")
        return number(digits)

    return parse


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _refuse(key: str) -> NoReturn:
    raise ManifestError(f"its manifest has a value for {key!r} that cannot be", _REMEDY)


def _check_version(version: object, kind: str) -> None:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        _refuse("version")
    if version != VERSION:
        raise ManifestError(
            f"its {kind} has version {version}, and this irn knows {VERSION}",
            "Update irn: a newer one made this file.",
        )


def _whole(key: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        _refuse(key)
    return value


def _finite(key: str, value: float) -> float:
    if not math.isfinite(value):
        _refuse(key)
    return value


def _real(key: str, value: object, most: float = MAX_TAU) -> float:
    """A temperature, or another number from 0 to ``most``, as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        _refuse(key)
    return float(value)


def _check_options(options: object) -> None:
    if not isinstance(options, Mapping) or len(options) > 16:
        _refuse("options")
    for key, value in options.items():
        _words("options", key, _OPTION)
        if isinstance(value, str):
            _words(f"options.{key}", value, re.compile(r"[ -~]{0,200}"))
        elif isinstance(value, float):
            _finite(f"options.{key}", value)
        else:
            _whole(f"options.{key}", value, -_LARGEST_SEED, _LARGEST_SEED)


def _grid_text(width: int, height: int, text: object) -> None:
    try:
        Sampling.from_text(width, height, text if isinstance(text, str) else "")
    except ValueError:
        _refuse("small")


def _one_of(key: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        _refuse(key)


def _words(key: str, value: object, pattern: re.Pattern[str]) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        _refuse(key)
