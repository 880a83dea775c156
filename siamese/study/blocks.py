"""Presentations into blocks: equally many of every arm in each, and those of one mask in different ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

TRIES = 20  # distributions that are tried before unequal blocks are accepted; one in 2,000 needs a second


@dataclass(frozen=True)
class Unit:
    """What is shown at once: ids of its pictures, their arms, the mask group; `key` numbers it, `repeat`: again."""

    items: tuple[str, ...]
    arms: tuple[str, ...]
    group: str
    key: int = 0
    repeat: bool = False


def into_blocks(
    units: Sequence[Unit], blocks: int, draw: np.random.Generator, relaxed: list[str]
) -> list[list[Unit]]:
    """Distribute units over blocks.

    Args:
        units: what is to be shown.
        blocks: how many.
        draw: the rater's.
        relaxed: takes a sentence for each rule that could not be kept.

    Returns:
        Lists of units, one a block.
    """
    placed: list[list[Unit]] = []
    for _ in range(TRIES):
        placed = _distributed(units, blocks, draw)
        if _even(placed):
            break
    else:
        relaxed.append("Blocks hold different numbers of pictures of an arm.")
    if any(len({unit.group for unit in some}) < len(some) for some in placed):
        relaxed.append("Pictures of one mask share a block.")
    return placed


def _distributed(units: Sequence[Unit], blocks: int, draw: np.random.Generator) -> list[list[Unit]]:
    """Group by group, each unit of a group in another block, where its arm and then any arm has fewest."""
    groups: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        groups[unit.group].append(unit)
    load: Counter[tuple[tuple[str, ...], int]] = Counter()
    placed: list[list[Unit]] = [[] for _ in range(blocks)]
    keys = sorted(groups)
    shuffled = [groups[keys[k]] for k in draw.permutation(len(keys))]
    for group in sorted(shuffled, key=len, reverse=True):  # the largest have the least choice
        for start in range(0, len(group), blocks):  # more variants than blocks: some share one
            some = group[start : start + blocks]
            cost = np.array(
                [[load[unit.arms, b] * 1000 + len(placed[b]) for b in range(blocks)] for unit in some]
            )
            for row, block in zip(*linear_sum_assignment(cost + draw.random(cost.shape)), strict=True):
                placed[block].append(some[row])
                load[some[row].arms, int(block)] += 1
    return placed


def _even(placed: Sequence[Sequence[Unit]]) -> bool:
    counts = [Counter(unit.arms for unit in some) for some in placed]
    kinds = {arms for some in counts for arms in some}
    return all(max(c[arms] for c in counts) - min(c[arms] for c in counts) <= 1 for arms in kinds)
