"""AUC, its errors and intervals, signal detection and equivalence, beside independent computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from siamese.study.analysis.bootstrap import clusters
from siamese.study.analysis.equivalence import decided, equivalence
from siamese.study.analysis.roc import auc, auc_draws, auc_interval, delong, newcombe_auc, roc
from tests.study.analysis.made import OTHER, OURS, REAL, p1, simulated


def scores(seed: int, m: int = 30, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.integers(-4, 11, m).astype(float), draw.integers(-10, 6, n).astype(float)


def alone(count: int, name: str) -> np.ndarray:
    return np.array([f"{name}{i}" for i in range(count)])


@pytest.mark.parametrize("seed", range(4))
def test_auc_is_the_mann_whitney_statistic_with_ties(seed: int) -> None:
    real, synthetic = scores(seed)
    assert auc(real, synthetic) == pytest.approx(stats.mannwhitneyu(real, synthetic).statistic / (30 * 40))
    assert auc(real, synthetic) == pytest.approx(1 - auc(synthetic, real))


def test_auc_by_hand() -> None:
    assert auc(np.array([3.0, -1.0]), np.array([-1.0, -5.0])) == (1 + 1 + 0.5 + 1) / 4
    assert math.isnan(auc(np.array([]), np.array([1.0])))


def test_delong_by_its_definition_with_loops() -> None:
    real, synthetic = scores(7, 12, 9)
    win = [[1.0 if r > s else 0.5 if r == s else 0.0 for s in synthetic] for r in real]
    of_real = [sum(row) / 9 for row in win]
    of_synthetic = [sum(win[i][j] for i in range(12)) / 12 for j in range(9)]
    area = sum(of_real) / 12
    s10 = sum((v - area) ** 2 for v in of_real) / 11
    s01 = sum((v - area) ** 2 for v in of_synthetic) / 8
    found = delong(real, synthetic, alone(12, "r"), alone(9, "s"))
    assert found == pytest.approx(math.sqrt(s10 / 12 + s01 / 9))


def test_pictures_of_one_mask_count_together() -> None:
    """Each picture four times over is no more information: the error stays, and does not halve."""
    real, synthetic = scores(3)
    once = delong(real, synthetic, alone(30, "r"), alone(40, "s"))
    groups = np.repeat(alone(30, "r"), 4), np.repeat(alone(40, "s"), 4)
    assert delong(np.repeat(real, 4), np.repeat(synthetic, 4), *groups) == pytest.approx(once, rel=0.01)
    free = delong(np.repeat(real, 4), np.repeat(synthetic, 4), alone(120, "r"), alone(160, "s"))
    assert free == pytest.approx(once / 2, rel=0.05)
    assert math.isnan(delong(real[:1], synthetic, alone(1, "r"), alone(40, "s")))


def test_pairs_that_go_up_and_down_together_have_a_smaller_error() -> None:
    """The error of the AUC of pairs is that of many studies drawn anew, and DeLong's without the pairs is too large."""
    areas, paired, unpaired = [], [], []
    for seed in range(400):
        draw = np.random.default_rng(seed)
        common = draw.normal(0, 2, 40)
        real, synthetic = common + draw.normal(0.5, 1, 40), common + draw.normal(0, 1, 40)
        areas.append(auc(real, synthetic))
        paired.append(delong(real, synthetic, alone(40, "g"), alone(40, "g")))
        unpaired.append(delong(real, synthetic, alone(40, "r"), alone(40, "s")))
    assert np.mean(paired) == pytest.approx(np.std(areas), rel=0.1)
    assert np.mean(unpaired) > 1.4 * np.std(areas)


def test_newcombe_solves_its_equation_and_has_a_width_at_the_ends() -> None:
    for area in (0.3, 0.5, 0.84):
        for bound in newcombe_auc(area, 30, 40):
            v = bound * (1 - bound) * (1 + 34 * (1 - bound) / (2 - bound) + 34 * bound / (1 + bound)) / 1200
            assert abs(area - bound) == pytest.approx(1.959964 * math.sqrt(v), abs=1e-6)
    low, high = newcombe_auc(1.0, 10, 10)
    assert 0.6 < low < 0.95 and high == 1
    assert newcombe_auc(0.0, 10, 10) == pytest.approx((1 - high, 1 - low))


def test_the_mean_auc_is_the_mean_of_the_raters_and_its_points_are_the_curve() -> None:
    votes = simulated(4, groups=30, raters=3)
    found = roc(votes, OURS, REAL)
    assert found.auc.value == pytest.approx(np.mean([r.auc.value for r in found.raters]))
    for one in found.raters:
        alarms, hits = np.array(one.points).T
        assert one.points[0] == (0, 0) and one.points[-1] == (1, 1)
        assert np.trapezoid(hits, alarms) == pytest.approx(one.auc.value)
        assert one.auc.low < one.auc.value < one.auc.high
    assert found.auc.low < found.auc.value < found.auc.high
    assert "0.5 is guessing" in found.auc.means


def test_the_draws_weigh_pictures_as_if_they_were_copied() -> None:
    votes = simulated(8, groups=12, raters=2)
    drawn = auc_draws(votes, OURS, REAL, seed=3)
    weights = clusters(votes, seed=3).by_group[0].astype(int)
    groups = np.unique(votes.group)
    areas = []
    for rater in (1, 2):
        own = votes.by(rater)
        real, ours = (
            np.concatenate(
                [
                    np.repeat(own.value[(own.arm == a) & (own.group == g)], w)
                    for g, w in zip(groups, weights, strict=True)
                ]
            )
            for a in (REAL, OURS)
        )
        areas.append(auc(real, ours))
    assert drawn.draws[0] == pytest.approx(np.mean(areas))


def test_swapping_the_arms_turns_the_auc_round_the_half() -> None:
    votes = simulated(4, groups=30, raters=3)
    one, other = roc(votes, OURS, REAL), roc(votes, REAL, OURS)
    assert one.auc.value == pytest.approx(1 - other.auc.value)
    assert (one.auc.low, one.auc.high) == pytest.approx((1 - other.auc.high, 1 - other.auc.low))


def test_signal_detection_by_hand() -> None:
    signed = {(1, REAL, f"r{i}"): 5 if i < 8 else -5 for i in range(10)}  # 2 of 10 false alarms
    signed |= {(1, OURS, f"s{i}"): -5 if i < 4 else 5 for i in range(10)}  # 4 of 10 hits
    (one,) = roc(p1(signed), OURS, REAL).raters
    zh, zf = stats.norm.ppf(4.5 / 11), stats.norm.ppf(2.5 / 11)
    assert one.d_prime.value == pytest.approx(zh - zf)
    assert one.criterion.value == pytest.approx(-(zh + zf) / 2)
    assert one.criterion.low < 0 or one.lean == "leans to calling pictures real"


def test_the_lean_in_words() -> None:
    def lean(called_real: int) -> str:
        signed = {
            (1, arm, f"{arm}{i}"): 5 if i < called_real else -5 for arm in (REAL, OURS) for i in range(40)
        }
        return roc(p1(signed), OURS, REAL).raters[0].lean

    assert lean(38) == "leans to calling pictures real"
    assert lean(2) == "leans to calling pictures synthetic"
    assert lean(21) == "no lean can be told"


def test_who_tells_everything_apart_still_has_an_interval() -> None:
    signed = {(r, arm, f"g{g}"): v for r in (1, 2) for arm, v in ((REAL, 9), (OURS, -9)) for g in range(20)}
    found = roc(p1(signed), OURS, REAL)
    assert found.auc.value == 1 and 0.7 < found.auc.low < 0.97 and found.auc.high == 1
    assert found.raters[0].auc.low < 1 and math.isfinite(found.raters[0].d_prime.value)


def test_raters_without_both_arms_are_left_out_and_none_is_said() -> None:
    votes = p1(
        {(1, REAL, "a"): 5, (1, REAL, "b"): 2, (1, OURS, "a"): -5, (1, OURS, "b"): 3, (2, REAL, "a"): 4}
    )
    assert [r.rater for r in roc(votes, OURS, REAL).raters] == [1]
    assert auc_draws(votes, OURS, REAL).value == 0.75 + 0.0 * 2
    nothing = roc(votes, OTHER, REAL)
    assert nothing.raters == () and "no rater has votes on both Other and Patients" in nothing.auc.means
    assert math.isnan(auc_draws(votes, OTHER, REAL).value)


def test_equivalence_is_the_two_one_sided_tests_of_statsmodels() -> None:
    for seed, shift in ((0, 0.0), (1, 0.3), (2, 0.8)):
        values = np.random.default_rng(seed).normal(shift, 1, 40)
        votes = p1({(1, OURS, f"g{i:03}"): 1 for i in range(40)})
        drawn = clusters(votes, draws=20000).mean(values[:, None], np.ones((40, 1)))
        found = equivalence(drawn, 0.0, 0.5)
        p, *_ = DescrStatsW(values).ttost_mean(-0.5, 0.5)
        assert found.p == pytest.approx(p, abs=0.02)
        assert (found.verdict == "equivalent") == (p < 0.05)
        assert (found.level, (found.low, found.high)) == (0.9, drawn.interval(0.9))  # 1 − 2 alpha


def test_the_verdict_is_read_from_the_interval_alone() -> None:
    def verdict(low: float, high: float) -> str:
        return decided((low + high) / 2, (low, high), 0.9, 0.5, 0.1).verdict

    assert (
        verdict(0.45, 0.55) == verdict(0.51, 0.59) == "equivalent"
    )  # differs from 0.5, and by less than the margin
    assert verdict(0.62, 0.8) == verdict(0.1, 0.39) == "different beyond the margin"
    assert verdict(0.45, 0.65) == verdict(0.3, 0.7) == verdict(math.nan, math.nan) == "cannot be told"


def test_a_small_study_is_no_proof_of_equivalence_and_a_large_one_can_be() -> None:
    """With five masks hardly any study finds a difference that is not there, and hardly any proves equivalence."""
    alike = {REAL: 0.0, OURS: 0.0}
    drawn = [auc_draws(simulated(s, groups=5, raters=3, arms=alike), OURS, REAL) for s in range(20)]
    assert sum(d.p_differs(0.5) > 0.05 for d in drawn) >= 16
    assert sum(equivalence(d, 0.5, 0.1).verdict == "equivalent" for d in drawn) <= 4
    large = auc_draws(simulated(0, groups=200, raters=5, arms=alike), OURS, REAL)
    assert equivalence(large, 0.5, 0.1).verdict == "equivalent"
    assert auc_interval(large, 0.9)[0] > 0.45
