"""A person's word on pictures of a set; it stands in decisions.jsonl, with who and when, and in every export."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from siamese.augment.folder import SetFolder
from siamese.augment.item import Decision, Reason, Word
from siamese.errors import AugmentError
from siamese.gate.rules import CHANGED


def decide(set: SetFolder, ids: Sequence[str], word: Word | None, reason: Reason, by: str) -> list[Decision]:
    """Store a word on pictures, each on the disk before this returns.

    Args:
        ids: of scored pictures. word: None takes an earlier one back.
        reason: why it is rejected; "" for accept.

    Raises:
        AugmentError: unknown or not scored ids (nothing is stored), one whose file was changed, a rejection without
            a reason. MachineError: disk full or folder not writable.
    """
    scores = set.scores()
    unknown = [id for id in ids if id not in scores]
    if unknown or not ids:
        raise AugmentError(
            f"The gate has not looked at {', '.join(unknown[:5]) or 'any of these'}; ids look like "
            f"{next(iter(scores), 's000001')}. Nothing was decided."
        )
    if word == "accept" and (lost := [id for id in ids if scores[id].changed]):
        raise AugmentError(f"{', '.join(lost[:5])} cannot be accepted: {CHANGED}. Nothing was decided.")
    if word == "reject" and not reason:
        raise AugmentError("A rejection needs its reason, e.g. texture. Nothing was decided.")
    at = datetime.now(UTC).isoformat(timespec="seconds")
    taken = [Decision(id, word or "", reason if word else "", by, at) for id in ids]
    for one in taken:
        set.decide(one)
    return taken
