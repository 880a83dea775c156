"""What the rules cost: how many pictures they flag and reject, of all, of the small lesions and of the hard ones.

Rules that look harmless overall may throw away the cases a segmenter most needs. No torch here; the page asks again
whenever a threshold moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from siamese.augment.item import Item, Scores
from siamese.counted import counted
from siamese.gate.rules import KINDS, Rules

BINS = 40  # of a histogram
TINY = 0.01  # share of the picture
QUARTER = 25.0  # percentile


@dataclass(frozen=True)
class Group:
    """Pictures of one kind: how many, and how many of them are flagged and rejected (none is both)."""

    name: str
    title: str
    n: int
    flagged: int
    rejected: int

    @property
    def share(self) -> float:
        """Flagged or rejected, 0..1."""
        return (self.flagged + self.rejected) / self.n if self.n else 0.0


@dataclass(frozen=True)
class Histogram:
    """One rule's score over the set.

    Args:
        rule: its name in KINDS. title, below: as there.
        edges: (K+1,) ascending. counts, small, hard: (K,) pictures in each bin, of all and of those groups.
        flag, reject: the thresholds; None: never.
        groups: what this rule alone flags and rejects.
        missing: pictures without this score.
    """

    rule: str
    title: str
    below: bool
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    small: tuple[int, ...]
    hard: tuple[int, ...]
    flag: float | None
    reject: float | None
    groups: tuple[Group, ...]
    missing: int


@dataclass(frozen=True)
class Cost:
    """What all rules together cost, and each alone.

    Args:
        groups: all, small (the smallest quarter of the lesions), tiny (1 % of the picture or less), hard (the quarter
            with the lowest mask fit).
        histograms: one a rule, in the order of KINDS.
        cases: source masks that lent themselves; lost: those of which no picture is accepted by the rules.
    """

    groups: tuple[Group, ...]
    histograms: tuple[Histogram, ...]
    cases: int
    lost: int

    def sentences(self) -> tuple[str, ...]:
        """The cost in words."""
        said = [
            f"{one.title}: {one.flagged} flagged, {one.rejected} rejected of {one.n} ({100 * one.share:.1f} %)."
            for one in self.groups
            if one.n
        ]
        if self.lost:
            said.append(
                f"{counted(self.lost, 'mask has', 'masks have')} no accepted picture left, of {self.cases}."
            )
        return tuple(said)


def cost(scores: Sequence[Scores], items: Sequence[Item], rules: Rules) -> Cost:
    """What `rules` cost a set, decisions of people not counted.

    Args:
        scores: of every picture looked at. items: the set's; those without scores are not counted.
    """
    values = {
        kind.score: np.array([_number(one, kind.score) for one in scores], float) for kind in KINDS.values()
    }
    changed = np.array([one.changed for one in scores], bool)
    area = np.array([np.nan if one.changed else one.area for one in scores], float)
    groups = _groups(area, values["mask_fit"])
    flagged, rejected = np.zeros(len(scores), bool), changed.copy()
    histograms = []
    for name, kind in KINDS.items():
        limits, value = rules.of(name), values[kind.score]
        flags, rejects = _beyond(value, limits.flag, kind.below), _beyond(value, limits.reject, kind.below)
        flagged, rejected = flagged | flags, rejected | rejects
        edges = _edges(value, limits.flag, limits.reject)
        histograms.append(
            Histogram(
                rule=name,
                title=kind.title,
                below=kind.below,
                edges=tuple(edges.tolist()),
                counts=_binned(value, edges),
                small=_binned(value[groups["small"][1]], edges),
                hard=_binned(value[groups["hard"][1]], edges),
                flag=limits.flag,
                reject=limits.reject,
                groups=_counts(groups, flags, rejects),
                missing=int(np.isnan(value).sum()),
            )
        )
    sources = {item.id: item.source.sha256 for item in items}
    kept = {sources.get(one.id, "") for one, bad in zip(scores, flagged | rejected, strict=True) if not bad}
    cases = {sources.get(one.id, "") for one in scores}
    return Cost(_counts(groups, flagged, rejected), tuple(histograms), len(cases), len(cases - kept))


def _number(one: Scores, name: str) -> float:
    value = getattr(one, name)
    return np.nan if value is None or one.changed else float(value)


def _groups(area: np.ndarray, fit: np.ndarray) -> dict[str, tuple[str, np.ndarray]]:
    """Name → title and which pictures, (N,) bool; empty masks are no lesions."""
    lesion = area > 0
    small = lesion & (area <= _quarter(area[lesion]))
    return {
        "all": ("All pictures", np.ones(len(area), bool)),
        "small": ("The smallest quarter of the lesions", small),
        "tiny": ("Lesions of 1 % of the picture or less", lesion & (area <= TINY)),
        "hard": ("The quarter with the lowest mask fit", fit <= _quarter(fit[~np.isnan(fit)])),
    }


def _quarter(values: np.ndarray) -> float:
    return float(np.percentile(values, QUARTER)) if len(values) else -np.inf


def _beyond(value: np.ndarray, limit: float | None, below: bool) -> np.ndarray:
    if limit is None:
        return np.zeros(len(value), bool)
    return value < limit if below else value > limit  # NaN is neither


def _counts(
    groups: dict[str, tuple[str, np.ndarray]], flagged: np.ndarray, rejected: np.ndarray
) -> tuple[Group, ...]:
    return tuple(
        Group(
            name, title, int(own.sum()), int((flagged & ~rejected & own).sum()), int((rejected & own).sum())
        )
        for name, (title, own) in groups.items()
    )


def _edges(value: np.ndarray, *limits: float | None) -> np.ndarray:
    """Edges that hold every value and both thresholds."""
    known = [*value[~np.isnan(value)], *(limit for limit in limits if limit is not None)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low < 1e-6:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)


def _binned(value: np.ndarray, edges: np.ndarray) -> tuple[int, ...]:
    return tuple(np.histogram(value[~np.isnan(value)], edges)[0].tolist())
