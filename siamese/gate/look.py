"""What the copy check keeps of a picture: keypoints, whole and of each lesion, and each lesion's fine structure."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from siamese.data import view as views
from siamese.gate.keypoints import Keypoints, find

WHOLE, CROP = 256, 144  # side at which keypoints are looked for, pixels
EDGE = 13  # pixels off the edge of the field of view and of the corner box, which all pictures share
MARGIN = 0.15  # of a lesion's longer side, kept around it in its crop
LESIONS = 3  # largest lesions of a picture that are compared
SMALLEST = 8  # pixels of a lesion's box, below which it tells nothing
FINE = 48  # side of a lesion's grey thumbnail
RIM = 3  # pixels of it that are left out inside the outline, which a mask of its own gives to a synthesized lesion


@dataclass(frozen=True)
class Look:
    """The keypoints of a picture; the keypoints and the grey thumbnail (48,48) float32 of its largest lesions."""

    whole: Keypoints
    lesions: tuple[Keypoints, ...]
    greys: tuple[np.ndarray, ...]


def look(image: np.ndarray, mask: np.ndarray) -> Look:
    """Look at a picture (S,S,3) uint8 and its mask (S,S), 0 where no lesion is."""
    inside = (views.field_of_view(image) & ~views.corner_box(image)).astype(np.uint8)
    inside = cv2.erode(inside, np.ones((EDGE, EDGE), np.uint8), borderType=cv2.BORDER_REPLICATE) > 0
    lesions, greys = [], []
    for window, part in _parts(mask):
        crop, part = image[window], part[window]
        around = cv2.dilate(part, np.ones((3, 3), np.uint8), iterations=max(1, len(part) // 16)) > 0
        lesions.append(find(crop, around & inside[window], CROP))
        greys.append(_fine(crop, part))
    return Look(find(image, inside, WHOLE), tuple(lesions), tuple(greys))


def _parts(mask: np.ndarray) -> list[tuple[tuple[slice, slice], np.ndarray]]:
    """The largest lesions: a square window around each, and where it lies, (S,S) uint8 {0,1}."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8))
    found = []
    for k in sorted(range(1, count), key=lambda k: -stats[k, cv2.CC_STAT_AREA])[:LESIONS]:
        left, top, wide, high, _ = (int(v) for v in stats[k])
        if min(wide, high) < SMALLEST:
            continue
        side = min(len(mask), round(max(wide, high) * (1 + 2 * MARGIN)))
        y, x = (
            min(max(0, start + (extent - side) // 2), len(mask) - side)
            for start, extent in ((top, high), (left, wide))
        )
        found.append((np.s_[y : y + side, x : x + side], (labels == k).astype(np.uint8)))
    return found


def _fine(crop: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Fine grey structure well inside a lesion, norm 1, 0 elsewhere: neither outline nor shading tells anything.

    All 0 for a lesion that is smaller than the thumbnail: the few pixels inside it are alike by chance.
    """
    if len(crop) < FINE:
        return np.zeros((FINE, FINE), np.float32)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, (FINE, FINE), interpolation=cv2.INTER_AREA).astype(np.float32)
    where = cv2.resize(part.astype(np.float32), (FINE, FINE), interpolation=cv2.INTER_AREA) > 0.9
    where = where.astype(np.float32)
    level = cv2.GaussianBlur(grey * where, (0, 0), 2) / np.maximum(cv2.GaussianBlur(where, (0, 0), 2), 1e-3)
    inner = cv2.erode(
        where, np.ones((3, 3), np.uint8), iterations=RIM, borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    fine = (cv2.GaussianBlur(grey, (0, 0), 0.7) - level) * inner
    return fine / max(float(np.linalg.norm(fine)), 1e-6)
