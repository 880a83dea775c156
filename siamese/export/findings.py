"""What a check of an export found, by kind, and in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Literal

from siamese.counted import counted

SHOWN = 5  # sentences of one kind of problem
Kind = Literal[
    "unsafe", "missing", "stranger", "sum", "manifest", "split", "leak", "picture", "mask", "size", "mark",
    "metadata", "list", "name", "card", "croissant",
]  # fmt: skip


@dataclass
class Verified:
    """What was found.

    Args:
        problems: kind → sentences; empty when all is as it says. counts: what was looked at → how many.
        notes: what could not be looked at.
    """

    problems: dict[Kind, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing was found."""
        return not self.problems

    def add(self, kind: Kind, text: str) -> None:
        """Note a problem."""
        self.problems[kind].append(text)

    def sentences(self) -> list[str]:
        """All problems, at most five of a kind, the rest counted."""
        found = []
        for kind, texts in self.problems.items():
            found += [f"{kind}: {text}" for text in texts[:SHOWN]]
            if len(texts) > SHOWN:
                found.append(f"{kind}: {len(texts) - SHOWN:,} more of this kind.")
        return found


def in_words(found: Verified) -> str:
    """One sentence about what was looked at."""
    said = [counted(found.counts[what], what.removesuffix("s")) for what in ("files", "pairs") if found.counts[what]]
    return f"Looked at {' and '.join(said) or 'nothing'}: " + (
        "all is as it says." if found.good else f"{counted(sum(map(len, found.problems.values())), 'problem')} found."
    )
