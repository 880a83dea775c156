"""How long votes took, which were quick, and whether raters change on the way through the session."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from siamese.study.analysis.bootstrap import Drawn, clusters, ratio
from siamese.study.analysis.estimate import Estimate, number, p_words, unknown
from siamese.study.analysis.tables import Counts, Votes
from siamese.study.design import Protocol

TENTHS = 10
SCORES: dict[Protocol, str] = {
    "P1": "the share of right answers",
    "P2": "the rank of real pictures",
    "P3": "the mean level, each scale against its own mean",
    "P4": "the share of pairs in which the patient's picture was found",
}


@dataclass(frozen=True)
class Pace:
    """Seconds per vote of one rater, or of all (`rater` None); `low` and `high` are the quartiles, not an interval."""

    rater: int | None
    value: float
    low: float
    high: float
    n: Counts
    means: str
    does_not_show: str


@dataclass(frozen=True)
class Quick:
    """Votes of one rater below a limit: flagged, never deleted."""

    rater: int
    count: int
    of: int
    limit: float

    @property
    def share(self) -> float:
        """0 where there are no votes with a known time."""
        return self.count / self.of if self.of else 0.0


@dataclass(frozen=True)
class Curve:
    """A score along the session, all raters together.

    Args:
        what: the score in words.
        tenths: (10,) its mean in each tenth of a rater's session; NaN where there is no vote.
        votes: (10,) presentations in each.
        trend: its change from the first to the last vote, by a line within raters; bootstrap over mask groups.
        p: two-sided, of no trend.
    """

    what: str
    tenths: tuple[float, ...]
    votes: tuple[int, ...]
    trend: Estimate
    p: float


def pace(votes: Votes) -> tuple[Pace, ...]:
    """All raters, then each; practice left out, repeats counted, time with the page hidden left out."""
    rows = votes.where(votes.phase != "practice")
    rows = rows.where(rows.first_rows())
    rows = rows.where(~np.isnan(rows.seconds))
    return (_pace(rows, None), *(_pace(rows.by(rater), rater) for rater in votes.raters))


def quick(votes: Votes, fastest: float) -> tuple[Quick, ...]:
    """Votes quicker than `fastest` seconds by rater; practice left out, repeats counted."""
    rows = votes.where(votes.phase != "practice")
    rows = rows.where(rows.first_rows())
    found = []
    for rater in votes.raters:
        seconds = rows.seconds[(rows.rater == rater) & ~np.isnan(rows.seconds)]
        found.append(Quick(rater, int((seconds < fastest).sum()), len(seconds), fastest))
    return tuple(found)


def learning(votes: Votes, protocol: Protocol, level: float = 0.95, seed: int = 0) -> Curve:
    """The score by tenth of the session, with a test for trend. P1, P4: right answers; controls are left out there."""
    counted = votes.main()
    rows, score = _scored(counted, protocol)
    return _curve(counted, rows, score, SCORES[protocol], level, seed)


def slowing(votes: Votes, level: float = 0.95, seed: int = 0) -> Curve:
    """Seconds per vote by tenth of the session, with a test for trend."""
    counted = votes.main()
    rows = counted.first_rows()
    rows = rows[~np.isnan(counted.seconds[rows])]
    return _curve(counted, rows, counted.seconds[rows], "seconds per vote", level, seed)


def _pace(rows: Votes, rater: int | None) -> Pace:
    shows = "Time away from the page is left out; time spent looking elsewhere is not known."
    if not len(rows):
        return Pace(rater, math.nan, math.nan, math.nan, rows.n, "No vote with a known time yet.", shows)
    low, value, high = (float(v) for v in np.quantile(rows.seconds, [0.25, 0.5, 0.75]))
    whose = "" if rater is None else f" of rater {rater}"
    middle = f"{number(low, 1)} to {number(high, 1)}"
    means = f"Half of the votes{whose} took {number(value, 1)} seconds or less, the middle half {middle}."
    return Pace(rater, value, low, high, rows.n, means, shows)


def _scored(counted: Votes, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Rows that have a score, and the score."""
    real = counted.kind == "real"
    if protocol == "P1":
        rows = np.flatnonzero(counted.kind != "control")
        return rows, (counted.real[rows] == real[rows]).astype(float)
    if protocol == "P3":
        score = counted.value.copy()
        for question in counted.questions:
            score[counted.question == question] -= counted.value[counted.question == question].mean()
        return np.arange(len(counted)), score + (counted.value.mean() if len(counted) else 0.0)
    rows = np.flatnonzero(real)
    return rows, counted.value[rows]


def _curve(counted: Votes, rows: np.ndarray, score: np.ndarray, what: str, level: float, seed: int) -> Curve:
    own, along = counted.where(rows), _along(counted)[rows]
    tenth = np.minimum((along * TENTHS).astype(int), TENTHS - 1)
    number_of = np.bincount(tenth, minlength=TENTHS)
    means = ratio(np.bincount(tenth, score, TENTHS), number_of.astype(float))
    curve = (what, tuple(means.tolist()), tuple(number_of.tolist()))
    drawn = _slopes(own, along, score, seed)
    if math.isnan(drawn.value):
        nothing = unknown(
            own.n, f"No trend of {what}: it needs a rater with two votes at different times.", level
        )
        return Curve(*curve, nothing, math.nan)
    low, high = drawn.interval(level)
    p = drawn.p_differs(0.0)
    told = "no trend can be told" if not (low > 0 or high < 0) else "it rises" if low > 0 else "it falls"
    tested = "" if math.isnan(p) else f" ({p_words(p)})"
    text = (
        f"From the first to the last vote {what} changes by {number(drawn.value, sign=True)}: {told}{tested}."
    )
    shows = "It does not show why: learning, tiredness and the order of the pictures look alike here."
    return Curve(*curve, Estimate(drawn.value, low, high, own.n, text, shows, level), p)


def _along(votes: Votes) -> np.ndarray:
    """(N,) place of a row in its rater's session, 0 the first vote, 1 the last; 0 where there is one only."""
    along = np.zeros(len(votes))
    for rater in votes.raters:
        own = votes.rater == rater
        _, order = np.unique(votes.place[own], return_inverse=True)
        along[own] = order / max(order.max(), 1)
    return along


def _slopes(own: Votes, x: np.ndarray, y: np.ndarray, seed: int) -> Drawn:
    """Slope of y on x within raters, and its draws."""
    drawn = clusters(own, seed=seed)

    def slope(by_group: np.ndarray) -> np.ndarray:
        n, sx, sy, sxx, sxy = (by_group @ drawn.table(own, v) for v in (np.ones(len(x)), x, y, x * x, x * y))
        n = np.maximum(n, 1)
        across = (sxx - sx * sx / n).sum(axis=1)
        return ratio((sxy - sx * sy / n).sum(axis=1), np.where(across > 1e-9, across, 0.0))

    value = slope(np.ones((1, len(drawn.groups))))[0]
    return Drawn(float(value), slope(drawn.by_group), len(drawn.groups))
