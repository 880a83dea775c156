"""What is measured of one pair by itself: exposure and sharpness of its picture, statistics of its mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from siamese.data.view import corner_box, field_of_view
from siamese.masks.pieces import components
from siamese.masks.typical import TYPICAL

BLACK, WHITE = 8, 250  # all channels at most, at least
RIM = 9  # pixels at the edge of the field of view that are no texture


@dataclass(frozen=True)
class Look:
    """Inside the field of view, corner box left out; see `siamese.augment.item.Scores`."""

    brightness: float
    clipped: float
    sharpness: float


@dataclass(frozen=True)
class Shape:
    """Of a mask; see `siamese.augment.item.Scores`."""

    area: float
    lesions: int
    border: float


def look(image: np.ndarray) -> Look:
    """Exposure and sharpness of a picture (S,S,3) uint8 RGB."""
    inside = field_of_view(image) & ~corner_box(image)
    if not inside.any():
        inside = np.ones(inside.shape, bool)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    extreme = (image.max(axis=2) <= BLACK) | (image.min(axis=2) >= WHITE)
    core = cv2.erode(inside.astype(np.uint8), np.ones((RIM, RIM), np.uint8), borderValue=0) > 0
    edges = cv2.Laplacian(grey, cv2.CV_32F)[core if core.any() else inside]
    return Look(float(grey[inside].mean() / 255), float(extreme[inside].mean()), float(edges.var()))


def shape(labels: np.ndarray) -> Shape:
    """Statistics of a mask (H,W), above 0 lesion; specks are not counted as lesions."""
    lesion = labels > 0
    count = sum(piece.area >= TYPICAL.speck * lesion.size for piece in components(labels))
    rim = np.concatenate([lesion[0], lesion[-1], lesion[1:-1, 0], lesion[1:-1, -1]])
    return Shape(float(lesion.mean()), count, float(rim.mean()))
