"""Morphs of a mask as a whole: growing by distance, smoothing, moving, turning, blending one into another.

Functions take label arrays (H,W) uint8, above 0 lesion, and return new ones of 0 and 1. Pixel (x, y) covers
x..x+1, y..y+1. ui/static/morph.js does the same arithmetic in the same order.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np

NEVER = 2**30  # squared distance to pixels that do not exist


class Extent(NamedTuple):
    """Area in pixels, box (x0, y0, x1, y1) with x1, y1 just outside, centroid (x, y)."""

    area: int
    box: tuple[int, int, int, int]
    centroid: tuple[float, float]


def lesion(labels: np.ndarray) -> np.ndarray:
    """Labels as 0 and 1, (H,W) uint8."""
    return (labels > 0).astype(np.uint8)


def extent(labels: np.ndarray) -> Extent | None:
    """Area, smallest box and centroid of all lesion pixels together; None for an empty mask."""
    found = labels > 0
    columns, rows = found.sum(axis=0), found.sum(axis=1)
    area = int(rows.sum())
    if not area:
        return None
    xs, ys = np.flatnonzero(columns), np.flatnonzero(rows)
    box = (int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1)
    sums = (int(columns @ np.arange(columns.size)), int(rows @ np.arange(rows.size)))
    return Extent(area, box, (sums[0] / area + 0.5, sums[1] / area + 0.5))


def signed_squares(labels: np.ndarray) -> np.ndarray:
    """Squared distance, pixels, to the nearest pixel of the other kind, negative inside; (H,W) float64, whole numbers.

    2**30 everywhere where there is no lesion, minus that where there is no background. Felzenszwalb and Huttenlocher,
    Distance Transforms of Sampled Functions (2012), by OpenCV.
    """
    found = lesion(labels)
    if not found.any() or found.all():
        return np.full(found.shape, -NEVER if found.any() else NEVER, np.float64)
    outside, inside = (
        cv2.distanceTransform(part, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float64)
        for part in (1 - found, found)
    )
    return np.rint(outside**2) - np.rint(inside**2)


def signed_distance(labels: np.ndarray) -> np.ndarray:
    """Exact Euclidean distance to the mask's edge in pixels, negative inside, 0 on the edge; (H,W) float32.

    An empty mask is H + W away everywhere, a full one minus that.
    """
    squares = signed_squares(labels)
    length = np.where(np.abs(squares) >= NEVER, sum(squares.shape), np.sqrt(np.abs(squares)) - 0.5)
    return np.where(squares < 0, -length, length).astype(np.float32)


def grow(labels: np.ndarray, pixels: float) -> np.ndarray:
    """Every edge moved outwards by `pixels`, inwards where that is negative; the picture's border is no edge."""
    limit = (pixels + 0.5) ** 2 if pixels >= 0 else -((0.5 - pixels) ** 2)
    return (signed_squares(labels) <= limit).astype(np.uint8)


def smooth(labels: np.ndarray, radius: int) -> np.ndarray:
    """Three box means of `radius` whole pixels and a threshold at a half: corners and thin parts go."""
    found, side = lesion(labels), 2 * radius + 1
    if radius <= 0:
        return found
    sums = found.astype(np.float64)  # sums, not means: whole numbers below 2^39, hence exact
    for _ in range(3):
        sums = cv2.boxFilter(sums, -1, (side, side), normalize=False, borderType=cv2.BORDER_REPLICATE)
    return (sums >= side**6 / 2).astype(np.uint8)


def direction(radians: float) -> tuple[float, float]:
    """Cosine and sine, rounded so that quarter turns are exact and every machine gets the same numbers."""
    cos, sin = (float(np.floor(v * 1e12 + 0.5) / 1e12) for v in (np.cos(radians), np.sin(radians)))
    return cos, sin


def transform(
    labels: np.ndarray,
    dx: float = 0,
    dy: float = 0,
    scale_x: float = 1,
    scale_y: float = 1,
    degrees: float = 0,
) -> np.ndarray:
    """Scale, then turn (clockwise), about the middle of the mask's box, then move; nearest pixel.

    Args:
        dx, dy: pixels.
        scale_x, scale_y: factors above 0.
        degrees: clockwise. What leaves the picture is cut off.
    """
    found, where = lesion(labels), extent(labels)
    if where is None:
        return found
    x0, y0, x1, y1 = where.box
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    cos, sin = direction(degrees * np.pi / 180)
    height, width = found.shape
    u = np.arange(width) + 0.5 - (middle_x + dx)
    v = (np.arange(height) + 0.5 - (middle_y + dy))[:, None]
    from_x = np.floor((cos * u + sin * v) / scale_x + middle_x)
    from_y = np.floor((cos * v - sin * u) / scale_y + middle_y)
    inside = (from_x >= x0) & (from_x < x1) & (from_y >= y0) & (from_y < y1)
    moved = np.zeros_like(found)
    moved[inside] = found[from_y[inside].astype(int), from_x[inside].astype(int)]
    return moved


def blend(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """From mask `a` (t = 0, exactly) to mask `b` (t = 1, exactly), both (H,W).

    The signed distances are mixed, both shapes moved to the centroid in between, so that a lesion travels; from or to
    an empty mask it grows or shrinks.
    """
    where_a, where_b = extent(a), extent(b)
    if t <= 0 or (where_a is None and where_b is None):
        return lesion(a)
    if t >= 1:
        return lesion(b)
    if where_b is None:
        return _shrunk(signed_distance(a), t)
    if where_a is None:
        return _shrunk(signed_distance(b), 1 - t)
    travel_x, travel_y = (where_b.centroid[k] - where_a.centroid[k] for k in (0, 1))
    field_a = _shifted(signed_distance(a), t * travel_x, t * travel_y)
    field_b = _shifted(signed_distance(b), (t - 1) * travel_x, (t - 1) * travel_y)
    return ((1 - t) * field_a + t * field_b < 0).astype(np.uint8)


def _shrunk(distance: np.ndarray, t: float) -> np.ndarray:
    """Edge moved inwards by the part `t` of the greatest depth."""
    return (distance.astype(np.float64) < t * min(0.0, float(distance.min()))).astype(np.uint8)


def _shifted(distance: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Distances (H,W) moved by (dx, dy), bilinear; beyond the picture the way back to it is added."""
    height, width = distance.shape
    field = distance.astype(np.float64)
    left, right, p, beyond = _along(width, dx)
    upper, lower, q, below = _along(height, dy)
    q = q[:, None]
    across = (1 - p) * field[:, left] + p * field[:, right]
    return (1 - q) * across[upper] + q * across[lower] + np.sqrt(beyond + below[:, None])


def _along(length: int, shift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each place: both neighbours to read, the second's part, and the squared way back into the picture."""
    at = np.arange(length) - shift
    inside = np.clip(at, 0, length - 1)
    first = np.floor(inside).astype(int)
    return first, np.minimum(first + 1, length - 1), inside - first, (at - inside) * (at - inside)


def invert(labels: np.ndarray) -> np.ndarray:
    """Lesion becomes background and background lesion."""
    return (labels == 0).astype(np.uint8)


def flip(labels: np.ndarray, way: Literal["horizontal", "vertical"]) -> np.ndarray:
    """Left and right swapped ("horizontal"), or top and bottom ("vertical")."""
    found = lesion(labels)
    return np.ascontiguousarray(found[::-1] if way == "vertical" else found[:, ::-1])


def rotate90(labels: np.ndarray) -> np.ndarray:
    """A quarter turn clockwise about the middle of the picture, whose size stays; what leaves it is cut off."""
    found = lesion(labels)
    height, width = found.shape
    from_x = np.floor(np.arange(height) + 0.5 + (width - height) / 2).astype(int)[:, None]
    from_y = np.floor((width + height) / 2 - np.arange(width) - 0.5).astype(int)
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    turned = found[np.clip(from_y, 0, height - 1), np.clip(from_x, 0, width - 1)]
    return turned * inside.astype(np.uint8)
