"""Our properties in and out of XMP packets; the picture's own packet stays byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irncli.images import xmp

RDF = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"
PHOTO = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="' + RDF + b'">\n'
    b' <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="a>b">\n'
    b"  <dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Caf\xc3\xa9 &amp; &lt;bar/&gt;</rdf:li></rdf:Alt>"
    b"</dc:title>\n </rdf:Description>\n</rdf:RDF></x:xmpmeta>\n   \n<?xpacket end='w'?>"
)
ADJACENT = b'<r:RDF xmlns:r="' + RDF + b'"><r:Description r:about=""/></r:RDF>'
ascii_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@pytest.mark.parametrize("packet", [None, PHOTO, ADJACENT], ids=["none", "photo", "adjacent"])
@given(value=ascii_text)
def test_properties_come_back_and_the_packet_as_it_was(packet: bytes | None, value: str) -> None:
    merged = xmp.merge(packet, {"manifest": value, "dpi": "72 72"})
    assert xmp.split(merged) == ({"manifest": value, "dpi": "72 72"}, packet)


def test_a_packet_without_ours_is_left_alone() -> None:
    assert xmp.split(PHOTO) == ({}, PHOTO)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Merged into another tool's own description, under another prefix.
        (
            b'<r:Description r:about="" xmlns:q="%s" q:manifest="{&quot;a&quot;:1}" xmlns:o="o" o:k="v"/>',
            b'<r:Description r:about="" xmlns:q="%s" xmlns:o="o" o:k="v"/>',
        ),
        # As an element of its own.
        (
            b'<r:Description r:about="" xmlns:q="%s" xmlns:o="o"><q:manifest>{"a":1}</q:manifest><o:k/>'
            b"</r:Description>",
            b'<r:Description r:about="" xmlns:q="%s" xmlns:o="o"><o:k/></r:Description>',
        ),
        # As the only attribute of a description that has children.
        (
            b'<r:Description xmlns:q="%s" xmlns:o="o" q:manifest=\'{"a":1}\'><o:k/></r:Description>',
            b'<r:Description xmlns:q="%s" xmlns:o="o"><o:k/></r:Description>',
        ),
    ],
    ids=["attribute", "element", "with children"],
)
def test_what_other_tools_have_rewritten_is_found_and_removed(before: bytes, after: bytes) -> None:
    frame = b'<r:RDF xmlns:r="' + RDF + b'">%s</r:RDF>'
    namespace = xmp.NAMESPACE.encode()
    found, rest = xmp.split(frame % (before % namespace))
    assert found == {"manifest": '{"a":1}'}
    assert rest == frame % (after % namespace)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"not xml",
        b"<a/>",
        b'<r:RDF xmlns:r="' + RDF + b'"/>',
        PHOTO[:200],
        PHOTO.decode().encode("utf-16"),
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + ADJACENT,
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>" * 500 + b"</a>" * 500,
        b"<a>" * 100_000,
        ADJACENT.replace(b"<r:Desc", b"<a>" * 500 + b"</a>" * 500 + b"<r:Desc"),
    ],
    ids=lambda packet: f"{packet[:20]!r} {len(packet)}",
)
def test_packets_that_are_broken_or_hostile_are_refused(packet: bytes) -> None:
    with pytest.raises(xmp.XmpError):
        xmp.split(packet)
    with pytest.raises(xmp.XmpError):
        xmp.merge(packet, {"manifest": "{}"})


@given(st.binary(max_size=200))
def test_arbitrary_bytes_only_raise_xmp_errors(packet: bytes) -> None:
    with pytest.raises(xmp.XmpError):
        xmp.split(packet)
