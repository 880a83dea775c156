"""The copy check of a set: against the real pictures at hand and, for what else its checkpoints saw, the shipped index.

What it found, what it could not look at and how many planted copies it caught is said in sentences; see
`siamese.gate.copies` for the check itself.
"""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from siamese.augment.item import Scores
from siamese.counted import counted
from siamese.data.seen import Seen
from siamese.gate import copies, planted
from siamese.gate.copies import CopyCheck, CopyScore, Known
from siamese.gate.planted import Caught
from siamese.gate.real import Real
from siamese.gate.report import Copies
from siamese.segmentation.judge import Judge, TrainIndex

PLANTED = planted.COUNT


@dataclass(frozen=True)
class Comparison:
    """The checks that a picture goes through, each with its own thresholds; () where nothing is at hand.

    Args:
        checks: whole and lesion against the real pictures at hand; the index for the others.
        caught: planted copies; None: none could be planted.
        covered: sentences on which of the checkpoints' training pictures are compared with.
        identity: digest of everything that a score depends on.
        twins: (split, stem there, stem in train) of val and test pictures that show the place of a training picture;
            of: split → pictures looked at.
    """

    checks: tuple[CopyCheck, ...]
    caught: Caught | None
    covered: tuple[str, ...]
    identity: str
    twins: tuple[tuple[str, str, str], ...] = ()
    of: Mapping[str, int] = field(default_factory=dict)

    @property
    def named(self) -> tuple[str, ...]:
        """Sentences with the names of those twins, for this computer alone."""
        found = "; ".join(f"{stem} ({split}) and {other}" for split, stem, other in self.twins)
        return (f"The same place in train and in a held-out split: {found}.",) if found else ()

    def score(self, images: np.ndarray, masks: np.ndarray) -> list[CopyScore] | None:
        """The highest likeness of each picture (N,S,S,3) with its mask (N,S,S); None: nothing to compare with."""
        found = [check.score(images, masks) for check in self.checks]
        return [max(own, key=lambda one: one.score) for own in zip(*found, strict=True)] if found else None

    def told(self, scores: Sequence[Scores]) -> Copies | None:
        """What stands in the report of pictures with these scores; None: nothing was compared."""
        if not self.checks:
            return None
        flagged = Counter(one.copy_by for one in scores if one.copy is not None and one.copy > 1)
        said = list(self.covered)
        for check in self.checks:
            calibrated = (
                f" Thresholds: 99th percentile of {counted(check.n, 'real picture')} not among them, in each space; "
                f"above one of them: {check.alarms} of these {check.n}."
            )
            compared = f"Compared with {check.compared}.{calibrated if check.n else ''}"
            said.append(" ".join((compared, *check.notes)))
            said.append(check.sentence(sum(flagged[space] for space in check.limits)))
        for split, count in self.of.items():
            same = sum(one == split for one, _, _ in self.twins)
            said.append(
                f"{same or 'None'} of {counted(count, f'{split} picture')} {'show' if same > 1 else 'shows'} the same "
                f"place as a training picture ({copies.SAME} keypoints or more in one arrangement)"
                + ("; what is measured on them is too good." if same else ".")
            )
        caught = self.caught
        said.append(
            f"Planted on purpose: {caught.sentence()}."
            if caught
            else "No copies could be planted, for the training pictures are not at hand: what the check misses is not "
            "known."
        )
        return Copies(
            sentences=tuple(said),
            limits={space: limit for check in self.checks for space, limit in check.limits.items()},
            held_out=self.checks[0].n,
            caught=caught.n if caught else 0,
            planted=caught.of if caught else 0,
            by_kind=dict(caught.by_kind) if caught else {},
            flagged=flagged.total(),
        )


def prepare(judge: Judge, found: Real, seen: Seen, seed: int) -> Comparison:
    """Calibrate the checks of a set and plant copies in them.

    Args:
        seen: what the set's checkpoints were trained on. seed: of the planted copies.
    """
    checks, caught, twins, of = [], None, (), {}
    training, held_out = found.known, found.known_held_out
    here: set[bytes] = set()
    if training is not None:
        here = _digests(training.sha256)
        checks.append(copies.prepare(judge, training, held_out))
        caught = planted.caught(checks[0], planted.plant(training, PLANTED, seed))
        twins, of = _twins(checks[0], training, found)
    others = _others(judge.index, here, seen)
    if others is not None:
        narrowed = copy.copy(judge)
        narrowed.index = others
        checks.append(copies.prepare(narrowed, None, held_out))
    identity = hashlib.sha256()
    for part in (training, held_out):
        identity.update(b"-" if part is None else part.sha256.tobytes() + "\n".join(part.groups).encode())
    identity.update("\n".join(f"{check.compared} {check.limits}" for check in checks).encode())
    indexed = _digests(others.sha256) if others is not None else set()
    covered = _covered(seen, here, indexed)
    return Comparison(
        tuple(checks), caught if caught and caught.of else None, covered, identity.hexdigest(), twins, of
    )


def _twins(
    check: CopyCheck, training: Known, found: Real
) -> tuple[tuple[tuple[str, str, str], ...], dict[str, int]]:
    """As in Comparison; those of val were found when the check was calibrated."""
    twins, of = [], {}
    for split, pictures in (("val", found.held_out), ("test", found.tested)):
        if pictures is not None:
            of[split] = len(pictures)
            rows = check.twins if split == "val" else check.places(pictures.images, pictures.masks)
            twins += [(split, pictures.stems[k], training.stems[row]) for k, row in sorted(rows.items())]
    return tuple(twins), of


def _others(index: TrainIndex | None, here: set[bytes], seen: Seen) -> TrainIndex | None:
    """What of a shipped index is not at hand and may have been seen by a checkpoint; None: nothing."""
    if index is None:
        return None
    rows, known = [row.tobytes() for row in index.sha256], _digests(seen.sha256)
    kept = [k for k, row in enumerate(rows) if row not in here and (row in known or seen.unknown)]
    return TrainIndex(index.features[kept], index.sha256[kept], index.dhash[kept]) if kept else None


def _covered(seen: Seen, here: set[bytes], indexed: set[bytes]) -> tuple[str, ...]:
    said = []
    if len(seen):
        known = _digests(seen.sha256)
        said.append(
            f"Of {counted(len(known), 'picture')} that the checkpoints were trained on, {len(known & here):,} are at "
            f"hand and compared whole and by lesion, {len(known & indexed):,} by the segmenter's features alone, "
            f"{len(known - here - indexed):,} not at all."
        )
    return (*said, *(f"What {name} was trained on is not known." for name in seen.unknown))


def _digests(rows: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in rows}
