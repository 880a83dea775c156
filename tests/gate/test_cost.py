"""The cost of rules: the verdicts of the rules themselves, small and hard lesions apart, histograms that add up."""

from __future__ import annotations

import dataclasses

import numpy as np

from siamese.augment.item import Item, Scores, Source
from siamese.gate import rules
from siamese.gate.cost import cost
from siamese.gate.rules import Limits, Rules
from tests.gate.test_rules import scored

STRICT = Rules(
    mask_fit=Limits(flag=0.6, reject=0.2), blurred=Limits(flag=60.0), near_duplicate=Limits(reject=0.1)
)


def drawn(count: int = 200) -> list[Scores]:
    draw = np.random.default_rng(3)
    return [
        scored(
            f"s{k:06d}",
            mask_fit=None if k % 17 == 0 else float(draw.random()),
            copy=float(draw.uniform(0, 1.2)),
            nearest=float(draw.random()),
            area=0.0 if k % 17 == 0 else float(draw.uniform(0.001, 0.4)),
            sharpness=float(draw.uniform(20, 300)),
            changed=k % 40 == 5,
        )
        for k in range(count)
    ]


def dealt(count: int, each: int = 2) -> list[Item]:
    return [
        Item(f"s{k:06d}", 0, 0, k, "", 96, 96, Source("examples", "", f"c{k // each}", f"{k // each:064d}"))
        for k in range(count)
    ]


def test_counts_are_the_rules_verdicts() -> None:
    scores = drawn()
    found = cost(scores, dealt(200), STRICT)
    words = [rules.verdict(one, STRICT)[0] for one in scores]
    everyone = found.groups[0]
    assert (everyone.n, everyone.flagged, everyone.rejected) == (
        200,
        words.count("flag"),
        words.count("reject"),
    )
    assert everyone.flagged and everyone.rejected
    broken = [rules.broken(one, STRICT) for one in scores]
    for one in found.histograms:
        alone = [b.get(one.rule) for b in broken]
        assert (one.groups[0].flagged, one.groups[0].rejected) == (alone.count("flag"), alone.count("reject"))


def test_small_and_hard_lesions_are_counted_apart_and_empty_masks_are_no_lesions() -> None:
    scores = [scored(f"s{k:06d}", area=0.004 * k, mask_fit=1 - 0.04 * k if k else None) for k in range(21)]
    found = {one.name: one for one in cost(scores, dealt(21), Rules(mask_fit=Limits(flag=0.35))).groups}
    assert found["small"].n == 5 and found["small"].flagged == 0
    assert found["tiny"].n == 2  # 0.4 % and 0.8 %; the empty mask is none
    assert found["hard"].n == 5 and found["hard"].flagged == 4  # Dice 0.2, 0.24, 0.28, 0.32; 0.36 passes
    assert found["all"].flagged == 4 and found["all"].share == 4 / 21


def test_histograms_hold_every_score_and_both_thresholds() -> None:
    scores = drawn()
    for one in cost(scores, dealt(200), STRICT).histograms:
        assert sum(one.counts) + one.missing == len(scores)
        assert len(one.edges) == len(one.counts) + 1 and list(one.edges) == sorted(one.edges)
        assert all(
            limit is None or one.edges[0] <= limit <= one.edges[-1] for limit in (one.flag, one.reject)
        )
        assert all(np.array(one.small) <= one.counts) and all(np.array(one.hard) <= one.counts)


def test_a_mask_counts_as_lost_when_none_of_its_pictures_is_accepted() -> None:
    scores = [scored(f"s{k:06d}", mask_fit=0.0 if k in (0, 1, 2) else 0.9) for k in range(6)]
    found = cost(scores, dealt(6), Rules())
    assert (found.cases, found.lost) == (3, 1)
    assert any("no accepted picture" in sentence for sentence in found.sentences())


def test_nothing_scored_and_one_picture_are_no_errors() -> None:
    empty = cost([], [], Rules())
    assert empty.groups[0].n == 0 and empty.sentences() == ()
    alone = cost([dataclasses.replace(scored(), changed=True)], dealt(1), Rules())
    assert alone.groups[0].rejected == 1 and all(sum(one.counts) == 0 for one in alone.histograms)
