"""Role and years of raters as an export may show them: no combination that fewer than three raters share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from siamese.study.report.gather import Rater

FEWEST = 3
MERGED, HIDDEN = "merged", "not shown"  # other bands together; nothing said


def bands(raters: Iterable[Rater]) -> Mapping[int, tuple[str, str]]:
    """Number → (role, years). Rare roles are merged; where that still leaves fewer than three, nobody's role is shown.
    Years are shown within a role, where at least three share them and at least three are left."""
    raters = list(raters)
    roles = _merged({rater.number: rater.role or "no answer" for rater in raters}, MERGED)
    shown = {}
    for role in set(roles.values()):
        within = {rater.number: rater.years or "no answer" for rater in raters if roles[rater.number] == role}
        years = _merged(within, HIDDEN) if role != HIDDEN else dict.fromkeys(within, HIDDEN)
        shown |= {number: (role, years[number]) for number in within}
    return shown


def _merged(words: Mapping[int, str], together: str) -> dict[int, str]:
    """Every word that fewer than three share becomes `together`; all become hidden where those are fewer than three."""
    count = Counter(words.values())
    merged = {number: word if count[word] >= FEWEST else together for number, word in words.items()}
    rest = sum(word == together for word in merged.values())
    return dict.fromkeys(words, HIDDEN) if 0 < rest < FEWEST else merged
