"""What a set's masks look like, and what is said of one that is unlike them."""

from __future__ import annotations

import cv2
import numpy as np

from siamese.masks import likeness
from siamese.masks.typical import TYPICAL


def box(y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    labels = np.zeros((100, 100), np.uint8)
    labels[y0:y1, x0:x1] = 1
    return labels


def test_few_masks_are_judged_by_what_is_typical_and_what_occurs():
    wide = box(0, 90, 5, 75)
    limits = likeness.limits_of([wide, box(0, 0, 0, 0)])
    assert limits.area == (TYPICAL.smallest, 0.63) and limits.lesions == (1, 2)
    assert limits.cut == 0.7 and limits.where is None
    assert limits.broken(wide) == ""
    assert limits.broken(box(0, 0, 0, 0)) == likeness.GONE
    assert limits.broken(box(50, 55, 50, 55)) == likeness.TOO_SMALL
    assert limits.broken(box(0, 100, 0, 70)) == likeness.TOO_LARGE
    assert limits.broken(box(0, 10, 10, 95)) == likeness.CUT
    assert limits.broken(box(10, 20, 10, 20) | box(40, 50, 40, 50) | box(70, 80, 70, 80)) == likeness.MORE
    assert limits.broken(box(40, 42, 10, 90) | box(10, 90, 49, 51)) == likeness.JAGGED
    assert likeness.limits_of([]).area == (TYPICAL.smallest, TYPICAL.largest)


def test_many_masks_tell_where_lesions_hardly_ever_lie():
    draw = np.random.default_rng(0)
    masks = []
    for _ in range(220):
        y, x = draw.integers(20, 60, 2)
        masks.append(box(y, y + 20, x, x + 20))
    limits = likeness.limits_of(masks)
    assert limits.broken(box(40, 60, 40, 60)) == ""
    assert limits.broken(box(1, 21, 78, 98)) == likeness.ELSEWHERE


def star(tips: int, inner: float, centre: tuple[float, float] = (50, 50), outer: float = 30) -> np.ndarray:
    turns = np.linspace(0, 2 * np.pi, 2 * tips, endpoint=False)
    radii = np.where(np.arange(2 * tips) % 2, inner * outer, outer)
    points = np.array(centre) + radii[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)
    return cv2.fillPoly(np.zeros((100, 100), np.uint8), [points.round().astype(np.int32)], 1)


def test_jagged_lesions_and_such_behind_the_border_are_odd():
    round_one = star(60, 1.0)
    assert likeness.oddity(round_one) == likeness.oddity(np.zeros_like(round_one)) == 0
    assert likeness.oddity(star(6, 0.35)) == 1
    shares = [likeness.oddity(star(6, inner)) for inner in (0.8, 0.6, 0.55, 0.5, 0.45, 0.35)]
    assert shares == sorted(shares) and 0 < shares[2] < shares[4]
    out = [likeness.oddity(star(60, 1.0, (x, 50))) for x in (31, 25, 15, 8, 4, 0, -6)]
    assert out == sorted(out) and out[0] == out[1] == 0 and out[-3] > 0 and out[-1] == 1
    corner = star(60, 1.0, (0, 0))  # behind two sides: as in many pictures
    assert likeness.oddity(corner) == 0
    dots = round_one.copy()
    dots[0, 0] = dots[99, 99] = 1
    assert likeness.oddity(dots) == 0
