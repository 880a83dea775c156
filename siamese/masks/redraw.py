"""Random masks from real ones: moved, scaled, turned, mirrored, wobbled and blended, as long as they look like the set.

A lesion that is seen whole stays whole. One that the picture's border cuts off stays at that border, only mirrored or
turned by half, because its straight cut would give it away anywhere else.

Source: Siamese-Diffusion (CVPR 2025) §5.4 transforms masks at random and gives no ranges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from siamese.masks.likeness import (
    BOXED,
    CUT,
    GONE,
    TOO_LARGE,
    TOO_SMALL,
    Limits,
    has_specks,
    is_boxed,
    speck,
)
from siamese.masks.mask import Mask
from siamese.masks.morph import Blend, Edit, Elastic, Flip, RemoveIslands, Smooth, Transform, morph
from siamese.masks.pieces import remove_islands
from siamese.masks.shape import direction, extent, lesion

LONGEST = 1024  # pixels of the longer side
NEAR = 0.01  # share of the side: a lesion so near to the border counts as cut off by it
KEPT = 0.7  # share of it that stays inside the picture
WIDE = 0.15  # share of the side between independent displacements of the wobble
STRONGEST = 200.0  # pixels of a wobble
ROUND = 0.004  # share of the side: radius that rounds the steps which nearest pixels leave


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


class Drawn(NamedTuple):
    """A random mask, the edits that made it of the real one, and why tries before it were dropped → how often.

    `mask` is None where no try looked like the set's.
    """

    mask: Mask | None
    edits: tuple[Edit, ...]
    redraws: Mapping[str, int]


def is_whole(labels: np.ndarray) -> bool:
    """Is there a lesion, and is the mask (H,W) cut off neither by the picture's border nor by a box in it?"""
    clean = remove_islands(labels, speck(labels))
    return bool(clean.any()) and not _touched(clean).any() and not is_boxed(clean)


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
            masks that touch no border are blended, and none that have several classes.
        rng: decides everything; the same state, the same mask.

    Returns: the mask (H,W) with the edits that `siamese.masks.morph.morph` makes its outline with, in order. Labels
        above 1 are carried along. None of a mask that a box in its picture cuts straight.
    """
    whole = Mask(lesion(labels))
    redraws: Counter[str] = Counter()
    if whole.empty:
        return Drawn(whole, (), redraws)
    several = int(labels.max()) > 1
    clean: tuple[Edit, ...] = ()
    if has_specks(whole.labels):
        clean = (RemoveIslands(min_pixels=speck(labels)),)
        whole = morph(whole, clean)
        if whole.empty:
            return Drawn(None, (), {GONE: 1})
    if is_boxed(whole.labels):  # turned or moved, its notch would lie where no box is
        return Drawn(None, (), {BOXED: 1})
    for _ in range(ranges.redraws + 1):
        one = _try(whole.labels, None if several else partner, ranges, limits, rng)
        why = one.why
        if not why:
            mask = morph(Mask(one.labels), one.slow)
            edits = clean + one.quick + one.slow
            if has_specks(mask.labels):
                edits = (*edits, RemoveIslands(min_pixels=speck(mask.labels)))
                mask = morph(mask, edits[-1:])
            why = limits.broken(mask.labels)
            if not why and _cut_off(whole.labels, mask.labels, one.scale):
                why = CUT
            if not why:
                return Drawn(_with_classes(labels, edits, mask) if several else mask, edits, redraws)
        redraws[why] += 1
    return Drawn(None, (), redraws)


class _Try(NamedTuple):
    """Edits drawn once: `quick` ones led to `labels`, `slow` ones follow; or `why` they cannot do."""

    labels: np.ndarray
    scale: float
    quick: tuple[Edit, ...] = ()
    slow: tuple[Edit, ...] = ()
    why: str = ""


def _try(
    labels: np.ndarray,
    partner: np.ndarray | None,
    ranges: Ranges,
    limits: Limits,
    rng: np.random.Generator,
) -> _Try:
    side = min(labels.shape)
    quick: list[Edit] = []
    blends, part = rng.random() < ranges.morph, rng.uniform(*ranges.morph_part)
    cut = bool(_touched(labels).any())
    if blends and not cut and partner is not None and is_whole(partner):
        quick.append(Blend(other=Mask(resized(lesion(partner), labels.shape)), t=part))
        labels = quick[0].apply(labels)
        cut = bool(_touched(labels).any())
    scale, turn = rng.uniform(*ranges.scale), rng.uniform(-ranges.rotate, ranges.rotate)
    mirror = rng.random() < 0.5 and ranges.flip
    half = rng.random() < 0.5 and ranges.rotate == 180 and cut
    for way, wanted in (("horizontal", mirror != half), ("vertical", half)):
        if wanted:
            quick.append(Flip(way=way))
            labels = quick[-1].apply(labels)
    area = float(labels.mean()) * scale**2
    if area < limits.area[0] or (not cut and area > limits.area[1]):
        return _Try(labels, scale, why=TOO_SMALL if area < limits.area[0] else TOO_LARGE)
    turn = 0.0 if cut else turn
    shift = _shift(labels, scale, turn, ranges.move, rng)
    if shift is None:
        return _Try(labels, scale, why=CUT)
    slow: list[Edit] = [
        Transform(dx=shift[0], dy=shift[1], scale_x=scale, scale_y=scale, degrees=turn),
    ]
    strength, seed = min(STRONGEST, rng.uniform(0, ranges.elastic) * side), int(rng.integers(2**32))
    if strength:
        slow.append(Elastic(seed=seed, strength=strength, scale=max(4, WIDE * side, 3 * strength)))
    slow.append(Smooth(radius=max(1, round(ROUND * side))))
    return _Try(labels, scale, tuple(quick), tuple(slow))


def _with_classes(labels: np.ndarray, edits: Iterable[Edit], outline: Mask) -> Mask:
    """The outline with the labels of a label picture, each carried along; where two meet, the nearer one counts."""
    classes = [k for k in range(1, int(labels.max()) + 1) if (labels == k).any()]
    parts = [(labels == k).astype(np.uint8) for k in classes]
    together = lesion(labels)
    for edit in edits:
        if isinstance(edit, Transform):
            parts = [_about(edit, together, part).apply(part) for part in parts]
        elif isinstance(edit, Flip | Elastic):
            parts = [edit.apply(part) for part in parts]
        together = edit.apply(together)
    width = max(1.0, ROUND * min(labels.shape))
    soft = np.stack([cv2.GaussianBlur(part.astype(np.float32), (0, 0), width) for part in parts])
    found = np.array(classes, np.uint8)[soft.argmax(axis=0)]
    return Mask(found * outline.labels)


def _about(edit: Transform, together: np.ndarray, part: np.ndarray) -> Transform:
    """The transform of the whole mask, about its box's middle, as one about the middle of a part's box."""
    boxes = [extent(labels) for labels in (together, part)]
    if boxes[0] is None or boxes[1] is None:
        return edit
    whole, own = (np.array([b.box[0] + b.box[2], b.box[1] + b.box[3]]) / 2 for b in boxes if b is not None)
    cos, sin = direction(edit.degrees * np.pi / 180)
    x, y = (own - whole) * (edit.scale_x, edit.scale_y)
    moved = whole + (cos * x - sin * y, sin * x + cos * y) - own
    return edit.model_copy(update={"dx": edit.dx + float(moved[0]), "dy": edit.dy + float(moved[1])})


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
    contours, _ = cv2.findContours(labels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = cv2.convexHull(np.concatenate(contours)).reshape(-1, 2) + 0.5
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
        if touched[axis].any():  # as far as the border asks for: further would cut more off
            least = largest = high if touched[axis, 0] else low
        elif least > largest:
            return None
        drawn.append(float(least + part * (largest - least)))
    return drawn[0], drawn[1]
