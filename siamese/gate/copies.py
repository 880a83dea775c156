"""Is a synthesized picture a copy of a training picture, whole or in its lesion? Calibrated on held-out real pictures.

Five spaces, each blind to flips and quarter turns. Where the training pictures are not at hand, the shipped index of
the judge alone is searched, whole pictures in one space, and the check says so.
Wording: "No copy found by X at threshold Y", never "private".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from siamese.counted import counted
from siamese.data import view as views
from siamese.data.batches import Pictures
from siamese.errors import AugmentError
from siamese.gate.keypoints import Arrangements, Keypoints, find
from siamese.metrics import copies
from siamese.segmentation.judge import Judge

WHOLE, CROP = 256, 144  # side at which keypoints are looked for, pixels
MARGIN = 0.15  # of a lesion's longer side, kept around it in its crop
LESIONS = 3  # largest lesions of a picture that are compared
SMALLEST = 12  # pixels of a lesion's box, below which it tells nothing
PERCENTILE = (
    100 - copies.PERCENTILE
)  # of the likeness of held-out real pictures: above it a picture is flagged
SAME = 25  # keypoints in one arrangement from which two real pictures show the same place
DRAWN = 60  # training pictures that are compared with each other where none is held out
INDEX_LIMIT = 0.9975  # of the shipped index, where no held-out pictures are at hand

KEYPOINTS, LESION_KEYPOINTS = "keypoints", "keypoints of the lesion"
GREY, LESION_GREY, JUDGE = "grey thumbnail", "grey thumbnail of the lesion", "segmenter's features"
COUNTS = (KEYPOINTS, LESION_KEYPOINTS)  # spaces that count; the others correlate


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
class _Look:
    """What is kept of a picture: its keypoints; each lesion's keypoints and grey thumbnail (32,32) float32."""

    whole: Keypoints
    lesions: tuple[Keypoints, ...]
    greys: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Likeness:
    """For pictures in one space: how like the likest training picture is (N,), and its row (N,), -1 for none."""

    value: np.ndarray
    row: np.ndarray


class CopyCheck:
    """Compares pictures with training pictures; made by `prepare`.

    Attributes:
        limits: space → the likeness above which a picture is flagged (a count of keypoints, or a correlation).
        n: how many real pictures the limits stand on. alarms: how many of these are above a limit of any space.
        compared: what with, in words. notes: sentences on what was left out.
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
        if known is None:
            assert judge.index is not None
            self._sha256, self._features = judge.index.sha256, judge.index.features
            self.compared = f"{len(self._sha256)} training pictures of the segmenter, by its features alone"
            return
        looks = [_look(image, mask) for image, mask in zip(known.images, known.masks, strict=True)]
        self._sha256, self._features = known.sha256, judge.features(known.images)
        self._greys = copies.thumbnails(known.images)
        self._whole = Arrangements([look.whole for look in looks], range(len(looks)))
        owner = [row for row, look in enumerate(looks) for _ in look.lesions]
        self._lesions = Arrangements([k for look in looks for k in look.lesions], owner)
        self._lesion_greys = _stacked([g for look in looks for g in look.greys])
        self._owner = np.array(owner, int)
        self.compared = f"{counted(len(known), 'training picture')}, whole and by their lesions"

    def score(self, images: np.ndarray, masks: np.ndarray) -> list[CopyScore]:
        """Pictures (N,S,S,3) uint8 and their masks (N,S,S) → a score each; an empty mask has no lesion to compare."""
        found = self.likeness(images, masks)
        scores = {
            space: _ratio(space, likeness.value, self.limits[space]) for space, likeness in found.items()
        }
        result = []
        for k in range(len(images)):
            by = max(scores, key=lambda space: scores[space][k])
            row = int(found[by].row[k])
            stem = self._known.stems[row] if self._known is not None and row >= 0 else ""
            digest = self._sha256[row].tobytes().hex() if row >= 0 else ""
            result.append(CopyScore(float(scores[by][k]), digest, row, stem, by))
        return result

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
        found = {JUDGE: _likest([self._judge.features(t) @ self._features.T for t in turned], apart)}
        if self._known is None:
            return found
        found[GREY] = _likest([copies.thumbnails(t) @ self._greys.T for t in turned], apart)
        looks = [_look(image, mask) for image, mask in zip(images, masks, strict=True)]
        barred = [None if apart is None else apart[k] for k in range(len(images))]
        found[KEYPOINTS] = _collected(
            [self._whole.most(a.whole, b) for a, b in zip(looks, barred, strict=True)]
        )
        found[LESION_KEYPOINTS] = _collected(
            [
                max((self._lesions.most(k, b) for k in look.lesions), default=(0, -1))
                for look, b in zip(looks, barred, strict=True)
            ]
        )
        found[LESION_GREY] = _collected(
            [self._likest_lesion(look, b) for look, b in zip(looks, barred, strict=True)]
        )
        return found

    def _likest_lesion(self, look: _Look, barred: np.ndarray | None) -> tuple[float, int]:
        if not look.greys or not len(self._lesion_greys):
            return 0.0, -1
        turned = [t for grey in look.greys for t in copies.orientations(grey[None, ..., None])]
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
    apart = None
    if held_out is None or not len(held_out):
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
    _calibrate(check, check.likeness(held_out.images, held_out.masks, apart))
    return check


def _calibrate(check: CopyCheck, found: dict[str, Likeness]) -> None:
    """Set the limits: the 99th percentile of each space, over pictures that show no place of a training picture."""
    others = np.ones(len(found[JUDGE].value), bool)
    for space in found.keys() & set(COUNTS):
        others &= found[space].value < SAME
    if not others.all():
        check.notes.append(
            f"{counted(int((~others).sum()), 'held-out picture')} of {len(others)} left out: at least {SAME} keypoints "
            "in one arrangement with a training picture, so they show the same place."
        )
    check.n = int(others.sum())
    for space, likeness in found.items():
        kept = likeness.value[others]
        check.limits[space] = float(np.percentile(kept, PERCENTILE, method="higher")) if len(kept) else SAME
    above = [_ratio(space, found[space].value[others], check.limits[space]) > 1 for space in found]
    check.alarms = int(np.any(above, axis=0).sum())


def _ratio(space: str, value: np.ndarray, limit: float) -> np.ndarray:
    """1 at the limit; of counts their ratio, of correlations that of their distances from 1."""
    if space in COUNTS:
        return value / max(limit, 1)
    return np.maximum(1 - limit, 1e-6) / np.maximum(1 - value, 1e-6)


def _look(image: np.ndarray, mask: np.ndarray) -> _Look:
    inside = views.field_of_view(image) & ~views.corner_box(image)
    lesions, greys = [], []
    for box, part in _parts(mask):
        crop, part = image[box], part[box]
        around = cv2.dilate(part, np.ones((3, 3), np.uint8), iterations=max(1, len(part) // 16)) > 0
        lesions.append(find(crop, around & inside[box], CROP))
        greys.append(_lesion_grey(crop, part))
    return _Look(find(image, inside, WHOLE), tuple(lesions), tuple(greys))


def _parts(mask: np.ndarray) -> list[tuple[tuple[slice, slice], np.ndarray]]:
    """The largest lesions: a square window around each, and where it lies, (S,S) uint8."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8))
    found = []
    for k in sorted(range(1, count), key=lambda k: -stats[k, cv2.CC_STAT_AREA])[:LESIONS]:
        left, top, wide, high, _ = (int(v) for v in stats[k])
        if min(wide, high) < SMALLEST:
            continue
        side = min(len(mask), round(max(wide, high) * (1 + 2 * MARGIN)))
        y, x = (
            min(max(0, start + (extent - side) // 2), len(mask) - side)
            for start, extent in ((top, high), (left, wide))
        )
        found.append((np.s_[y : y + side, x : x + side], (labels == k).astype(np.uint8)))
    return found


def _lesion_grey(crop: np.ndarray, part: np.ndarray) -> np.ndarray:
    """(32,32) float32 of norm 1: fine grey structure inside a lesion, 0 outside, so that its outline tells nothing."""
    side = 32
    grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (side, side), interpolation=cv2.INTER_AREA)
    where = cv2.resize(part.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA) > 0.9
    where = where.astype(np.float32)
    level = cv2.GaussianBlur(grey * where, (0, 0), 3) / np.maximum(cv2.GaussianBlur(where, (0, 0), 3), 1e-3)
    fine = (grey - level) * where
    return (fine / max(float(np.linalg.norm(fine)), 1e-6)).astype(np.float32)


def _stacked(greys: list[np.ndarray]) -> np.ndarray:
    return np.stack(greys).reshape(len(greys), -1) if greys else np.zeros((0, 1024), np.float32)


def _likest(by_turn: list[np.ndarray], apart: np.ndarray | None) -> Likeness:
    likeness = np.max(by_turn, axis=0)
    if apart is not None:
        likeness[apart] = -1
    row = likeness.argmax(axis=1)
    return Likeness(likeness[np.arange(len(row)), row], row)


def _collected(found: list[tuple[float, int]]) -> Likeness:
    return Likeness(np.array([v for v, _ in found], float), np.array([r for _, r in found], int))
