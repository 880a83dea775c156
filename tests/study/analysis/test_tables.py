"""The columns of votes and the words of figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from siamese.study.analysis.estimate import Estimate, how_many, interval_words, number, p_words, unknown
from siamese.study.analysis.tables import Counts, Votes
from tests.study.analysis.made import EMPTY, OTHER, OURS, REAL, chosen, p1, table


def test_columns_of_different_lengths_and_unknown_kinds_are_refused() -> None:
    columns = {name: getattr(table([{}, {}]), name) for name in Votes.__dataclass_fields__}
    with pytest.raises(ValueError, match=r"arm: \(1,\) found, \(2,\) expected"):
        Votes(**{**columns, "arm": np.array(["x"])})
    with pytest.raises(ValueError, match="kind: fake found, real, synthetic, control expected"):
        Votes(**{**columns, "kind": np.array(["real", "fake"])})


def test_selections_keep_rows_together() -> None:
    votes = table(
        [
            {"phase": "practice", "arm": REAL},
            {"phase": "main", "arm": OURS, "rater": 2, "question": "b", "place": 5},
            {"phase": "fit", "arm": OTHER, "question": "a", "place": 9},
            {"phase": "repeat", "arm": OURS, "question": "b", "place": 7, "repeats": 5},
        ]
    )
    assert votes.main().arm.tolist() == [OURS, OTHER]
    assert votes.repeated().repeats.tolist() == [5]
    assert votes.of(OURS, REAL).phase.tolist() == ["practice", "main", "repeat"]
    assert votes.by(2).place.tolist() == [5] and votes.asked("a").arm.tolist() == [OTHER]
    assert votes.main().questions == ["b", "a"]  # as asked, not by name
    assert votes.raters == [1, 2] and votes.kind_of(OTHER) == "synthetic" and votes.kind_of("x") == ""
    assert len(votes.position) == 4 and set(votes.position) == {-1}


def test_arms_stand_real_first_then_by_name() -> None:
    votes = table([{"arm": arm} for arm in (OTHER, "Copy", OURS, REAL)])
    assert votes.arms == [REAL, OTHER, OURS, "Copy"]


def test_a_pair_is_one_vote_on_two_pictures() -> None:
    votes = chosen([(1, "a", REAL, OURS), (1, "b", REAL, OURS), (2, "a", OURS, REAL)])
    assert votes.n == Counts(pictures=4, groups=2, raters=2, votes=3)
    assert votes.first_rows().tolist() == [0, 2, 4]
    assert votes.n.words() == "4 pictures, 2 raters, 3 votes"


def test_no_votes_at_all_are_a_table_too() -> None:
    votes = Votes(**EMPTY)
    assert votes.n == Counts() and votes.arms == [] and votes.main().raters == [] and votes.questions == []


def test_the_score_is_the_answer_for_p1_and_the_value_else() -> None:
    assert p1({(1, REAL, "a"): 7, (1, OURS, "a"): -3}).score.tolist() == [1, 0]
    assert table([{"value": 4.0}]).score.tolist() == [4]


def test_words_have_no_nan_and_no_negative_zero() -> None:
    assert (number(math.nan), number(-0.001), number(-0.2, 1), number(0.5, sign=True)) == (
        "not known", "0.00", "−0.2", "+0.50",
    )  # fmt: skip
    assert interval_words(math.nan, 1, 0.95) == "no interval: too few votes, or all alike"
    assert interval_words(0.4, 0.6, 0.9) == "90 % interval 0.40 to 0.60"
    assert (p_words(0.0001), p_words(0.0042), p_words(0.0817), p_words(math.nan)) == (
        "p < 0.001", "p = 0.004", "p = 0.08", "p not known",
    )  # fmt: skip
    assert (how_many(1, "rater"), how_many(5, "rater"), how_many(13, "rater"), how_many(0, "rater")) == (
        "one rater", "five raters", "13 raters", "no raters",
    )  # fmt: skip
    nothing = unknown(Counts(), "Nothing yet.")
    assert nothing.words() == "not known" and not nothing.known
    assert Estimate(0.5, 0.4, 0.6, Counts(), "", "").words(1) == "0.5 (95 % interval 0.4 to 0.6)"
