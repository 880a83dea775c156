"""What an endoscope adds to the tissue: the field of view, a corner box, burnt-in text. Numpy and OpenCV.

All functions take a picture (H,W,3) uint8 RGB and return boolean maps (H,W).
"""

from __future__ import annotations

import cv2
import numpy as np

DARK = 26  # brightest channel of black borders and boxes after blur (PolypGen panels reach 22)


def field_of_view(picture: np.ndarray) -> np.ndarray:
    """Inside of the field of view: the convex hull of the largest bright region, True inside.

    Thumbnails and text beside it are thin or small and are opened away. A picture that is dark all over counts as
    inside everywhere.
    """
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (192, 192), interpolation=cv2.INTER_AREA)
    bright = (small.max(axis=2) > DARK) & ~_coloured(small)
    bright = cv2.morphologyEx(bright.astype(np.uint8), cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright)
    if count < 2 or stats[1:, cv2.CC_STAT_AREA].max() < 0.05 * bright.size:
        return np.ones((height, width), bool)
    largest = (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    contours, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(np.concatenate(contours))
    inside = cv2.fillConvexPoly(np.zeros_like(largest), hull, 1)
    return cv2.resize(inside, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


def corner_box(picture: np.ndarray) -> np.ndarray:
    """The black, green or blue box in the lower left corner (scope guide, covered text), True inside; else all False.

    The largest rectangle anchored in that corner that is nearly all dark or coloured, at least an eighth and at most
    0.6 of each side, while its mirror image at the lower right is not (a cut corner of the field of view is).
    """
    side = 96
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    candidate = (small.max(axis=2) <= DARK) | _coloured(small)
    box = np.zeros(picture.shape[:2], bool)
    found, mirrored = _anchored_share(candidate), _anchored_share(candidate[:, ::-1])
    heights, widths = np.mgrid[1 : side + 1, 1 : side + 1]
    fits = (found >= 0.96) & (mirrored < 0.7) & (np.minimum(heights, widths) >= side / 8)
    fits &= np.maximum(heights, widths) <= 0.6 * side
    if fits.any():
        height, width = np.unravel_index(np.argmax(heights * widths * fits), fits.shape)
        rows, columns = picture.shape[0] * (height + 1) // side, picture.shape[1] * (width + 1) // side
        box[picture.shape[0] - rows :, :columns] = True
    return box


def burnt_in_text(picture: np.ndarray) -> np.ndarray:
    """Small, bright, colourless strokes in the left third, several in a column; True on and around them, else False."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (384, 384), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    strokes = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, np.ones((13, 13), np.uint8)) > 45
    spread = small.max(axis=2).astype(int) - small.min(axis=2)
    strokes &= (spread < 60) & (grey > 110)
    strokes[:, 130:] = False
    joined = cv2.morphologyEx(strokes.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 9), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    found = np.zeros_like(joined)
    for k in range(1, count):
        w, h, area = stats[k][2:]
        if 8 <= w <= 100 and 3 <= h <= 14 and w >= 1.5 * h and area >= 0.35 * w * h:
            found[labels == k] = 1
    if found.sum() < 60:
        return np.zeros((height, width), bool)
    found = cv2.dilate(found, np.ones((5, 5), np.uint8)) & cv2.dilate(
        strokes.astype(np.uint8), np.ones((5, 5), np.uint8)
    )
    return cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


def outline(inside: np.ndarray) -> list[tuple[float, float]]:
    """Corners (x, y) in [0,1] of the convex hull of a boolean map (H,W), simplified; empty for an empty map."""
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return []
    hull = cv2.convexHull(np.concatenate(contours))
    corners = cv2.approxPolyDP(hull, 0.012 * max(inside.shape), True)[:, 0]
    size = np.array(inside.shape[::-1]) - 1
    return [(round(float(x), 4), round(float(y), 4)) for x, y in corners / size]


def inpaint(picture: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Fill `where` from its surroundings (Telea 2004)."""
    return cv2.inpaint(picture, where.astype(np.uint8), 4, cv2.INPAINT_TELEA)


def _coloured(small: np.ndarray) -> np.ndarray:
    """Green or blue panels: no tissue is greener or bluer than red by a third."""
    red, green, blue = (small[..., k].astype(int) for k in range(3))
    panel = (np.maximum(green, blue) > 1.35 * red + 20) & (np.maximum(green, blue) > 90)
    return cv2.morphologyEx(panel.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)).astype(bool)


def _anchored_share(candidate: np.ndarray) -> np.ndarray:
    """Share of True in the rectangle of h rows and w columns at the lower left, at [h − 1, w − 1]."""
    sums = candidate[::-1].astype(float).cumsum(0).cumsum(1)
    heights, widths = np.mgrid[1 : candidate.shape[0] + 1, 1 : candidate.shape[1] + 1]
    return sums / (heights * widths)
