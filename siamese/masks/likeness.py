"""What a set's masks look like, from its own masks, and words for one that is unlike them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np

from siamese.masks.pieces import components, remove_islands
from siamese.masks.shape import extent, lesion
from siamese.masks.typical import TYPICAL, solidity

FEW = 50  # masks; fewer give no percentiles of their own
MANY = 200  # masks; fewer do not tell where lesions hardly ever lie
GRID = 32  # places along each side
SELDOM = 0.01  # share of the masks that cover a place; below it, lesions hardly ever lie there
NOTCH, LEG = 0.05, 8  # share of the side, pixels: both legs of a right angle into a lesion, as nobody draws it
TOO_SMALL, TOO_LARGE, FEWER, MORE, CUT, ELSEWHERE, JAGGED, GONE, BOXED = (
    "smaller than the set's",
    "larger than the set's",
    "fewer lesions than the set's",
    "more lesions than the set's",
    "at the border unlike the set's",
    "where the set's hardly ever lie",
    "more jagged than the set's",
    "no lesion left",
    "cut straight by a box in its picture",
)
STAR = 0.5  # solidity of a lesion as odd as can be
BEHIND = 1.06, 1.4  # how far one lies behind a side: 99 of 100 training masks less than the first; odd as can be


class Look(NamedTuple):
    """A mask in numbers, shares 0..1.

    Args:
        area: lesion's share of the picture. lesions: count of pieces that are no specks.
        border: share of the picture's border that they touch. cut: share of a side along which they touch this side
            and no other. solidity: area of the largest over its hull's.
    """

    area: float
    lesions: int
    border: float
    cut: float
    solidity: float


@dataclass(frozen=True)
class Limits:
    """What a set's masks look like: lowest and highest of each number of a Look, both allowed.

    Args:
        seldom: largest share of a lesion that lies where the set's hardly ever do: outside the field of view.
        where: such places, (32,32) bool over the picture; None where too few masks are known.
    """

    area: tuple[float, float]
    lesions: tuple[int, int]
    border: float
    cut: float
    solidity: float
    seldom: float = 1.0
    where: np.ndarray | None = field(default=None, compare=False, repr=False)

    def broken(self, labels: np.ndarray) -> str:
        """Why a mask (H,W) is unlike the set's, in words; "" for one that is like them."""
        look = look_at(labels)
        if look is None:
            return GONE
        if not self.area[0] <= look.area <= self.area[1]:
            return TOO_SMALL if look.area < self.area[0] else TOO_LARGE
        if not self.lesions[0] <= look.lesions <= self.lesions[1]:
            return FEWER if look.lesions < self.lesions[0] else MORE
        if look.border > self.border or look.cut > self.cut:
            return CUT
        if self.where is not None and _share(_coarse(labels), self.where) > self.seldom:
            return ELSEWHERE
        return "" if look.solidity >= self.solidity else JAGGED


def look_at(labels: np.ndarray) -> Look | None:
    """A mask (H,W) in numbers, its specks left out; None for one without a lesion.

    Many masks of Kvasir-SEG have one pixel of lesion in the upper left corner: with it they would touch two sides more.
    """
    where = extent(labels)
    if where is None:
        return None
    x0, y0, x1, y1 = where.box
    inside = lesion(labels[y0:y1, x0:x1])
    pieces = components(inside)
    kept = [piece for piece in pieces if piece.area >= speck(labels)] or pieces[:1]
    if len(kept) < len(pieces):
        inside = remove_islands(inside, kept[-1].area)
    found = np.zeros(labels.shape, np.uint8)
    found[y0:y1, x0:x1] = inside
    sides = [found[0], found[-1], found[:, 0], found[:, -1]]
    touched = [float(side.mean()) for side in sides if side.any()]
    border = sum(int(side.sum()) for side in sides) / sum(side.size for side in sides)
    cut = touched[0] if len(touched) == 1 else 0.0
    return Look(float(found.mean()), len(kept), border, cut, float(solidity(inside, kept[0])))


def oddity(labels: np.ndarray) -> float:
    """How far a mask (H,W) is from those that the shipped model was trained on: 0 for 98 of 100 of them, 1 at most.

    By the more telling of two: how jagged the largest lesion is (its solidity), and how far the lesions lie behind one
    side of the picture (length along it, less that along the others, over the square root of their area). Continuous,
    so that a picture does not jump while an outline is drawn.
    """
    look = look_at(labels)
    if look is None:
        return 0.0
    found = lesion(labels)
    *others, longest = sorted(int(side.sum()) for side in (found[0], found[-1], found[:, 0], found[:, -1]))
    behind = (longest - sum(others)) / np.sqrt(found.sum())
    jagged = (TYPICAL.solidity - look.solidity) / (TYPICAL.solidity - STAR)
    return float(np.clip(max(jagged, (behind - BEHIND[0]) / (BEHIND[1] - BEHIND[0])), 0, 1))


def limits_of(masks: Iterable[np.ndarray]) -> Limits:
    """Limits of a set from its masks, (H,W) each: what lies between their 1st and 99th percentile.

    Fewer than 50 masks are too few to know: then what the shipped model's training masks look like, widened by what
    occurs here. Where lesions hardly ever lie is known from 200 masks on. Empty masks do not count.
    """
    looks, coarse = [], []
    for labels in masks:
        look = look_at(labels)
        if look is not None:
            looks.append(look)
            coarse.append(_coarse(labels))
    area, lesions, border, cut, solid = (np.array([look[k] for look in looks]) for k in range(5))
    if len(looks) < FEW:
        return Limits(
            (
                float(min(TYPICAL.smallest, area.min(initial=1))),
                float(max(TYPICAL.largest, area.max(initial=0))),
            ),
            (1, int(max(TYPICAL.lesions, lesions.max(initial=1)))),
            float(max(TYPICAL.cut, border.max(initial=0))),
            float(max(TYPICAL.cut, cut.max(initial=0))),
            float(min(TYPICAL.solidity, solid.min(initial=1))),
        )
    where, seldom = None, 1.0
    if len(looks) >= MANY:
        where = np.mean(coarse, axis=0) < SELDOM
        seldom = float(np.percentile([_share(one, where) for one in coarse], 99))
    low, high = np.percentile(area, (1, 99))
    fewest, most = np.percentile(lesions, (1, 99), method="closest_observation")
    return Limits(
        (float(low), float(high)),
        (int(fewest), int(most)),
        float(np.percentile(border, 99)),
        float(np.percentile(cut, 99)),
        float(np.percentile(solid, 1)),
        seldom,
        where,
    )


def _coarse(labels: np.ndarray) -> np.ndarray:
    """The lesion's share of each of 32 × 32 places, (32,32) float32."""
    return cv2.resize((labels > 0).astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)


def _share(coarse: np.ndarray, where: np.ndarray) -> float:
    return float(coarse[where].sum() / max(float(coarse.sum()), 1e-9))


def speck(labels: np.ndarray) -> int:
    """Pixels that a piece needs to count as a lesion."""
    return int(np.ceil(TYPICAL.speck * labels.size))


def has_specks(labels: np.ndarray) -> bool:
    """Has a mask (H,W) pieces too small for a lesion?"""
    _, _, stats, _ = cv2.connectedComponentsWithStats((labels > 0).astype(np.uint8), connectivity=8)
    return bool((stats[1:, cv2.CC_STAT_AREA] < speck(labels)).any())


def is_boxed(labels: np.ndarray) -> bool:
    """Does a lesion have a notch of right angles, as from the box that many endoscopes burn into a corner?"""
    found = labels > 0
    least = max(LEG, NOTCH * min(found.shape))
    for down in (found, found[::-1]):
        for view in (down, down[:, ::-1]):
            # the notch as background below a row of lesion and left of a column of it
            below = _run(view[:-1] & ~view[1:])  # ... pixels of such a row that end here
            beside = _run((view[::-1, 1:] & ~view[::-1, :-1]).T).T[::-1]  # ... of such a column that begin here
            if ((below[:, :-1] >= least) & (beside[1:] >= least) & view[:-1, 1:]).any():
                return True
    return False


def _run(rows: np.ndarray) -> np.ndarray:
    """(N,M) bool → how many neighbours to the left, itself included, are all true; 0 where it is not."""
    place = np.arange(1, rows.shape[1] + 1)
    return place - np.maximum.accumulate(np.where(rows, 0, place), axis=1)
