"""Coefficients of agreement on a matrix of ratings (items I, raters R), NaN where a rating is missing.

All but the ICC are linear in the items until the last step; `Sums` holds what is linear, so that a bootstrap weighs
items instead of computing everything again. Sources: Gwet, Handbook of inter-rater reliability, 2014; Krippendorff,
Computing Krippendorff's alpha-reliability, 2011; Shrout and Fleiss, Psychol Bull 1979, McGraw and Wong, Psychol Methods
1996 (ICC).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from siamese.study.analysis.bootstrap import ratio

Scale = Literal["nominal", "ordinal"]


@dataclass(frozen=True, eq=False)
class Sums:
    """What the coefficients need of each item.

    Args:
        levels: (Q,) the possible ratings, ascending.
        counts: (I,Q) how many raters gave each.
    """

    levels: np.ndarray
    counts: np.ndarray

    @property
    def raters(self) -> np.ndarray:
        """(I,) ratings of each item."""
        return self.counts.sum(axis=1)

    @property
    def items(self) -> int:
        """Items with at least two ratings: those on which raters can agree."""
        return int((self.raters >= 2).sum())


def sums(matrix: np.ndarray, levels: tuple[float, ...] = ()) -> Sums:
    """Count a matrix of ratings (I,R).

    Args:
        levels: the possible ratings; empty: those that occur. Agreement by chance depends on them.
    """
    matrix = np.asarray(matrix, float)
    found = np.array(levels, float) if levels else np.unique(matrix[~np.isnan(matrix)])
    return Sums(found, (matrix[:, :, None] == found).sum(axis=1).astype(float))


def raw(counted: Sums, weights: np.ndarray, scale: Scale = "nominal") -> np.ndarray:
    """(B,) observed agreement: the share of pairs of raters who agree on an item; ordinal: near misses count in part.

    Args:
        weights: (B,I) of the items; ones for the value itself.
    """
    return _observed(counted, weights, _partial(len(counted.levels), scale))


def gwet(counted: Sums, weights: np.ndarray, scale: Scale = "nominal") -> np.ndarray:
    """(B,) Gwet's AC1 (nominal) or AC2 (ordinal weights)."""
    q = len(counted.levels)
    if q < 2:
        return np.full(len(weights), math.nan)
    partial = _partial(q, scale)
    shares = _shares(counted, weights)
    chance = partial.sum() / (q * (q - 1)) * (shares * (1 - shares)).sum(axis=1)
    return ratio(_observed(counted, weights, partial) - chance, 1 - chance)


def fleiss(counted: Sums, weights: np.ndarray) -> np.ndarray:
    """(B,) Fleiss' kappa, with missing ratings as Gwet extends it; NaN where all ratings are the same."""
    chance = (_shares(counted, weights) ** 2).sum(axis=1)
    chance[np.isclose(chance, 1)] = 1.0
    return ratio(_observed(counted, weights, np.eye(len(counted.levels))) - chance, 1 - chance)


def krippendorff(counted: Sums, weights: np.ndarray, scale: Scale = "nominal") -> np.ndarray:
    """(B,) Krippendorff's alpha; NaN where all ratings are the same."""
    kept = counted.raters >= 2
    counts, n = counted.counts[kept], counted.raters[kept]
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(counts.shape[1])
    coincidence = np.tensordot(weights[:, kept] / (n - 1), pairs, axes=1)  # (B,Q,Q)
    margin = coincidence.sum(axis=2)  # (B,Q): values that can be paired
    total = margin.sum(axis=1)
    apart = _squared(margin, scale)
    observed = (coincidence * apart).sum(axis=(1, 2))
    expected = (margin[:, :, None] * margin[:, None, :] * apart).sum(axis=(1, 2))
    return 1 - ratio((total - 1) * observed, np.where(np.isclose(expected, 0), 0, expected))


@dataclass(frozen=True)
class Icc:
    """Intra-class correlation, two-way random, absolute agreement: of a single rating (A,1) and of the mean (A,k)."""

    single: float
    single_interval: tuple[float, float]
    mean: float
    mean_interval: tuple[float, float]
    items: int
    raters: int


def icc(matrix: np.ndarray, level: float = 0.95) -> Icc:
    """ICC(A,1) and ICC(A,k) of the items that every rater rated; NaN with fewer than two of either, or no variation."""
    matrix = np.asarray(matrix, float)
    matrix = matrix[~np.isnan(matrix).any(axis=1)] if matrix.size else np.zeros((0, 0))
    n, k = matrix.shape
    nothing = Icc(math.nan, (math.nan, math.nan), math.nan, (math.nan, math.nan), n, k)
    if n < 2 or k < 2 or np.ptp(matrix) == 0:
        return nothing
    mean = matrix.mean()
    rows = k * ((matrix.mean(axis=1) - mean) ** 2).sum() / (n - 1)
    columns = n * ((matrix.mean(axis=0) - mean) ** 2).sum() / (k - 1)
    residual = matrix - matrix.mean(axis=1, keepdims=True) - matrix.mean(axis=0) + mean
    error = (residual**2).sum() / ((n - 1) * (k - 1))
    below = rows + (k - 1) * error + k * (columns - error) / n
    below_mean = rows + (columns - error) / n
    if below <= 0 or below_mean <= 0:
        return nothing
    single, of_mean = (rows - error) / below, (rows - error) / below_mean
    low, high = _icc_interval(single, rows, columns, error, n, k, level)
    return Icc(single, (low, high), of_mean, (_stepped(low, k), _stepped(high, k)), n, k)


def _icc_interval(
    single: float, rows: float, columns: float, error: float, n: int, k: int, level: float
) -> tuple[float, float]:
    """McGraw and Wong 1996, table 7, case 2A."""
    if error < 1e-12 * rows:  # all raters alike up to a shift: F is unbounded
        return math.nan, math.nan
    a = k * single / (n * (1 - single))
    b = 1 + k * single * (n - 1) / (n * (1 - single))
    v = (a * columns + b * error) ** 2 / (
        (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    )
    tail = (1 - level) / 2
    f, g = stats.f.isf(tail, n - 1, v), stats.f.isf(tail, v, n - 1)
    spread = k * columns + (k * n - k - n) * error
    return float(n * (rows - f * error) / (f * spread + n * rows)), float(
        n * (g * rows - error) / (spread + n * g * rows)
    )


def _stepped(single: float, k: int) -> float:
    """Spearman-Brown: from one rating to the mean of k."""
    return k * single / (1 + (k - 1) * single)


def _partial(q: int, scale: Scale) -> np.ndarray:
    """(Q,Q) agreement in part. Ordinal: 1 − C(distance + 1, 2) / C(q, 2). Source: Gwet 2014, §3.5."""
    apart = np.abs(np.arange(q)[:, None] - np.arange(q))
    if scale == "nominal" or q < 2:
        return np.eye(q)
    return 1 - apart * (apart + 1) / (q * (q - 1))


def _observed(counted: Sums, weights: np.ndarray, partial: np.ndarray) -> np.ndarray:
    n = counted.raters
    kept = n >= 2
    counts = counted.counts[kept]
    of_item = (counts * (counts @ partial - 1)).sum(axis=1) / (n[kept] * (n[kept] - 1))
    return ratio(weights[:, kept] @ of_item, weights[:, kept].sum(axis=1))


def _shares(counted: Sums, weights: np.ndarray) -> np.ndarray:
    """(B,Q) how often each rating is given; items with any rating count, each once."""
    kept = counted.raters >= 1
    shares = counted.counts[kept] / counted.raters[kept][:, None]
    return ratio(
        weights[:, kept] @ shares, np.repeat(weights[:, kept].sum(axis=1)[:, None], shares.shape[1], axis=1)
    )


def _squared(margin: np.ndarray, scale: Scale) -> np.ndarray:
    """(B,Q,Q) squared distances; ordinal ones depend on how often each rating occurs."""
    q = margin.shape[1]
    if scale == "nominal":
        return np.broadcast_to(1 - np.eye(q), (len(margin), q, q))
    below = np.cumsum(margin, axis=1) - margin / 2  # half of the own level
    return (below[:, :, None] - below[:, None, :]) ** 2
