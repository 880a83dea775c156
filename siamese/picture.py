"""Picture files in: the one place where a foreign photograph is decoded."""

from __future__ import annotations

import cv2
import numpy as np

from siamese.errors import MaskError
from siamese.masks.header import announced_size, kind

LARGEST_PICTURE = 40_000_000  # pixels


def decode(data: bytes, turned: bool = True) -> np.ndarray:
    """The bytes of a picture file as (H,W,3) uint8 RGB, turned as its EXIF says; everything else in it is dropped.

    Args:
        data: the file's content.
        turned: False gives the pixels as they are stored, whatever EXIF says.

    Raises:
        MaskError: not a picture, damaged, or over 40 megapixels; the caller puts the file's name before it.
    """
    what = kind(data)
    if what in ("PNG", "JPEG", "TIFF", "BMP"):
        size = announced_size(data)
        if size is not None and size[0] * size[1] > LARGEST_PICTURE:
            raise MaskError(
                f"has {size[0] * size[1] / 1e6:.0f} megapixels; the limit is 40: export it smaller."
            )
    elif what != "a WebP picture":
        raise MaskError(f"is {what}, not a picture; export it as PNG or JPEG.")
    try:
        picture = cv2.imdecode(
            np.frombuffer(data, np.uint8),
            cv2.IMREAD_COLOR_RGB | (0 if turned else cv2.IMREAD_IGNORE_ORIENTATION),
        )
    except cv2.error:
        picture = None
    if picture is None:
        raise MaskError("is damaged and cannot be decoded; copy it again from its source.")
    if picture.shape[0] * picture.shape[1] > LARGEST_PICTURE:
        raise MaskError("has more than 40 megapixels: export it smaller.")
    return picture


def photograph(picture: np.ndarray) -> bool:
    """Whether (H,W,3) uint8 RGB looks like a photograph rather than a mask: many tones, few of them black or white."""
    small = picture[:: max(1, picture.shape[0] // 256), :: max(1, picture.shape[1] // 256)].reshape(-1, 3)
    extreme = (small.max(axis=1) < 24) | (small.min(axis=1) > 231)
    return bool(extreme.mean() < 0.9 and len(np.unique(small // 4, axis=0)) > 64)
