"""The pages a rater sees, in their order: pure rules on what is assigned and what is recorded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

Stage = Literal["information", "screen", "practice", "item", "pause", "finish", "done", "withdrawn"]
UNDOABLE: tuple[Stage, ...] = ("practice", "item", "pause", "finish")


@dataclass(frozen=True)
class Where:
    """Where a rater is.

    Args:
        stage: which page comes next.
        place: of the presentation that is open (practice, item), or comes after the pause; −1 for none.
        phase: practice, main, repeat or fit; a page must not show it. Empty for none.
        question: key of the scale (P3), else empty.
        items: ids of the pictures, left to right.
        ahead: ids of the presentation after it, for loading beforehand.
        done: presentations answered, without practice.
        total: presentations, without practice.
        undo_until: until when (µs, by the server's clock) the last vote can be taken back; None: not.
        now: the server's clock (µs): a page counts down `undo_until` − `now`.
        minutes_left: at the rater's own pace, once ten votes show it.
    """

    stage: Stage
    place: int
    phase: str
    question: str
    items: tuple[str, ...]
    ahead: tuple[str, ...]
    done: int
    total: int
    undo_until: int | None
    now: int
    minutes_left: float


@dataclass(frozen=True)
class Saved:
    """A vote that is on disk; `stored`: it was there before, and the answer just sent was not taken."""

    place: int
    revision: int
    at: int
    undo_until: int | None
    answer: dict
    stored: bool = False


@dataclass(frozen=True)
class Presentation:
    """One question to a rater, as the assignment has it."""

    place: int
    phase: str
    block: int
    question: str
    items: tuple[str, ...]


Counts = Counter[tuple[str, int | None]]  # (kind, place) → records of one rater


def answered(counts: Counts, place: int) -> bool:
    """A place has a vote that was not taken back."""
    return counts["vote", place] > counts["undo", place]


def next_place(order: tuple[Presentation, ...], counts: Counts) -> int | None:
    """The first place without a vote; None: everything is answered."""
    return next((one.place for one in order if not answered(counts, one.place)), None)


def stage_of(order: tuple[Presentation, ...], counts: Counts, resumed: int | None) -> Stage:
    """Which page comes next.

    Args:
        order: of the rater.
        counts: of the rater.
        resumed: the place before which the pause is over.
    """
    place = next_place(order, counts)
    if counts["withdraw", None]:
        return "withdrawn"
    if counts["finish", None]:
        return "done"
    if not counts["consent", None]:
        return "information"
    if not counts["screen", None]:
        return "screen"
    if place is None:
        return "finish"
    if order[place].phase == "practice":
        return "practice"
    before = order[place - 1] if place else order[place]
    between = before.block != order[place].block and before.phase != "practice"
    return "pause" if between and resumed != place else "item"
