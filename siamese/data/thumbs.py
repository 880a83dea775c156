"""A case as a small picture for a report: its mask's outline, a box around burnt-in text."""

from __future__ import annotations

import cv2
import numpy as np

from siamese.data.pixels import labels_of, read_image
from siamese.data.report import SourceCase
from siamese.errors import MaskError

OUTLINE = (86, 180, 233)  # RGB, the colour of a lesion everywhere in the studio
TEXT = (255, 255, 255)
PAPER = (118, 118, 118)
DASH = 4  # pixels


def thumb(case: SourceCase, side: int = 160) -> bytes:
    """PNG of (side,side) pixels: the picture, its mask's outline, a dashed box around text; a cross where unreadable.

    Args:
        case: of a report that is not closed.
        side: pixels, 16 to 1024.
    """
    side = min(max(side, 16), 1024)
    tile = np.full((side, side, 3), PAPER, np.uint8)
    try:
        picture = read_image(case.image, case.as_stored)
    except MaskError:
        for start, end in (((0, 0), (side, side)), ((0, side), (side, 0))):
            cv2.line(tile, start, end, TEXT, 2)
        return _png(tile)
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    small = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (side - small[0]) // 2, (side - small[1]) // 2
    window = tile[top : top + small[0], left : left + small[1]]
    shrinking = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    window[:] = cv2.resize(picture, small[::-1], interpolation=shrinking)
    try:
        labels = labels_of(case)
        if labels.shape == (height, width):
            outline(window, labels)
    except MaskError:  # the report says so; the picture alone is shown
        pass
    if case.text_box:
        x0, y0, x1, y1 = (round(v * scale) for v in case.text_box)
        _dashed(window, max(0, x0 - 2), max(0, y0 - 2), x1 + 1, y1 + 1)
    return _png(tile)


def outline(window: np.ndarray, labels: np.ndarray, width: int = 2) -> None:
    """Draw the outline of each label of a mask (H,W) on a picture (h,w,3) uint8 RGB, `width` pixels on a dark rim."""
    small = cv2.resize(labels, window.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    for label in np.unique(small[small > 0]):
        edges, _ = cv2.findContours((small == label).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        drawn = window.copy()
        cv2.drawContours(drawn, edges, -1, (0, 0, 0), width + 2)
        cv2.drawContours(drawn, edges, -1, OUTLINE, width)
        window[:] = drawn


def _dashed(window: np.ndarray, x0: int, y0: int, x1: int, y1: int) -> None:
    """A box of white dashes on black, seen on any ground."""
    high, wide = window.shape[:2]
    x1, y1 = min(x1, wide - 1), min(y1, high - 1)
    edge = np.zeros((high, wide), np.uint8)
    cv2.rectangle(edge, (x0, y0), (x1, y1), 1, 1)
    ys, xs = np.nonzero(edge)
    light = ((xs + ys) // DASH) % 2 == 0
    window[ys, xs] = np.where(light[:, None], TEXT, (0, 0, 0))


def _png(tile: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", tile[:, :, ::-1])
    assert done
    return data.tobytes()
