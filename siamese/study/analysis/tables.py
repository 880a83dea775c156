"""Votes as parallel columns: what every statistic is computed from."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from siamese.counted import counted

COUNTED = ("main", "fit")  # phases that enter a score; practice and repeat never do
KINDS = ("real", "synthetic", "control")


@dataclass(frozen=True)
class Counts:
    """What a figure was computed from. `votes` are presentations answered: a ranking of three pictures is one vote."""

    pictures: int = 0
    groups: int = 0
    raters: int = 0
    votes: int = 0

    def words(self) -> str:
        """E.g. “100 pictures, 5 raters, 500 votes”."""
        parts = (
            counted(self.pictures, "picture"),
            counted(self.raters, "rater"),
            counted(self.votes, "vote"),
        )
        return ", ".join(parts)


@dataclass(frozen=True, eq=False)
class Votes:
    """One row a judgement of one picture; all columns (N,).

    Args:
        rater: number.
        item: id of the picture.
        arm, kind: where it comes from; kind is real, synthetic or control.
        group: mask group; pictures of one mask share it.
        place, block, phase, question: of the assignment; phase is practice, main, fit or repeat.
        value: P1 signed confidence −10..10, + real, − synthetic; P2 rank, k is best; P3 level 1..5, 5 is best;
            P4 1 taken for the patient's, 0 not.
        real: P1 1 voted real, 0 voted synthetic; NaN for the other protocols.
        confidence: P1 1..10; NaN for the other protocols.
        presentation: rows of one rater with the same number were shown together.
        seconds: from the picture on the screen to the vote, time with the page hidden left out; NaN: not known.
        at: when the vote was stored, µs since 1970.
        repeats: the place that a hidden repeat repeats; −1 for all others.
        position: 0, 1, … from left to right; −1, the default: not known.

    Raises:
        ValueError: columns of different lengths, or a kind that is none.
    """

    rater: np.ndarray
    item: np.ndarray
    arm: np.ndarray
    kind: np.ndarray
    group: np.ndarray
    place: np.ndarray
    block: np.ndarray
    phase: np.ndarray
    question: np.ndarray
    value: np.ndarray
    real: np.ndarray
    confidence: np.ndarray
    presentation: np.ndarray
    seconds: np.ndarray
    at: np.ndarray
    repeats: np.ndarray
    position: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.position is None:
            object.__setattr__(self, "position", np.full(len(self.rater), -1))
        for column in fields(self):
            array = np.asarray(getattr(self, column.name))
            if array.shape != (len(self.rater),):
                raise ValueError(
                    f"{column.name}: {array.shape} found, ({len(self.rater)},) expected, as `rater`"
                )
            object.__setattr__(self, column.name, array.astype(_TYPES.get(column.name, np.int64)))
        unknown = set(self.kind.tolist()) - set(KINDS)
        if unknown:
            raise ValueError(f"kind: {', '.join(sorted(unknown))} found, {', '.join(KINDS)} expected")

    def __len__(self) -> int:
        return len(self.rater)

    def where(self, rows: np.ndarray) -> Votes:
        """The rows of a boolean mask or of indices."""
        return Votes(*(getattr(self, column.name)[rows] for column in fields(self)))

    def main(self) -> Votes:
        """What counts: no practice, no repeats."""
        return self.where(np.isin(self.phase, COUNTED))

    def repeated(self) -> Votes:
        """Hidden repeats alone."""
        return self.where(self.phase == "repeat")

    def of(self, *arms: str) -> Votes:
        """Pictures of these arms."""
        return self.where(np.isin(self.arm, arms))

    def by(self, rater: int) -> Votes:
        """Votes of one rater."""
        return self.where(self.rater == rater)

    def asked(self, question: str) -> Votes:
        """Answers to one question (P3: the key of a scale)."""
        return self.where(self.question == question)

    @property
    def score(self) -> np.ndarray:
        """(N,) what a MOS averages: P1 1 voted real, 0 not; else `value`."""
        return np.where(np.isnan(self.real), self.value, self.real)

    @property
    def raters(self) -> list[int]:
        """Numbers, ascending."""
        return np.unique(self.rater).tolist()

    @property
    def questions(self) -> list[str]:
        """In the order in which they were first asked."""
        names, first = np.unique(self.question, return_index=True)
        return names[np.argsort(self.place[first], kind="stable")].tolist()

    @property
    def arms(self) -> list[str]:
        """Real ones first, then synthetic, then controls; by name within a kind."""
        pairs = set(zip(self.kind.tolist(), self.arm.tolist(), strict=True))
        return [arm for _, arm in sorted(pairs, key=lambda pair: (KINDS.index(pair[0]), pair[1]))]

    def kind_of(self, arm: str) -> str:
        """real, synthetic or control; empty: no vote on such an arm."""
        found = self.kind[self.arm == arm]
        return str(found[0]) if len(found) else ""

    def first_rows(self) -> np.ndarray:
        """Indices of one row of every presentation: what is asked once though several pictures were shown."""
        pairs = np.stack([self.rater, self.presentation], axis=1)
        return np.sort(np.unique(pairs, axis=0, return_index=True)[1]) if len(self) else np.zeros(0, np.int64)

    @property
    def n(self) -> Counts:
        """What is here."""
        return Counts(len(set(self.item)), len(set(self.group)), len(self.raters), len(self.first_rows()))


_TYPES: dict[str, type] = {
    **dict.fromkeys(("item", "arm", "kind", "group", "phase", "question"), str),
    **dict.fromkeys(("value", "real", "confidence", "seconds"), float),
}
