"""Is a synthesized picture a copy of a training picture, whole or in its lesion? Calibrated on held-out real pictures.

Four spaces, each blind to flips and quarter turns. Where the training pictures are not at hand, the shipped index of
the judge alone is searched, whole pictures in one space, and the check says so.
Wording: "No copy found by X at threshold Y", never "private".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from siamese.counted import counted
from siamese.data.batches import Pictures
from siamese.errors import AugmentError
from siamese.gate.keypoints import Arrangements
from siamese.gate.look import Look, look
from siamese.metrics import copies
from siamese.segmentation.judge import Judge

PERCENTILE = (
    100 - copies.PERCENTILE
)  # of the likeness of held-out real pictures: above it a picture is flagged
SAME = 25  # keypoints in one arrangement from which two real pictures show the same place
DRAWN = 60  # training pictures that are compared with each other where none is held out
INDEX_LIMIT = 0.993  # of the shipped index, from 54 val pictures of Kvasir-SEG, where none are at hand
MOST = 100.0  # that a score says; a picture's own twin has no distance at all

KEYPOINTS, LESION_KEYPOINTS = "keypoints", "keypoints of the lesion"
GREY, LESION_GREY, JUDGE = "grey thumbnail", "grey thumbnail of the lesion", "segmenter's features"
COUNTS = (KEYPOINTS, LESION_KEYPOINTS)  # spaces that count; the others correlate
# Of 54 val pictures of Kvasir-SEG against 1,806: no limit is set lower, or a handful held out would flag many.
LOWEST = {KEYPOINTS: 8.0, LESION_KEYPOINTS: 9.0, GREY: 0.93, LESION_GREY: 0.67}
LESION = (LESION_KEYPOINTS, LESION_GREY)  # spaces that look at lesions alone


@dataclass(frozen=True)
class Known:
    """Real pictures that are compared with.

    Args:
        images, masks: (M,S,S,3) and (M,S,S) uint8, prepared as the model was trained. sha256: (M,32) uint8.
        groups: what belongs to one patient; "" where nothing is known. A picture is not compared with its own group.
    """

    images: np.ndarray
    masks: np.ndarray
    sha256: np.ndarray
    stems: tuple[str, ...]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.stems)

    @classmethod
    def of(cls, pictures: Pictures, groups: Sequence[str] = ()) -> Known:
        """Those of `siamese.data.batches.prepare`."""
        return cls(
            pictures.images,
            pictures.masks,
            pictures.sha256,
            pictures.stems,
            tuple(groups) or ("",) * len(pictures),
        )


@dataclass(frozen=True)
class CopyScore:
    """Likeness to the nearest training picture: 1 is the threshold, above it the picture is flagged.

    Args:
        of: that picture's sha256 (pixels), hexadecimal, "" where none is like it at all. row: its place among the
            training pictures, -1 for none. stem: its name, "" for the shipped index. by: the space.
    """

    score: float
    of: str
    row: int
    stem: str
    by: str

    @property
    def flagged(self) -> bool:
        """Is it taken for a copy?"""
        return self.score > 1


@dataclass(frozen=True)
class Likeness:
    """For pictures in one space: how like the likest training picture is (N,), and its row (N,), -1 for none."""

    value: np.ndarray
    row: np.ndarray


class CopyCheck:
    """Compares pictures with training pictures; made by `prepare`.

    Attributes:
        limits: space → the likeness above which a picture is flagged (a count of keypoints, or a correlation).
        n: how many real pictures the limits stand on. alarms: how many of these are, in any space, above the limit
            that the others set: the joint rate of false alarms is `alarms / n`.
        compared: what with, in words. notes: sentences on what was left out.
        twins: held-out picture → training picture (rows) that show the same place.
    """

    def __init__(self, judge: Judge, known: Known | None, notes: Sequence[str] = ()):
        if known is None and judge.index is None:
            raise AugmentError(
                "Nothing to look for copies in: no training pictures are at hand and the segmenter has no index; "
                "name the real dataset in the plan, or take the segmenter polyp-segmenter."
            )
        self._judge, self._known = judge, known
        self.limits: dict[str, float] = {}
        self.n, self.alarms, self.notes = 0, 0, list(notes)
        self.twins: dict[int, int] = {}
        if known is None:
            assert judge.index is not None
            self._sha256, self._features = judge.index.sha256, judge.index.features
            self.compared = f"{len(self._sha256)} training pictures of the segmenter, by its features alone"
            self.notes.append(
                "Training pictures are not at hand: crops of them and lesions pasted elsewhere stay unseen."
            )
            return
        looks = [look(image, mask) for image, mask in zip(known.images, known.masks, strict=True)]
        self._sha256 = known.sha256
        self._greys = copies.thumbnails(known.images)
        self._whole = Arrangements([seen.whole for seen in looks], range(len(looks)))
        owner = [row for row, seen in enumerate(looks) for _ in seen.lesions]
        self._lesions = Arrangements([k for seen in looks for k in seen.lesions], owner)
        self._lesion_greys = _stacked([g for seen in looks for g in seen.greys])
        self._owner = np.array(owner, int)
        self.compared = f"{counted(len(known), 'training picture')}, whole and by their lesions"

    def score(self, images: np.ndarray, masks: np.ndarray) -> list[CopyScore]:
        """Pictures (N,S,S,3) uint8 and their masks (N,S,S) → a score each; an empty mask has no lesion to compare."""
        found = self.ratios(images, masks)
        result = []
        for k in range(len(images)):
            by = max(found, key=lambda space: found[space].value[k])
            row = int(found[by].row[k])
            stem = self._known.stems[row] if self._known is not None and row >= 0 else ""
            digest = self._sha256[row].tobytes().hex() if row >= 0 else ""
            result.append(CopyScore(float(found[by].value[k]), digest, row, stem, by))
        return result

    def ratios(
        self, images: np.ndarray, masks: np.ndarray, apart: np.ndarray | None = None
    ) -> dict[str, Likeness]:
        """`likeness` with its limit as 1: of counts the ratio, of correlations that of their distances from 1."""
        found = self.likeness(images, masks, apart)
        return {
            space: Likeness(_ratio(space, likeness.value, self.limits[space]), likeness.row)
            for space, likeness in found.items()
        }

    def places(self, images: np.ndarray, masks: np.ndarray) -> dict[int, int]:
        """Which of the pictures (N,S,S,3) show the same place as a training picture: row here → row there."""
        if self._known is None:
            return {}
        looks = (look(image, mask) for image, mask in zip(images, masks, strict=True))
        most = (max((self._whole.most(one.whole), *map(self._lesions.most, one.lesions))) for one in looks)
        return {k: row for k, (count, row) in enumerate(most) if count >= SAME}

    @property
    def rows(self) -> int:
        """How many training pictures are compared with."""
        return len(self._sha256)

    def sentence(self, flagged: int) -> str:
        """What was found, in words; never that a set is private."""
        limits = ", ".join(
            f"{space} {limit:.0f}" if space in COUNTS else f"{space} {limit:.3f}"
            for space, limit in self.limits.items()
        )
        if flagged:
            return f"{counted(flagged, 'picture')} may be copies, by these at thresholds: {limits}."
        return f"No copy found by these at thresholds: {limits}."

    def likeness(
        self, images: np.ndarray, masks: np.ndarray, apart: np.ndarray | None = None
    ) -> dict[str, Likeness]:
        """The likest training picture in each space; `apart` (N,M) bool: those that a picture is not compared with."""
        turned = copies.orientations(images)
        if self._known is None:
            return {JUDGE: _likest([self._judge.features(t) @ self._features.T for t in turned], apart)}
        whole, lesion, lesion_grey = [], [], []
        for k, (image, mask) in enumerate(zip(images, masks, strict=True)):
            seen, barred = look(image, mask), None if apart is None else apart[k]
            whole.append(self._whole.most(seen.whole, barred))
            lesion.append(max((self._lesions.most(one, barred) for one in seen.lesions), default=(0, -1)))
            lesion_grey.append(self._likest_lesion(seen, barred))
        return {
            KEYPOINTS: _collected(whole),
            LESION_KEYPOINTS: _collected(lesion),
            GREY: _likest([copies.thumbnails(t) @ self._greys.T for t in turned], apart),
            LESION_GREY: _collected(lesion_grey),
        }

    def _likest_lesion(self, seen: Look, barred: np.ndarray | None) -> tuple[float, int]:
        if not seen.greys or not len(self._lesion_greys):
            return 0.0, -1
        turned = [t for grey in seen.greys for t in copies.orientations(grey[None, ..., None])]
        likeness = np.max([t.ravel() @ self._lesion_greys.T for t in turned], axis=0)
        if barred is not None:
            likeness[barred[self._owner]] = -1
        best = int(likeness.argmax())
        return float(likeness[best]), int(self._owner[best])


def prepare(judge: Judge, training: Known | None, held_out: Known | None) -> CopyCheck:
    """A check against `training` pictures, its limits from `held_out` real ones of other patients.

    None as training: the judge's shipped index. None held out: training pictures are compared with each other, or, for
    the index, the limit measured for the shipped one is taken.

    Raises:
        AugmentError: nothing to compare with.
    """
    check = CopyCheck(judge, training)
    if training is None and held_out is None:
        check.limits = {JUDGE: INDEX_LIMIT}
        check.notes.append(
            "The threshold is the one measured for polyp-segmenter: no held-out pictures are at hand."
        )
        return check
    apart, own = None, held_out is not None and len(held_out) > 0
    if not own:
        assert training is not None
        chosen = np.random.default_rng(0).permutation(len(training))[:DRAWN]
        held_out = Known(
            training.images[chosen],
            training.masks[chosen],
            training.sha256[chosen],
            tuple(training.stems[k] for k in chosen),
            tuple(training.groups[k] for k in chosen),
        )
        apart = np.arange(len(training))[None] == chosen[:, None]
        check.notes.append(
            "No pictures are held out: the thresholds are those of training pictures among themselves."
        )
    if training is not None:
        named = np.array(training.groups)[None] == np.array(held_out.groups)[:, None]
        named &= np.array(held_out.groups)[:, None] != ""
        apart = named if apart is None else apart | named
    assert held_out is not None
    found = check.likeness(held_out.images, held_out.masks, apart)
    _calibrate(check, found)
    if own:
        for space in found.keys() & set(COUNTS):
            check.twins |= {k: int(found[space].row[k]) for k in np.flatnonzero(found[space].value >= SAME)}
    return check


def _calibrate(check: CopyCheck, found: dict[str, Likeness]) -> None:
    """Set the limits: the 99th percentile of each space, `LOWEST` at least, over pictures of no place in training."""
    others = np.ones(len(next(iter(found.values())).value), bool)
    for space in found.keys() & set(COUNTS):
        others &= found[space].value < SAME
    if not others.all():
        check.notes.append(
            f"{counted(int((~others).sum()), 'held-out picture')} of {len(others)} left out: at least {SAME} keypoints "
            "in one arrangement with a training picture, so they show the same place."
        )
    check.n = int(others.sum())
    alone = np.ones(check.n, bool)  # above no limit that the others set
    for space, likeness in found.items():
        kept = likeness.value[others]
        check.limits[space] = _limit(space, kept)
        alone &= np.array([kept[k] <= _limit(space, np.delete(kept, k)) for k in range(check.n)], bool)
    check.alarms = int((~alone).sum())


def _limit(space: str, likeness: np.ndarray) -> float:
    lowest = LOWEST.get(space, INDEX_LIMIT)
    return (
        max(lowest, float(np.percentile(likeness, PERCENTILE, method="higher"))) if len(likeness) else lowest
    )


def _ratio(space: str, value: np.ndarray, limit: float) -> np.ndarray:
    """1 at the limit; of counts their ratio, of correlations that of their distances from 1."""
    ratio = value / max(limit, 1) if space in COUNTS else max(1 - limit, 1e-6) / np.maximum(1 - value, 1e-6)
    return np.minimum(ratio, MOST)


def _stacked(greys: list[np.ndarray]) -> np.ndarray:
    return np.stack(greys).reshape(len(greys), -1) if greys else np.zeros((0, 0), np.float32)


def _likest(by_turn: list[np.ndarray], apart: np.ndarray | None) -> Likeness:
    likeness = np.max(by_turn, axis=0)
    if apart is not None:
        likeness[apart] = -1
    row = likeness.argmax(axis=1)
    return Likeness(likeness[np.arange(len(row)), row], row)


def _collected(found: list[tuple[float, int]]) -> Likeness:
    return Likeness(np.array([v for v, _ in found], float), np.array([r for _, r in found], int))
