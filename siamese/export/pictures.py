"""A picture or mask file of an export as it is looked at: size, pixels' digest, what it carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siamese.errors import AugmentError
from siamese.export import marks
from siamese.export.manifest import pixels_sha256
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
