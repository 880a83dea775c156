"""The pictures of kits: compressed without loss, all of one length, and nothing to be seen in the text of the file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import sqlalchemy as sa

from siamese.errors import StudyError
from siamese.store import tables
from siamese.store.engine import reading
from siamese.study.studies import Study

LEVEL = 6  # of zlib: 9 takes three times as long for 2 % less
WORD = 12  # lengths are multiples of it: whole words of 4 bytes, and base64 without an end


class Parcels:
    """PNG files of one kind, each in a parcel as long as the longest needs.

    A parcel is the file's length (4 bytes, little endian), the file and zeros, veiled by its token: the length of the
    compressed picture, which may tell arms apart, is not seen in the file, and two copies of one picture share nothing.
    The veil is no secret: whoever reads the page's script can lift it, and has the pixels, as on the screen.

    Args:
        files: key → PNG.
    """

    def __init__(self, files: dict[str, bytes]):
        self._files = files
        longest = max((len(data) for data in files.values()), default=0)
        self.length = -(-(4 + longest) // WORD) * WORD

    def parcel(self, key: str, token: str) -> str:
        """Base64 of the parcel of a file under a token."""
        data = self._files[key]
        whole = (len(data).to_bytes(4, "little") + data).ljust(self.length, b"\0")
        return base64.b64encode(veil(whole, token)).decode("ascii")

    @property
    def written(self) -> int:
        """Characters of one parcel in a kit."""
        return self.length // 3 * 4


def veil(data: bytes, token: str) -> bytes:
    """XOR with a stream of 32-bit words that the token begins; a second time gives the data back.

    Args:
        data: a multiple of 4 bytes.
        token: 32 hexadecimal characters; the first eight are used.

    Source: the stream is MurmurHash3's finaliser over a Weyl sequence; `kit_page/door.js` has the same.
    """
    words = np.frombuffer(data, "<u4")
    n = np.arange(len(words), dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(int(token[:8], 16))
    n = (n ^ (n >> 16)) * np.uint32(0x85EBCA6B)
    n = (n ^ (n >> 13)) * np.uint32(0xC2B2AE35)
    return (words ^ n ^ (n >> 16)).astype("<u4").tobytes()


def pictures_of(study: Study, items: Iterable[str]) -> dict[str, bytes]:
    """Item → PNG of its prepared picture, compressed anew: same pixels, no metadata.

    Raises:
        StudyError: a picture is missing, or is not the one that was locked.
    """
    with reading(study.votes) as connection:
        t = tables.item.c
        locked = dict(connection.execute(sa.select(t.id, t.sha256).where(t.study == study.id)).all())
    found = {}
    for item in items:
        data = _content(study.pictures / f"{item}.png", study)
        if hashlib.sha256(data).hexdigest() != locked.get(item):
            raise StudyError(
                f"{study.pictures / item}.png is not the picture that was locked; restore the study from a backup."
            )
        found[item] = _compressed(data, cv2.IMREAD_COLOR, study.pictures / f"{item}.png")
    return found


def masks_of(study: Study, items: Iterable[str]) -> dict[str, bytes]:
    """Item → PNG of its mask.

    Raises:
        StudyError: a mask is missing.
    """
    paths = {item: study.masks / f"{item}.png" for item in items}
    return {
        item: _compressed(_content(path, study), cv2.IMREAD_GRAYSCALE, path) for item, path in paths.items()
    }


def _content(path: Path, study: Study) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StudyError(
            f"{path} cannot be read ({error.strerror}); restore {study.name} from a backup."
        ) from error


def _compressed(data: bytes, how: int, path: Path) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    if pixels is None:
        raise StudyError(f"{path} is no picture; restore the study from a backup.")
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, LEVEL])[1].tobytes()
