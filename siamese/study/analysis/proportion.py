"""One proportion and the difference of two."""

from __future__ import annotations

import math

from scipy import stats


def wilson(count: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of `count` out of `of`; NaN for none.

    Source: Wilson, JASA 1927.
    """
    if not of:
        return math.nan, math.nan
    found = stats.binomtest(count, of).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)


def newcombe(first: tuple[int, int], second: tuple[int, int], level: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two independent proportions, each (count, of).

    Source: Newcombe, Interval estimation for the difference between independent proportions, Stat Med 1998, method 10.
    """
    p, q = first[0] / first[1], second[0] / second[1]
    (a, b), (c, d) = wilson(*first, level), wilson(*second, level)
    return p - q - math.hypot(p - a, d - q), p - q + math.hypot(b - p, q - c)


def z_test(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """Pooled z of two independent proportions, each (count, of), and its two-sided p; 0 and 1 where nothing varies."""
    pooled = (first[0] + second[0]) / (first[1] + second[1])
    error = math.sqrt(pooled * (1 - pooled) * (1 / first[1] + 1 / second[1]))
    z = (first[0] / first[1] - second[0] / second[1]) / error if error else 0.0
    return z, float(2 * stats.norm.sf(abs(z)))
