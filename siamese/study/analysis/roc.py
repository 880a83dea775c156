"""Real against synthetic from signed confidence: AUC, ROC points, d′ and the lean, of each rater and together.

AUC = share of (real, synthetic) pairs of pictures in which the real one got the higher signed confidence, ties half.
0.5: not told apart; 1: always; below 0.5: the synthetic ones look more real. A hit is a synthetic picture called
synthetic, a false alarm a real one called synthetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from siamese.study.analysis.bootstrap import Clusters, Drawn, Inference, clusters, ratio
from siamese.study.analysis.estimate import Estimate, how_many, number, unknown
from siamese.study.analysis.tables import Counts, Votes

NOT_SHOWN = "It does not show what gave pictures away, nor which of them were recognised."


@dataclass(frozen=True)
class RaterRoc:
    """One rater.

    Args:
        rater: number.
        auc: interval after DeLong, mask groups as clusters.
        points: (false alarms, hits) from (0, 0) to (1, 1), one for each level of signed confidence.
        d_prime: z(hits) − z(false alarms); log-linear correction.
        criterion: −(z(hits) + z(false alarms)) / 2; above 0 leans to calling pictures real.
        lean: the same in words.
    """

    rater: int
    auc: Estimate
    points: tuple[tuple[float, float], ...]
    d_prime: Estimate
    criterion: Estimate
    lean: str


@dataclass(frozen=True)
class Roc:
    """`synthetic` against `real`: the mean AUC of all raters, and each rater."""

    synthetic: str
    real: str
    auc: Estimate
    raters: tuple[RaterRoc, ...]


def roc(
    votes: Votes,
    synthetic: str,
    real: str,
    inference: Inference = "these",
    level: float = 0.95,
    seed: int = 0,
) -> Roc:
    """AUC of two arms (P1) over the counted votes; raters without votes on both arms are left out."""
    both = votes.main().of(synthetic, real)
    raters = [rater for rater in both.raters if _both(both.by(rater), synthetic, real)]
    each = tuple(rater_roc(both.by(rater), rater, synthetic, real, level) for rater in raters)
    if not raters:
        return Roc(
            synthetic,
            real,
            unknown(both.n, f"No AUC: no rater has votes on both {synthetic} and {real}.", level),
            (),
        )
    drawn = auc_draws(both, synthetic, real, inference, seed)
    low, high = auc_interval(drawn, level)
    means = (
        f"Mean AUC {number(drawn.value)} of {how_many(len(raters), 'rater')}: 0.5 is guessing, 1 is telling every "
        f"picture of {synthetic} from every one of {real}."
    )
    return Roc(synthetic, real, Estimate(drawn.value, low, high, both.n, means, NOT_SHOWN, level), each)


def rater_roc(own: Votes, rater: int, synthetic: str, real: str, level: float = 0.95) -> RaterRoc:
    """Of one rater's votes, some on each of the two arms."""
    r, s = own.of(real), own.of(synthetic)
    area = auc(r.value, s.value)
    z = float(stats.norm.isf((1 - level) / 2))
    error = delong(r.value, s.value, r.group, s.group)
    if error > 0:
        low, high = max(0.0, area - z * error), min(1.0, area + z * error)
    else:
        low, high = newcombe_auc(area, len(r), len(s), level)
    found = Estimate(
        area, low, high, own.n, f"AUC {number(area)} of rater {rater}; 0.5 is guessing.", NOT_SHOWN, level
    )
    d_prime, criterion = _signal(own.n, r, s, rater, z, level)
    return RaterRoc(rater, found, _points(r.value, s.value), d_prime, criterion, lean(criterion))


def auc(real: np.ndarray, synthetic: np.ndarray) -> float:
    """AUC of the signed confidence of real (M,) and synthetic (N,) pictures; NaN where one is empty."""
    return float(_wins(real, synthetic).mean()) if len(real) and len(synthetic) else math.nan


def auc_draws(
    votes: Votes, synthetic: str, real: str, inference: Inference = "these", seed: int = 0
) -> Drawn:
    """The mean over raters of the AUC, and its draws; pictures of one mask are drawn together whatever their arm."""
    both = votes.main().of(synthetic, real)
    drawn = clusters(both, inference, seed=seed)
    tables = [_levels(drawn, both.by(int(rater)), synthetic, real) for rater in drawn.raters]

    def statistic(by_group: np.ndarray, by_rater: np.ndarray) -> np.ndarray:
        each = np.stack([_auc_of(by_group @ r, by_group @ s, levels) for levels, r, s in tables], axis=1)
        known = ~np.isnan(each)
        weights = np.where(known, by_rater, 0.0)
        return ratio((np.where(known, each, 0.0) * weights).sum(axis=1), weights.sum(axis=1))

    groups = min(len(set(both.of(arm).group)) for arm in (synthetic, real))
    raters = sum(_both(both.by(int(rater)), synthetic, real) for rater in drawn.raters)
    if not raters:
        return Drawn(math.nan, np.full(len(drawn.by_group), math.nan), 0)
    return drawn.drawn(statistic, groups, raters)


def auc_interval(drawn: Drawn, level: float) -> tuple[float, float]:
    """Of a drawn AUC; where all or no pairs are won, and no draw varies, Newcombe's with each cluster counted once."""
    low, high = drawn.interval(level)
    if not drawn.varies and drawn.units >= 2:
        return newcombe_auc(drawn.value, drawn.units, drawn.units, level)
    return max(low, 0.0), min(high, 1.0)


def delong(
    real: np.ndarray, synthetic: np.ndarray, real_groups: np.ndarray, synthetic_groups: np.ndarray
) -> float:
    """Standard error of an AUC: DeLong's, with the covariance of pictures of one mask group.

    Returns: NaN with fewer than two groups of an arm.

    Args:
        real, synthetic: signed confidence (M,), (N,). real_groups, synthetic_groups: mask groups (M,), (N,).

    Source: DeLong, Biometrics 1988; Obuchowski, Nonparametric analysis of clustered ROC curve data, Biometrics 1997.
    """
    wins = _wins(real, synthetic)
    m, n = wins.shape
    if m < 2 or n < 2:
        return math.nan
    area = wins.mean()
    names = np.unique(np.concatenate([real_groups, synthetic_groups]))

    def sums(parts: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, int]:
        summed = np.zeros(len(names))
        np.add.at(summed, np.searchsorted(names, groups), parts - area)
        return summed, len(np.unique(groups))

    of_real, i = sums(wins.mean(axis=1), real_groups)
    of_synthetic, j = sums(wins.mean(axis=0), synthetic_groups)
    if i < 2 or j < 2:
        return math.nan
    variance = i / ((i - 1) * m) * (of_real**2).sum() / m + j / ((j - 1) * n) * (of_synthetic**2).sum() / n
    variance += 2 * len(names) / (len(names) - 1) * (of_real * of_synthetic).sum() / (m * n)
    return math.sqrt(max(variance, 0.0))


def newcombe_auc(area: float, m: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Interval of an AUC from its value alone; unlike DeLong's it has a width at 0 and 1.

    Source: Newcombe, Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2,
    Stat Med 2006, method 5.
    """
    z, star = stats.norm.isf((1 - level) / 2), (m + n) / 2 - 1

    def gap(t: float) -> float:
        variance = t * (1 - t) * (1 + star * (1 - t) / (2 - t) + star * t / (1 + t)) / (m * n)
        return abs(area - t) - z * math.sqrt(variance)

    edge = 1e-12  # at 0 and 1 the gap is zero too, and no root
    low = optimize.brentq(gap, 0, min(area, 1 - edge)) if area > 0 else 0.0
    high = optimize.brentq(gap, max(area, edge), 1) if area < 1 else 1.0
    return float(low), float(high)


def _wins(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    apart = np.asarray(real, float)[:, None] - np.asarray(synthetic, float)[None, :]
    return (np.sign(apart) + 1) / 2


def _both(own: Votes, synthetic: str, real: str) -> bool:
    return bool(np.isin((synthetic, real), own.arm).all())


def _levels(
    drawn: Clusters, own: Votes, synthetic: str, real: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One rater's levels of signed confidence (L,), and how often each was given by group (G,L): real, synthetic."""
    levels, at = np.unique(own.value, return_inverse=True)
    found = np.zeros((2, len(drawn.groups), len(levels)))
    for table, arm in zip(found, (real, synthetic), strict=True):
        rows = own.arm == arm
        np.add.at(table, (drawn.group_index(own)[rows], at[rows]), 1.0)
    return levels, found[0], found[1]


def _auc_of(real: np.ndarray, synthetic: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(B,) AUC from the weights (B,L) of the levels; at most twenty of them, however many pictures there are."""
    wins = ((real @ _wins(levels, levels)) * synthetic).sum(axis=1)
    return ratio(wins, real.sum(axis=1) * synthetic.sum(axis=1))


def _points(real: np.ndarray, synthetic: np.ndarray) -> tuple[tuple[float, float], ...]:
    cuts = np.unique(np.concatenate([real, synthetic]))
    return ((0.0, 0.0), *((float((real <= c).mean()), float((synthetic <= c).mean())) for c in cuts))


def _signal(n: Counts, r: Votes, s: Votes, rater: int, z: float, level: float) -> tuple[Estimate, Estimate]:
    """d′ and criterion from the answers real or synthetic.

    Source: Hautus, Behav Res Methods 1995 (log-linear correction); Gourevitch and Galanter, Psychometrika 1967 (error).
    """
    hits, alarms = (float(((1 - v.real).sum() + 0.5) / (len(v) + 1)) for v in (s, r))
    zh, zf = float(stats.norm.ppf(hits)), float(stats.norm.ppf(alarms))
    error = math.hypot(_probit_error(hits, len(s)), _probit_error(alarms, len(r)))
    d, c = zh - zf, -(zh + zf) / 2
    apart = f"d′ {number(d)} of rater {rater}: how far apart real and synthetic look, in SDs; 0 is guessing."
    leans = (
        f"Criterion {number(c, sign=True)} of rater {rater}: above 0 leans to saying real, below 0 synthetic."
    )
    no_confidence = (
        "It rests on the answers alone, without the confidence, and on two equally wide normal distributions."
    )
    no_skill = "It does not show whether the rater sees the difference; that is d′ and AUC."
    return (
        Estimate(d, d - z * error, d + z * error, n, apart, no_confidence, level),
        Estimate(c, c - z * error / 2, c + z * error / 2, n, leans, no_skill, level),
    )


def _probit_error(share: float, of: int) -> float:
    return math.sqrt(share * (1 - share) / of) / float(stats.norm.pdf(stats.norm.ppf(share)))


def lean(criterion: Estimate) -> str:
    """The bias in words."""
    if criterion.low > 0:
        return "leans to calling pictures real"
    if criterion.high < 0:
        return "leans to calling pictures synthetic"
    return "no lean can be told"
