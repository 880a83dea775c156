"""Small lesions of a mask, and the windows in which they are painted enlarged."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from siamese.masks.pieces import Component, pieces
from siamese.masks.shape import lesion

INSIDE = 0.16  # radius of a lesion in its window, parts of the window's side
FITTING = 1.8  # side of the window at least, times the lesion's box
ENLARGED = (1.25, 4)  # times: less is not worth it, more shows the model too little
SPECK = 0.008  # radius, parts of the side: what is smaller is no lesion but an error of the drawing
GROWN = 0.6  # surroundings of a lesion that are painted with it, parts of its radius
MOST = 12  # lesions of a mask, the largest; further ones are painted with the rest


class Closeup(NamedTuple):
    """A window (top, left, side in pixels) and, enlarged to the picture's size S, what belongs in it.

    labels: (S,S) uint8, the lesion to paint there and those that are there already.
    place: (S,S) uint8 {0,1}, the lesion to paint with its surroundings; the rest of the window stays as it is.
    soft: SD of the blend at the rim of `place`, in enlarged pixels.
    turn: 0, 1, ...: after those of earlier turns; windows of one turn do not touch.
    """

    top: int
    left: int
    side: int
    labels: np.ndarray
    place: np.ndarray
    soft: float
    turn: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the window."""
        return np.s_[self.top : self.top + self.side, self.left : self.left + self.side]


def closeups(labels: np.ndarray, radius: float) -> tuple[np.ndarray, list[Closeup]]:
    """Split a mask into what is painted as it is and what is painted enlarged, largest lesions first.

    Args:
        labels: (S,S) uint8.
        radius: lesions of a smaller one (of a circle of their area, parts of S) are painted enlarged; 0: none.

    Returns: the labels without those lesions; their windows, in the order of painting.
    """
    size = len(labels)
    found, ranks = pieces(lesion(labels), 8)
    small = [
        piece
        for piece in found
        if SPECK <= _radius(piece) / size < radius and ENLARGED[0] * _window(piece, size)[2] <= size
    ][:MOST]
    ground = np.where(np.isin(ranks, [piece.label for piece in small]), 0, labels).astype(np.uint8)
    painted, windows = ground.copy(), []
    for piece in small:
        top, left, side = window = _window(piece, size)
        own, part = ranks == piece.label, np.s_[top : top + side, left : left + side]
        painted[own] = labels[own]
        whole = cv2.resize(painted[part], (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
        place = cv2.resize(own[part].astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR) > 0.5
        grown = GROWN * _radius(piece) * size / side
        around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(grown) + 1,) * 2)
        place = cv2.dilate(place.astype(np.uint8), around)
        turn = max((1 + one.turn for one in windows if _overlap(window, one)), default=0)
        windows.append(Closeup(*window, whole, place, max(2.0, grown / 4), turn))
    return ground, windows


def _radius(piece: Component) -> float:
    return float(np.sqrt(piece.area / np.pi))


def _window(piece: Component, size: int) -> tuple[int, int, int]:
    """Top, left and side of the window around a lesion, inside the picture."""
    x0, y0, x1, y1 = piece.box
    wanted = max(_radius(piece) / INSIDE, FITTING * max(x1 - x0, y1 - y0), size / ENLARGED[1])
    side = min(round(wanted), size)
    top, left = (min(max(round(c - side / 2), 0), size - side) for c in reversed(piece.centroid))
    return top, left, side


def _overlap(window: tuple[int, int, int], other: Closeup) -> bool:
    """Have two windows a pixel in common?"""
    top, left, side = window
    return abs(2 * (top - other.top) + side - other.side) < side + other.side and (
        abs(2 * (left - other.left) + side - other.side) < side + other.side
    )
