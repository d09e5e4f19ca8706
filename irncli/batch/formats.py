"""Which format an output gets, and which formats can hold what."""

from __future__ import annotations

from dataclasses import dataclass

from irncli.batch.names import Template
from irncli.batch.plan import Target
from irncli.errors import UsageError
from irncli.images.encode import DEEP, LOSSLESS, LOSSY, WRITABLE, check_deep_output, check_encoder


@dataclass(frozen=True)
class Format:
    """How an output is called and written."""

    suffix: str
    """With its dot: ``.png``."""
    pillow: str
    """Pillow's name of the format: ``PNG``."""

    def depth(self, original: int) -> int:
        """Bits a sample of a restored picture, of an original with so many."""
        return original if self.pillow in DEEP else 8


def small_format(
    target: Target, chosen: str | None, template: Template | None = None, depth: int = 8
) -> Format:
    """For a small picture of ``depth`` bits: without loss, with room for the manifest.

    Raise UsageError for other formats, OutputError where what it takes to write it is not installed.
    """
    form = _format(target, chosen, template)
    if form.pillow not in LOSSLESS:
        why = "loses the detail that restores it" if form.pillow in LOSSY else "cannot hold the manifest"
        what = f"{form.suffix[1:]} is no format for a small picture: it {why}"
        raise UsageError(what, "Use png, webp, jxl (both without loss) or tiff.")
    if depth > 8:
        if form.pillow not in DEEP:
            what = f"{form.suffix[1:]} holds 8 bits per sample, and --depth {depth} wants more"
            raise UsageError(what, "Use png or tiff, or leave --depth out.")
        check_deep_output(form.pillow)
    return form


def restored_format(
    target: Target, chosen: str | None, quality: int | None, template: Template | None = None
) -> Format:
    """For a restored picture: whatever irn writes. Raise UsageError for anything else."""
    form = _format(target, chosen, template)
    if quality is not None and form.pillow not in LOSSY:
        known = " or ".join(dict.fromkeys(s[1:] for s, p in WRITABLE.items() if p in LOSSY))
        remedy = f"Leave it out, or write {known}."
        raise UsageError(f"--quality has no effect on {form.suffix[1:]}, which loses nothing", remedy)
    return form


def check_compress(form: Format, level: int | None, *, small: bool = False) -> None:
    """``--compress``; ``small``: of pictures that lose nothing, in any format. Raise UsageError."""
    if level is None:
        return
    if not 0 <= level <= 9:
        raise UsageError(f"--compress {level} is out of range", "Use 0, fast, to 9, small.")
    if form.pillow in LOSSY and not small:
        raise UsageError(f"--compress has no effect on {form.suffix[1:]}", "Use --quality.")


def _format(target: Target, chosen: str | None, template: Template | None) -> Format:
    """``--format``, else the extension of ``-o FILE`` or ``--name``, which must agree with it; else PNG."""
    if template and (target.file or target.stdout):
        raise UsageError("--name contradicts -o, which names the output already", "Leave one of them out.")
    form = _known_format(target, chosen, template)
    check_encoder(form.pillow)
    return form


def _known_format(target: Target, chosen: str | None, template: Template | None) -> Format:
    known = ", ".join(suffix[1:] for suffix in WRITABLE)
    suffix, where = template.suffix if template else None, f"--name {template.text}" if template else ""
    if target.file is not None:
        suffix, where = target.file.suffix.lower(), f"-o {target.file}"
        if not suffix:
            remedy = f"Give one, as in -o {target.file}.png; for a new folder, end it in /."
            raise UsageError(f"{where} has no extension, so its format is unknown", remedy)
        if suffix not in WRITABLE:
            raise UsageError(f"{where}: irn writes no {suffix[1:]}", f"It writes {known}.")
    by_name = Format(suffix, WRITABLE[suffix]) if suffix else None
    if chosen is None:
        return by_name or Format(".png", WRITABLE[".png"])
    suffix = "." + chosen.lower().lstrip(".")
    if suffix not in WRITABLE:
        raise UsageError(f"--format {chosen}: irn writes no such format", f"It writes {known}.")
    by_option = Format(suffix, WRITABLE[suffix])
    if by_name and by_name.pillow != by_option.pillow:
        raise UsageError(f"--format {chosen} contradicts {where}", "Leave one of them out.")
    return by_name or by_option
