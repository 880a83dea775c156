"""The answer to the primary question, for every kind of it, and where there is nothing to answer."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from siamese.study.analysis.mos import arm_mos
from siamese.study.analysis.primary import Answer, answer, arms, limit
from siamese.study.analysis.tables import Votes
from siamese.study.design import Arm, Design, Primary
from tests.study.analysis.made import EMPTY, OTHER, OURS, REAL, chosen, p1, ranked, simulated, table

ARMS = tuple(
    Arm(name=name, kind=kind, source="x")
    for name, kind in ((OURS, "synthetic"), (OTHER, "synthetic"), (REAL, "real"))
)
BAD = re.compile(r"nan|inf\b|None|\{|\}", re.IGNORECASE)


def design(protocol: str, kind: str, **primary: object) -> Design:
    return Design(protocol=protocol, arms=ARMS, primary=Primary(kind=kind, **primary))


def whole(found: Answer) -> Answer:
    """One sentence, one limit, no NaN in words."""
    for words in (found.sentence, found.limit):
        assert words[0].isupper() and words.endswith(".") and not BAD.search(words), words
    return found


def test_the_arms_of_the_question_are_the_first_ones_unless_named() -> None:
    assert arms(design("P1", "equivalence")) == (OURS, REAL)
    assert arms(design("P1", "difference", first=OTHER, second=OURS)) == (OTHER, OURS)
    assert arms(Design()) == ("", "")


def test_equivalence_has_three_answers() -> None:
    same, far = {REAL: 0.3, OURS: 0.3}, {REAL: 2.5, OURS: -1.0}
    equivalent = whole(answer(simulated(0, groups=200, raters=5, arms=same), design("P1", "equivalence")))
    assert equivalent.verdict == "equivalent" and equivalent.level == 0.9 and equivalent.band == (0.4, 0.6)
    assert "equivalent to guessing by the margin set beforehand" in equivalent.sentence
    assert equivalent.limit == "These five readers; the figure says nothing of other clinicians."
    different = whole(answer(simulated(0, groups=50, raters=5, arms=far), design("P1", "equivalence")))
    assert different.verdict == "different beyond the margin" and different.low > 0.6
    unclear = whole(answer(simulated(0, groups=6, raters=2, arms=same), design("P1", "equivalence")))
    assert unclear.verdict == "cannot be told" and "cannot be told" in unclear.sentence
    assert unclear.n.raters == 2 and unclear.figure == "roc"
    between = whole(answer(simulated(0, arms={REAL: 1.0, OURS: 0.3}), design("P1", "equivalence")))
    assert 0.5 < between.low < 0.6 < between.high and between.verdict == "cannot be told"
    assert "it differs from guessing, but whether by more than the margin" in between.sentence


def test_equivalence_with_all_told_apart_is_beyond_the_margin_not_without_interval() -> None:
    signed = {(r, arm, f"g{g}"): v for r in (1, 2) for arm, v in ((REAL, 9), (OURS, -9)) for g in range(30)}
    found = whole(answer(p1(signed), design("P1", "equivalence")))
    assert found.estimate == 1 and found.verdict == "different beyond the margin" and found.high == 1


def test_difference_says_which_is_higher_or_that_it_cannot_be_told() -> None:
    clear = simulated(0, groups=80, raters=5, arms={REAL: 2.0, OURS: -0.5})
    found = whole(answer(clear, design("P1", "difference")))
    assert (
        found.verdict == "Ours is lower" and found.high < -0.1 and "by more than the margin" in found.sentence
    )
    assert found.band is None and found.level == 0.95 and found.figure == "forest"
    turned = whole(answer(clear, design("P1", "difference", first=REAL, second=OURS)))
    assert turned.verdict == "Patients is higher" and turned.estimate == pytest.approx(-found.estimate)
    wide = whole(answer(clear, design("P1", "difference", margin=0.49)))
    assert "perhaps by less than the margin of 0.49" in wide.sentence
    unclear = whole(answer(simulated(0, groups=20, arms={REAL: 0.0, OURS: 0.0}), design("P1", "difference")))
    assert unclear.verdict == "cannot be told" and "no proof that they are alike" in unclear.sentence


def test_ranks_and_levels_take_the_margin_in_their_units() -> None:
    rankings = [
        (r, f"g{g:02}", (REAL, OURS, OTHER) if g % 5 else (OURS, REAL, OTHER))
        for r in (1, 2)
        for g in range(40)
    ]
    found = whole(answer(ranked(rankings), design("P2", "difference", margin=0.3)))
    assert (
        found.estimate == pytest.approx(-0.6) and found.verdict == "Ours is lower" and found.figure == "ranks"
    )
    draw = np.random.default_rng(0)
    levels = table(
        [
            {
                "rater": r, "arm": arm, "group": f"g{g}", "item": f"{arm}{g}", "question": question,
                "value": float(draw.integers(3, 6)) if question == "realism" else 1.0,
            }
            for r in (1, 2, 3) for g in range(60) for arm in (REAL, OURS) for question in ("realism", "anatomy")
        ]
    )  # fmt: skip
    alike = whole(answer(levels, design("P3", "equivalence", margin=0.5)))
    assert (
        alike.verdict == "equivalent"
        and "equivalent to no difference" in alike.sentence
        and alike.n.votes == 360
    )


def test_preference_is_the_share_of_pairs() -> None:
    often = [
        (r, f"g{g:02}", OURS if (g + r) % 10 < 4 else REAL, REAL if (g + r) % 10 < 4 else OURS)
        for r in (1, 2, 3)
        for g in range(50)
    ]
    others = [(r, f"h{g:02}", OURS, OTHER) for r in (1, 2, 3) for g in range(20)]  # not the question
    found = whole(answer(chosen(often + others), design("P4", "preference", margin=0.2)))
    assert found.estimate == pytest.approx(0.4) and found.verdict == "equivalent" and found.band == (0.3, 0.7)
    assert "in 40 % of the pairs with Patients" in found.sentence
    assert "needs pairs" in whole(answer(simulated(1, groups=5), design("P1", "preference"))).sentence
    assert answer(chosen(often), design("P4", "equivalence", margin=0.2)).estimate == pytest.approx(0.4)


def test_description_is_the_mos_alone() -> None:
    votes = simulated(1, groups=30, raters=3)
    found = whole(answer(votes, design("P1", "description")))
    mos = arm_mos(votes, OURS, "P1")
    assert (found.estimate, found.low, found.high) == (mos.value, mos.low, mos.high)
    assert found.verdict == "described" and "share of votes that called a picture real" in found.sentence


def test_the_limit_names_the_readers() -> None:
    assert limit(1, "these") == "This one reader; the figure says nothing of other clinicians."
    assert "cannot stand for clinicians at large" in limit(5, "all")
    assert (
        limit(14, "all")
        == "These 14 readers, taken as a sample of clinicians like them; nobody drew them at random."
    )


def test_clinicians_at_large_need_a_wider_interval() -> None:
    votes = simulated(4, groups=60, raters=6, rater_sd=1.0)
    these, everyone = (answer(votes, design("P1", "description", inference=i)) for i in ("these", "all"))
    assert (
        everyone.high - everyone.low > 1.3 * (these.high - these.low) and these.estimate == everyone.estimate
    )


@pytest.mark.parametrize("kind", ["equivalence", "difference", "preference", "description"])
@pytest.mark.parametrize("inference", ["these", "all"])
@pytest.mark.parametrize("protocol", ["P1", "P2", "P3", "P4"])
def test_degenerate_votes_get_a_sentence(protocol: str, kind: str, inference: str) -> None:
    asked = design(protocol, kind, inference=inference)
    value = 3.0 if protocol != "P4" else 1.0
    real = 1.0 if protocol == "P1" else math.nan
    row = {"value": value, "real": real, "question": "realism" if protocol == "P3" else "", "group": "a"}
    few = [
        Votes(**EMPTY),
        table([{**row, "arm": REAL}]),  # an arm without votes
        table([{**row, "arm": a, "item": a, "place": 0} for a in (REAL, OURS)]),  # one rater, one pair
        table(
            [{**row, "arm": a, "item": a, "place": 0, "rater": r} for r in (1, 2, 3) for a in (REAL, OURS)]
        ),
        table(
            [{**row, "arm": a, "item": a + g, "group": g} for g in "abcdef" for a in (REAL, OURS)]
        ),  # all alike
        table([{**row, "arm": a, "rater": r} for r, a in ((1, REAL), (2, OURS))]),  # no rater has both
        table([{**row, "arm": a, "phase": "practice"} for a in (REAL, OURS)]),
    ]
    for votes in few:
        found = whole(answer(votes, asked))
        assert found.verdict in ("cannot be told", "described", "equivalent", "different beyond the margin")
    nothing = whole(answer(few[0], asked))
    assert math.isnan(nothing.estimate) and nothing.sentence.startswith("No answer")
    assert nothing.limit == "Without votes nothing is shown, in neither direction."
    whole(answer(few[2], Design(protocol=protocol)))  # a design without arms


def test_relabelling_the_arms_relabels_the_answer() -> None:
    votes = simulated(6, groups=30, raters=3)
    names = {REAL: "A ward", OURS: "Zz model"}
    renamed = Votes(
        **{n: getattr(votes, n) for n in Votes.__dataclass_fields__}
        | {"arm": np.array([names[a] for a in votes.arm])}
    )
    other = Design(
        arms=(Arm(name="Zz model", kind="synthetic", source="x"), Arm(name="A ward", kind="real", source="x"))
    )
    before, after = answer(votes, design("P1", "equivalence")), answer(renamed, other)
    assert (after.estimate, after.low, after.high) == (before.estimate, before.low, before.high)
    assert after.sentence == before.sentence.replace(REAL, "A ward").replace(OURS, "Zz model")
