"""Votes files as a kit writes them, made without a browser: what tests of the import begin with."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np

from siamese.study.kit_order import Tokens, kit_id, order_of
from siamese.study.studies import Study
from tests.study.rooms import an_answer, rating_of

START = 1_790_000_000_000_000  # a rater's clock, µs


class Log:
    """A rater's acts in a kit, one after another.

    Args:
        study: locked.
        rater: number.
        seed: of the answers and of the ids.
    """

    def __init__(self, study: Study, rater: int = 1, seed: int = 0):
        self.study, self.rater = study, rater
        self.order: tuple[Tokens, ...] = order_of(study, rater)
        self.rng = np.random.default_rng(seed)
        self.records: list[dict] = []
        self._rating = rating_of(study)

    def act(self, kind: str, content: dict | None = None, place: int = -1, **more: object) -> Log:
        """Add an act."""
        entry = {
            "kind": kind,
            "id": self.rng.bytes(16).hex(),
            "at": START + len(self.records) * 5_000_000,
            "place": place,
            "pictures": [],
            "content": content or {},
        }
        self.records.append({**entry, **more})
        return self

    def begin(self) -> Log:
        """Consent and screen check."""
        self.act("consent", {"version": "1", "role": "Nurse", "years": "5 to 9"})
        return self.act("screen", {"px_per_cm": 38.5, "dpr": 1, "screen": [1440, 900], "dark": 6})

    def vote(self, count: int = 1) -> Log:
        """Answer the next presentations."""
        for _ in range(count):
            answered = [False] * len(self.order)
            for entry in self.records:
                if entry["kind"] in ("vote", "undo"):
                    answered[entry["place"]] = entry["kind"] == "vote"
            shows = self.order[answered.index(False)]
            answer = an_answer(self._rating, shows.items, self.rng)
            facts = {"ms": 2100, "hidden_ms": 0, "css": [454, 454], "factor": 1.18, "dpr": 1, "shown": START}
            self.act("vote", {"answer": answer, "facts": facts}, shows.place, pictures=list(shows.tokens))
        return self

    def undo(self) -> Log:
        """Take the last vote back."""
        last = [entry for entry in self.records if entry["kind"] == "vote"][-1]
        return self.act("undo", {}, last["place"])

    def whole(self) -> Log:
        """Everything to the end."""
        if not self.records:
            self.begin()
        done = sum({"vote": 1, "undo": -1}.get(entry["kind"], 0) for entry in self.records)
        return self.vote(len(self.order) - done).act(
            "finish", {"cues": "ü 🙂", "seen_before": "no", "comment": ""}
        )

    def save(self, path: Path, **changes: object) -> Path:
        """Write the votes file; `changes` replace fields of its head."""
        head = {
            "what": "answers of a rating kit",
            "format": 1,
            "study": self.study.id,
            "design_sha256": self.study.design_sha256,
            "rater": self.rater,
            "kit": kit_id(self.study, self.rater, self.order),
            "saved_at": START + 10**9,
        }
        return sealed(path, {**head, **changes, "records": self.records})


def sealed(path: Path, content: dict) -> Path:
    """Write a content with the checksum that belongs to it."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)[:-1]
    path.write_text(f'{text},"checksum":"{zlib.crc32(text.encode()):08x}"}}\n', "utf-8")
    return path
