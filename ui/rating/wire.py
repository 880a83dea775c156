"""What a rating page is told: JSON whose length is the same for every answer of a kind, and nothing of any arm.

A page knows the frozen texts, where its rater is, and one-time tokens of pictures. No id of a picture, no phase (a
hidden repeat looks like any other), no number of arms.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from siamese.study.pages import sheet
from siamese.study.rating import Rating
from siamese.study.way import Saved, Where
from ui.rating.deliveries import Deliveries

STATE, SAVED, ERROR = 2048, 512, 1024  # bytes, or the next multiple


def padded(content: object, size: int) -> str:
    """JSON with blanks behind it, to a whole multiple of `size` bytes (ASCII alone, so characters are bytes)."""
    text = json.dumps(content, separators=(",", ":"))
    return text + " " * (-len(text) % size)


def minutes_of(where: Where) -> int:
    """Whole minutes, as the information sheet says them."""
    return max(1, math.ceil(where.minutes_left))


@dataclass(frozen=True)
class Teller:
    """Answers for the pages of one study.

    Args:
        rating: the raters.
        deliveries: mints the tokens.
        results: folder of `<rater>.json`, written after unblinding: {"sentence": str, "lines": [str]}.
    """

    rating: Rating
    deliveries: Deliveries
    results: Path

    def state(self, rater: int, where: Where, full: bool = False) -> str:
        """Where a rater is: {state[, sheet]}; tokens are minted for the pictures to show and those after them."""
        state = {
            "stage": where.stage,
            "place": where.place,
            "question": where.question,
            "pictures": [self.deliveries.mint(rater, item) for item in where.items],
            "outlines": [self.deliveries.mint(rater, item, outline=True) for item in self._outlined(where)],
            "ahead": [self.deliveries.mint(rater, item) for item in where.ahead],
            "done": where.done,
            "total": where.total,
            "minutes": minutes_of(where),
            "undo_ms": max(0, where.undo_until - where.now) // 1000 if where.undo_until else 0,
            "now": where.now,
            "result": self._result(rater) if where.stage == "done" else None,
        }
        more = f',"sheet":{padded(sheet(self.rating.design, minutes_of(where)), STATE)}' if full else ""
        return f'{{"state":{padded(state, STATE)}{more}}}'

    def saved(self, rater: int, saved: Saved) -> str:
        """A vote that is on disk, and what comes next: {saved, state}."""
        kept = {"place": saved.place, "answer": saved.answer, "stored": saved.stored}
        return f'{{"saved":{padded(kept, SAVED)},{self.state(rater, self.rating.where(rater))[1:]}'

    def _outlined(self, where: Where) -> tuple[str, ...]:
        shown = self.rating.design
        outlined = shown.protocol == "P3" and where.question and shown.scale(where.question).with_mask
        return where.items if outlined else ()

    def _result(self, rater: int) -> dict | None:
        try:
            found = json.loads((self.results / f"{rater}.json").read_text("utf-8"))
            return {"sentence": str(found["sentence"]), "lines": [str(line) for line in found["lines"]]}
        except (OSError, ValueError, KeyError, TypeError):
            return None
