"""Mean opinion scores per arm: of all raters together and of each by himself.

"MOS" is for P1 the share voted real and is always called that; P2: mean rank; P3: mean level; P4: share of pairs in
which the arm was taken for the patient's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siamese.study.analysis.bootstrap import Inference, clusters
from siamese.study.analysis.estimate import Estimate, how_many, number, unknown
from siamese.study.analysis.proportion import wilson
from siamese.study.analysis.tables import Votes
from siamese.study.design import Protocol

WHAT: dict[Protocol, str] = {
    "P1": "MOS as the share of votes that called a picture real",
    "P2": "mean rank, the highest is best",
    "P3": "mean level, 5 is best",
    "P4": "share of pairs in which it was taken for the patient's",
}
NOT_SHOWN: dict[Protocol, str] = {
    "P1": "It does not show how sure the raters were, nor that what they called real is correct anatomy.",
    "P2": "A rank says which looked better beside the others, not that any of them looked real.",
    "P3": "A level is an opinion on a worded scale; it does not show that pictures are correct.",
    "P4": "It does not show how a picture would fare alone, without the other one beside it.",
}
SHARES = ("P1", "P4")  # protocols whose score is 0 or 1


@dataclass(frozen=True)
class ArmMos:
    """The MOS of one arm on one question: of all raters together and of each by himself."""

    arm: str
    kind: str
    question: str
    together: Estimate
    raters: dict[int, Estimate]


def mos(
    votes: Votes, protocol: Protocol, inference: Inference = "these", level: float = 0.95, seed: int = 0
) -> tuple[ArmMos, ...]:
    """MOS of every question and arm that has votes; practice and repeats left out."""
    counted, found = votes.main(), []
    for question in counted.questions:
        asked = counted.asked(question)
        for arm in asked.arms:
            own = asked.of(arm)
            each = {
                rater: arm_mos(own.by(rater), arm, protocol, "these", level, seed) for rater in own.raters
            }
            together = arm_mos(own, arm, protocol, inference, level, seed)
            found.append(ArmMos(arm, own.kind_of(arm), question, together, each))
    return tuple(found)


def arm_mos(
    votes: Votes,
    arm: str,
    protocol: Protocol,
    inference: Inference = "these",
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """MOS of one arm over the counted votes of one question.

    Interval: shares of one rater Wilson's; else by cluster bootstrap. Where all votes are the same the bootstrap would
    say ±0: shares then get Wilson's interval with every cluster counted once, other scores none.
    """
    own = votes.main().of(arm)
    if not len(own):
        return unknown(own.n, f"No votes on {arm} yet.", level)
    value = float(own.score.mean())
    drawn = clusters(own, inference, seed=seed)
    mean = drawn.mean(drawn.table(own, own.score), drawn.table(own, np.ones(len(own))))
    low, high = mean.interval(level)
    if protocol in SHARES and inference == "these" and len(own.raters) == 1:
        low, high = wilson(int(own.score.sum()), len(own), level)
    elif protocol in SHARES and not mean.varies and mean.units >= 2:
        low, high = wilson(round(mean.units) * int(own.score[0]), round(mean.units), level)
    elif protocol in SHARES:
        low, high = max(low, 0.0), min(high, 1.0)  # two-way draws are sums and may step over the edge
    means = f"{arm}: {number(value)}, {WHAT[protocol]}, of {how_many(len(own.raters), 'rater')}."
    return Estimate(value, low, high, own.n, means, NOT_SHOWN[protocol], level)
