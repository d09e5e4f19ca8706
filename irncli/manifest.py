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
from dataclasses import MISSING, asdict, dataclass, field, fields
from fractions import Fraction
from typing import Any, ClassVar, NoReturn, Self

from irncli.errors import ManifestError
from irncli.sizes import Sampling

VERSION = 1
MOST_BYTES = 4096
MODES = ("rgb", "grey-as-rgb")
ALPHAS = ("none", "resampled")
RESTORED_BY = ("network", "lanczos")

_REMEDY = "Restore it without its manifest, with `scale=4`."
_LARGEST_SIDE = 2**31 - 1
_LARGEST_SEED = 2**64 - 1
MOST_DB = 99.0
MAX_TAU = 10.0
"""The highest temperature of a latent: beyond it there is noise alone."""
_DRIVE = re.compile(r"[A-Za-z]:")

Options = Mapping[str, str | int | float]
Check = Callable[[object], bool]


def _whole(low: int, high: int) -> Check:
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def _real(most: float) -> Check:
    return lambda v: isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v <= most


def _one_of(*choices: str | int) -> Check:
    return lambda v: any(type(v) is type(choice) and v == choice for choice in choices)


def _words(pattern: str) -> Check:
    return lambda v: isinstance(v, str) and re.fullmatch(pattern, v) is not None


def _or(absent: object, check: Check) -> Check:
    return lambda v: v == absent or check(v)


def _holds_options(options: object) -> bool:
    number, word = _whole(-_LARGEST_SEED, _LARGEST_SEED), _words(r"[ -~]{0,200}")
    return (
        isinstance(options, Mapping)
        and len(options) <= 16
        and all(map(_words(r"[A-Za-z][A-Za-z0-9_-]{0,31}"), options))
        and all(math.isfinite(v) if isinstance(v, float) else number(v) or word(v) for v in options.values())
    )


def holds_name(name: object) -> bool:
    """Whether it is a file's name that a manifest can hold, one that stays in its folder.

    No separators, no dots alone, nothing that is not printable.
    """
    if not isinstance(name, str) or not 0 < len(name) <= 255 or name in (".", ".."):
        return False
    return "/" not in name and "\\" not in name and not _DRIVE.match(name) and name.isprintable()


_hex = _words(r"[0-9a-f]{64}")
_OF_BOTH: dict[str, Check] = {
    "width": _whole(1, _LARGEST_SIDE),
    "height": _whole(1, _LARGEST_SIDE),
    "model": _words(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    "fingerprint": _hex,
    "tau": _real(MAX_TAU),
    "source_sha256": _hex,
    "tool": _words(r"[ -~]{1,64}"),
    "options": _holds_options,
}


class _Record:
    """What both records do: checked as they are made, written and read as one line of JSON."""

    KIND: ClassVar[str]
    """What they are called in messages and under the key ``irn``."""
    CHECKS: ClassVar[dict[str, Check]]

    def __post_init__(self) -> None:
        values = vars(self)
        _check_version(values["version"], self.KIND)
        for key, check in self.CHECKS.items():
            if not check(values[key]):
                _refuse(key)
            if isinstance(values[key], int) and key in ("tau", "psnr_y"):
                object.__setattr__(self, key, float(values[key]))

    @classmethod
    def may_lack(cls) -> dict[str, object]:
        """What is not written where it is as it was before these entries were thought of."""
        found: dict[str, object] = {}
        for each in fields(cls):  # type: ignore[arg-type]
            value = each.default if each.default_factory is MISSING else each.default_factory()
            if value is not MISSING and each.name != "version":
                found[each.name] = value
        return found

    def to_json(self) -> str:
        """ASCII JSON, sorted keys, at most 4096 bytes; the twin of :meth:`from_json`."""
        values = asdict(self) | {"irn": self.KIND}  # type: ignore[call-overload]
        lacks = self.may_lack()
        values = {key: value for key, value in values.items() if key not in lacks or value != lacks[key]}
        text = json.dumps(values, sort_keys=True, ensure_ascii=True, allow_nan=False)
        if len(text) > MOST_BYTES:
            what = f"its {self.KIND} would take {len(text)} bytes, and {MOST_BYTES} are the most"
            raise ManifestError(what)
        return text

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What ``text`` says, which may be anything at all; raise ManifestError and nothing else."""
        return cls(**_read(text, cls))


@dataclass(frozen=True)
class Manifest(_Record):
    """What a small picture says about its original. Checked as it is made: ManifestError."""

    width: int
    """Width of the original, in pixels as stored."""
    height: int
    scale: int
    model: str
    """Versioned name, such as ``irn-x4-1``."""
    fingerprint: str
    """Fingerprint of the network: 64 hexadecimal digits."""
    tau: float
    """The tau that the model restores with by default."""
    depth: int
    """Bits per sample of the small picture: 8 or 16."""
    mode: str
    """One of :data:`MODES`; ``grey-as-rgb`` is a grey original stored as an RGB small picture."""
    alpha: str
    """One of :data:`ALPHAS`: ``resampled`` is by bicubic."""
    palette: bool
    """The original was a palette or 1-bit picture."""
    source_sha256: str
    """SHA-256 of the source file's bytes, 64 hexadecimal digits."""
    pixels_sha256: str
    """Digest of the small picture's own pixels by :func:`pixels_digest`."""
    tool: str
    """Such as ``irn 0.1.0``."""
    name: str | None = None
    """The original's file name without folders, only on request."""
    options: Options = field(default_factory=dict)
    """Up to 16 further options that shaped the file; not written when there are none."""
    small: str | None = None
    """Where the sampling is not the network's own: size and scale, as :attr:`Sampling.text` has them."""
    original_depth: int = 8
    """Bits per sample of the original, which the restored picture has again: 8 or 16."""
    restored_by: str = "network"
    """One of :data:`RESTORED_BY`: ``lanczos`` is an ordinary small picture, to be enlarged by that filter."""
    psnr_y: float | None = None
    """PSNR-Y of the restored picture, in dB, where it was restored before it was kept."""
    version: int = VERSION

    KIND = "manifest"
    CHECKS = _OF_BOTH | {
        "scale": _whole(2, 64),
        "depth": _one_of(8, 16),
        "mode": _one_of(*MODES),
        "alpha": _one_of(*ALPHAS),
        "palette": lambda v: isinstance(v, bool),
        "pixels_sha256": _hex,
        "name": _or(None, holds_name),
        "small": _or(None, lambda v: isinstance(v, str)),
        "original_depth": _one_of(8, 16),
        "restored_by": _one_of(*RESTORED_BY),
        "psnr_y": _or(None, _real(MOST_DB)),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            _ = self.sampling
        except ValueError:
            _refuse("small")

    @property
    def sampling(self) -> Sampling:
        """How the small picture's pixels lie over the original's."""
        if self.small is not None:
            return Sampling.from_text(self.width, self.height, self.small)
        return Sampling.scaled(self.width, self.height, Fraction(self.scale))

    @property
    def small_size(self) -> tuple[int, int]:
        """Width and height of the small picture: the original's over the scale, rounded up, or ``small``."""
        sampling = self.sampling
        return sampling.small_width, sampling.small_height

    @property
    def scale_word(self) -> str:
        """See :attr:`irncli.sizes.Sampling.word`."""
        return self.sampling.word


@dataclass(frozen=True)
class RestoredRecord(_Record):
    """What a restored picture says about how it was made. Checked like :class:`Manifest`."""

    small_pixels_sha256: str
    """Digest of the small picture's pixels by :func:`pixels_digest`."""
    source_sha256: str
    """SHA-256 of the small picture's file."""
    model: str
    fingerprint: str
    tau: float
    seed: int
    width: int
    height: int
    options: Options
    """Up to 16 further options that shaped the file."""
    tool: str
    version: int = VERSION
    pixels_sha256: str = ""
    """Digest of the restored picture's own pixels, as the file gives them back; empty in early files."""

    KIND = "record"
    CHECKS = _OF_BOTH | {
        "small_pixels_sha256": _hex,
        "seed": _whole(0, _LARGEST_SEED),
        "pixels_sha256": _or("", _hex),
    }


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


def lost_manifest() -> ManifestError:
    """What to say of a picture without any manifest."""
    what = "not made by irn, or its manifest was lost"
    return ManifestError(what, "Add `scale=4` if irn made it; in any other picture no detail is hidden.")


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


def _read(text: str, cls: type[_Record]) -> dict[str, Any]:
    """The values of a record of this kind: right keys, values still unchecked."""
    values, kind = _values(text), cls.KIND
    if values.pop("irn") != kind:
        if kind == "manifest":
            raise ManifestError(
                "this is a restored picture, not a small one",
                "Give the small picture, or make one from this with irn downscale.",
            )
        raise ManifestError("this is a small picture, not a restored one", "Restore it with irn upscale.")
    _check_version(values.get("version"), kind)
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - known):
        # The key comes from the file: repr keeps control codes off the terminal.
        raise ManifestError(f"its {kind} has an unknown entry {unknown[0][:40]!r}", _REMEDY)
    lacks = cls.may_lack()
    if missing := sorted(known - lacks.keys() - values.keys()):
        raise ManifestError(f"its {kind} lacks the entry {missing[0]!r}", _REMEDY)
    for key in lacks:
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
