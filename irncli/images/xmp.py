"""Our own properties inside an XMP packet, and nothing else of it touched.

The picture's own packet survives byte for byte: ours go in front of ``</rdf:RDF>`` as one element and are
cut out again. Only expat sees the XML, and a document type (the door to entity bombs) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn
from xml.parsers import expat

NAMESPACE = "urn:irncli:1.0:"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DEEPEST = 100
_HEAD = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="' + _RDF.encode() + b'">'
)
_TAIL = b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;"}


_TAG = re.compile(rb"""(?:[^>"']|"[^"]*"|'[^']*')*>""")
_NAME = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE = re.compile(rb"""\s+([^\s=]+)\s*=\s*(?:"[^"]*"|'[^']*')""")
"""One behind the other, each from where the last ended: a search would try every space of a long run."""
_LARGEST = 16 << 20
"""The most bytes of a packet: some hold depth maps, as text."""
_MOST = 50_000
"""Elements, attributes and namespaces of a packet; each costs a turn of Python."""


class XmpError(ValueError):
    """A packet that cannot be read, or that we do not want to read."""


@dataclass
class _Element:
    name: str
    start: int
    ours: bool
    """Nothing in it but our properties, so far as its attributes tell."""
    children: bool = False


class _Scan:
    """One walk over a packet: our properties, the bytes that they take, and where new ones can go."""

    def __init__(self, packet: bytes) -> None:
        _refuse_odd(packet)
        self.packet = packet
        self.found: dict[str, str] = {}
        self.cuts: list[tuple[int, int]] = []
        self.end_of_rdf = -1
        self._open: list[_Element] = []
        self._count = 0
        self._prefixes: set[str] = set()
        self._text: list[str] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartNamespaceDeclHandler = self._namespace
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text_append
        try:
            self._parser.Parse(packet, True)
        except (expat.ExpatError, ValueError) as error:
            raise XmpError(str(error)) from error
        if self.end_of_rdf < 0:
            raise XmpError("no rdf:RDF with an end")

    def _doctype(self, *_: object) -> NoReturn:
        raise XmpError("a document type")

    def _counted(self, more: int) -> None:
        self._count += more
        if self._count > _MOST:
            raise XmpError("of too many elements")

    def _namespace(self, prefix: str | None, uri: str) -> None:
        self._counted(1)
        if uri == NAMESPACE and prefix:
            self._prefixes.add(prefix)

    def _text_append(self, text: str) -> None:
        self._text.append(text)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        at = self._parser.CurrentByteIndex
        self._counted(1 + len(attributes))
        if len(self._open) >= _DEEPEST:
            raise XmpError("nested too deeply")
        if self._open:
            self._open[-1].children = True
        own = {_local(key): value for key, value in attributes.items() if _local(key)}
        self.found.update(own)
        only_own = bool(own) and attributes.keys() - {f"{_RDF} about"} == {f"{NAMESPACE} {k}" for k in own}
        element = _Element(name, at, bool(_local(name)) or (name == f"{_RDF} Description" and only_own))
        if own and not element.ours:
            self._cut_attributes(at)
        self._open.append(element)
        self._text.clear()

    def _end(self, name: str) -> None:
        at = self._parser.CurrentByteIndex
        element = self._open.pop()
        tag = _TAG.match(self.packet, element.start)
        # Behind <a/> expat stands at its end already, at </a> in front of it.
        empty = tag is not None and tag[0].endswith(b"/>")
        if name == f"{_RDF} RDF" and not empty and not any(e.name == name for e in self._open):
            self.end_of_rdf = at
        if element.ours and not element.children:
            self.cuts.append((element.start, at if empty else self.packet.index(b">", at) + 1))
            if _local(name):
                self.found[_local(name)] = "".join(self._text)
        elif element.ours:
            self._cut_attributes(element.start)

    def _cut_attributes(self, start: int) -> None:
        """Our attributes in a start tag that another tool has merged with its own."""
        for place, prefix, _ in _attributes(self.packet, start):
            if prefix in self._prefixes:
                self.cuts.append(place)


def _scanned(packet: bytes) -> _Scan:
    """One walk over a packet, however often a file is asked. Raise XmpError."""
    scan = _walked(packet)
    if isinstance(scan, str):
        raise XmpError(scan)
    return scan


@lru_cache(maxsize=4)
def _walked(packet: bytes) -> _Scan | str:
    """Or why there is none."""
    try:
        return _Scan(packet)
    except XmpError as error:
        return str(error)


def _refuse_odd(packet: bytes) -> None:
    if b"\0" in packet:
        raise XmpError("not UTF-8")
    if len(packet) > _LARGEST:
        raise XmpError(f"larger than {_LARGEST >> 20} MB")


def _attributes(packet: bytes, start: int) -> Iterator[tuple[tuple[int, int], str, str]]:
    """Place, prefix and local name of each attribute of the start tag there."""
    name = _NAME.match(packet, start)
    at = name.end() if name else len(packet)
    while found := _ATTRIBUTE.match(packet, at):
        prefix, _, local = found[1].decode("utf-8", "replace").rpartition(":")
        yield found.span(), prefix, local
        at = found.end()


def _without(packet: bytes, cuts: list[tuple[int, int]]) -> bytes:
    """The packet without these places, of which some may lie in others."""
    kept, at = [], 0
    for start, end in sorted(cuts):
        kept.append(packet[at:start])
        at = max(at, end)
    return b"".join((*kept, packet[at:]))


def _local(name: str) -> str:
    """The name behind our namespace, or nothing."""
    uri, _, local = name.rpartition(" ")
    return local if uri == NAMESPACE else ""


def split(packet: bytes) -> tuple[dict[str, str], bytes | None]:
    """Our properties in a packet, and the packet without them (None when nothing else was in it).

    Raise XmpError when it is not well-formed UTF-8 XML with an rdf:RDF, or has a document type.
    """
    scan = _scanned(packet)
    rest = _without(packet, scan.cuts)
    return dict(scan.found), None if rest == _HEAD + _TAIL else rest


def merge(packet: bytes | None, properties: Mapping[str, str]) -> bytes:
    """The packet (None: an empty one) with our properties, whose values are ASCII, added at its end.

    Twin of :func:`split`. Raise XmpError as it does.
    """
    packet = _HEAD + _TAIL if packet is None else packet
    end = _scanned(packet).end_of_rdf
    values = "".join(
        f" irn:{name}='{''.join(_ESCAPES.get(c, c) for c in value)}'"
        for name, value in sorted(properties.items())
    )
    # The prefixes are declared here, because the packet may have bound them otherwise.
    element = f"<r:Description xmlns:r='{_RDF}' r:about='' xmlns:irn='{NAMESPACE}'{values}/>"
    return packet[:end] + element.encode("ascii") + packet[end:]


_CONTAINER, _GAIN_MAP = "http://ns.google.com/photos/1.0/container/", "http://ns.adobe.com/hdr-gain-map/1.0/"
_NOTE, _HAS_EXTENDED = "http://ns.adobe.com/xmp/note/", "HasExtendedXMP"
VIDEO, GAIN_MAP, EXTENDED = "video", "gain map", "extended"


@dataclass(frozen=True)
class Claims:
    """What a packet says of parts of its file that are never written anew."""

    rest: bytes
    """The packet without a word of them."""
    kinds: frozenset[str]
    """VIDEO, GAIN_MAP, EXTENDED."""
    extended: str
    """The digest by which the rest of the packet goes that stands elsewhere in a JPEG."""


class _ClaimScan:
    """One walk over a packet that :class:`_Scan` has found in order."""

    def __init__(self, packet: bytes) -> None:
        self.packet = packet
        self.cuts: list[tuple[int, int]] = []
        self.kinds: set[str] = set()
        self.extended = ""
        self._open: list[tuple[int, bool]] = []
        self._inside = 0
        self._text: list[str] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.namespace_prefixes = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text.append
        self._parser.Parse(packet, True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        at = self._parser.CurrentByteIndex
        kind = _claim(name)
        self._open.append((at, bool(kind)))
        self._inside += bool(kind)
        self._text.clear()
        self._note(kind, "")
        said = {key: _claim(key) for key in attributes}
        for key, found in said.items():
            self._note(found, attributes[key])
            if name.startswith(_CONTAINER) and attributes[key] in ("MotionPhoto", "GainMap"):
                self._note(VIDEO if attributes[key] == "MotionPhoto" else GAIN_MAP, "")
        names = {":".join(reversed(key.split(" ")[1:])) for key, found in said.items() if found}
        if names and not self._inside:
            for place, prefix, local in _attributes(self.packet, at):
                if f"{prefix}:{local}" in names:
                    self.cuts.append(place)

    def _end(self, name: str) -> None:
        start, claim = self._open.pop()
        if not claim:
            return
        self._inside -= 1
        at = self._parser.CurrentByteIndex
        tag = _TAG.match(self.packet, start)
        empty = tag is not None and tag[0].endswith(b"/>")
        if not self._inside:
            self.cuts.append((start, at if empty else self.packet.index(b">", at) + 1))
        self._note(_claim(name), "".join(self._text))

    def _note(self, kind: str, value: str) -> None:
        if kind:
            self.kinds.add(kind)
        if kind == EXTENDED and value.strip():
            self.extended = value.strip()


def _claim(name: str) -> str:
    """What a property speaks of: VIDEO ..., "container" for a list of parts, or nothing."""
    uri, local, *_ = (*name.split(" "), "")
    if uri == _GAIN_MAP:
        return GAIN_MAP
    if uri.startswith(_CONTAINER):
        return "container"
    if uri == _NOTE and local == _HAS_EXTENDED:
        return EXTENDED
    return VIDEO if local.startswith(("MotionPhoto", "MicroVideo")) else ""


def claims(packet: bytes) -> Claims:
    """What a packet says of a video, a gain map or more XMP elsewhere. Raise XmpError as :func:`split`."""
    _scanned(packet)
    if not any(w in packet for w in (b"Motion", b"MicroVideo", b"container", b"gain-map", b"HasExtended")):
        return Claims(packet, frozenset(), "")
    scan = _ClaimScan(packet)
    return Claims(_without(packet, scan.cuts), frozenset(scan.kinds), scan.extended)


def joined(packet: bytes, extension: bytes) -> bytes:
    """The packet with all that its extension describes. Raise XmpError where either cannot be read."""
    end = _scanned(packet).end_of_rdf
    _scanned(extension)
    if packet == claims(extended("0")).rest:
        return extension  # as irn has put it there
    found = _Descriptions(extension).found
    return packet[:end] + b"".join(found) + packet[end:]


class _Descriptions:
    """What stands directly in a packet's rdf:RDF, each with the namespaces that it needs."""

    def __init__(self, packet: bytes) -> None:
        self.packet = packet
        self.found: list[bytes] = []
        self._open: list[tuple[str, dict[str | None, str], int]] = []
        self._new: dict[str | None, str] = {}
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartNamespaceDeclHandler = self._namespace
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.Parse(packet, True)

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        self._new[prefix] = uri or ""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._open.append((name, self._new, self._parser.CurrentByteIndex))
        self._new = {}

    def _end(self, name: str) -> None:
        _, own, start = self._open.pop()
        if not self._open or self._open[-1][0] != f"{_RDF} RDF":
            return
        needed: dict[str | None, str] = {}
        for _, above, _ in self._open:
            needed |= above
        words = "".join(
            f" xmlns{':' + prefix if prefix else ''}='{''.join(_ESCAPES.get(c, c) for c in uri)}'"
            for prefix, uri in needed.items()
            if prefix not in own
        )
        at = self._parser.CurrentByteIndex
        tag, head = _TAG.match(self.packet, start), _NAME.match(self.packet, start)
        assert tag and head
        end = at if tag[0].endswith(b"/>") else self.packet.index(b">", at) + 1
        self.found.append(head[0] + words.encode() + self.packet[head.end() : end])


def extended(digest: str) -> bytes:
    """A packet that says where the rest of it is."""
    word = f"<r:Description xmlns:r='{_RDF}' r:about='' xmlns:n='{_NOTE}' n:{_HAS_EXTENDED}='{digest}'/>"
    return _HEAD + word.encode() + _TAIL
