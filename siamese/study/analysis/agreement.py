"""Do the raters agree? Raw agreement and Gwet's AC first, then ICC, Fleiss' kappa and Krippendorff's alpha."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from siamese.study.analysis import coefficients
from siamese.study.analysis.bootstrap import Drawn, clusters
from siamese.study.analysis.coefficients import Scale, Sums
from siamese.study.analysis.estimate import Estimate, number, unknown
from siamese.study.analysis.tables import Counts, Votes
from siamese.study.design import Protocol

NOT_SHOWN = "Raters can agree and all be wrong; it does not show that they are right."
PARADOX = (
    "Where nearly all answers are the same it can be low although the raters agree: see the raw agreement."
)
SCALES: dict[Protocol, Scale] = {"P1": "nominal", "P2": "ordinal", "P3": "ordinal", "P4": "nominal"}
LEVELS: dict[Protocol, tuple[float, ...]] = {"P1": (0, 1), "P2": (), "P3": (1, 2, 3, 4, 5), "P4": (0, 1)}


@dataclass(frozen=True)
class Agreement:
    """Of these raters on one question. `ac` is AC1 for real or synthetic and for pairs, AC2 for ranks and levels."""

    question: str
    raw: Estimate
    ac: Estimate
    icc_single: Estimate
    icc_mean: Estimate
    fleiss: Estimate
    alpha: Estimate


def ratings(votes: Votes, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ratings (I,R), NaN where missing, of the pictures and raters in `votes`, and the mask group (I,) of each picture.

    Args:
        values: (N,) what to lay out, e.g. `votes.score`.
    """
    items, first, row = np.unique(votes.item, return_index=True, return_inverse=True)
    _, column = np.unique(votes.rater, return_inverse=True)
    matrix = np.full((len(items), len(votes.raters)), math.nan)
    matrix[row, column] = values
    return matrix, votes.group[first]


def agreement(votes: Votes, protocol: Protocol, level: float = 0.95, seed: int = 0) -> tuple[Agreement, ...]:
    """Of every question, counted votes only; intervals by bootstrap over mask groups, the raters as they are."""
    counted = votes.main()
    return tuple(_asked(counted.asked(q), q, protocol, level, seed) for q in counted.questions)


def _asked(asked: Votes, question: str, protocol: Protocol, level: float, seed: int) -> Agreement:
    matrix, groups = ratings(asked, asked.score)
    counted, scale = coefficients.sums(matrix, LEVELS[protocol]), SCALES[protocol]
    n = asked.n
    if not counted.items:
        nothing = unknown(n, "No agreement: no picture was rated by two raters.", level)
        return Agreement(question, *(nothing,) * 6)
    drawn = clusters(asked, seed=seed)
    weights = np.vstack([np.ones(len(matrix)), drawn.by_group[:, np.searchsorted(drawn.groups, groups)]])
    units = len(set(groups[counted.raters >= 2]))

    def of(compute: Callable[[Sums, np.ndarray], np.ndarray], means: str, shows: str) -> Estimate:
        values = compute(counted, weights)
        if math.isnan(values[0]):
            return unknown(
                n, "Not computed: all ratings are the same, so chance alone would agree fully.", level
            )
        low, high = Drawn(float(values[0]), values[1:], units).interval(level)
        return Estimate(float(values[0]), low, high, n, means.format(number(float(values[0]))), shows, level)

    name = "AC1" if scale == "nominal" else "AC2, near misses counted in part"
    near = "" if scale == "nominal" else ", near misses counted in part"
    return Agreement(
        question,
        of(
            lambda s, w: coefficients.raw(s, w, scale),
            f"A share of {{}} of the pairs of raters gave a picture the same answer{near}.",
            "Part of it is chance; AC, kappa and alpha take that off, each in its way.",
        ),
        of(
            lambda s, w: coefficients.gwet(s, w, scale),
            f"Gwet's {name}: {{}}; 1 is full agreement, 0 what chance gives.",
            NOT_SHOWN,
        ),
        *_iccs(asked, protocol, n, level),
        of(coefficients.fleiss, "Fleiss' kappa {}; 1 is full agreement, 0 what chance gives.", PARADOX),
        of(
            lambda s, w: coefficients.krippendorff(s, w, scale),
            f"Krippendorff's alpha ({scale}) {{}}; 1 is full agreement, 0 what chance gives.",
            PARADOX,
        ),
    )


def _iccs(asked: Votes, protocol: Protocol, n: Counts, level: float) -> tuple[Estimate, Estimate]:
    if protocol == "P4":
        nothing = unknown(n, "No ICC: a choice between two pictures has no grades.", level)
        return nothing, nothing
    found = coefficients.icc(ratings(asked, asked.value)[0], level)
    if math.isnan(found.single):
        why = "No ICC: it needs two raters who rated the same two pictures, and answers that vary."
        return unknown(n, why, level), unknown(n, why, level)
    of_whom = f"over the {found.items} pictures that all {found.raters} raters rated"
    single = f"ICC(A,1) {number(found.single)} {of_whom}: how well one rating stands for any rater's."
    mean = f"ICC(A,k) {number(found.mean)} {of_whom}: how well the mean of these raters stands for that of others."
    shows = "It depends on how different the pictures are; it does not compare with other sets of pictures."
    return (
        Estimate(found.single, *found.single_interval, n, single, shows, level),
        Estimate(found.mean, *found.mean_interval, n, mean, shows, level),
    )
