"""The mark of a synthetic picture file: IPTC's digital source type as an XMP packet, which any program reads.

PNG: an iTXt chunk `XML:com.adobe.xmp`; JPEG: an APP1 segment (XMP specification, part 3). The pixels are untouched.
Source: IPTC Photo Metadata Standard 2025.1, Digital Source Type; NewsCodes `digitalsourcetype`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from siamese.errors import AugmentError
from siamese.masks.header import kind

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
KEYWORD = b"XML:com.adobe.xmp"
JPEG_HEAD = b"http://ns.adobe.com/xap/1.0/\x00"
PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    f"<Iptc4xmpExt:DigitalSourceType>{TRAINED}</Iptc4xmpExt:DigitalSourceType>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
).encode()
PNG_HEAD, PNG_IHDR_END = 8, 33  # signature; IHDR is always 25 bytes
PLAIN = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"sBIT", b"bKGD"}


def mark(data: bytes) -> bytes:
    """A PNG or JPEG file with the mark; one that has it comes back as it is.

    Raises:
        AugmentError: another kind of file, or damaged.
    """
    if marked(data):
        return data
    if kind(data) == "PNG":
        body = KEYWORD + b"\x00\x00\x00\x00\x00" + PACKET  # not compressed, no language
        chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
        return data[:PNG_IHDR_END] + chunk + data[PNG_IHDR_END:]
    body = JPEG_HEAD + PACKET
    at = 2
    if data[2:4] == b"\xff\xe0":  # JFIF wants to be first
        at += 2 + struct.unpack_from(">H", data, 4)[0]
    return data[:at] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[at:]


def marked(data: bytes) -> bool:
    """Does the file say in its XMP that a trained algorithm made it?

    Raises:
        AugmentError: no PNG or JPEG, or damaged.
    """
    return any(TRAINED.encode() in body for name, body in _parts(data) if name == "XMP")


def carried(data: bytes) -> frozenset[str]:
    """What a PNG or JPEG file holds beside its pixels, colour and density: of "XMP", "EXIF", "ICC", "text", "other".

    Raises:
        AugmentError: no PNG or JPEG, or damaged.
    """
    return frozenset(name for name, _ in _parts(data))


def _parts(data: bytes) -> Iterator[tuple[str, bytes]]:
    what = kind(data)
    if what not in ("PNG", "JPEG"):
        raise AugmentError(f"The picture is {what}; PNG or JPEG was expected.")
    try:
        yield from (_png(data) if what == "PNG" else _jpeg(data))
    except (struct.error, IndexError):
        raise AugmentError(f"The picture is a damaged or incomplete {what} file; export it again.") from None


def _png(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = PNG_HEAD
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        struct.unpack_from(">I", data, at + 8 + length)  # the chunk is whole
        if name not in PLAIN:
            yield _png_kind(name, body), body
        at += 12 + length
        if name == b"IEND":
            if at < len(data):
                yield "other", data[at:]
            return
    raise IndexError("no IEND")


def _png_kind(name: bytes, body: bytes) -> str:
    if name == b"iTXt" and body.startswith(KEYWORD + b"\x00"):
        return "XMP"
    return {b"eXIf": "EXIF", b"iCCP": "ICC", b"tEXt": "text", b"zTXt": "text", b"iTXt": "text"}.get(name, "other")


def _jpeg(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 2
    while True:
        if data[at] != 0xFF:
            raise IndexError("no marker")
        code = data[at + 1]
        if code == 0xDA:  # pixels begin
            return
        length = struct.unpack_from(">H", data, at + 2)[0]
        body = data[at + 4 : at + 2 + length]
        if code == 0xE1:
            yield ("XMP" if body.startswith(JPEG_HEAD) else "EXIF"), body
        elif code == 0xE2 and body.startswith(b"ICC_PROFILE"):
            yield "ICC", body
        elif code == 0xFE:
            yield "text", body
        elif 0xE2 <= code <= 0xEF and code != 0xEE:  # APP14 says how colours are stored
            yield "other", body
        at += 2 + length
