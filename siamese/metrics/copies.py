"""Is a picture a copy of a training picture? Nearest neighbours over 8 orientations, calibrated on held-out real ones.

Wording: "no copy found in this space at this threshold", never "private".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

GREY = 64  # side of the grey thumbnails
PERCENTILE = 1.0  # of the distances of held-out real pictures: below it a picture is flagged

Features = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Nearest:
    """For each picture its nearest training picture: `distance` (N,), `index` (N,) into the training set."""

    distance: np.ndarray
    index: np.ndarray


def orientations(images: np.ndarray) -> list[np.ndarray]:
    """The 8 orientations of square pictures (N,S,S,3)."""
    turned = [np.rot90(images, k, axes=(1, 2)) for k in range(4)]
    return [np.ascontiguousarray(t[:, :, ::step]) for t in turned for step in (1, -1)]


def thumbnails(images: np.ndarray) -> np.ndarray:
    """(N,4096) float32: 64×64 grey, mean removed, norm 1, so that brightness and contrast do not hide a copy."""
    small = [
        cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (GREY, GREY), interpolation=cv2.INTER_AREA)
        for image in images
    ]
    flat = np.stack(small).reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def nearest(
    images: np.ndarray, training: np.ndarray, features: Features, apart: np.ndarray | None = None
) -> Nearest:
    """The nearest rows of `training` (M,D) to `features` of each picture in its 8 orientations, Euclidean.

    `apart` (N,): for each picture the row of `training` that is the picture itself, and is left out.
    """
    distances = np.stack([_squared(features(turned), training) for turned in orientations(images)]).min(
        axis=0
    )
    if apart is not None:
        distances[np.arange(len(images)), apart] = np.inf
    index = distances.argmin(axis=1)
    return Nearest(np.sqrt(distances[np.arange(len(images)), index]), index)


def threshold(held_out: Nearest) -> float:
    """The 1st percentile of held-out real pictures' distances."""
    return float(np.percentile(held_out.distance, PERCENTILE))


def _squared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x.astype(np.float32), y.astype(np.float32)
    squared = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T
    return np.maximum(squared, 0)
