"""PNG files that carry their facts as text chunks (PNG specification 11.3.4)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import cv2
import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_END = len(SIGNATURE) + 25  # the IHDR chunk is always 25 bytes


def encode(image: np.ndarray, facts: Mapping[str, str | int | float]) -> bytes:
    """(H,W,3) uint8 RGB as PNG bytes, each fact as one iTXt chunk `siamese:<name>`; lossless."""
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert done
    plain = data.tobytes()
    chunks = b"".join(_text_chunk(f"siamese:{name}", str(value)) for name, value in facts.items())
    return plain[:HEADER_END] + chunks + plain[HEADER_END:]


def read_facts(png: bytes) -> dict[str, str]:
    """The facts that `encode` wrote; empty for another PNG."""
    facts, at = {}, len(SIGNATURE)
    while at + 8 <= len(png):
        (length,), name = struct.unpack_from(">I", png, at), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        if name == b"iTXt" and body.startswith(b"siamese:"):
            key, _, rest = body.partition(b"\x00")
            facts[key.decode("ascii")[8:]] = rest[4:].decode("utf-8")
        at += 12 + length
    return facts


def _text_chunk(keyword: str, text: str) -> bytes:
    body = (
        keyword.encode("ascii") + b"\x00\x00\x00\x00\x00" + text.encode("utf-8")
    )  # not compressed, no language
    return struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
