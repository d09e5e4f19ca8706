"""What outputs are called. Names follow from the options and the input alone, never from the disk."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from irncli.batch.inputs import InputFile
from irncli.batch.models import ManifestOverride, ModelChoice, stated
from irncli.batch.plan import Job, Target, beside, outputs_of
from irncli.errors import UsageError
from irncli.images.formats import FORMATS, READABLE_SUFFIXES, WRITABLE, ImageFormat
from irncli.images.write import check_deep_output

if TYPE_CHECKING:
    from irncli.batch.headers import Headers

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
    """``photo.jpg`` -> ``photo.x4.png``; ``word`` is that of a :class:`irncli.sizes.SizeSpec`."""
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
    """A name as text with fields, checked. ``{{`` and ``}}`` are braces."""

    text: str

    def __post_init__(self) -> None:
        remedy = "Use " + " ".join(f"{{{name}}}" for name in FIELDS) + "."
        try:
            pieces = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise UsageError(f"`name={self.text}`: {error}", remedy) from error
        for _, name, form, conversion in pieces:
            if name is not None and (name not in FIELDS or form or conversion):
                raise UsageError(f"`name={self.text}`: there is no {{{name}}}", remedy)
        if not self.text.strip("/") or self.text.endswith("/"):
            raise UsageError(f"`name={self.text}` names no file", "Give one, such as {stem}-small.")

    def uses(self, *names: str) -> bool:
        return any(name in names for _, name, _, _ in string.Formatter().parse(self.text))

    @property
    def suffix(self) -> str | None:
        """The extension that it ends in, when irn writes such files: that chooses the format."""
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
            raise UsageError(
                f"`name={self.text}` would write {source} to {name}", "Name a file below `output`."
            )
        ending = self.text[-len(self.suffix) :] if self.suffix else suffix
        return f"{name}{'' if sample is None else f'.{sample}'}{ending}"


@dataclass(frozen=True)
class Format:
    """How an output is called and written."""

    suffix: str
    """With its dot: ``.png``."""
    pillow: str
    """Pillow's name of the format: ``PNG``."""

    @property
    def row(self) -> ImageFormat:
        """What it can hold."""
        return FORMATS[self.pillow]

    def depth(self, original: int) -> int:
        """Bits per sample of a restored picture, of an original with so many."""
        return min(original, self.row.depth)


def small_format(
    target: Target, chosen: str | None, template: Template | None = None, depth: int = 8
) -> Format:
    """For a small picture of ``depth`` bits: without loss, with room for the manifest.

    Raise UsageError for other formats, OutputError where what it takes to write it is not installed.
    """
    form = _format(target, chosen, template)
    if not form.row.lossless:
        why = "loses the detail that restores it" if form.row.lossy else "cannot hold the manifest"
        what = f"{form.suffix[1:]} is no format for a small picture: it {why}"
        raise UsageError(what, "Use png, webp, jxl (both without loss) or tiff.")
    if depth > 8:
        if form.row.depth < depth:
            what = f"{form.suffix[1:]} holds 8 bits per sample, and `depth={depth}` wants more"
            raise UsageError(what, "Use png or tiff, or leave `depth` out.")
        check_deep_output(form.pillow)
    return form


def restored_format(
    target: Target, chosen: str | None, quality: int | None, template: Template | None = None
) -> Format:
    """For a restored picture: whatever irn writes. Raise UsageError for anything else."""
    form = _format(target, chosen, template)
    if quality is not None and not form.row.lossy:
        known = " or ".join(suffix[1:] for suffix, name in WRITABLE.items() if FORMATS[name].lossy)
        remedy = f"Leave it out, or write {known}."
        raise UsageError(f"`quality` has no effect on {form.suffix[1:]}, which loses nothing", remedy)
    return form


def check_compress(form: Format, level: int | None, *, small: bool = False) -> None:
    """Raise UsageError for a level that is none; ``small``: of pictures that lose nothing, in any format."""
    if level is None:
        return
    if not 0 <= level <= 9:
        raise UsageError(f"`compress={level}` is out of range", "Use 0, fast, to 9, small.")
    if form.row.lossy and not small:
        raise UsageError(f"`compress` has no effect on {form.suffix[1:]}", "Use `quality`.")


def _format(target: Target, chosen: str | None, template: Template | None) -> Format:
    """As chosen, else by the extension of the output's name, which must agree with it; else PNG."""
    if template and (target.file or target.stdout):
        raise UsageError(
            "`name` contradicts `output`, which names the output already", "Leave one of them out."
        )
    form = _known_format(target, chosen, template)
    form.row.check_encoder()
    return form


def _known_format(target: Target, chosen: str | None, template: Template | None) -> Format:
    known = ", ".join(suffix[1:] for suffix in WRITABLE)
    suffix, where = template.suffix if template else None, f"`name={template.text}`" if template else ""
    if target.file is not None:
        suffix, where = target.file.suffix.lower(), f"`output={target.file}`"
        if not suffix:
            remedy = f"Give one, as in `output={target.file}.png`; for a new folder, end it in /."
            raise UsageError(f"{where} has no extension, so its format is unknown", remedy)
        if suffix not in WRITABLE:
            raise UsageError(f"{where}: irn writes no {suffix[1:]}", f"It writes {known}.")
    by_name = Format(suffix, WRITABLE[suffix]) if suffix else None
    if chosen is None:
        return by_name or Format(".png", WRITABLE[".png"])
    suffix = "." + chosen.lower().lstrip(".")
    if suffix not in WRITABLE:
        raise UsageError(f"`format={chosen}`: irn writes no such format", f"It writes {known}.")
    by_option = Format(suffix, WRITABLE[suffix])
    if by_name and by_name.pillow != by_option.pillow:
        raise UsageError(f"`format={chosen}` contradicts {where}", "Leave one of them out.")
    return by_name or by_option


def small_jobs(
    found: Sequence[InputFile],
    target: Target,
    form: Format,
    choice: ModelChoice,
    template: Template | None,
    page: int | Literal["all"] | None,
) -> list[Job]:
    """Found pictures -> jobs with the names of the small pictures.

    ``page``: of files that are no picture each, as asked for. Raise UsageError for a template that names
    the model where that depends on the picture.
    """
    model, word = "", choice.size.word
    if template and template.uses("model"):
        if choice.alone is None:
            remedy = "Use `scale` or `model`, or leave {model} out."
            raise UsageError("`name` with {model}: each picture's size decides on its model", remedy)
        model = stated(choice.alone).name
    jobs = []
    for item in found:
        name = small_name(item.path.name, word, form.suffix, item.page)
        if template:
            stem = page_stem(item.path.name, item.page)
            scale = word.removeprefix("x")
            name = template.fill(item.path, stem, scale=scale, model=model, suffix=form.suffix)
        number = page if isinstance(page, int) else item.page
        outputs = outputs_of(item, target, name)
        jobs.append(Job(item.path, outputs, 0, item.below, item.data, number, item.page is not None))
    return jobs


@dataclass(frozen=True)
class RestoredNames:
    """Found pictures -> jobs with the names of the restored pictures."""

    target: Target
    form: Format
    template: Template | None
    headers: Headers
    override: ManifestOverride | None

    def job(self, item: InputFile, seed: int, sample: str | None = None) -> Job:
        """``sample``: which of several; see :func:`restored_name`."""
        paths = outputs_of(item, self.target, self._name(item, sample))
        if self.target.file and sample is not None:
            paths = tuple(path.with_suffix(f".{sample}{path.suffix}") for path in paths)
        return Job(item.path, paths, seed, item.below, item.data)

    def together(self, item: InputFile, samples: int, statistics: Sequence[str]) -> Job:
        """One job of all samples and what is counted over them."""
        words = (*(f"s{n + 1}" for n in range(samples)), *statistics)
        jobs = [self.job(item, 0, word) for word in words]
        return replace(jobs[0], outputs=tuple(path for job in jobs for path in job.outputs))

    def _name(self, item: InputFile, sample: str | None) -> str:
        if self.template is None:
            in_own = beside(item, self.target)
            return restored_name(item.path.name, self.form.suffix, beside=in_own, sample=sample)
        scale, model = "unknown", "unknown"  # of a picture that the run will refuse
        if self.template.uses("scale", "model"):
            header = self.headers.known(item)
            if header and header.manifest:
                scale, model = header.manifest.scale_word, header.manifest.model
            elif header and self.override:
                taken, sampling = self.headers.taken_for(item, self.override)
                scale, model = sampling.word, stated(taken).name
        stem = original_stem(item.path.name)
        return self.template.fill(
            item.path, stem, scale=scale, model=model, suffix=self.form.suffix, sample=sample
        )
