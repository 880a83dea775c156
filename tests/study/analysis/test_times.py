"""Seconds, quick votes, change along the session, and flags of odd raters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from siamese.study.analysis.screening import bt500, screen
from siamese.study.analysis.tables import Votes
from siamese.study.analysis.times import learning, pace, quick, slowing
from siamese.study.design import Exclusions
from tests.study.analysis.made import EMPTY, OURS, REAL, p1, ranked, simulated, table


def replaced(votes: Votes, **columns: object) -> Votes:
    return Votes(**{name: getattr(votes, name) for name in Votes.__dataclass_fields__} | columns)


def timed(seconds: list[float], **more: object) -> Votes:
    return table([{"seconds": s, "real": 1.0, "value": 3.0, **more} for s in seconds])


def test_seconds_by_rater_without_practice_and_unknown_times() -> None:
    votes = table(
        [{"rater": 1, "seconds": s} for s in (2.0, 4.0, 6.0, 8.0, 100.0, math.nan)]
        + [
            {"rater": 1, "seconds": 900.0, "phase": "practice"},
            {"rater": 2, "seconds": 3.0, "phase": "repeat"},
        ]
    )
    together, first, second = pace(votes)
    assert (first.low, first.value, first.high) == (4, 6, 8) and second.value == 3
    assert together.rater is None and together.value == 5 and together.n.votes == 6
    assert "6.0 seconds or less, the middle half 4.0 to 8.0" in first.means
    assert pace(Votes(**EMPTY))[0].means == "No vote with a known time yet."


def test_pictures_shown_together_are_one_time() -> None:
    votes = replaced(
        ranked([(1, "a", (REAL, OURS)), (1, "b", (REAL, OURS))]), seconds=np.array([2.0, 2.0, 8.0, 8.0])
    )
    assert pace(votes)[1].value == 5 and pace(votes)[1].n.votes == 2
    assert (quick(votes, 3.0)[0].count, quick(votes, 3.0)[0].of) == (1, 2)


def test_quick_votes_are_counted_by_rater() -> None:
    votes = table(
        [{"rater": r, "seconds": s} for r, s in ((1, 0.2), (1, 0.5), (1, 3.0), (2, 2.0), (2, math.nan))]
    )
    assert [(q.rater, q.count, q.of, round(q.share, 3)) for q in quick(votes, 0.5)] == [
        (1, 1, 3, 0.333),
        (2, 0, 1, 0.0),
    ]
    assert quick(table([{"seconds": math.nan}]), 0.5)[0].share == 0


def learner(gain: float, seed: int = 0, raters: int = 3, groups: int = 50) -> Votes:
    """Right with probability 0.5 at first and 0.5 + gain at the end."""
    draw, signed = np.random.default_rng(seed), {}
    for rater in range(1, raters + 1):
        order = draw.permutation(2 * groups)
        for place, index in enumerate(order):
            arm = REAL if index < groups else OURS
            right = draw.random() < 0.5 + gain * place / len(order)
            signed[rater, arm, f"g{index % groups:03}"] = 5.0 if right == (arm == REAL) else -5.0
    return p1(signed)


def test_learning_is_seen_and_its_absence_is_not_called_learning() -> None:
    rising = learning(learner(0.5, 1), "P1")
    assert rising.trend.value == pytest.approx(0.5, abs=0.15) and rising.trend.low > 0 and rising.p < 0.01
    assert "it rises" in rising.trend.means and rising.tenths[0] < 0.65 < 0.85 < rising.tenths[-1]
    assert sum(rising.votes) == 300 and rising.votes == (30,) * 10
    falsely = sum(learning(learner(0.0, seed), "P1").p < 0.05 for seed in range(20))
    assert falsely <= 4
    flat = learning(learner(0.0, 1), "P1")
    assert "no trend can be told" in flat.trend.means and "not show why" in flat.trend.does_not_show


def test_the_slope_is_that_of_ordinary_least_squares_within_raters() -> None:
    votes = simulated(3, groups=20, raters=1)
    right = (votes.real == (votes.kind == "real")).astype(float)
    place = votes.place / votes.place.max()
    assert learning(votes, "P1").trend.value == pytest.approx(stats.linregress(place, right).slope)


def test_controls_have_no_right_answer() -> None:
    rows = [{"arm": arm, "real": 1.0, "value": 4.0} for arm in (REAL, "Copy") * 10]
    assert {t for t in learning(table(rows), "P1").tenths if not math.isnan(t)} == {1.0}


def test_scores_of_the_other_protocols() -> None:
    assert learning(ranked([(1, f"g{i}", (REAL, OURS)) for i in range(20)]), "P2").tenths == (2.0,) * 10
    levels = table([{"value": v, "question": q} for q, v in [("x", 5.0), ("x", 3.0), ("y", 2.0), ("y", 2.0)]])
    curve = learning(levels, "P3")
    assert [t for t in curve.tenths if not math.isnan(t)] == [
        4.0,
        2.0,
        3.0,
        3.0,
    ]  # each scale against its mean, 3 + …
    assert curve.what == "the mean level, each scale against its own mean"


def test_slowing_down_and_nothing_to_see() -> None:
    votes = replaced(
        simulated(1, groups=30, raters=2), seconds=np.tile(np.linspace(9, 3, 60) + np.sin(range(60)), 2)
    )
    found = slowing(votes)
    assert found.trend.value == pytest.approx(-6, abs=0.2) and "it falls" in found.trend.means
    for empty in (Votes(**EMPTY), table([{"real": 1.0}]), timed([math.nan] * 3)):
        curve = slowing(empty)
        assert "nan" not in curve.trend.means and math.isnan(curve.p)


def test_odd_raters_are_flagged_and_never_left_out() -> None:
    fair = simulated(2, groups=30, raters=1, arms={REAL: 2.0, OURS: -1.0})
    same = replaced(fair, rater=np.full(60, 2), real=np.ones(60), value=np.full(60, 3.0))
    turned = replaced(fair, rater=np.full(60, 3), real=1 - fair.real, value=-fair.value)
    hasty = replaced(fair, rater=np.full(60, 4), seconds=np.where(np.arange(60) < 30, 0.2, 5.0))
    votes = Votes(
        **{
            n: np.concatenate([getattr(v, n) for v in (fair, same, turned, hasty)])
            for n in Votes.__dataclass_fields__
        }
    )
    flags = {f.rater: f for f in screen(votes, "P1", Exclusions())}
    assert flags[1].sentences == ()
    assert flags[2].sentences == ("All 60 answers are the same.",)
    assert flags[3].sentences == (
        "Pictures of Ours seemed more real than real ones: perhaps the keys were confused.",
    )
    assert flags[4].sentences == ("30 of 60 votes took less than 0.5 seconds.",)
    assert {f.rejected for f in flags.values()} == {None}  # four raters: BT.500 says nothing
    assert screen(Votes(**EMPTY), "P1", Exclusions()) == ()


def test_unsteady_repeats_are_flagged_by_the_rule_set_beforehand() -> None:
    rows = [{"item": f"i{i}", "place": i, "real": 1.0, "value": 3.0 + i} for i in range(4)]
    rows += [
        {"item": f"i{i}", "place": 9 + i, "real": float(i > 2), "value": 1.0, "phase": "repeat", "repeats": i}
        for i in range(4)
    ]
    (flags,) = screen(table(rows), "P1", Exclusions(least_repeat=0.5))
    assert "25 % of the hidden repeats got the same answer." in flags.sentences
    assert not any("repeats" in s for f in screen(table(rows), "P1", Exclusions()) for s in f.sentences)


def panel(raters: int, odd: bool) -> Votes:
    """Levels of 100 pictures; rater 1, if odd, answers without looking."""
    draw = np.random.default_rng(5)
    rows = []
    for item in range(100):
        truth = draw.integers(2, 5)
        for rater in range(1, raters + 1):
            level = (
                draw.integers(1, 6)
                if odd and rater == 1
                else np.clip(truth + draw.choice([-1, 0, 0, 0, 1]), 1, 5)
            )
            rows.append(
                {
                    "rater": rater,
                    "item": f"i{item}",
                    "group": f"i{item}",
                    "value": float(level),
                    "place": item,
                }
            )
    return table(rows)


def test_bt500_rejects_who_answers_at_random_and_only_with_fifteen_raters() -> None:
    assert [rater for rater, out in bt500(panel(15, odd=True)).items() if out] == [1]
    assert not any(bt500(panel(15, odd=False)).values())
    flags = screen(panel(15, odd=True), "P3", Exclusions())
    assert flags[0].rejected is True and any("BT.500 would reject" in s for s in flags[0].sentences)
    assert {f.rejected for f in flags[1:]} == {False}
    assert {f.rejected for f in screen(panel(14, odd=True), "P3", Exclusions())} == {None}


def test_bt500_by_hand() -> None:
    """Two pictures; nine raters say 3, the tenth 5 and then 1. Their kurtosis, 8.1, is outside 2..4, so the reach is
    √20 SD and nobody is out; with 2 SD the tenth would be far out on both sides."""
    rows = [(rater, item) for rater in range(1, 11) for item in (0, 1)]
    levels = {(10, 0): 5.0, (10, 1): 1.0}
    votes = table(
        [{"rater": r, "item": f"i{i}", "value": levels.get((r, i), 3.0), "place": i} for r, i in rows]
    )
    assert not any(bt500(votes).values())


def test_bt500_keeps_who_is_strict_throughout() -> None:
    """Far out on one side alone: another opinion, not carelessness."""
    fair = panel(15, odd=False)
    others = 3.0 + (fair.rater + fair.place) % 3
    strict, careless = (
        np.where(fair.rater == 1, v, others) for v in (1.0, np.where(fair.place % 2, 1.0, 7.0))
    )
    assert bt500(replaced(fair, value=strict))[1] is False
    assert bt500(replaced(fair, value=careless))[1] is True
