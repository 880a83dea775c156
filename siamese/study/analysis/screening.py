"""Raters whose votes look odd: flags for a human to look at. Nothing here ever leaves a rater out.

The observer screening of ITU-R BT.500-15 (annex 1, kurtosis) is computed with fifteen raters or more; with fewer, a
mean and a spread over raters say too little to reject anybody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from siamese.study.analysis.agreement import ratings
from siamese.study.analysis.repeats import steadiness
from siamese.study.analysis.roc import rater_roc
from siamese.study.analysis.tables import Votes
from siamese.study.analysis.times import quick
from siamese.study.design import Exclusions, Protocol

FEWEST = 15  # raters; BT.500-15 calls anything below an informal study


@dataclass(frozen=True)
class Flags:
    """What is odd about one rater, a sentence each. `rejected`: by BT.500; None: too few raters to say."""

    rater: int
    sentences: tuple[str, ...]
    rejected: bool | None


def screen(votes: Votes, protocol: Protocol, exclusions: Exclusions) -> tuple[Flags, ...]:
    """Flags of every rater; give it all votes, repeats included."""
    counted = votes.main()
    found: dict[int, list[str]] = {rater: [] for rater in votes.raters}
    for one in quick(votes, exclusions.fastest):
        if one.share > exclusions.most_quick:
            found[one.rater].append(f"{one.count} of {one.of} votes took less than {one.limit:g} seconds.")
    for rater, share in steadiness(votes).items():
        if share < exclusions.least_repeat:  # never where it is NaN
            found[rater].append(f"{100 * share:.0f} % of the hidden repeats got the same answer.")
    for rater in counted.raters:
        own = counted.by(rater)
        if protocol in ("P1", "P3") and len(own) > 1 and np.ptp(own.score) == 0:
            found[rater].append(f"All {len(own)} answers are the same.")
        found[rater] += _turned(own) if protocol == "P1" else []
    rejected = bt500(counted) if len(counted.raters) >= FEWEST and protocol in ("P1", "P3") else {}
    for rater in (r for r, out in rejected.items() if out):
        found[rater].append(
            "BT.500 would reject this rater: the votes lie far from the others', on both sides."
        )
    return tuple(Flags(rater, tuple(said), rejected.get(rater)) for rater, said in found.items())


def bt500(votes: Votes) -> dict[int, bool]:
    """Whom ITU-R BT.500-15 would reject, from the values (P1 signed confidence, P3 level) of counted votes.

    A vote is far out beyond 2 SD of a picture's votes (√20 SD where their kurtosis is outside 2..4). A rater is
    rejected with more than 5 % far out and the two sides within 30 % of each other.
    """
    high, low, of = (dict.fromkeys(votes.raters, 0) for _ in range(3))
    for question in votes.questions:
        asked = votes.asked(question)
        matrix, _ = ratings(asked, asked.value)
        for row in matrix:
            known = row[~np.isnan(row)]
            if len(known) < 2:
                continue
            apart = known - known.mean()
            second, fourth = (apart**2).mean(), (apart**4).mean()
            normal = second > 0 and 2 <= fourth / second**2 <= 4
            reach = (2 if normal else math.sqrt(20)) * known.std(ddof=1)
            for column, rater in enumerate(asked.raters):
                if math.isnan(row[column]):
                    continue
                of[rater] += 1
                high[rater] += bool(reach) and row[column] >= known.mean() + reach
                low[rater] += bool(reach) and row[column] <= known.mean() - reach
    out = {}
    for rater in votes.raters:
        far = high[rater] + low[rater]
        out[rater] = bool(far > 0.05 * of[rater] and abs(high[rater] - low[rater]) < 0.3 * far)
    return out


def _turned(own: Votes) -> list[str]:
    """An AUC wholly below 0.5 against any synthetic arm: perhaps the keys were confused."""
    real = [arm for arm in own.arms if own.kind_of(arm) == "real"]
    synthetic = [arm for arm in own.arms if own.kind_of(arm) == "synthetic"]
    found = []
    for arm in synthetic if real else []:
        if rater_roc(own, own.raters[0], arm, real[0]).auc.high < 0.5:
            found.append(
                f"Pictures of {arm} seemed more real than real ones: perhaps the keys were confused."
            )
    return found
