"""What outputs are called. Names follow from the options and the input alone, never from the disk."""

from __future__ import annotations

import os
import re
import string
from dataclasses import dataclass
from pathlib import Path

from irncli.errors import UsageError
from irncli.images.files import READABLE_SUFFIXES, WRITABLE

FIELDS = ("stem", "scale", "model", "ext", "parent")

# A name may hold a line's end, too.
_SMALL = re.compile(r"(?P<stem>.+)\.(?:x\d+(?:[._]\d+)?|\d+x\d+|(?:w|h|max)\d+)", re.DOTALL)


def stem_of(name: str) -> str:
    """The name without a picture's extension; other dots belong to the name."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in READABLE_SUFFIXES else name


def original_stem(name: str) -> str:
    """``photo.x4.png`` -> ``photo``; a name without ``.xN`` gives its plain stem."""
    stem = stem_of(name)
    match = _SMALL.fullmatch(stem)
    return match["stem"] if match else stem


def page_stem(name: str, page: int | None) -> str:
    """:func:`stem_of`, and which page of a file of several: ``scan.tif`` -> ``scan.p2``."""
    return stem_of(name) if page is None else f"{stem_of(name)}.p{page}"


def small_name(name: str, word: str, suffix: str, page: int | None = None) -> str:
    """``photo.jpg`` -> ``photo.x4.png``; ``word`` is that of a :class:`irncli.sizes.Wish`."""
    return f"{page_stem(name, page)}.{word}{suffix}"


def restored_name(name: str, suffix: str, *, beside: bool, sample: str | None = None) -> str:
    """``photo.x4.png`` -> ``photo.restored.png`` beside it, ``photo.png`` elsewhere, or ``photo.s1.png``.

    ``sample``: ``s1`` for the first, or a word. A name without ``.xN`` -> ``NAME.restored.png``.
    """
    stem = original_stem(name)
    if sample is not None:
        return f"{stem}.{sample}{suffix}"
    if stem != stem_of(name) and not beside:
        return f"{stem}{suffix}"
    return f"{stem}.restored{suffix}"


@dataclass(frozen=True)
class Template:
    """``--name``: text with fields, checked. ``{{`` and ``}}`` are braces."""

    text: str

    def __post_init__(self) -> None:
        remedy = "Use " + " ".join(f"{{{name}}}" for name in FIELDS) + "."
        try:
            pieces = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise UsageError(f"--name {self.text}: {error}", remedy) from error
        for _, name, form, conversion in pieces:
            if name is not None and (name not in FIELDS or form or conversion):
                raise UsageError(f"--name {self.text}: there is no {{{name}}}", remedy)
        if not self.text.strip("/") or self.text.endswith("/"):
            raise UsageError(f"--name {self.text} names no file", "Give one, such as {stem}-small.")

    def uses(self, *names: str) -> bool:
        return any(name in names for _, name, _, _ in string.Formatter().parse(self.text))

    @property
    def suffix(self) -> str | None:
        """The extension that it ends in, when irn writes such files: it chooses the format, as with -o."""
        suffix = os.path.splitext(self.text)[1].lower()
        return suffix if suffix in WRITABLE else None

    def fill(
        self, source: Path, stem: str, *, scale: object, model: str, suffix: str, sample: str | None = None
    ) -> str:
        """The output's name, perhaps with folders, which never leads out of the folder it is put in."""
        # The folder's own name also where the path says nothing: "a.png", "../a.png".
        parent = os.path.basename(os.path.dirname(os.path.abspath(source))) or "root"
        ext = source.suffix.removeprefix(".") if stem_of(source.name) != source.name else ""
        values = {"stem": stem, "scale": str(scale), "model": model, "ext": ext, "parent": parent}
        text = self.text[: -len(self.suffix)] if self.suffix else self.text
        parts = string.Formatter().parse(text)
        name = "".join(literal + (values[field] if field else "") for literal, field, _, _ in parts)
        if name.startswith("/") or not {".", "..", ""}.isdisjoint(name.split("/")):
            raise UsageError(f"--name {self.text} would write {source} to {name}", "Name a file below -o.")
        ending = self.text[-len(self.suffix) :] if self.suffix else suffix
        return f"{name}{'' if sample is None else f'.{sample}'}{ending}"
