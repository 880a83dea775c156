"""The picture and mask files of an export against its manifest: pixels, sizes, marks, what else they carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from siamese.errors import AugmentError, MaskError
from siamese.events import Progress
from siamese.export import manifest, marks, parquet
from siamese.export.archive import Files
from siamese.export.findings import Verified
from siamese.export.manifest import Row, pixels_sha256
from siamese.masks.header import kind
from siamese.masks.mask import Mask, decoded
from siamese.picture import decode

MOST_LABELS = 32
NOISE = 16  # grey levels that JPEG moves a mask by at most


@dataclass(frozen=True)
class Picture:
    """`sha256` of the pixels, which says something only where the file is `lossless`."""

    height: int
    width: int
    sha256: str
    lossless: bool
    marked: bool
    carries: frozenset[str]


@dataclass(frozen=True)
class Drawn:
    """`sha256` is `Mask.digest` of the labels; `labels_only`: 0 and 255, or consecutive labels, up to JPEG's noise."""

    height: int
    width: int
    sha256: str
    lossless: bool
    labels_only: bool


def picture(data: bytes) -> Picture:
    """Look at a picture's file.

    Raises:
        AugmentError, MaskError: no PNG or JPEG, or damaged.
    """
    carries = marks.carried(data)
    pixels = decode(data)
    lossless = kind(data) == "PNG"
    return Picture(*pixels.shape[:2], pixels_sha256(pixels), lossless, marks.marked(data), carries)


def drawn(data: bytes, name: str) -> Drawn:
    """Look at a mask's file.

    Raises:
        AugmentError, MaskError: no picture of one channel of 8 bit, or damaged.
    """
    pixels = decoded(data, name)
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels == pixels[:, :, :1]).all()):
        raise AugmentError("it is in colour or has 16 bit; one channel of 8 bit was expected.")
    grey = pixels if pixels.ndim == 2 else pixels[:, :, 0]
    lossless = kind(data) == "PNG"
    if lossless:
        values = np.unique(grey)
        black_and_white = bool(np.isin(values, (0, 255)).all())
        labels = (grey > 0).astype(np.uint8) if black_and_white else grey
        sound = black_and_white or int(values[-1]) < MOST_LABELS
    else:
        labels = (grey > 127).astype(np.uint8)
        sound = bool(((grey <= NOISE) | (grey >= 255 - NOISE)).mean() > 0.95)
    return Drawn(*grey.shape, Mask(labels).digest, lossless, sound)


def check(files: Files, rows: Sequence[Row], found: Verified) -> Iterator[Progress]:
    """Look at every picture and mask that the manifest names."""
    for done, row in enumerate(rows, 1):
        for name in row.images:
            if name in files.sizes and (data := _content(files, name, found)) is not None:
                _picture(data, row, name, found)
        for name in row.masks:
            if name in files.sizes and (data := _content(files, name, found)) is not None:
                _mask(data, row, name, found)
        if done % 50 == 0 or done == len(rows):
            yield Progress("pictures", done, len(rows))


def check_parquet(files: Files, rows: Mapping[str, Row], found: Verified) -> Iterator[Progress]:
    """Look at every pair inside Parquet files; `rows` is id → row of the manifest."""
    names = sorted(name for name in files.sizes if name.endswith(parquet.ENDING))
    if names and not parquet.at_hand():
        found.notes.append(f"Nothing but the sums of {', '.join(names)} was looked at, for pyarrow is not installed.")
        return
    inside: Counter[str] = Counter()
    for done, name in enumerate(names, 1):
        try:
            with files.stream(name) as file:
                for id, synthetic, image, mask in parquet.rows(file):
                    row, where = rows.get(id), f"{id} of {name}"
                    inside[id] += 1
                    if row is None or row.synthetic != synthetic:
                        found.add("manifest", f"{where} is another pair than {manifest.FILE} knows.")
                        continue
                    if row.split != parquet.split_of(name):
                        found.add("split", f"{where} is of {row.split}, as {manifest.FILE} says.")
                    _picture(image, row, where, found)
                    _mask(mask, row, where, found)
        except AugmentError as error:
            found.add("picture", f"{name}: {error}")
        yield Progress("parquet", done, len(names))
    if names and set(inside) != set(rows):
        found.add("missing", f"The Parquet files hold {len(inside)} of {len(rows)} pairs.")
    for id, times in inside.items():
        if times > 1:
            found.add("manifest", f"{id} stands in the Parquet files {times} times.")


def _content(files: Files, name: str, found: Verified) -> bytes | None:
    """A file's bytes; None where it cannot be read, which is noted."""
    try:
        return files.read(name)
    except AugmentError as error:
        found.add("picture", str(error))
        return None


def _picture(data: bytes, row: Row, name: str, found: Verified) -> None:
    try:
        seen = picture(data)
    except (AugmentError, MaskError) as error:
        found.add("picture", f"{name}: {error}")
        return
    found.counts["picture files"] += 1
    if (seen.height, seen.width) != (row.height, row.width):
        found.add(
            "size", f"{name} is {seen.height}×{seen.width}; {manifest.FILE} says {row.height}×{row.width}."
        )
    elif seen.lossless and seen.sha256 != row.image_sha256:
        found.add("picture", f"{name} is not the picture that {manifest.FILE} describes as {row.id}.")
    if row.synthetic and not seen.marked:
        found.add("mark", f"{name} is synthetic and carries no mark trainedAlgorithmicMedia.")
    if not row.synthetic and seen.marked:
        found.add("mark", f"{name} is a real picture and is marked as synthetic.")
    extra = seen.carries - {"XMP"} if row.synthetic else seen.carries
    if extra:
        found.add("metadata", f"{name} carries {', '.join(sorted(extra))}, where nothing but pixels was expected.")


def _mask(data: bytes, row: Row, name: str, found: Verified) -> None:
    try:
        seen = drawn(data, name)
    except (AugmentError, MaskError) as error:
        found.add("mask", f"{name}: {error}")
        return
    found.counts["mask files"] += 1
    if (seen.height, seen.width) != (row.height, row.width):
        found.add("size", f"{name} is {seen.height}×{seen.width}; its picture is {row.height}×{row.width}.")
    elif not seen.labels_only:
        found.add("mask", f"{name} holds grey values; 0 and 255, or labels 0, 1, 2… were expected.")
    elif seen.lossless and seen.sha256 != row.mask_sha256:
        found.add("mask", f"{name} is not the mask that {manifest.FILE} describes as that of {row.id}.")
