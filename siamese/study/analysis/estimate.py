"""A figure with its interval, its n, and in plain words what it means and what it does not show."""

from __future__ import annotations

import math
from dataclasses import dataclass

from siamese.study.analysis.tables import Counts

NUMBERS = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]


@dataclass(frozen=True)
class Estimate:
    """One statistic.

    Args:
        value: NaN where it cannot be computed; `means` then says why.
        low, high: its interval; NaN where there is none.
        n: what was counted.
        means: one sentence.
        does_not_show: one sentence.
        level: of the interval; 0: the statistic has none, its p says what there is to say.
    """

    value: float
    low: float
    high: float
    n: Counts
    means: str
    does_not_show: str
    level: float = 0.95

    @property
    def known(self) -> bool:
        """It could be computed."""
        return not math.isnan(self.value)

    def words(self, digits: int = 2, sign: bool = False) -> str:
        """E.g. “0.53 (95 % interval 0.48 to 0.58)”; never a NaN."""
        if not self.known:
            return "not known"
        if not self.level:
            return number(self.value, digits, sign)
        return f"{number(self.value, digits, sign)} ({interval_words(self.low, self.high, self.level, digits, sign)})"


def unknown(n: Counts, why: str, level: float = 0.95) -> Estimate:
    """What stands where nothing can be computed; `why` is a sentence."""
    return Estimate(
        math.nan,
        math.nan,
        math.nan,
        n,
        why,
        "Without a figure nothing is shown, in neither direction.",
        level,
    )


def number(value: float, digits: int = 2, sign: bool = False) -> str:
    """A number in words' company: a true minus, no “-0.00”, “not known” for NaN."""
    if math.isnan(value):
        return "not known"
    if math.isinf(value):
        return "unbounded"
    value = round(value, digits) + 0.0  # + 0.0: no negative zero
    return f"{value:{'+' if sign and value else ''}.{digits}f}".replace("-", "−")


def interval_words(low: float, high: float, level: float, digits: int = 2, sign: bool = False) -> str:
    """E.g. “95 % interval 0.48 to 0.58”, or that there is none."""
    if math.isnan(low) or math.isnan(high):
        return "no interval: too few votes, or all alike"
    return f"{level * 100:g} % interval {number(low, digits, sign)} to {number(high, digits, sign)}"


def p_words(p: float) -> str:
    """E.g. “p = 0.03”, “p < 0.001”."""
    if math.isnan(p):
        return "p not known"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.01 else f"p = {p:.2f}"


def how_many(count: int, one: str, many: str = "") -> str:
    """A number up to twelve in letters and what it counts: “five raters”, “one rater”, “no raters”."""
    return f"{NUMBERS[count] if count < len(NUMBERS) else f'{count:,}'} {one if count == 1 else many or one + 's'}"
