"""What a picture file says about itself before a single pixel is decoded.

A few bytes can announce gigabytes of pixels: the size is read here and judged before any decoder runs.
"""

from __future__ import annotations

import struct

READABLE = "a PNG, JPEG, BMP or TIFF picture"

# (offset, bytes there, what the file is); found in clinics and research folders, and not readable as masks
_FOREIGN = (
    (0, b"GIF8", "a GIF animation"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftyp", "a HEIC/AVIF picture or a video"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or an office document"),
    (0, b"\x1f\x8b", "a gzip archive (or a NIfTI volume)"),
    (128, b"DICM", "a DICOM file"),
    (0, b"\x93NUMPY", "a numpy array"),
    (0, b"\x80\x02", "a Python pickle, which is never opened because it can run code"),
    (0, b"\x80\x03", "a Python pickle, which is never opened because it can run code"),
    (0, b"\x80\x04", "a Python pickle, which is never opened because it can run code"),
    (0, b"\x80\x05", "a Python pickle, which is never opened because it can run code"),
)


def kind(data: bytes) -> str:
    """What the file is, in words: "PNG", "JPEG", "BMP", "TIFF" for readable ones, else e.g. "a text file"."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith((b"II*\x00", b"MM\x00*")):
        return "TIFF"
    if (
        data.startswith(b"BM")
        and len(data) >= 26
        and struct.unpack_from("<I", data, 14)[0] in (12, 40, 52, 56, 108, 124)
    ):
        return "BMP"
    for offset, magic, name in _FOREIGN:
        if data[offset : offset + len(magic)] == magic:
            return name
    return "a text file" if _is_text(data[:4096]) else "a file of an unknown kind"


def announced_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) in pixels as the header announces them; None when the header is damaged.

    Args:
        data: the file, of a `kind` named READABLE.
    """
    read = {"PNG": _png, "JPEG": _jpeg, "BMP": _bmp, "TIFF": _tiff}[kind(data)]
    try:
        return read(data)
    except (struct.error, IndexError):  # the header ends in the middle of a number
        return None


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    for cut in range(4):  # the last byte read may lie inside a character
        try:
            head[: len(head) - cut].decode()
            return True
        except UnicodeDecodeError:
            continue
    printable = sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in head)
    return printable > 0.9 * len(head)


def _png(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return height, width


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while True:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers that carry nothing
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            height, width = struct.unpack_from(">HH", data, at + 5)
            return height, width
        elif marker in (0xD9, 0xDA):  # pixels or the end before any frame
            return None
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _bmp(data: bytes) -> tuple[int, int] | None:
    if struct.unpack_from("<I", data, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return abs(height), abs(width)  # a negative height means that the rows run from the top


def _tiff(data: bytes) -> tuple[int, int] | None:
    order = "<" if data.startswith(b"II") else ">"
    directory = struct.unpack_from(order + "I", data, 4)[0]
    count = struct.unpack_from(order + "H", data, directory)[0]
    found = {}
    for i in range(count):
        tag, kind_of_number, _, long = struct.unpack_from(order + "HHII", data, directory + 2 + 12 * i)
        short = struct.unpack_from(order + "H", data, directory + 2 + 12 * i + 8)[0]
        found[tag] = short if kind_of_number == 3 else long
    return (found[257], found[256]) if 256 in found and 257 in found else None
