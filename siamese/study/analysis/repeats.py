"""Does a rater give the same answer again? Hidden repeats beside the first time, which alone counts in any score."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from siamese.study.analysis import coefficients
from siamese.study.analysis.estimate import Estimate, number, unknown
from siamese.study.analysis.proportion import wilson
from siamese.study.analysis.tables import Counts, Votes
from siamese.study.design import Protocol

NOT_SHOWN = "A rater can be steady and wrong; and few repeats leave a wide interval."


@dataclass(frozen=True)
class Repeats:
    """One rater, or all of them pooled (`rater` None).

    Args:
        raw: share of pictures with the same answer twice.
        kappa: Cohen's, of the answers as they are.
        weighted: Cohen's with quadratic weights (P2, P3; P1: of the signed confidence).
        icc: ICC(A,1) of the two times (P1: of the signed confidence).
    """

    rater: int | None
    raw: Estimate
    kappa: Estimate
    weighted: Estimate
    icc: Estimate


def pairs(votes: Votes) -> tuple[np.ndarray, np.ndarray]:
    """Rows (P,) of the first answers and rows (P,) of their repeats, matched by rater, place, picture and question."""
    first = {
        (r, p, i): row
        for row, (r, p, i, phase) in enumerate(
            zip(votes.rater, votes.place, votes.item, votes.phase, strict=True)
        )
        if phase != "repeat"
    }
    found = []
    for row in np.flatnonzero(votes.phase == "repeat"):
        before = first.get((votes.rater[row], votes.repeats[row], votes.item[row]))
        if before is not None:
            found.append((before, row))
    table = np.array(found, int).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def repeats(votes: Votes, protocol: Protocol, level: float = 0.95) -> tuple[Repeats, ...]:
    """All raters pooled, then each rater; give it all votes, repeats included."""
    before, after = pairs(votes)
    one, again = votes.where(before), votes.where(after)
    each = [
        _of(one.where(one.rater == r), again.where(again.rater == r), r, protocol, level)
        for r in votes.raters
    ]
    return (_of(one, again, None, protocol, level), *each)


def steadiness(votes: Votes) -> dict[int, float]:
    """Share of the same answers on hidden repeats by rater; NaN for raters without any."""
    before, after = pairs(votes)
    same, rater = votes.score[before] == votes.score[after], votes.rater[before]
    return {r: float(same[rater == r].mean()) if (rater == r).any() else math.nan for r in votes.raters}


def _of(one: Votes, again: Votes, rater: int | None, protocol: Protocol, level: float) -> Repeats:
    n, count = again.n, len(one)
    if not count:
        return Repeats(rater, *(unknown(n, "No hidden repeat was answered.", level),) * 4)
    same = int((one.score == again.score).sum())
    who = "the raters" if rater is None else f"rater {rater}"
    raw = f"{same} of {count} repeated pictures got the same answer from {who} again."
    agreed = Estimate(same / count, *wilson(same, count, level), n, raw, NOT_SHOWN, level)
    kappa = _kappa(
        one.score, again.score, False, "Cohen's kappa {} on repeats; 1 is full agreement, 0 chance.", n, level
    )
    if protocol == "P4":
        graded = unknown(n, "Not computed: a choice between two pictures has no grades.", level)
        return Repeats(rater, agreed, kappa, graded, graded)
    text = "Weighted kappa {} on repeats: far misses count more than near ones."
    weighted = _kappa(one.value, again.value, True, text, n, level)
    found = coefficients.icc(np.stack([one.value, again.value], axis=1), level)
    icc = unknown(n, "No ICC of the repeats: it needs two of them, and answers that vary.", level)
    if not math.isnan(found.single):
        means = f"ICC(A,1) {number(found.single)} between the first time and the repeat."
        icc = Estimate(found.single, *found.single_interval, n, means, NOT_SHOWN, level)
    return Repeats(rater, agreed, kappa, weighted, icc)


def _kappa(
    one: np.ndarray, again: np.ndarray, weighted: bool, means: str, n: Counts, level: float
) -> Estimate:
    """Source: Fleiss, Cohen and Everitt, Psychol Bull 1969 (standard error)."""
    from statsmodels.stats.inter_rater import cohens_kappa

    levels = np.unique(np.concatenate([one, again]))
    if len(levels) < 2:
        why = "Not computed: all answers on the repeats are the same, so chance alone would agree fully."
        return unknown(n, why, level)
    table = np.zeros((len(levels), len(levels)))
    np.add.at(table, (np.searchsorted(levels, one), np.searchsorted(levels, again)), 1.0)
    graded = {"weights": levels, "wt": "quadratic"} if weighted else {}
    with np.errstate(all="ignore"):
        found = cohens_kappa(table, **graded)
    value, error = float(found.kappa), math.sqrt(max(float(found.var_kappa), 0.0))
    if not error:  # every repeat alike: no interval rather than ±0
        return Estimate(value, math.nan, math.nan, n, means.format(number(value)), NOT_SHOWN, level)
    z = float(stats.norm.isf((1 - level) / 2))
    low, high = max(value - z * error, -1.0), min(value + z * error, 1.0)
    return Estimate(value, low, high, n, means.format(number(value)), NOT_SHOWN, level)
