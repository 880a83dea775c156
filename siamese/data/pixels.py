"""Pictures and masks of a foreign set as pixels: what a file carries beside them, and what a mask's values mean."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from siamese.data.report import Reading, SourceCase
from siamese.data.shapes import drawn
from siamese.errors import MaskError
from siamese.masks.classes import MOST
from siamese.masks.header import kind
from siamese.masks.mask import decoded, file_bytes
from siamese.picture import decode

EDGE = 16  # grey levels from black or white that JPEG noise reaches
GREY = 0.08  # share of a mask that may be grey: edges, JPEG noise; more is no mask
COLOUR = 1 << 24  # values from here on are colours: COLOUR + 24 bits
KEPT = 1000  # values of one mask that are counted apart
MARKS = (
    b"Exif\0\0",
    b"eXIf",
    b"ICC_PROFILE",
    b"iCCP",
    b"ns.adobe.com/xap",
    b"XML:com.adobe.xmp",
    b"EXIF",
    b"ICCP",
)
METADATA = {0: "EXIF", 1: "XMP", 2: "ICC"}


@dataclass(frozen=True)
class MaskFacts:
    """What one mask holds: stored value → share of the picture; `lossy` JPEG, `deep` over 255, `grey` share."""

    values: dict[int, float]
    lossy: bool = False
    deep: bool = False
    grey: float = 0.0


def read_image(path: Path, as_stored: bool = False) -> np.ndarray:
    """(H,W,3) uint8 RGB, turned as its EXIF says unless `as_stored`; MaskError as `siamese.picture.decode`."""
    return decode(file_bytes(path), turned=not as_stored)


def carried(data: bytes) -> tuple[frozenset[str], int, bool]:
    """What a picture's file carries: which of EXIF, XMP, ICC; its orientation 1..8; whether it has over 8 bits."""
    deep = len(data) > 24 and kind(data) == "PNG" and data[24] == 16
    if not (kind(data) == "TIFF" or any(mark in data for mark in MARKS)):  # spares a second decoding
        return frozenset(), 1, deep
    try:
        _, kinds, chunks = cv2.imdecodeWithMetadata(
            np.frombuffer(data, np.uint8), flags=cv2.IMREAD_REDUCED_GRAYSCALE_8
        )
    except cv2.error:
        return frozenset(), 1, deep
    found = {METADATA[k]: bytes(c) for k, c in zip(kinds, chunks, strict=True) if k in METADATA and c.size}
    return frozenset(found), _orientation(found.get("EXIF", b"")), deep


def _orientation(exif: bytes) -> int:
    """Tag 274 of an EXIF block, 1 where there is none."""
    block = exif.removeprefix(b"Exif\0\0")
    order = "<" if block[:2] == b"II" else ">"
    try:
        at = struct.unpack_from(order + "I", block, 4)[0]
        for k in range(struct.unpack_from(order + "H", block, at)[0]):
            tag, _, _, value = struct.unpack_from(order + "HHIH", block, at + 2 + 12 * k)
            if tag == 274:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def mask_values(case: SourceCase, height: int, width: int) -> tuple[np.ndarray, bool]:
    """Stored values of a case's mask, (H,W) int32, and whether JPEG blurred them; shapes give labels.

    Raises:
        MaskError: unreadable; several masks of different sizes.
    """
    if not case.masks:
        return drawn(case.shapes, height, width).astype(np.int32), False
    united, lossy = None, False
    for path in case.masks:
        data = file_bytes(path)
        values = _values(decoded(data, path.name), data)
        lossy |= kind(data) == "JPEG"
        if united is not None and united.shape != values.shape:
            raise MaskError(f"{path.name} has another size than the other masks of its picture.")
        united = values if united is None else np.maximum(united, values)
    return united, lossy


def _values(pixels: np.ndarray, data: bytes) -> np.ndarray:
    """Grey levels, palette places or COLOUR + 24 bits of a decoded mask file; transparent is 0."""
    clear = None
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        clear, pixels = pixels[:, :, 3] == 0, pixels[:, :, :3]
    if pixels.ndim == 3 and (pixels == pixels[:, :, :1]).all():
        pixels = pixels[:, :, 0]
    if pixels.ndim == 2:
        high = int(pixels.max())
        if high > 255 and np.isin(pixels, (0, high)).all():  # 16-bit black and white
            pixels = (pixels > 0) * np.uint8(255)
        values = pixels.astype(np.int32)
    elif kind(data) == "JPEG":
        values = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY).astype(np.int32)
    else:
        red, green, blue = (pixels[:, :, k].astype(np.int32) for k in range(3))
        code = (red << 16) | (green << 8) | blue
        values = _places(code, data)
    if clear is not None:
        values = np.where(clear, 0, values)
    return values


def _places(code: np.ndarray, data: bytes) -> np.ndarray:
    """Places in the palette of a PNG that has one, else COLOUR + 24 bits."""
    at = data.find(b"PLTE", 0, 4096) if kind(data) == "PNG" and data[25:26] == b"\x03" else -1
    if at < 0:
        return code + COLOUR
    size = struct.unpack_from(">I", data, at - 4)[0]
    palette = np.frombuffer(data[at + 4 : at + 4 + min(size, 768)], np.uint8).reshape(-1, 3).astype(np.int64)
    places = {int(r << 16 | g << 8 | b): k for k, (r, g, b) in reversed(list(enumerate(palette)))}
    known, inverse = np.unique(code, return_inverse=True)
    return np.array([places.get(int(c), 0) for c in known], np.int32)[inverse].reshape(code.shape)


def facts_of(values: np.ndarray, lossy: bool) -> MaskFacts:
    """Count what a mask's stored values are."""
    found, counts = np.unique(values, return_counts=True)
    shares = counts / values.size
    highest = int(found[-1])
    middle = shares[(found > EDGE) & (found < 255 - EDGE)].sum() if len(found) > 2 else 0.0
    listed = {int(v): float(s) for v, s in zip(found[:KEPT], shares[:KEPT], strict=True)}
    return MaskFacts(listed, lossy, 255 < highest < COLOUR, float(middle))


def decide(
    facts: Sequence[MaskFacts], names: Sequence[str], given: dict[int, int]
) -> tuple[Reading, tuple[str, ...], str]:
    """How the masks of a set are to be read, from all their values.

    Args:
        facts: of every mask that could be read.
        names: of the labels 1..K where the layout says them.
        given: stored value → label, where a table came with the data.

    Returns:
        The reading; the class names, () for one class; a sentence where somebody must say more, else "".
    """
    if given:
        return Reading(given), tuple(names) if len(names) > 1 else (), ""
    if len(names) > 1:
        return Reading({k: k for k in range(len(names) + 1)}), tuple(names), ""
    if names:
        return Reading({0: 0, 1: 1}), (), ""
    sharp = [f for f in facts if not f.lossy]
    seen = Counter(value for f in sharp for value in f.values)
    colours = sorted(v for v in seen if v >= COLOUR)
    if colours:
        lesion = [v for v in seen if v not in (0, COLOUR)]
        if len(lesion) == 1:
            return Reading({0: 0, COLOUR: 0, lesion[0]: 1}), (), ""
        return Reading(), (), _unknown(f"{len(lesion)} colours", "r,g,b")
    values = set(seen) - {0}
    both = any({1, 255} <= f.values.keys() for f in sharp)
    low = {v for v in values if v != 255}
    if (not low or low == {1}) and not both:
        return Reading(), (), ""
    if max(low, default=0) <= MOST:  # 255 beside small labels is the border that is not judged
        count = max(low)
        table = {k: k for k in range(count + 1)} | {255: 0}
        return Reading(table), tuple(f"class {k}" for k in range(1, count + 1)) if count > 1 else (), ""
    if len(values) == 1:
        return Reading({0: 0, values.pop(): 1}), (), ""
    if len(values) <= MOST and not any(f.lossy for f in facts):
        return Reading(), (), _unknown("the grey values " + ", ".join(map(str, sorted(values))), "value")
    return Reading(), (), ""


def _unknown(what: str, column: str) -> str:
    return (
        f"the masks hold {what}, and nothing says what they mean; put a file classes.csv with the columns "
        f"name,{column} beside them (background first)."
    )


def to_labels(values: np.ndarray, reading: Reading, lossy: bool) -> tuple[np.ndarray, frozenset[int]]:
    """Stored values → labels (H,W) uint8, and the values that mean nothing (they become 0)."""
    if not reading.table or lossy:
        bright = values > 0 if int(values.max()) <= 1 else values > 127
        return bright.astype(np.uint8), frozenset()
    known, inverse = np.unique(values, return_inverse=True)
    strange = frozenset(int(v) for v in known if int(v) not in reading.table)
    table = np.array([reading.table.get(int(v), 0) for v in known], np.uint8)
    return table[inverse].reshape(values.shape), strange


def labels_of(case: SourceCase) -> np.ndarray:
    """The labels of a case that was inspected, (H,W) uint8, at its picture's size."""
    values, lossy = mask_values(case, case.height, case.width)
    return (
        values.astype(np.uint8)
        if case.shapes or not case.masks
        else to_labels(values, case.reading, lossy)[0]
    )
