"""Differences of two arms within mask groups, corrected over all pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy import stats

from siamese.study.analysis.bootstrap import Clusters, Drawn, Inference, clusters, ratio
from siamese.study.analysis.estimate import Estimate, number, p_words, unknown
from siamese.study.analysis.tables import Votes

SHARED = 0.5  # of the groups of the smaller arm that the other must have too, to compare within groups


@dataclass(frozen=True)
class Difference:
    """`first` minus `second` on one question.

    Args:
        paired: within mask groups; else the arms share too few of them and are compared as they are.
        better, worse, ties: mask groups in which `first` scored higher, lower, the same (paired only).
        p: two-sided, these raters: exact sign test over mask groups (paired), else Mann-Whitney test over mask groups.
        p_holm: the same, corrected after Holm for all pairs of arms.
    """

    first: str
    second: str
    question: str
    estimate: Estimate
    paired: bool
    better: int
    worse: int
    ties: int
    p: float
    p_holm: float

    @property
    def verdict(self) -> str:
        """By the corrected p at 5 %, in words."""
        if math.isnan(self.p_holm):
            return "not known"
        return "told apart" if self.p_holm < 0.05 else "not told apart at this size"


def differences(
    votes: Votes, inference: Inference = "these", level: float = 0.95, seed: int = 0
) -> tuple[Difference, ...]:
    """Every pair of arms of every question, the arm with the higher MOS first; Holm's correction within a question."""
    counted, found = votes.main(), []
    for question in counted.questions:
        asked = counted.asked(question)
        order = sorted(asked.arms, key=lambda arm, v=asked: -float(v.of(arm).score.mean()))
        pairs = [difference(asked, a, b, inference, level, seed) for a, b in combinations(order, 2)]
        corrected = holm([pair.p for pair in pairs])
        found += [replace(pair, p_holm=p) for pair, p in zip(pairs, corrected, strict=True)]
    return tuple(found)


def difference(
    votes: Votes, first: str, second: str, inference: Inference = "these", level: float = 0.95, seed: int = 0
) -> Difference:
    """`first` minus `second` over the counted votes of one question."""
    both = votes.main().of(first, second)
    question = both.questions[0] if len(both) else ""
    without = [arm for arm in (first, second) if not len(both.of(arm))]
    if without:
        nothing = unknown(both.n, f"No difference: no votes on {' and '.join(without)} yet.", level)
        return Difference(first, second, question, nothing, False, 0, 0, 0, math.nan, math.nan)
    drawn, groups = difference_draws(both, first, second, inference, seed)
    low, high = drawn.interval(level)
    better, worse, ties = ((groups > 0).sum(), (groups < 0).sum(), (groups == 0).sum())
    if len(groups):
        test = "sign test over mask groups"
        p = float(stats.binomtest(int(better), int(better + worse)).pvalue) if better + worse else 1.0
    else:
        test = "Mann-Whitney test over mask groups, because the arms share too few masks to be paired"
        p = _mann_whitney(both.of(first), both.of(second))
    means = (
        f"{first} minus {second}: {number(drawn.value, sign=True)} ({test}: {p_words(p)} before correction)."
    )
    shows = "Not told apart is not shown to be alike; and the test counts which was higher, not by how much."
    estimate = Estimate(drawn.value, low, high, both.n, means, shows, level)
    return Difference(
        first, second, question, estimate, len(groups) > 0, int(better), int(worse), int(ties), p, p
    )


def difference_draws(
    both: Votes, first: str, second: str, inference: Inference = "these", seed: int = 0
) -> tuple[Drawn, np.ndarray]:
    """The difference of the mean scores and its draws, and the (G,) differences of the mask groups; none where the arms
    share too few. Paired: the mean over the cells (mask group, rater) in which both were rated.
    """
    drawn = clusters(both, inference, seed=seed)
    (a, na), (b, nb) = (_tables(drawn, both.of(arm)) for arm in (first, second))
    common = (na > 0) & (nb > 0)
    groups = common.any(axis=1)
    fewest = int(min((na > 0).any(axis=1).sum(), (nb > 0).any(axis=1).sum()))
    if groups.sum() < SHARED * fewest:

        def apart(by_group: np.ndarray, by_rater: np.ndarray) -> np.ndarray:
            (p, m), (q, n) = (
                ((by_group @ t * by_rater).sum(axis=1) for t in pair) for pair in ((a, na), (b, nb))
            )
            return ratio(p, m) - ratio(q, n)

        return drawn.drawn(apart, fewest, len(drawn.raters)), np.zeros(0)
    cells = np.where(common, a / np.maximum(na, 1) - b / np.maximum(nb, 1), 0.0)
    return drawn.mean(cells, common.astype(float)), np.round(cells.sum(axis=1)[groups], 12)


def holm(p: list[float]) -> list[float]:
    """Holm's correction; a NaN stays one and is not counted."""
    from statsmodels.stats.multitest import multipletests

    known = [value for value in p if not math.isnan(value)]
    corrected = iter(multipletests(known, method="holm")[1].tolist() if known else [])
    return [value if math.isnan(value) else next(corrected) for value in p]


def _tables(drawn: Clusters, own: Votes) -> tuple[np.ndarray, np.ndarray]:
    return drawn.table(own, own.score), drawn.table(own, np.ones(len(own)))


def _mann_whitney(first: Votes, second: Votes) -> float:
    """Two-sided p over the mean scores of mask groups."""
    one, other = ([float(v.score[v.group == g].mean()) for g in np.unique(v.group)] for v in (first, second))
    return 1.0 if len(set(one + other)) == 1 else float(stats.mannwhitneyu(one, other).pvalue)
