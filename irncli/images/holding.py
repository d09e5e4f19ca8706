"""How each format holds what has chunks in a PNG: texts, and what colours mean where no profile says it.

PNG              the chunks as they are, and a profile beside them for programs that know nothing else
AVIF             a profile; nclx for HDR
JPEG             a profile; texts that are comments
WebP, TIFF       a profile
JPEG XL          a profile kept for irn
small pictures   all of it, for the way back
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from irncli.images.formats import NAMES
from irncli.images.icc import Chunks, cicp_of, hdr_of, nearly_srgb, profile_of, says_colour
from irncli.images.metadata import Metadata
from irncli.images.png import TEXTS, chunk, keyword_of, text_in

_STASH = 1 << 15
"""Bytes of chunks that a small picture which is no PNG carries in its XMP."""
_COMMENT = 65_533
"""The most bytes of one in a JPEG."""


@dataclass(frozen=True)
class Held:
    icc: bytes | None = None
    chunks: Chunks = ()
    """That a PNG has."""
    nclx: tuple[int, int] | None = None
    """Primaries and transfer that an AVIF says."""
    comments: tuple[bytes, ...] = ()
    """That a JPEG has."""
    stash: str = ""
    """Chunks for irn alone to read, as ASCII."""
    notes: tuple[str, ...] = ()


def hold(metadata: Metadata, format: str, grey: bool, small: bool) -> Held:
    """``grey``: whether the file will be; ``small``: whether it is a small picture.

    The notes are whole phrases on what the format cannot hold.
    """
    chunks, icc = metadata.chunks, metadata.icc
    hdr, cicp, made, plain = hdr_of(chunks), cicp_of(chunks), profile_of(chunks, grey), nearly_srgb(chunks)
    if format == "PNG":
        # sRGB and a profile exclude each other. Of HDR a profile could show SDR only.
        kept = tuple(c for c in chunks if c[0] != b"sRGB" or not icc)
        return Held(icc or (None if hdr or plain else made), kept)
    name, notes, nclx = NAMES.get(format, format), [], None
    if hdr and cicp and format == "AVIF":
        icc, nclx = None, cicp[:2]
    elif hdr and made and format == "JXL":
        icc = made
    elif hdr and made:
        icc = made
        what = f"its colours are HDR ({hdr}), which {name} can say by the cicp tag of its profile alone"
        notes.append(f"{what}: programs that do not know it show SDR (png and avif say it plainly)")
    elif icc is None and made and not (plain and format == "JXL"):
        icc = made
    elif icc is None and made is None and says_colour(chunks):
        notes.append(f"what its colours mean is left out: only PNG can say it as it does, not {name}")
    texts = tuple(each for each in chunks if each[0] in TEXTS)
    packed, left, comments = b"", texts, list[bytes]()
    if small or format == "WEBP":  # A WebP knows no grey, so that irn has to make the profile anew.
        packed = _packed(tuple(each for each in chunks if each not in texts))
    if small and len(_packed(texts)) <= _STASH:
        packed, left = packed + _packed(texts), ()
    stash = base64.b64encode(packed).decode("ascii")
    lost = []
    for kind, data in left:
        wanted = format == "JPEG" and keyword_of(data) == "Comment"
        text = text_in(kind, data, _COMMENT) if wanted else None
        if text is None:
            lost.append(keyword_of(data))
        else:
            comments.append(text)
    if lost:
        names = list(dict.fromkeys(lost))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        notes.append(f"its texts ({', '.join(names[:3])}{more}) are left out: {name} has no place for them")
    return Held(icc, (), nclx, tuple(comments), stash, tuple(notes))


def _packed(chunks: Chunks) -> bytes:
    return b"".join(chunk(kind, data) for kind, data in chunks)
