"""Random masks from real ones: moved, scaled, turned, mirrored, wobbled and blended, as long as they look like the set.

A lesion that is seen whole stays whole. One that the picture's border cuts off stays at that border, only mirrored or
turned by half, because its straight cut would give it away anywhere else.

Source: Siamese-Diffusion (CVPR 2025) §5.4 transforms masks at random and gives no ranges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from siamese.masks.mask import Mask
from siamese.masks.morph import Blend, Edit, Elastic, Flip, RemoveIslands, Smooth, Transform, morph
from siamese.masks.pieces import components
from siamese.masks.shape import lesion
from siamese.masks.typical import TYPICAL, solidity

LONGEST = 1024  # pixels of the longer side
FEW = 50  # masks that give no percentiles of their own
NEAR = 0.01  # share of the side: a lesion so near to the border counts as cut off by it
BEYOND = 0.03  # share of the side that a lesion at the border may go on beyond it
KEPT = 0.7  # share of it that stays inside the picture
WIDE = 0.15  # share of the side between independent displacements of the wobble
ROUND = 0.004  # share of the side: radius that rounds the steps which nearest pixels leave
TOO_SMALL, TOO_LARGE, FEWER, MORE, CUT, JAGGED, GONE = (
    "smaller than the set's",
    "larger than the set's",
    "fewer lesions than the set's",
    "more lesions than the set's",
    "at the border unlike the set's",
    "more jagged than the set's",
    "no lesion left",
)


class Ranges(Protocol):
    """What may be drawn; `siamese.augment.plan.Ranges` says it at length."""

    @property
    def scale(self) -> tuple[float, float]: ...
    @property
    def move(self) -> float: ...
    @property
    def rotate(self) -> float: ...
    @property
    def flip(self) -> bool: ...
    @property
    def elastic(self) -> float: ...
    @property
    def morph(self) -> float: ...
    @property
    def morph_part(self) -> tuple[float, float]: ...
    @property
    def redraws(self) -> int: ...


class Look(NamedTuple):
    """A mask in four numbers.

    Args:
        area: lesion's share of the picture, 0..1. lesions: count of pieces that are no specks.
        border: share of the picture's border that they touch. solidity: area of the largest over its hull's.
    """

    area: float
    lesions: int
    border: float
    solidity: float


@dataclass(frozen=True)
class Limits:
    """What a set's masks look like: lowest and highest of each number of a Look, both allowed."""

    area: tuple[float, float]
    lesions: tuple[int, int]
    border: tuple[float, float]
    solidity: float

    def broken(self, look: Look | None) -> str:
        """Why a mask is unlike the set's, in words; "" for one that is like them."""
        if look is None:
            return GONE
        if not self.area[0] <= look.area <= self.area[1]:
            return TOO_SMALL if look.area < self.area[0] else TOO_LARGE
        if not self.lesions[0] <= look.lesions <= self.lesions[1]:
            return FEWER if look.lesions < self.lesions[0] else MORE
        if not self.border[0] <= look.border <= self.border[1]:
            return CUT
        return "" if look.solidity >= self.solidity else JAGGED


class Drawn(NamedTuple):
    """A random mask, the edits that made it of the real one, and why tries before it were dropped → how often.

    `mask` is None where no try looked like the set's.
    """

    mask: Mask | None
    edits: tuple[Edit, ...]
    redraws: Mapping[str, int]


def look_at(labels: np.ndarray) -> Look | None:
    """A mask (H,W) in numbers; None for one without a lesion."""
    found = lesion(labels)
    pieces = components(found)
    if not pieces:
        return None
    edge = np.concatenate([found[0], found[-1], found[1:-1, 0], found[1:-1, -1]])
    count = sum(piece.area >= TYPICAL.speck * found.size for piece in pieces)
    return Look(float(found.mean()), max(1, count), float(edge.mean()), solidity(found, pieces[0]))


def limits_of(looks: Iterable[Look | None]) -> Limits:
    """Limits of a set from its masks: what lies between their 1st and 99th percentile.

    Fewer than 50 masks are too few to know: then what the shipped model's training masks look like, widened by what
    occurs here.
    """
    known = [look for look in looks if look is not None]
    area, lesions, border, solid = (np.array([look[k] for look in known]) for k in range(4))
    if len(known) >= FEW:
        low, high = np.percentile(area, (1, 99))
        fewest, most = np.percentile(lesions, (1, 99), method="closest_observation")
        least, longest = np.percentile(border, (1, 99))
        return Limits(
            (float(low), float(high)),
            (int(fewest), int(most)),
            (float(least), float(longest)),
            float(np.percentile(solid, 1)),
        )
    return Limits(
        (float(min(TYPICAL.smallest, area.min(initial=1))), float(max(TYPICAL.largest, area.max(initial=0)))),
        (1, int(max(TYPICAL.lesions, lesions.max(initial=1)))),
        (0.0, float(max(TYPICAL.cut, border.max(initial=0)))),
        float(min(TYPICAL.solidity, solid.min(initial=1))),
    )


def within(labels: np.ndarray, longest: int = LONGEST) -> np.ndarray:
    """Labels (H,W) with at most `longest` pixels along the longer side; smooth outlines stay smooth."""
    factor = longest / max(labels.shape)
    if factor >= 1:
        return labels
    return resized(labels, tuple(max(1, round(side * factor)) for side in labels.shape))


def resized(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Labels (H,W) at another (height, width), the outline of each label interpolated, not stepped."""
    if labels.shape == size:
        return labels
    how = cv2.INTER_AREA if size[0] * size[1] < labels.size else cv2.INTER_LINEAR
    found = np.zeros(size, np.uint8)
    for label in range(1, int(labels.max(initial=0)) + 1):
        part = cv2.resize((labels == label).astype(np.float32), size[::-1], interpolation=how)
        found[part >= 0.5] = label
    return found


def draw(
    labels: np.ndarray,
    partner: np.ndarray | None,
    ranges: Ranges,
    limits: Limits,
    rng: np.random.Generator,
) -> Drawn:
    """A random mask of a real one, drawn until it looks like the set's, at most `ranges.redraws` times again.

    Args:
        labels: (H,W) uint8, above 0 lesion. An empty one comes back as it is.
        partner: another case's labels, of any size, that the mask may first be blended with; None: never. Only
            masks that touch no border are blended.
        rng: decides everything; the same state, the same mask.

    Returns: the mask (H,W) with the edits that `siamese.masks.morph.morph` makes it with, in order.
    """
    whole = Mask(lesion(labels))
    redraws: Counter[str] = Counter()
    if whole.empty:
        return Drawn(whole, (), redraws)
    other = None
    if partner is not None and partner.any() and not _touched(whole.labels).any():
        other = Mask(resized(lesion(partner), whole.labels.shape))
        other = None if _touched(other.labels).any() else other
    for _ in range(ranges.redraws + 1):
        edits, scale, why = _try(whole, other, ranges, limits, rng)
        if not why:
            mask = morph(whole, edits)
            why = limits.broken(look_at(mask.labels))
            if not why and _cut_off(whole.labels, mask.labels, scale):
                why = CUT
            if not why:
                return Drawn(mask, edits, redraws)
        redraws[why] += 1
    return Drawn(None, (), redraws)


def _try(
    whole: Mask, other: Mask | None, ranges: Ranges, limits: Limits, rng: np.random.Generator
) -> tuple[tuple[Edit, ...], float, str]:
    """Edits drawn once and their scale, or why these cannot do, as far as that shows before the slow ones are made."""
    side = min(whole.labels.shape)
    edits: list[Edit] = []
    labels = whole.labels
    blends, part = rng.random() < ranges.morph, rng.uniform(*ranges.morph_part)
    if other is not None and blends:
        edits.append(Blend(other=other, t=part))
        labels = edits[0].apply(labels)
    cut = bool(_touched(labels).any())
    scale, turn, mirror, half = (
        rng.uniform(*ranges.scale),
        rng.uniform(-ranges.rotate, ranges.rotate),
        rng.random() < 0.5 and ranges.flip,
        rng.random() < 0.5 and ranges.rotate == 180,
    )
    if cut:
        turn = 0.0
    for way, wanted in (("horizontal", mirror != (cut and half)), ("vertical", cut and half)):
        if wanted:
            edits.append(Flip(way=way))
            labels = edits[-1].apply(labels)
    area = float(labels.mean()) * scale**2
    if area < limits.area[0] or (not cut and area > limits.area[1]):
        return (), scale, TOO_SMALL if area < limits.area[0] else TOO_LARGE
    shift = _shift(labels, scale, turn, ranges.move, rng)
    if shift is None:
        return (), scale, CUT
    edits.append(Transform(dx=shift[0], dy=shift[1], scale_x=scale, scale_y=scale, degrees=turn))
    strength, seed = rng.uniform(0, ranges.elastic) * side, int(rng.integers(2**32))
    if strength:
        edits.append(Elastic(seed=seed, strength=strength, scale=max(4, WIDE * side, 3 * strength)))
    edits.append(Smooth(radius=max(1, round(ROUND * side))))
    edits.append(RemoveIslands(min_pixels=int(np.ceil(TYPICAL.speck * whole.labels.size))))
    return tuple(edits), scale, ""


def _cut_off(before: np.ndarray, after: np.ndarray, scale: float) -> bool:
    """Has a mask that was whole come to lie at the border, or has one at the border lost much beyond it?"""
    if _touched(before).any():
        return float(after.mean()) < KEPT * scale**2 * float((before > 0).mean())
    return bool(_touched(after, 0).any())


def _touched(labels: np.ndarray, near: float = NEAR) -> np.ndarray:
    """Which sides a mask reaches, or nearly: (2,2) bool, of x and y the lower and the upper end."""
    found = labels > 0
    gaps = []
    for axis in (0, 1):
        places = np.flatnonzero(found.any(axis=axis))
        length = found.shape[1 - axis]
        gaps.append(
            [places[0] <= near * length, places[-1] >= length - 1 - near * length]
            if places.size
            else [False] * 2
        )
    return np.array(gaps)


def _shift(
    labels: np.ndarray, scale: float, turn: float, move: float, rng: np.random.Generator
) -> tuple[float, float] | None:
    """A shift (x, y) in pixels after which the mask touches the sides that it did and no other; None: there is none."""
    ys, xs = np.nonzero(labels)
    corners = cv2.convexHull(np.stack([xs, ys], 1).astype(np.int32)).reshape(-1, 2) + 0.5
    before = np.stack([corners.min(0) - 0.5, corners.max(0) + 0.5])  # x0,y0 · x1,y1
    middle = before.mean(0)
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    turned = (corners - middle) @ np.array([[cos, sin], [-sin, cos]]) * scale + middle
    after = np.stack([turned.min(0) - 0.5, turned.max(0) + 0.5])
    touched, drawn = _touched(labels), []
    for axis, length in enumerate(labels.shape[::-1]):
        margin, most = NEAR * length, move * min(labels.shape)
        # Where it touched: no further from that side than it was. Where it did not: no nearer than the margin.
        low = max(
            before[1, axis] - after[1, axis] if touched[axis, 1] else -np.inf,
            -np.inf if touched[axis, 0] else margin - after[0, axis],
        )
        high = min(
            before[0, axis] - after[0, axis] if touched[axis, 0] else np.inf,
            np.inf if touched[axis, 1] else length - margin - after[1, axis],
        )
        part = rng.random()
        if low > high:
            return None
        least, largest = max(low, -most), min(high, most)
        if touched[axis].sum() == 1:  # a corner of the field of view that cuts it off stays about where it is
            beyond = BEYOND * length
            least, largest = (
                (max(least, high - beyond), largest)
                if touched[axis, 0]
                else (least, min(largest, low + beyond))
            )
        if least > largest:
            if not touched[axis].any():
                return None
            least = largest = low if low > most else high  # as far as the border asks for
        drawn.append(float(least + part * (largest - least)))
    return drawn[0], drawn[1]
