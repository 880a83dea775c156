"""How diverse a set is and how close to real pictures, in shipped features; real against real stands beside it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from siamese.metrics import fidelity

THUMB = 32  # side of the pictures that the pixel SD is taken of
BLOCK = 1024  # rows of a distance matrix at a time
DRAWS = 40  # halves for a KID
MOST = 1000  # pictures that enter a figure; more are drawn from, by seed


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % interval over `n` pictures."""

    value: float
    low: float
    high: float
    n: int

    def words(self, digits: int = 3) -> str:
        """Value, interval and n."""
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}], n {self.n}"


@dataclass(frozen=True)
class Closeness:
    """Figures of a set, and of the real pictures where there are any.

    Args:
        kid: of halves of the set against halves of the real pictures. floor: of real against real, same sizes.
        spread, real_spread: mean distance between two pictures, in the judge's features.
        pixels, real_pixels: SD between pictures at 32 px, grey levels; None where the real pictures are not at hand.
    """

    spread: Figure
    pixels: Figure
    kid: Figure | None = None
    floor: Figure | None = None
    real_spread: Figure | None = None
    real_pixels: Figure | None = None


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Pictures (N,S,S,3) → (N,32,32,3) uint8."""
    return np.stack([cv2.resize(i, (THUMB, THUMB), interpolation=cv2.INTER_AREA) for i in images])


def neighbours(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each row of (N,D) to the nearest other one, and its index, (N,) each; inf and -1 for a lone row."""
    n = len(features)
    x = features.astype(np.float32)
    distance, index = np.full(n, np.inf), np.full(n, -1)
    if n < 2:
        return distance, index
    squares = (x**2).sum(axis=1)
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        found = squares[rows, None] + squares - 2 * x[rows] @ x.T
        found[np.arange(len(rows)), rows] = np.inf
        index[rows] = found.argmin(axis=1)
        distance[rows] = np.sqrt(np.maximum(found[np.arange(len(rows)), index[rows]], 0))
    return distance, index


def closeness(
    features: np.ndarray,
    thumbs: np.ndarray,
    real_features: np.ndarray | None = None,
    real_thumbs: np.ndarray | None = None,
    seed: int = 0,
) -> Closeness | None:
    """Figures of a set's features (N,D) of norm 1 and thumbnails (N,32,32,3), real ones beside them.

    None where the set has fewer than four pictures; real ones are left out where there are fewer than four.
    """
    if len(features) < 4:
        return None
    draw = np.random.default_rng(seed)
    chosen = draw.permutation(len(features))[:MOST]
    features, thumbs = features[chosen], thumbs[chosen]
    spread, pixels = _spread(features), _pixels(thumbs)
    if real_features is None or len(real_features) < 4:
        return Closeness(spread, pixels)
    chosen = draw.permutation(len(real_features))[:MOST]
    real = real_features[chosen]
    return Closeness(
        spread=spread,
        pixels=pixels,
        kid=kid(features, real, seed),
        floor=floor(real, min(len(features), len(real)) // 2, seed),
        real_spread=_spread(real),
        real_pixels=None if real_thumbs is None else _pixels(real_thumbs[chosen]),
    )


def kid(features: np.ndarray, real: np.ndarray, seed: int = 0) -> Figure:
    """KID of (N,D) against (M,D), rows of norm 1, over random halves: mean, 2.5 and 97.5 percentile."""
    draw, size = np.random.default_rng(seed), min(len(features), len(real)) // 2
    scale = features.shape[1] ** 0.5  # so that the kernel's x·y/D is a cosine
    found = [
        fidelity.kid(
            scale * real[draw.permutation(len(real))[:size]],
            scale * features[draw.permutation(len(features))[:size]],
        )
        for _ in range(DRAWS)
    ]
    return _over(found, size)


def floor(real: np.ndarray, size: int, seed: int = 0) -> Figure:
    """KID of `size` real pictures against as many others of (M,D), drawn again and again."""
    draw, scale = np.random.default_rng(seed), real.shape[1] ** 0.5
    orders = [draw.permutation(len(real)) for _ in range(DRAWS)]
    return _over(
        [fidelity.kid(scale * real[o[:size]], scale * real[o[size : 2 * size]]) for o in orders], size
    )


def _over(found: list[float], n: int) -> Figure:
    low, high = np.percentile(found, [2.5, 97.5])
    return Figure(float(np.mean(found)), float(low), float(high), n)


def _spread(features: np.ndarray) -> Figure:
    """Mean distance between two different rows; intervals undo the loss to cases drawn twice."""
    n = len(features)
    distances = np.sqrt(np.maximum(2 - 2 * np.clip(features @ features.T, -1, 1), 0)).astype(np.float64)
    np.fill_diagonal(distances, 0)

    def mean(rows: np.ndarray) -> float:
        weight = np.bincount(rows, minlength=n)
        return float(weight @ distances @ weight) / (n - 1) ** 2

    low, high = fidelity.interval(mean, n, draws=200)
    return Figure(float(distances.sum() / (n * (n - 1))), low, high, n)


def _pixels(thumbs: np.ndarray) -> Figure:
    """SD between pictures, pixels averaged in quadrature; intervals undo the loss to cases drawn twice, as above."""
    flat = thumbs.reshape(len(thumbs), -1).astype(np.float32)
    n = len(flat)

    def sd(rows: np.ndarray) -> float:
        return float(np.sqrt(flat[rows].var(axis=0, ddof=1).mean()))

    low, high = fidelity.interval(sd, n, draws=100)
    undone = (n / (n - 1)) ** 0.5
    return Figure(sd(np.arange(n)), undone * low, undone * high, n)
