"""Rankings (P2): do the arms differ, which two can be told apart, how strong is each, and does the position matter?

Ranks are the paper's: 1..k, k is best. A block is a mask group: its raters' ranks are averaged first, so that a group
counts once however many raters saw it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from siamese.study.analysis.bootstrap import Drawn, Inference, clusters, two_way
from siamese.study.analysis.estimate import Estimate, number, p_words, unknown
from siamese.study.analysis.tables import Counts, Votes

STRENGTH_DRAWS = 200  # each fits the model again
PRIOR = 0.1  # of choix, about a tenth of a vote: keeps an arm that never lost from an infinite strength


@dataclass(frozen=True)
class Friedman:
    """Do the arms differ? `w` is Kendall's W over `w.n.groups` blocks, `chi2` and `p` are Friedman's, `mean_ranks`
    those within blocks, as `nemenyi` takes them.
    """

    arms: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    w: Estimate
    chi2: float
    p: float


@dataclass(frozen=True)
class Pair:
    """Two arms by Nemenyi: `gap` of mean ranks, separable where it exceeds the critical difference."""

    higher: str
    lower: str
    gap: float
    separable: bool


@dataclass(frozen=True)
class Nemenyi:
    """Mean ranks, the critical difference over `blocks` blocks at `alpha`, and every pair."""

    mean_ranks: dict[str, float]
    blocks: int
    alpha: float
    critical: float
    pairs: tuple[Pair, ...]
    means: str
    does_not_show: str


def blocks(votes: Votes) -> tuple[list[str], np.ndarray]:
    """Arms (K,) and mean ranks (N,K) of the mask groups in which all arms were ranked together, counted votes only."""
    counted = votes.main()
    arms, groups = counted.arms, np.unique(counted.group)
    summed, count = np.zeros((2, len(groups), max(len(arms), 1)))
    where = np.searchsorted(groups, counted.group), np.array([arms.index(arm) for arm in counted.arm], int)
    together = _shown_together(counted) == len(arms)
    where = tuple(index[together] for index in where)
    np.add.at(summed, where, counted.value[together])
    np.add.at(count, where, 1.0)
    whole = (count > 0).all(axis=1)
    return arms, summed[whole] / np.maximum(count[whole], 1)


def friedman(votes: Votes) -> Friedman:
    """Friedman's test and Kendall's W over mask groups."""
    arms, table = blocks(votes)
    n = votes.main().n
    if len(table) < 2 or len(arms) < 2:
        nothing = unknown(
            n, "No test of the ranks: it needs two mask groups in which all arms were ranked together."
        )
        return Friedman(tuple(arms), (), nothing, math.nan, math.nan)
    chi2, w, p = friedman_test(table)
    n = Counts(n.pictures, len(table), n.raters, n.votes)
    if math.isnan(w):
        return Friedman(
            tuple(arms),
            (),
            unknown(n, "No test of the ranks: every arm got the same rank."),
            math.nan,
            math.nan,
        )
    means = (
        f"Kendall's W {number(w)} over {len(table)} mask groups: 0, the groups order the arms at random; 1, all alike "
        f"(Friedman χ² {number(chi2, 1)}, {p_words(p)})."
    )
    shows = "It says that some arm differs, not which, nor by how much a clinician would notice."
    mean_ranks = tuple(float(v) for v in stats.rankdata(table, axis=1).mean(axis=0))
    found = Estimate(w, math.nan, math.nan, n, means, shows, level=0)
    return Friedman(tuple(arms), mean_ranks, found, chi2, p)


def friedman_test(table: np.ndarray) -> tuple[float, float, float]:
    """χ², Kendall's W and p of scores (N blocks, K ≥ 2), corrected for ties; NaN where every block ties all.

    Source: Friedman, JASA 1937; Kendall and Babington Smith, Ann Math Stat 1939.
    """
    ranks = stats.rankdata(table, axis=1)
    n, k = ranks.shape
    within = ((ranks - (k + 1) / 2) ** 2).sum()
    if within == 0:
        return math.nan, math.nan, math.nan
    chi2 = float((k - 1) * n * n * ((ranks.mean(axis=0) - (k + 1) / 2) ** 2).sum() / within)
    return chi2, chi2 / (n * (k - 1)), float(stats.chi2.sf(chi2, k - 1))


def nemenyi(mean_ranks: dict[str, float], blocks: int, alpha: float = 0.05) -> Nemenyi:
    """Which arms can be told apart, from mean ranks (k is best) and the number of blocks alone.

    Source: Nemenyi 1963; Demšar, JMLR 2006, §3.2.2.
    """
    k = len(mean_ranks)
    critical = math.nan
    if k >= 2 and blocks:
        q = float(stats.studentized_range.ppf(1 - alpha, k, math.inf)) / math.sqrt(2)
        critical = q * math.sqrt(k * (k + 1) / (6 * blocks))
    order = sorted(mean_ranks, key=lambda arm: -mean_ranks[arm])
    pairs = tuple(
        Pair(a, b, mean_ranks[a] - mean_ranks[b], mean_ranks[a] - mean_ranks[b] > critical)
        for a, b in combinations(order, 2)
    )
    means = f"Mean ranks over {blocks} blocks must lie {number(critical)} apart to be told apart at {alpha * 100:g} %."
    shows = "Arms nearer than that are not shown to be alike; they are not separable at this size."
    return Nemenyi(dict(mean_ranks), blocks, alpha, critical, pairs, means, shows)


def strengths(
    votes: Votes,
    inference: Inference = "these",
    level: float = 0.95,
    seed: int = 0,
    draws: int = STRENGTH_DRAWS,
) -> dict[str, Estimate]:
    """Plackett-Luce: for each arm the probability to be put first when all arms are shown together.

    Also rankings of some of the arms count. Interval by bootstrap over mask groups (and raters).
    Source: Plackett, Appl Stat 1975; Maystre and Grossglauser, NeurIPS 2015 (choix).
    """
    counted = votes.main()
    arms, rankings, rows = _rankings(counted)
    if not rankings:
        return {
            arm: unknown(counted.n, "No strength: no two arms were ranked together yet.", level)
            for arm in arms
        }
    drawn = clusters(counted, inference, draws, seed)
    start = _fitted(len(arms), rankings, None)
    of_group = drawn.group_index(counted)[rows]
    of_rater = np.searchsorted(drawn.raters, counted.rater[rows])
    groups, raters = len(set(of_group.tolist())), len(set(of_rater.tolist()))

    def fits(times: np.ndarray) -> np.ndarray:
        refitted = [_fitted(len(arms), _repeated(rankings, row), start) for row in times.astype(int)]
        return np.array([_first(params) for params in refitted])

    of_groups = fits(drawn.by_group[:, of_group])
    of_raters = None if drawn.by_rater is None else fits(drawn.by_rater[:, of_rater])
    found = {}
    for index, (arm, value) in enumerate(zip(arms, _first(start).tolist(), strict=True)):
        strength = Drawn(value, of_groups[:, index], groups)
        if of_raters is not None:
            strength = two_way(value, of_groups[:, index], of_raters[:, index], groups, raters)
        low, high = strength.interval(level)
        means = (
            f"{arm} would be put first in {number(100 * value, 0)} % of rankings of all arms (Plackett-Luce)."
        )
        shows = "It is a model's probability beside these arms; with other arms it would be another."
        n = counted.of(arm).n
        found[arm] = Estimate(value, max(low, 0.0), min(high, 1.0), n, means, shows, level)
    return found


def rank_counts(votes: Votes) -> dict[str, tuple[int, ...]]:
    """For each arm how often it got rank 1, 2, … k (k is best), counted votes only."""
    counted = votes.main()
    return {arm: _tally(counted.of(arm).value, _best(counted)) for arm in counted.arms}


@dataclass(frozen=True)
class Positions:
    """Does the place on the screen matter? `counts[position]` is how often it got rank 1, 2, … k, whatever the arm."""

    counts: tuple[tuple[int, ...], ...]
    p: float
    means: str
    does_not_show: str


def positions(votes: Votes) -> Positions:
    """Position bias: counts of ranks by position from left to right (P2, P4), and a χ² test of the best rank."""
    counted = votes.main()
    rows = counted.where(counted.position >= 0)
    places = np.unique(rows.position).tolist()
    table = tuple(_tally(rows.value[rows.position == place], _best(counted)) for place in places)
    shows = "It does not show a bias of single raters that cancel each other."
    if len(places) < 2 or not len(rows):
        return Positions(
            table, math.nan, "Positions on the screen are not known or there is only one.", shows
        )
    best = np.array([row[-1] for row in table])
    shown = np.array([int((rows.position == place).sum()) for place in places])
    p = float(stats.chisquare(best, best.sum() * shown / shown.sum()).pvalue) if best.any() else math.nan
    share = ", ".join(f"{100 * b / s:.0f} %" for b, s in zip(best, shown, strict=True))
    return Positions(
        table,
        p,
        f"From left to right the best rank went to {share} of the pictures there ({p_words(p)}).",
        shows,
    )


def _best(votes: Votes) -> int:
    return int(votes.value.max()) if len(votes) else 0


def _tally(values: np.ndarray, best: int) -> tuple[int, ...]:
    lowest = 1 if best > 1 else 0  # ranks begin at 1, choices of P4 at 0
    return tuple(int((values == rank).sum()) for rank in range(lowest, best + 1))


def _shown_together(votes: Votes) -> np.ndarray:
    """(N,) how many pictures the row's presentation had."""
    pairs = np.stack([votes.rater, votes.presentation], axis=1)
    _, at, count = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    return count[at.ravel()] if len(votes) else np.zeros(0, int)


def _rankings(votes: Votes) -> tuple[list[str], list[tuple[int, ...]], list[int]]:
    """Arms, rankings best first as indices of arms, and one row of each presentation."""
    arms, found, rows = votes.arms, [], []
    order = np.lexsort([-votes.value, votes.presentation, votes.rater])
    keys = np.stack([votes.rater, votes.presentation], axis=1)[order]
    starts = (
        np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)]) if len(order) else np.zeros(0, int)
    )
    for part in np.split(order, starts[1:]):
        ranking = tuple(arms.index(arm) for arm in votes.arm[part])
        if len(set(ranking)) == len(ranking) > 1:
            found.append(ranking)
            rows.append(int(part[0]))
    return arms, found, rows


def _fitted(arms: int, rankings: list[tuple[int, ...]], start: np.ndarray | None) -> np.ndarray:
    import choix

    return choix.ilsr_rankings(arms, rankings, alpha=PRIOR, initial_params=start, max_iter=1000)


def _first(params: np.ndarray) -> np.ndarray:
    worth = np.exp(params - params.max())
    return worth / worth.sum()


def _repeated(rankings: list[tuple[int, ...]], times: np.ndarray) -> list[tuple[int, ...]]:
    return [ranking for ranking, count in zip(rankings, times, strict=True) for _ in range(count)]
