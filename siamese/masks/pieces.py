"""The pieces of a mask: its lesions and its holes, measured, kept, removed or filled.

Label arrays (H,W) uint8 as in shape.py; ui/static/pieces.js does the same.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from siamese.masks.shape import lesion


class Component(NamedTuple):
    """One lesion: label 1, 2, ...; area in pixels; box (x0, y0, x1, y1), x1, y1 just outside; centroid (x, y)."""

    label: int
    area: int
    box: tuple[int, int, int, int]
    centroid: tuple[float, float]


def components(labels: np.ndarray) -> list[Component]:
    """Lesions (8 neighbours), largest first, equal ones in reading order."""
    return pieces(lesion(labels), 8)[0]


def keep_largest(labels: np.ndarray) -> np.ndarray:
    """Only the largest lesion; of equal ones the first in reading order."""
    return (pieces(lesion(labels), 8)[1] == 1).astype(np.uint8)


def remove_islands(labels: np.ndarray, min_pixels: int) -> np.ndarray:
    """Without the lesions that have fewer than `min_pixels` pixels."""
    found, ranks = pieces(lesion(labels), 8)
    kept = sum(piece.area >= min_pixels for piece in found)
    return ((ranks > 0) & (ranks <= kept)).astype(np.uint8)


def fill_holes(labels: np.ndarray) -> np.ndarray:
    """Background that does not reach the picture's border (4 neighbours) becomes lesion."""
    found = lesion(labels)
    height, width = found.shape
    holes, ranks = pieces(1 - found, 4)
    inside = np.zeros(len(holes) + 1, np.uint8)
    for label, _, (x0, y0, x1, y1), _ in holes:
        inside[label] = x0 > 0 and y0 > 0 and x1 < width and y1 < height
    return found | inside[ranks]


def pieces(found: np.ndarray, neighbours: int) -> tuple[list[Component], np.ndarray]:
    """Connected pieces of 1 in (H,W) {0,1}, and which of them each pixel belongs to (0: none)."""
    count, marks, stats, _ = cv2.connectedComponentsWithStats(found, connectivity=neighbours)
    height, width = found.shape
    first = np.zeros(count, np.int64)
    first[marks.ravel()[::-1]] = np.arange(found.size)[
        ::-1
    ]  # the last one written stays: the first in reading order
    order = 1 + np.lexsort((first[1:], -stats[1:, cv2.CC_STAT_AREA]))
    ranks = np.zeros(count, np.int32)
    ranks[order] = np.arange(1, count)
    sums_x = np.bincount(marks.ravel(), np.tile(np.arange(width), height), count)
    sums_y = np.bincount(marks.ravel(), np.repeat(np.arange(height), width), count)
    measured = []
    for label, mark in enumerate(order.tolist(), 1):
        left, top, wide, high, area = stats[mark].tolist()
        centroid = (float(sums_x[mark] / area + 0.5), float(sums_y[mark] / area + 0.5))
        measured.append(Component(label, area, (left, top, left + wide, top + high), centroid))
    return measured, ranks[marks]
