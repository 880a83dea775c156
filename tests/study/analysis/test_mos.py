"""Mean opinion scores and their differences, by hand and beside statsmodels and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint, proportions_ztest

from siamese.study.analysis import proportion
from siamese.study.analysis.differences import difference, differences, holm
from siamese.study.analysis.mos import arm_mos, mos
from siamese.study.analysis.tables import Votes
from tests.study.analysis.made import EMPTY, OTHER, OURS, REAL, chosen, p1, ranked, simulated, table


@pytest.mark.parametrize(("count", "of"), [(35, 150), (73, 150), (0, 12), (12, 12), (1, 3)])
def test_wilson_and_newcombe_are_those_of_statsmodels(count: int, of: int) -> None:
    assert proportion.wilson(count, of) == pytest.approx(
        proportion_confint(count, of, method="wilson"), abs=1e-12
    )
    found = proportion.newcombe((count, of), (88, 150), 0.9)
    assert found == pytest.approx(
        confint_proportions_2indep(count, of, 88, 150, method="newcomb", alpha=0.1), abs=1e-12
    )
    z, p = proportion.z_test((count, of), (88, 150))
    assert (z, p) == pytest.approx(proportions_ztest([count, 88], [of, 150]), abs=1e-12)


def test_mos_of_p1_is_the_share_voted_real() -> None:
    votes = p1(
        {
            (1, REAL, "a"): 9, (1, REAL, "b"): 2, (1, OURS, "a"): 1, (1, OURS, "b"): -4,
            (2, REAL, "a"): 5, (2, REAL, "b"): -1, (2, OURS, "a"): -7, (2, OURS, "b"): -2,
        }
    )  # fmt: skip
    real, ours = mos(votes, "P1")
    assert (real.arm, real.kind, real.together.value, ours.together.value) == (REAL, "real", 0.75, 0.25)
    assert {r: e.value for r, e in ours.raters.items()} == {1: 0.5, 2: 0.0}
    assert (ours.raters[2].low, ours.raters[2].high) == pytest.approx(proportion.wilson(0, 2))
    assert "share of votes that called a picture real" in real.together.means
    assert real.together.n.words() == "2 pictures, 2 raters, 4 votes"


def test_ranks_levels_and_choices() -> None:
    three = ranked([(1, "a", (REAL, OURS, OTHER)), (1, "b", (OURS, REAL, OTHER))])
    assert [m.together.value for m in mos(three, "P2")] == [2.5, 1.0, 2.5]  # Patients, Other, Ours
    levels = table(
        [{"value": v, "question": q, "place": i} for i, (v, q) in enumerate([(5, "x"), (3, "x"), (1, "y")])]
    )
    assert [(m.question, m.together.value) for m in mos(levels, "P3")] == [("x", 4.0), ("y", 1.0)]
    pairs = chosen([(1, "a", REAL, OURS), (1, "b", REAL, OURS), (1, "c", OURS, REAL), (2, "a", REAL, OURS)])
    assert [m.together.value for m in mos(pairs, "P4")] == [0.75, 0.25]


def test_practice_and_repeats_never_count() -> None:
    rows = [{"real": 1.0, "value": 5.0}, {"real": 0.0, "value": -5.0}]
    extra = [
        {"real": 1.0, "value": 5.0, "phase": phase, "place": 8 + i}
        for i, phase in enumerate(("practice", "repeat"))
    ]
    assert arm_mos(table(rows + extra), OURS, "P1") == arm_mos(table(rows), OURS, "P1")
    assert arm_mos(table(rows), OURS, "P1").value == 0.5


def test_raters_can_be_renumbered_and_rows_shuffled() -> None:
    votes = simulated(5, groups=20, raters=4)
    order = np.random.default_rng(0).permutation(len(votes))
    shuffled = votes.where(order)
    other = Votes(**{n: getattr(votes, n) for n in Votes.__dataclass_fields__} | {"rater": 9 - votes.rater})
    for inference in ("these", "all"):
        before, after, renamed = (arm_mos(v, OURS, "P1", inference) for v in (votes, shuffled, other))
        assert before == after
        assert renamed.value == before.value
        assert (renamed.low, renamed.high) == pytest.approx(
            (before.low, before.high), abs=0.026
        )  # two steps of 1/80
    by_rater = mos(votes, "P1")[0].raters
    assert {9 - r: e.value for r, e in mos(other, "P1")[0].raters.items()} == {
        r: e.value for r, e in by_rater.items()
    }


def test_all_the_same_answer_gets_a_width() -> None:
    votes = p1({(r, OURS, f"g{g}"): 3 for r in (1, 2, 3) for g in range(10)})
    found = arm_mos(votes, OURS, "P1")
    assert found.value == 1 and (found.low, found.high) == pytest.approx(proportion.wilson(10, 10))
    same = table([{"value": 4.0} for _ in range(6)])
    assert "no interval" in arm_mos(same, OURS, "P3").words() and arm_mos(same, OURS, "P3").value == 4


def test_one_rater_one_picture_and_nobody() -> None:
    lone = p1({(1, OURS, "a"): 3})
    assert arm_mos(lone, OURS, "P1").words() == "1.00 (95 % interval 0.21 to 1.00)"
    assert "no interval" in arm_mos(lone, OURS, "P1", "all").words()
    assert arm_mos(lone, REAL, "P1").means == "No votes on Patients yet."
    assert mos(Votes(**EMPTY), "P1") == () and differences(Votes(**EMPTY)) == ()
    assert "nan" not in arm_mos(lone, OURS, "P1", "all").means


def test_a_difference_within_mask_groups_by_hand() -> None:
    signed = {}
    for g in range(12):  # Ours loses in nine groups, wins in one, ties in two; two raters of one mind
        for rater in (1, 2):
            signed[rater, REAL, f"g{g}"] = 5 if g != 9 else -5
            signed[rater, OURS, f"g{g}"] = -5 if g < 9 else 5
    found = difference(p1(signed), REAL, OURS)
    assert found.paired and (found.better, found.worse, found.ties) == (9, 1, 2)
    assert found.estimate.value == pytest.approx((9 - 1) / 12)
    assert found.p == pytest.approx(stats.binomtest(9, 10).pvalue)
    values = np.r_[np.ones(9), -1, 0, 0]
    t = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((t.low, t.high), abs=0.12)


def test_several_pictures_of_one_mask_are_averaged_before_the_difference() -> None:
    signed = {(1, REAL, f"g{g}"): 5.0 for g in range(8)}
    votes = p1(signed | {(1, OURS, f"g{g}"): -5.0 for g in range(8)})
    more = votes.where(
        np.r_[np.arange(16), np.arange(8)]
    )  # a second picture of each real mask, voted the same
    more = Votes(
        **{n: getattr(more, n) for n in Votes.__dataclass_fields__} | {"item": np.arange(24).astype(str)}
    )
    assert difference(more, REAL, OURS).estimate.value == difference(votes, REAL, OURS).estimate.value == 1


def test_swapping_the_arms_turns_the_sign() -> None:
    votes = simulated(2, groups=25, raters=3)
    one, other = difference(votes, REAL, OURS), difference(votes, OURS, REAL)
    assert one.estimate.value == -other.estimate.value and one.p == other.p
    assert (one.better, one.worse) == (other.worse, other.better)
    assert (one.estimate.low, one.estimate.high) == pytest.approx((-other.estimate.high, -other.estimate.low))


def test_pairing_is_used_where_masks_are_shared_and_said_where_not() -> None:
    arms = {REAL: 0.5, OURS: 0.0}
    paired = difference(simulated(3, groups=60, raters=3, arms=arms, item_sd=2.5), REAL, OURS)
    apart = difference(simulated(3, groups=60, raters=3, arms=arms, item_sd=2.5, shared=False), REAL, OURS)
    assert paired.paired and not apart.paired
    assert paired.estimate.high - paired.estimate.low < 0.8 * (apart.estimate.high - apart.estimate.low)
    assert "share too few masks" in apart.estimate.means and "sign test" in paired.estimate.means
    votes = simulated(3, groups=60, raters=3, arms=arms, item_sd=2.5, shared=False)
    means = [
        [votes.score[votes.group == g].mean() for g in np.unique(votes.of(a).group)] for a in (REAL, OURS)
    ]
    assert apart.p == pytest.approx(stats.mannwhitneyu(*means).pvalue)


def test_every_pair_of_arms_with_holm() -> None:
    votes = simulated(1, groups=40, raters=3, arms={REAL: 2.0, OURS: 0.0, OTHER: -0.3})
    found = differences(votes)
    assert [(d.first, d.second) for d in found][0][0] == REAL and len(found) == 3
    assert [d.p_holm for d in found] == pytest.approx(holm([d.p for d in found]))
    assert {(d.first, d.second): d.verdict for d in found}[REAL, OURS] == "told apart"
    assert "not shown to be alike" in found[0].estimate.does_not_show


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.02, math.nan]) == pytest.approx([0.02, math.nan], nan_ok=True) and holm([]) == []


def test_a_difference_with_an_arm_without_votes_says_so() -> None:
    found = difference(p1({(1, REAL, "a"): 3}), REAL, OURS)
    assert found.estimate.means == "No difference: no votes on Ours yet." and found.verdict == "not known"
    lone = difference(p1({(1, REAL, "a"): 3, (1, OURS, "a"): 3}), REAL, OURS)
    assert lone.p == 1.0 and "no interval" in lone.estimate.words() and "nan" not in lone.estimate.means
