"""Warps: masks seen through a smooth displacement. Push brush, twelve handles, elastic jitter.

Where a pixel comes from is computed, never where it goes: each reads the mask, as it was at the beginning, at its own
place plus a displacement. Label arrays (H,W) uint8 as in shape.py; ui/static/warp.js does the same arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from siamese.masks.pieces import components, keep_largest
from siamese.masks.shape import direction, extent, lesion

HOLD = 0.02  # weight of staying in place, against handles of weight 1 at their own place
ROUNDS = 50  # of the iteration that lets every handle get its own move exactly
Point = tuple[float, float]


def push(labels: np.ndarray, steps: Sequence[tuple[float, float, float, float]], radius: float) -> np.ndarray:
    """The mask after one drag of the push brush.

    Args:
        steps: (x, y, dx, dy) in pixels: what lies at (x, y) goes to (x + dx, y + dy), what is around it follows less
            and less.
        radius: reach of the brush in pixels; half of the push is left at 0.54 of it.
    """
    found = lesion(labels)
    fields = np.zeros((2, *found.shape), np.float32)
    for x, y, dx, dy in steps:
        count = int(np.ceil(3 * np.sqrt(dx * dx + dy * dy) / radius))  # a longer one would fold
        for k in range(1, count + 1):
            _push_once(fields, x + dx * k / count, y + dy * k / count, dx / count, dy / count, radius)
    height, width = found.shape
    return _warped(found, np.arange(width) + fields[0], np.arange(height)[:, None] + fields[1])


def _push_once(fields: np.ndarray, x: float, y: float, dx: float, dy: float, radius: float) -> None:
    """Add one short push to the displacements (2,H,W) float32, in place."""
    height, width = fields.shape[1:]
    left, right = max(0, int(np.floor(x - radius))), min(width, int(np.ceil(x + radius)))
    top, bottom = max(0, int(np.floor(y - radius))), min(height, int(np.ceil(y + radius)))
    if left >= right or top >= bottom:
        return
    columns, rows = np.arange(left, right), np.arange(top, bottom)[:, None]
    u, v = columns + 0.5 - x, rows + 0.5 - y
    weight = np.maximum(0, 1 - (u * u + v * v) / (radius * radius)) ** 2
    read = [_read(field, columns - weight * dx, rows - weight * dy) for field in fields]
    fields[0, top:bottom, left:right] = read[0] - weight * dx
    fields[1, top:bottom, left:right] = read[1] - weight * dy


def handles(labels: np.ndarray, count: int = 12) -> list[Point]:
    """Points (x, y) in pixels on the outline of the largest lesion at equal angles around its centroid.

    The first lies to the right, the others follow clockwise: the farthest on each ray or, where a ray misses, the one
    nearest to its direction. Of several within a pixel only one is given; none for an empty mask.
    """
    pieces = components(labels)
    if not pieces:
        return []
    largest = keep_largest(labels)
    height, width = largest.shape
    middle_x, middle_y = pieces[0].centroid
    radii = np.arange(4 * (width + height), -1, -1) / 4
    found: list[Point] = []
    for k in range(count):
        cos, sin = direction(2 * np.pi * k / count)
        x, y = middle_x + radii * cos, middle_y + radii * sin
        column, row = np.floor(x).astype(int), np.floor(y).astype(int)
        hit = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        hit[hit] = largest[row[hit], column[hit]] > 0
        if hit.any():
            at = (float(x[hit.argmax()]), float(y[hit.argmax()]))
        else:
            at = _nearest_to(largest, middle_x, middle_y, cos, sin)
        if all((u - at[0]) ** 2 + (v - at[1]) ** 2 >= 1 for u, v in found):
            found.append(at)
    return found


def _nearest_to(largest: np.ndarray, middle_x: float, middle_y: float, cos: float, sin: float) -> Point:
    """Centre of the pixel seen from the middle in the direction nearest to (cos, sin), farthest out if equal."""
    ys, xs = np.nonzero(largest)
    u, v = xs + 0.5 - middle_x, ys + 0.5 - middle_y
    length = u * u + v * v
    along = np.floor((u * cos + v * sin) / np.sqrt(length) * 1e9 + 0.5)
    best = np.lexsort((np.arange(xs.size), -length, -along))[0]
    return float(xs[best] + 0.5), float(ys[best] + 0.5)


def deform(labels: np.ndarray, places: Sequence[Point], moves: Sequence[Point]) -> np.ndarray:
    """The mask pulled by its handles: the edge at each goes where the handle goes, those that stay hold theirs.

    Long moves are made of short ones, so that nothing folds or tears.

    Args:
        places: (x, y) of `handles`, pixels.
        moves: (dx, dy) of each, pixels.
    """
    found = lesion(labels)
    place, move = (np.array(points, np.float64).reshape(-1, 2) for points in (places, moves))
    longest = float(np.sqrt((move * move).sum(axis=1)).max(initial=0))
    if not longest:
        return found
    around = float(np.sqrt(((np.roll(place, -1, axis=0) - place) ** 2).sum(axis=1)).cumsum()[-1])
    sigma = max(2.0, 0.6 * around / len(place))
    steps = min(40, int(np.ceil(2 * longest / sigma)))
    edges = np.concatenate([place, place + move])
    height, width = found.shape
    left, top = (int(v) for v in np.maximum(0, np.floor(edges.min(axis=0) - 4 * sigma)))
    right, bottom = (int(v) for v in np.minimum((width, height), np.ceil(edges.max(axis=0) + 4 * sigma)))
    if left >= right or top >= bottom:
        return found
    mesh = max(1, int(sigma / 3))  # pixels between the places where displacement is computed
    columns, rows = -((left - right) // mesh) + 1, -((top - bottom) // mesh) + 1
    grid_x, grid_y = np.meshgrid(left + np.arange(columns) * mesh, top + np.arange(rows) * mesh)
    xs, ys = grid_x.astype(np.float64), grid_y.astype(np.float64)
    part = move / steps
    for k in range(steps, 0, -1):
        stand = place + part * k
        xs, ys = _retrace(xs, ys, stand, _pulls(stand, part, sigma), sigma)
    x, y = np.arange(left, right), np.arange(top, bottom)[:, None]
    column, row = (x + 0.5 - left) / mesh, (y + 0.5 - top) / mesh
    from_x, from_y = x + _read(xs - grid_x, column, row), y + _read(ys - grid_y, column, row)
    warped = found.copy()
    warped[top:bottom, left:right] = _warped(found, from_x, from_y)
    return warped


def _weight(square: np.ndarray, sigma: float) -> np.ndarray:
    """Weight of a handle at a squared distance: a Gaussian of width `sigma`, in a form that ends at 4 sigma."""
    rest = np.maximum(0, 1 - square / (16 * sigma * sigma))
    for _ in range(3):  # (1 - u)^8 is close to exp(-8 u)
        rest = rest * rest
    return rest


def _pulls(places: np.ndarray, moves: np.ndarray, sigma: float) -> np.ndarray:
    """What each handle (N,2) has to pull with so that every one gets its own move, by repeated correction."""
    apart = places[:, None] - places
    weights = _weight((apart * apart).sum(axis=2), sigma)
    weights /= weights.sum(axis=1, keepdims=True) + HOLD
    found = moves.copy()
    for _ in range(ROUNDS):
        found = found + moves - weights @ found
    return found


def _retrace(
    xs: np.ndarray, ys: np.ndarray, places: np.ndarray, pulls: np.ndarray, sigma: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points (R,C) moved back by one step of the handles, which now stand at `places` (N,2)."""
    total = np.full(xs.shape, HOLD)
    sum_x, sum_y = np.zeros_like(xs), np.zeros_like(xs)
    for (x, y), (pull_x, pull_y) in zip(places, pulls, strict=True):
        u, v = xs - x, ys - y
        weight = _weight(u * u + v * v, sigma)
        total += weight
        sum_x += weight * pull_x
        sum_y += weight * pull_y
    return xs - sum_x / total, ys - sum_y / total


def elastic(labels: np.ndarray, seed: int, strength: float, scale: float) -> np.ndarray:
    """A smooth random warp, the same for the same seed and size: cubic B-splines over random numbers.

    Args:
        seed: whole number, 0..2^32 - 1.
        strength: about the largest displacement in pixels; at most a third of `scale` counts, so that nothing folds.
        scale: pixels between independent displacements.
    """
    found = lesion(labels)
    height, width = found.shape
    columns, rows = int(np.ceil(width / scale)) + 3, int(np.ceil(height / scale)) + 3
    reach = 1.5 * min(strength, scale / 3)
    grid = (reach * (2 * random(seed, 2 * columns * rows) - 1)).reshape(rows, columns, 2)
    where = extent(found)
    if where is None:
        return found
    wide = int(np.ceil(reach)) + 1  # nothing comes from farther away: the rest stays background
    x0, y0 = (max(0, low - wide) for low in where.box[:2])
    x1, y1 = where.box[2] + wide, where.box[3] + wide
    first, weights = _spline(width, scale)
    first, weights = first[x0:x1], weights[:, x0:x1]
    lines = _weighted(weights[:, None, :, None], [grid[:, first + k] for k in range(4)])
    first, weights = _spline(height, scale)
    first, weights = first[y0:y1], weights[:, y0:y1]
    moved = _weighted(weights[:, :, None, None], [lines[first + k] for k in range(4)])
    warped = np.zeros_like(found)
    columns_at, rows_at = np.arange(width)[x0:x1], np.arange(height)[y0:y1, None]
    warped[y0:y1, x0:x1] = _warped(found, columns_at + moved[..., 0], rows_at + moved[..., 1])
    return warped


def random(seed: int, count: int) -> np.ndarray:
    """The first `count` uniform numbers in 0..1 of a seed, (count,) float64, the same everywhere (mulberry32)."""
    state = (seed + np.arange(1, count + 1, dtype=np.uint64) * 0x6D2B79F5).astype(np.uint32)
    t = (state ^ (state >> np.uint32(15))) * (state | np.uint32(1))
    t = t ^ (t + (t ^ (t >> np.uint32(7))) * (t | np.uint32(61)))
    return (t ^ (t >> np.uint32(14))) / 4294967296.0


def _spline(length: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """First of four grid places for each pixel (length,), and the weight of each (4,length)."""
    at = (np.arange(length) + 0.5) / scale
    first = np.floor(at).astype(int)
    p = at - first
    q = 1 - p
    a, d = q * q * q / 6, p * p * p / 6
    b = (4 - 6 * p * p + 3 * p * p * p) / 6
    return first, np.stack([a, b, 1 - a - b - d, d])


def _weighted(weights: np.ndarray, values: Sequence[np.ndarray]) -> np.ndarray:
    return weights[0] * values[0] + weights[1] * values[1] + weights[2] * values[2] + weights[3] * values[3]


def _read(field: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear values of a field (H,W) at pixel coordinates (0 is the first centre), border values continued."""
    height, width = field.shape
    at_x, at_y = np.broadcast_arrays(np.clip(x, 0, width - 1), np.clip(y, 0, height - 1))
    left, upper = np.floor(at_x).astype(int), np.floor(at_y).astype(int)
    right, lower = np.minimum(left + 1, width - 1), np.minimum(upper + 1, height - 1)
    p, q = at_x - left, at_y - upper
    high = (1 - p) * field[upper, left] + p * field[upper, right]
    low = (1 - p) * field[lower, left] + p * field[lower, right]
    return (1 - q) * high + q * low


def _warped(found: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The mask (H,W) {0,1} read at pixel coordinates."""
    return (_read(found, x, y) >= 0.5).astype(np.uint8)
