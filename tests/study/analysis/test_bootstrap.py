"""Do the intervals cover the truth as often as they say, with few clusters too?"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy import stats

from siamese.study.analysis.bootstrap import Drawn, clusters, two_way
from siamese.study.analysis.differences import difference_draws
from siamese.study.analysis.mos import arm_mos
from siamese.study.analysis.roc import auc_draws
from tests.study.analysis.made import OURS, REAL, p1, simulated

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)


def share(logit: float, sd: float) -> float:
    """Mean of the logistic of a normal."""
    return float((WEIGHTS / WEIGHTS.sum() / (1 + np.exp(-(logit + sd * NODES)))).sum())


def means(values: np.ndarray) -> Drawn:
    """The mean of one value a group, by one rater."""
    votes = p1({(1, OURS, f"g{i:03}"): 1 for i in range(len(values))})
    drawn = clusters(votes)
    return drawn.mean(values[:, None], np.ones((len(values), 1)))


def test_the_same_seed_draws_the_same_and_every_draw_is_whole() -> None:
    votes = simulated(1, groups=7, raters=3)
    first, second, other = (clusters(votes, "all", 50, seed) for seed in (4, 4, 5))
    assert (first.by_group == second.by_group).all() and (first.by_rater == second.by_rater).all()
    assert (first.by_group != other.by_group).any()
    assert (first.by_group.sum(axis=1) == 7).all() and (first.by_rater.sum(axis=1) == 3).all()


@pytest.mark.parametrize("count", [3, 5, 8, 30])
def test_means_of_few_groups_get_the_width_of_students_t(count: int) -> None:
    covered, ratio = 0, []
    for seed in range(150):
        values = np.random.default_rng(seed).normal(0, 1, count)
        low, high = means(values).interval(0.95)
        covered += low < 0 < high
        ratio.append(
            (high - low) / (2 * stats.t.ppf(0.975, count - 1) * values.std(ddof=1) / math.sqrt(count))
        )
    assert covered >= 133, covered  # of 142.5
    assert np.mean(ratio) == pytest.approx(1, abs=0.05)


def coverage(studies: int, groups: int, raters: int, *, these: bool) -> tuple[float, float, float]:
    """How often MOS, difference and mean AUC cover the truth: of these raters, or of raters at large."""
    inference = "these" if these else "all"
    covered = np.zeros(3)
    for seed in range(studies):
        lean = np.random.default_rng(10**6 + seed).normal(0, 0.5, raters)
        votes = simulated(seed, groups=groups, raters=raters, leanings=lean)
        logits, sd = (lean, 0.7) if these else ([0.0], math.hypot(0.7, 0.5))
        real, ours = (np.mean([share(arm + own, sd) for own in logits]) for arm in (1.0, 0.0))
        mos = arm_mos(votes, OURS, "P1", inference)
        apart = difference_draws(votes, REAL, OURS, inference)[0].interval(0.95)
        areas = auc_draws(votes, OURS, REAL, inference).interval(0.95)
        covered += mos.low < ours < mos.high, apart[0] < real - ours < apart[1], areas[0] < area() < areas[1]
    return tuple(covered / studies)


@cache
def area() -> float:
    """The AUC of `simulated` from many groups; leanings move a rater's pictures alike and hardly change it."""
    votes = simulated(99, groups=20000, raters=1, leanings=np.zeros(1))
    real, ours = (votes.value[votes.arm == arm] for arm in (REAL, OURS))
    return float(stats.mannwhitneyu(real, ours).statistic) / len(real) / len(ours)


@pytest.mark.parametrize("these", [True, False], ids=["these raters", "all clinicians"])
def test_intervals_cover_mos_difference_and_auc(these: bool) -> None:
    for found in coverage(40, 40, 4, these=these):
        assert found >= 0.85, found  # of 0.95; 40 studies


@pytest.mark.soak
@pytest.mark.parametrize("these", [True, False], ids=["these raters", "all clinicians"])
@pytest.mark.parametrize(("groups", "raters"), [(20, 3), (50, 3), (50, 5), (60, 8)])
def test_intervals_cover_what_they_say_in_long_counts(groups: int, raters: int, these: bool) -> None:
    for found in coverage(250, groups, raters, these=these):
        assert 0.92 <= found <= (0.98 if these else 1.0), found


def test_clusters_widen_the_interval_of_votes_that_repeat_each_other() -> None:
    """Five raters who copy each other are worth one: single votes drawn would be √5 too narrow."""
    one = simulated(3, groups=40, raters=1)
    five = p1(
        {
            (rater, arm, group): value
            for rater in range(1, 6)
            for arm, group, value in zip(one.arm, one.group, one.value, strict=True)
        }
    )
    single, copied = (arm_mos(v, OURS, "P1", "these") for v in (one, five))
    assert copied.value == single.value
    assert copied.high - copied.low == pytest.approx(single.high - single.low, rel=0.1)


def test_interval_and_p_speak_alike() -> None:
    drawn = means(np.random.default_rng(0).normal(0.5, 1, 12))
    for level in (0.8, 0.9, 0.95, 0.99):
        low, high = drawn.interval(level)
        assert drawn.p_above(low) == pytest.approx((1 - level) / 2, abs=0.002)
        assert drawn.p_below(high) == pytest.approx((1 - level) / 2, abs=0.002)
    assert drawn.p_differs(low) == pytest.approx(0.01, abs=0.004)


def test_nothing_that_does_not_vary_gets_an_interval() -> None:
    for drawn in (
        Drawn(1.0, np.ones(100), 50),
        Drawn(0.5, np.linspace(0, 1, 100), 1),
        Drawn(0.5, np.r_[np.full(60, np.nan), np.linspace(0, 1, 40)], 9),
    ):
        assert all(math.isnan(v) for v in (*drawn.interval(0.95), drawn.p_below(2), drawn.p_differs(0)))


def test_two_ways_add_up_and_the_rarer_way_limits() -> None:
    draw = np.random.default_rng(0)
    wide, narrow = draw.normal(0, 3, 4000), draw.normal(0, 0.1, 4000)
    by_raters, by_groups = two_way(0, narrow, wide, 50, 5), two_way(0, wide, narrow, 50, 5)
    assert by_raters.units == pytest.approx(5, abs=0.1) and by_groups.units == pytest.approx(50, abs=1)
    both = two_way(0, draw.normal(0, 1, 4000), draw.normal(0, 1, 4000), 50, 5)
    assert both.draws.std() == pytest.approx(math.sqrt(2), rel=0.05) and 5 < both.units < 50
    assert not two_way(0, wide, narrow, 50, 1).varies
