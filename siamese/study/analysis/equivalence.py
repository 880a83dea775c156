"""Is a figure near enough to a value? Two one-sided tests against a margin that was set beforehand.

A large p of a test for difference is never proof that two things are alike; only an interval inside the margin is.
Source: Schuirmann, J Pharmacokinet Biopharm 1987 (TOST).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from siamese.study.analysis.bootstrap import Drawn

Verdict = Literal["equivalent", "different beyond the margin", "cannot be told"]


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests.

    Args:
        value, low, high: the figure and its interval at 1 − 2 alpha.
        level: 1 − 2 alpha.
        centre, margin: equivalent means within centre ± margin.
        p: of the two one-sided tests, the larger one; small speaks for equivalence.
        verdict: by the interval: wholly inside, wholly outside, or neither.
    """

    value: float
    low: float
    high: float
    level: float
    centre: float
    margin: float
    p: float
    verdict: Verdict

    @property
    def band(self) -> tuple[float, float]:
        """The values that count as equivalent."""
        return self.centre - self.margin, self.centre + self.margin


def equivalence(drawn: Drawn, centre: float, margin: float, alpha: float = 0.05) -> Equivalence:
    """Test whether a figure lies within centre ± margin, each side at `alpha`."""
    level = 1 - 2 * alpha
    low, high = drawn.interval(level)
    p = max(drawn.p_above(centre - margin), drawn.p_below(centre + margin))
    return decided(drawn.value, (low, high), level, centre, margin, p)


def decided(
    value: float,
    interval: tuple[float, float],
    level: float,
    centre: float,
    margin: float,
    p: float = math.nan,
) -> Equivalence:
    """The verdict of an interval from elsewhere, e.g. Wilson's."""
    low, high = interval
    verdict: Verdict = "cannot be told"
    if low > centre - margin and high < centre + margin:
        verdict = "equivalent"
    elif low > centre + margin or high < centre - margin:
        verdict = "different beyond the margin"
    return Equivalence(value, low, high, level, centre, margin, p, verdict)
