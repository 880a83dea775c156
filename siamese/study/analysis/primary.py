"""The primary question's answer: one sentence with the result and one limit, in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from siamese.study.analysis.bootstrap import Drawn, Inference
from siamese.study.analysis.differences import difference_draws
from siamese.study.analysis.equivalence import Equivalence, decided, equivalence
from siamese.study.analysis.estimate import how_many, interval_words, number
from siamese.study.analysis.mos import WHAT, arm_mos
from siamese.study.analysis.roc import auc_draws, auc_interval
from siamese.study.analysis.tables import Counts, Votes
from siamese.study.design import Design, Protocol

Figure = Literal["roc", "forest", "ranks"]
FEW = 5  # raters; with so few, or fewer, nothing is said of clinicians at large
SCORE: dict[Protocol, str] = {
    "P1": "share voted real",
    "P2": "mean rank",
    "P3": "mean level",
    "P4": "share of pairs",
}
OPEN = "cannot be told"


@dataclass(frozen=True)
class Answer:
    """What the first page of a report says.

    Args:
        sentence: the result.
        estimate, low, high: the figure and its interval; NaN where there is none, and then the sentence says why.
        level: of the interval.
        verdict: in words; "described" where nothing was tested.
        limit: one sentence.
        figure: the one that belongs beside it: ROC per rater, forest plot of differences or MOS, rank bars.
        band: the values that count as equivalent, if a margin was tested.
        n: what was counted.
    """

    sentence: str
    estimate: float
    low: float
    high: float
    level: float
    verdict: str
    limit: str
    figure: Figure
    band: tuple[float, float] | None
    n: Counts


def answer(votes: Votes, design: Design, seed: int = 0) -> Answer:
    """Answer `design.primary` from all votes; practice and repeats are left out here.

    P3: the first scale of the design. An impossible question (a preference without pairs) is answered with a sentence
    that says so.
    """
    first, second = arms(design)
    asked = votes.main()
    if design.protocol == "P3":
        asked = asked.asked(design.texts.scales[0].key)
    needed = (first,) if design.primary.kind == "description" else (first, second)
    without = [arm or "an arm that the design does not have" for arm in needed if not len(asked.of(arm))]
    counted = asked.of(*needed)
    if without:
        return _nothing(f"No answer yet: there are no votes on {' and '.join(without)}.", design, counted)
    ask = {
        "equivalence": _equivalence,
        "difference": _difference,
        "preference": _preference,
        "description": _description,
    }
    return ask[design.primary.kind](counted, design, first, second, seed)


def arms(design: Design) -> tuple[str, str]:
    """The two arms of the primary question; empty names where the design has none."""

    def named(kind: str) -> str:
        return next((arm.name for arm in design.arms if arm.kind == kind), "")

    return design.primary.first or named("synthetic"), design.primary.second or named("real")


def limit(raters: int, inference: Inference) -> str:
    """What the figure does not reach, by whom it rests on."""
    these = f"{'This' if raters == 1 else 'These'} {how_many(raters, 'reader')}"
    if inference == "these":
        return f"{these}; the figure says nothing of other clinicians."
    if raters <= FEW:
        return f"{these}; so few cannot stand for clinicians at large, whatever the interval says."
    return f"{these}, taken as a sample of clinicians like them; nobody drew them at random."


def _equivalence(votes: Votes, design: Design, first: str, second: str, seed: int) -> Answer:
    """P1: AUC around 0.5. Others: the difference of the scores around 0."""
    if design.protocol == "P4":
        return _preference(votes, design, first, second, seed)
    if design.protocol != "P1":
        return _difference(votes, design, first, second, seed)
    primary = design.primary
    drawn = auc_draws(votes, first, second, primary.inference, seed)
    if math.isnan(drawn.value):
        return _nothing(f"No answer yet: no reader has votes on both {first} and {second}.", design, votes)
    level = 1 - 2 * primary.alpha
    tested = decided(drawn.value, auc_interval(drawn, level), level, 0.5, primary.margin)
    head = (
        f"Pictures of {first} were told from pictures of {second} with a mean AUC of {number(drawn.value)} "
        f"({interval_words(tested.low, tested.high, tested.level)}; 0.5 is guessing)"
    )
    return _tested(head, tested, "guessing", design, votes, "roc")


def _preference(votes: Votes, design: Design, first: str, second: str, seed: int) -> Answer:
    if design.protocol != "P4":
        words = f"No answer: a preference needs pairs (P4), and this is {design.protocol}; the other figures stand."
        return _nothing(words, design, votes)
    primary = design.primary
    level = 1 - 2 * primary.alpha
    share = arm_mos(_met(votes, first, second), first, "P4", primary.inference, level, seed)
    if not share.known:
        return _nothing(
            f"No answer yet: {first} and {second} were not shown beside each other.", design, votes
        )
    tested = decided(share.value, (share.low, share.high), level, 0.5, primary.margin)
    head = (
        f"{first} was taken for the patient's picture in {number(100 * share.value, 0)} % of the pairs with {second} "
        f"({interval_words(100 * share.low, 100 * share.high, level, 0)}; 50 % is guessing)"
    )
    return _tested(head, tested, "guessing", design, votes, "forest")


def _difference(votes: Votes, design: Design, first: str, second: str, seed: int) -> Answer:
    primary = design.primary
    drawn, groups = difference_draws(votes, first, second, primary.inference, seed)
    level = 1 - primary.alpha
    if primary.kind == "equivalence":
        level = 1 - 2 * primary.alpha
    low, high = drawn.interval(level)
    within = "within mask groups" if len(groups) else "across mask groups"
    head = (
        f"{first} minus {second}, {SCORE[design.protocol]} {within}: {number(drawn.value, sign=True)} "
        f"({interval_words(low, high, level, sign=True)})"
    )
    figure: Figure = "ranks" if design.protocol == "P2" else "forest"
    if primary.kind == "equivalence":
        tested = equivalence(drawn, 0.0, primary.margin, primary.alpha)
        return _tested(head, tested, "no difference", design, votes, figure)
    sentence, verdict = _told(head, drawn, (low, high), primary.margin, first)
    reach = limit(len(votes.raters), primary.inference)
    return Answer(sentence, drawn.value, low, high, level, verdict, reach, figure, None, votes.n)


def _told(
    head: str, drawn: Drawn, interval: tuple[float, float], margin: float, first: str
) -> tuple[str, str]:
    """The sentence and the verdict of a difference."""
    low, high = interval
    if not (low > 0 or high < 0):  # also where there is no interval
        return (
            f"{head}: which is higher cannot be told at this size, and that is no proof that they are alike.",
            OPEN,
        )
    word = "higher" if low > 0 else "lower"
    least = min(abs(low), abs(high))
    size = "by more than" if least > margin else "but perhaps by less than"
    return (
        f"{head}: {first} is {word}, {size} the margin of {number(margin)} set beforehand.",
        f"{first} is {word}",
    )


def _description(votes: Votes, design: Design, first: str, second: str, seed: int) -> Answer:  # noqa: ARG001
    primary = design.primary
    level = 1 - primary.alpha
    found = arm_mos(votes, first, design.protocol, primary.inference, level, seed)
    sentence = f"{first}: {found.words()}, {WHAT[design.protocol]}."
    reach = limit(len(votes.raters), primary.inference)
    figure: Figure = "ranks" if design.protocol == "P2" else "forest"
    return Answer(
        sentence, found.value, found.low, found.high, level, "described", reach, figure, None, found.n
    )


def _tested(
    head: str, tested: Equivalence, centre: str, design: Design, votes: Votes, figure: Figure
) -> Answer:
    low, high = (number(bound) for bound in tested.band)
    said = {
        "equivalent": f"the interval lies inside {low} to {high}: equivalent to {centre} by the margin set beforehand",
        "different beyond the margin": f"the interval lies outside {low} to {high}: different from {centre} by more "
        "than the margin set beforehand",
        OPEN: f"the interval lies neither inside {low} to {high} nor outside: whether it is equivalent to "
        f"{centre} cannot be told from these votes",
    }
    if math.isnan(tested.low):
        said[OPEN] = f"without an interval it cannot be told whether it is equivalent to {centre}"
    elif not tested.low <= tested.centre <= tested.high:
        said[OPEN] = (
            f"it differs from {centre}, but whether by more than the margin ({low} to {high}) cannot be told"
        )
    sentence = f"{head}; {said[tested.verdict]}."
    reach = limit(len(votes.raters), design.primary.inference)
    found = tested.value, tested.low, tested.high, tested.level, tested.verdict
    return Answer(sentence, *found, reach, figure, tested.band, votes.n)


def _met(votes: Votes, first: str, second: str) -> Votes:
    """Rows of presentations in which both arms were shown."""
    keys = list(zip(votes.rater.tolist(), votes.presentation.tolist(), strict=True))
    seen = [
        {key for key, arm in zip(keys, votes.arm, strict=True) if arm == name} for name in (first, second)
    ]
    both = seen[0] & seen[1]
    return votes.where([i for i, key in enumerate(keys) if key in both])


def _nothing(sentence: str, design: Design, votes: Votes) -> Answer:
    raters = len(votes.raters)
    reach = "Without votes nothing is shown, in neither direction."
    if raters:
        reach = limit(raters, design.primary.inference)
    figure: Figure = "ranks" if design.protocol == "P2" else "roc" if design.protocol == "P1" else "forest"
    level = 1 - design.primary.alpha
    return Answer(sentence, math.nan, math.nan, math.nan, level, OPEN, reach, figure, None, votes.n)
