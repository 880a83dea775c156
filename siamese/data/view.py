"""What an endoscope adds to the tissue: the field of view, a corner box, burnt-in text. Numpy and OpenCV.

All functions take a picture (H,W,3) uint8 RGB and return boolean maps (H,W).
"""

from __future__ import annotations

import cv2
import numpy as np

DARK = 26  # brightest channel of black borders and boxes after blur (PolypGen panels reach 22)
TEXT_HEIGHT = 576  # height at which characters are looked for, pixels


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
    """White characters, three or more of one height in a row, in the left two fifths; True on and around them.

    Rows that are found are filled out with fainter and touching strokes, and so is the column that they stand in;
    highlights between them may go with the text. All False where no row of characters stands.
    """
    height, width = picture.shape[:2]
    scaled = (round(width * TEXT_HEIGHT / height), TEXT_HEIGHT)
    shrinking = height > TEXT_HEIGHT
    small = cv2.resize(picture, scaled, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC)
    small = small[:, : round(0.42 * scaled[0])]
    white = small.min(axis=2)  # strokes stand out most in the darkest channel of tissue, mostly blue
    contrast = cv2.morphologyEx(white, cv2.MORPH_TOPHAT, np.ones((19, 19), np.uint8))
    words = np.zeros(white.shape, bool)
    for level in (28, 40, 60):
        words |= _words(_strokes(contrast > level, contrast, white))
    if not words.any():
        return np.zeros((height, width), bool)
    rows, columns = (np.flatnonzero(words.any(axis=axis)) for axis in (1, 0))
    column = np.zeros_like(words)
    column[max(0, rows[0] - 40) : rows[-1] + 40, max(0, columns[0] - 30) : columns[-1] + 30] = True
    faint = contrast > 15
    found = words | (_strokes(faint, contrast, white) & (column | _grown(words, 9, 221)))
    found |= _grown(words, 5, 161) & faint & (white >= 120)
    joined = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 11), np.uint8))
    black = (small.max(axis=2) <= DARK).astype(np.uint8)
    black = cv2.morphologyEx(black, cv2.MORPH_OPEN, np.ones((15, 15), np.uint8))
    full = np.zeros(scaled[::-1], np.uint8)
    full[:, : small.shape[1]] = _grown(joined, 7, 7) & ~_grown(black, 7, 7)
    return cv2.resize(full, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


def _grown(where: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return cv2.dilate(where.astype(np.uint8), np.ones((rows, columns), np.uint8)).astype(bool)


def _strokes(candidate: np.ndarray, contrast: np.ndarray, white: np.ndarray) -> np.ndarray:
    """Connected pieces of `candidate` no larger than characters or a touching word, white and clear at their peak."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(candidate.astype(np.uint8))
    wide, high, area = stats[:, 2], stats[:, 3], stats[:, 4]
    clear, brightest = np.zeros(count), np.zeros(count)
    np.maximum.at(clear, labels[candidate], contrast[candidate])
    np.maximum.at(brightest, labels[candidate], white[candidate])
    kept = (high >= 3) & (high <= 26) & (area >= 5) & ((wide <= 28) | ((high <= 20) & (wide <= 130)))
    kept &= (clear >= 30) & (brightest >= 125)
    kept[0] = False
    return kept[labels]


def _words(strokes: np.ndarray) -> np.ndarray:
    """Strokes of one height side by side, three characters or more; all False below six characters in all."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8))
    left, top, wide, high, area = stats[1:].T
    right, bottom = left + wide, top + high
    thin = (area <= 0.75 * wide * high) | (wide <= 16)
    fits = (high >= 7) & (high <= 20) & (wide >= 2) & thin
    gap = np.maximum(left[:, None], left) - np.minimum(right[:, None], right)
    beside = (gap <= 16) & (abs(top[:, None] - top) <= 2) & (abs(bottom[:, None] - bottom) <= 2)
    beside &= fits[:, None] & fits
    row, before = beside.astype(np.float32), 0
    while row.sum() > before:  # neighbours of neighbours
        before, row = row.sum(), (row @ row > 0).astype(np.float32)
    characters = np.maximum(1, np.round(wide / (0.75 * high))) * fits
    word = (row @ characters >= 3) & fits
    if characters[word].sum() < 6:
        return np.zeros(strokes.shape, bool)
    return np.concatenate([[False], word])[labels]


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
