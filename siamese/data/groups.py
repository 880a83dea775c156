"""Which case goes to train, val and test: whole groups, near-duplicates together, the source's own split kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from siamese.data.report import Duplicate, Report, SourceCase
from siamese.errors import DatasetError

SPLITS = ("train", "val", "test")
Text = Literal["blank", "leave-out", "keep"]


@dataclass(frozen=True)
class Choices:
    """What somebody chose for an import.

    Args:
        name: of the new dataset.
        text: what happens to pictures with burnt-in text; `text_of` has exceptions by stem.
        leave_out: the cases with problems are left out. `without`: stems that are left out besides.
        shares: of train, val and test, in parts of their sum.
        resplit: ignore the source's own split.
        duplicates: "join": near-duplicates stand in one split; "keep": wherever they fall.
    """

    name: str
    text: Text = "blank"
    text_of: Mapping[str, Text] = field(default_factory=dict)
    leave_out: bool = False
    without: frozenset[str] = frozenset()
    shares: tuple[float, float, float] = (80, 10, 10)
    seed: int = 0
    resplit: bool = False
    duplicates: Literal["join", "keep"] = "join"

    def text_for(self, case: SourceCase) -> Text | Literal[""]:
        """What happens to the text of a case; "" where it has none."""
        return self.text_of.get(case.stem, self.text) if case.text_box else ""


@dataclass(frozen=True)
class Plan:
    """A split before it is made.

    Args:
        splits: stem → train, val, test, of every case that is imported.
        groups: how many patients, videos or the like; single cases count as one each.
        method: one sentence. across: near-duplicates that stand in two splits, or would without joining them.
        moved: stems that left the source's own split for a near-duplicate's.
        straddling: groups that the source's own split tears apart.
    """

    splits: dict[str, str]
    groups: int
    method: str
    across: tuple[Duplicate, ...] = ()
    moved: tuple[str, ...] = ()
    straddling: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Cases of train, val and test."""
        found = Counter(self.splits.values())
        return {split: found[split] for split in SPLITS}


def plan(report: Report, choices: Choices) -> Plan:
    """Split the cases that would be imported; the same for the same seed.

    Raises:
        DatasetError: shares that are no shares, or nothing is left.
    """
    if len(choices.shares) != 3 or min(choices.shares) < 0 or not choices.shares[0] > 0:
        raise DatasetError(
            report.source, [f"the split {choices.shares} was expected as three parts such as 80/10/10."]
        )
    cases = [
        case
        for case in report.usable
        if case.stem not in choices.without and choices.text_for(case) != "leave-out"
    ]
    if not cases:
        raise DatasetError(report.source, ["no picture is left that could be imported."])
    stems = {case.stem for case in cases}
    pairs = [p for p in report.duplicates if p.one in stems and p.other in stems]
    own = not choices.resplit and any(case.split for case in cases)
    single = {case.stem: case.group or f"\0{case.stem}" for case in cases}
    joined = _joined(single, pairs if choices.duplicates == "join" else ())
    if own:
        before = {case.stem: case.split or "train" for case in cases}
        splits, carved = _kept(before, joined, pairs, choices), ""
        if "val" not in before.values() and choices.shares[1] > 0:
            carved = _carve(splits, joined, choices)
        method = f"the source's own split{carved}"
        straddling = sum(len(s) > 1 for s in _splits_of(before, single).values())
    else:
        splits = before = _drawn(joined, choices.shares, choices.seed)
        if choices.duplicates == "join":  # what would have happened
            before = _drawn(single, choices.shares, choices.seed)
        rule = f", {report.group_rule}" if report.group_rule else ""
        method = f"drawn with seed {choices.seed} in whole groups{rule}"
        straddling = 0
    across = tuple(p for p in pairs if before[p.one] != before[p.other])
    moved = tuple(s for s in sorted(splits) if own and before[s] != splits[s] and splits[s] != "val")
    return Plan(splits, len(set(single.values())), method, across, moved, straddling)


def _joined(groups: Mapping[str, str], pairs: Sequence[Duplicate]) -> dict[str, str]:
    """Stem → group, where the groups of a pair are one."""
    parent = {group: group for group in groups.values()}

    def top(group: str) -> str:
        while parent[group] != group:
            parent[group] = group = parent[parent[group]]
        return group

    for pair in pairs:
        one, other = sorted((top(groups[pair.one]), top(groups[pair.other])))
        parent[other] = one
    return {stem: top(group) for stem, group in groups.items()}


def _drawn(groups: Mapping[str, str], shares: Sequence[float], seed: int) -> dict[str, str]:
    """Whole groups to the split that lacks most, the largest first, equal ones in the order of the seed."""
    members = defaultdict(list)
    for stem in sorted(groups):
        members[groups[stem]].append(stem)
    names = sorted(members)
    order = np.random.default_rng(seed).permutation(len(names))
    ranked = sorted((names[k] for k in order), key=lambda name: -len(members[name]))
    wanted = {s: share / sum(shares) * len(groups) for s, share in zip(SPLITS, shares, strict=True)}
    found: dict[str, list[str]] = {split: [] for split in SPLITS}
    for name in ranked:
        split = max(SPLITS, key=lambda s: wanted[s])
        found[split].append(name)
        wanted[split] -= len(members[name])
    for split, share in zip(
        SPLITS, shares, strict=True
    ):  # a wanted split of a small set has one group at least
        if share > 0 and not found[split] and len(found["train"]) > 1:
            found[split].append(found["train"].pop())
    return {stem: split for split, chosen in found.items() for name in chosen for stem in members[name]}


def _kept(
    before: Mapping[str, str], joined: Mapping[str, str], pairs: Sequence[Duplicate], choices: Choices
) -> dict[str, str]:
    """The source's split; near-duplicates across it go to the earlier of their splits, train before val before test."""
    splits = dict(before)
    if choices.duplicates == "join":
        linked = defaultdict(set)
        for pair in pairs:
            linked[joined[pair.one]] |= {pair.one, pair.other}
        for stems in linked.values():
            first = min((before[s] for s in stems), key=SPLITS.index)
            splits.update(dict.fromkeys(stems, first))
    return splits


def _carve(splits: dict[str, str], joined: Mapping[str, str], choices: Choices) -> str:
    """Take val out of train, in whole groups, where the source has none; choices are made on val, never on test."""
    train = {stem: joined[stem] for stem, split in splits.items() if split == "train"}
    if len(set(train.values())) < 2:
        return ""
    share = (choices.shares[0], choices.shares[1], 0)
    for stem, split in _drawn(train, share, choices.seed).items():
        splits[stem] = split
    return f", with a val part drawn from its training pictures (seed {choices.seed})"


def _splits_of(splits: Mapping[str, str], groups: Mapping[str, str]) -> dict[str, set[str]]:
    found = defaultdict(set)
    for stem, group in groups.items():
        found[group].add(splits[stem])
    return found
