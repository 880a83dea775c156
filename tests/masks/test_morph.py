"""Morphs: what each operation does to a mask, at its edges and at its limits."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from siamese.errors import MaskError
from siamese.masks import generate, morph, pieces, shape, warp
from siamese.masks.mask import EMPTY, Mask


def disc(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    """(H,W) uint8: pixels whose centre is within `radius` of (x, y)."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    return ((columns - x) ** 2 + (rows - y) ** 2 <= radius**2).astype(np.uint8)


def centre(labels: np.ndarray) -> tuple[float, float]:
    return shape.extent(labels).centroid


LESION = generate.plausible(3, 96).labels
WIDE = disc(60, 100, 30, 25, 15) | disc(60, 100, 80, 40, 6)
NOTHING, EVERYTHING = np.zeros((40, 50), np.uint8), np.ones((40, 50), np.uint8)
EVERY = (
    morph.Grow(pixels=3), morph.Smooth(radius=4), morph.Transform(dx=3, degrees=20), morph.KeepLargest(),
    morph.RemoveIslands(min_pixels=9), morph.FillHoles(), morph.Invert(), morph.Flip(way="vertical"),
    morph.Rotate90(), morph.Elastic(seed=1, strength=5, scale=20), morph.Push(steps=((9, 9, 4, 0),), radius=9),
    morph.Deform(places=((9, 9),), moves=((3, 0),)), morph.Blend(other=Mask(WIDE), t=0.5),
)  # fmt: skip


def test_distance_is_the_exact_one():
    labels = (np.random.default_rng(2).random((23, 31)) < 0.1).astype(np.uint8)
    ys, xs = np.mgrid[:23, :31]
    for own in (0, 1):
        others = np.argwhere(labels != own)
        nearest = np.sqrt((ys[..., None] - others[:, 0]) ** 2 + (xs[..., None] - others[:, 1]) ** 2).min(
            axis=2
        )
        expected = (nearest - 0.5) * (1 if own == 0 else -1)
        assert np.allclose(shape.signed_distance(labels)[labels == own], expected[labels == own], atol=1e-5)
    assert (shape.signed_distance(NOTHING) == 90).all() and (shape.signed_distance(EVERYTHING) == -90).all()


def test_growing_moves_the_edge_by_that_many_pixels():
    small = disc(100, 120, 60, 50, 20)
    for pixels in (-12, -5, 0, 7, 20):
        grown = shape.grow(small, pixels)
        assert abs(np.sqrt(grown.sum() / np.pi) - (20 + pixels)) < 0.6
    assert np.array_equal(shape.grow(small, 0), small)
    assert not shape.grow(small, -21).any() and shape.grow(small, 200).all()
    assert not shape.grow(NOTHING, 200).any() and shape.grow(EVERYTHING, -200).all()


def test_the_border_of_the_picture_is_no_edge():
    half = np.zeros((30, 30), np.uint8)
    half[:, :10] = 1
    assert np.flatnonzero(shape.grow(half, -3)[15]).tolist() == list(range(7))
    assert np.array_equal(shape.smooth(half, 8), half)


def test_smoothing_rounds_corners_and_drops_what_is_thin():
    labels = disc(100, 100, 50, 50, 25)
    labels[20, :] = 1  # a line
    labels[70:74, 70:74] = 1  # a corner
    smoothed = shape.smooth(labels, 4)
    assert not smoothed[20].any() and len(pieces.components(smoothed)) == 1
    assert abs(int(smoothed.sum()) - np.pi * 25**2) < 0.06 * np.pi * 25**2
    assert np.array_equal(shape.smooth(labels, 0), labels)
    for same in (NOTHING, EVERYTHING):
        assert np.array_equal(shape.smooth(same, 40), same)


def test_transform_moves_scales_and_turns_about_the_middle():
    assert np.array_equal(shape.transform(WIDE), WIDE)
    assert np.array_equal(shape.transform(WIDE, dx=5, dy=-3)[:57, 5:], WIDE[3:, :95])
    bar = np.zeros((60, 100), np.uint8)
    bar[20:30, 40:70] = 1
    assert shape.extent(shape.transform(bar, degrees=90)).box == (50, 10, 60, 40)
    assert shape.extent(shape.transform(bar, scale_x=2, scale_y=0.5)).box == (25, 22, 85, 27)
    bar[20, 40:60] = 0  # its upper left is cut, which a clockwise turn brings to the upper right
    turned = shape.transform(bar, degrees=90)
    assert not turned[10:30, 59].any() and turned[30:40, 59].all()
    assert not shape.transform(bar, dx=200).any() and not shape.transform(NOTHING, dx=3).any()
    assert 0 < shape.transform(bar, dx=45).sum() < bar.sum()


def test_pieces_touch_at_corners_and_holes_do_not():
    diagonal = np.zeros((8, 9), np.uint8)
    diagonal[1, 1] = diagonal[2, 2] = diagonal[3, 3] = diagonal[1, 7] = 1
    found = pieces.components(diagonal)
    assert [piece.area for piece in found] == [3, 1]
    assert found[0].box == (1, 1, 4, 4) and found[0].centroid == (2.5, 2.5) and found[1].label == 2
    assert pieces.keep_largest(diagonal).sum() == 3 and not pieces.keep_largest(diagonal)[1, 7]
    assert np.array_equal(pieces.remove_islands(diagonal, 2), pieces.keep_largest(diagonal))
    assert np.array_equal(pieces.remove_islands(diagonal, 1), diagonal)
    assert not pieces.remove_islands(diagonal, 4).any()
    ring = np.zeros((5, 5), np.uint8)
    ring[0, 2] = ring[1, 1] = ring[1, 3] = ring[2, 2] = 1  # a diamond that holds by its corners
    assert np.flatnonzero(pieces.fill_holes(ring) - ring).tolist() == [1 * 5 + 2]


def test_of_equal_pieces_the_first_in_reading_order_counts():
    labels = np.zeros((9, 9), np.uint8)
    labels[6, 1] = labels[2, 7] = labels[2, 4] = 1
    assert [piece.centroid for piece in pieces.components(labels)] == [(4.5, 2.5), (7.5, 2.5), (1.5, 6.5)]
    assert np.argwhere(pieces.keep_largest(labels)).tolist() == [[2, 4]]


def test_a_hole_is_what_does_not_reach_the_border():
    labels = disc(60, 100, 50, 30, 25)
    ring = labels - disc(60, 100, 50, 30, 12)
    assert np.array_equal(pieces.fill_holes(ring), labels)
    ring[30, 60:80] = 0  # a channel to the outside
    assert np.array_equal(pieces.fill_holes(ring), ring)
    bay = 1 - disc(60, 100, 0, 30, 9)  # open to the border of the picture
    assert np.array_equal(pieces.fill_holes(bay), bay)
    assert not pieces.fill_holes(NOTHING).any() and pieces.fill_holes(EVERYTHING).all()


def test_mirrors_turns_and_the_opposite():
    assert np.array_equal(shape.flip(WIDE, "horizontal"), np.fliplr(WIDE))
    assert np.array_equal(shape.flip(WIDE, "vertical"), np.flipud(WIDE))
    assert np.array_equal(shape.invert(WIDE), 1 - WIDE)
    assert np.array_equal(shape.rotate90(LESION), np.rot90(LESION, -1))
    middle = disc(60, 100, 50, 30, 15)
    assert np.array_equal(shape.rotate90(middle), middle)
    x, y = centre(shape.rotate90(disc(60, 100, 60, 25, 4)))  # 10 to the right, 5 up: 5 to the right, 10 down
    assert (round(x, 6), round(y, 6)) == (55, 40)
    assert shape.rotate90(WIDE).shape == WIDE.shape


def test_a_blend_begins_and_ends_exactly_and_travels_in_between():
    a, b = disc(80, 200, 40, 40, 10), disc(80, 200, 150, 30, 20)
    assert np.array_equal(shape.blend(a, b, 0), a) and np.array_equal(shape.blend(a, b, 1), b)
    for t in (0.25, 0.5, 0.75):
        mixed = shape.blend(a, b, t)
        assert len(pieces.components(mixed)) == 1
        assert np.allclose(centre(mixed), (40 + 110 * t, 40 - 10 * t), atol=0.6)
        assert abs(np.sqrt(mixed.sum() / np.pi) - (10 + 10 * t)) < 0.6
    areas = [shape.blend(a, 0 * a, t).sum() for t in (0, 0.3, 0.6, 0.9, 1)]
    assert areas == sorted(areas, reverse=True) and len(set(areas)) == 5 and areas[-1] == 0
    assert [shape.blend(0 * a, a, 1 - t).sum() for t in (0, 0.3, 0.6, 0.9, 1)] == areas
    assert not shape.blend(NOTHING, NOTHING, 0.5).any() and shape.blend(EVERYTHING, EVERYTHING, 0.5).all()


def test_a_push_carries_the_edge_along_and_nothing_else():
    labels = disc(120, 160, 60, 60, 30)
    pushed = warp.push(labels, [(90 + k, 60, 1, 0) for k in range(20)], 25)
    assert abs(int(np.flatnonzero(pushed[60])[-1]) + 1 - 110) <= 1
    assert np.array_equal(pushed[:, :60], labels[:, :60])
    again = warp.push(labels, [(90, 60, 20, 0)], 25)  # the same in one go
    assert np.count_nonzero(pushed != again) < 0.1 * np.count_nonzero(pushed != labels)
    assert np.array_equal(warp.push(labels, [(90, 60, 0, 0)], 25), labels)
    assert np.array_equal(warp.push(labels, [(-90, 600, 9, 9)], 25), labels)
    back = warp.push(
        labels, [(90 + k, 60, 1, 0) for k in range(8)] + [(98 - k, 60, -1, 0) for k in range(8)], 25
    )
    assert np.count_nonzero(back != labels) < 40  # the way back restores the edge: it does not fray


def test_pushing_from_the_border_tears_no_gap():
    half = np.zeros((60, 60), np.uint8)
    half[:, :20] = 1
    pushed = warp.push(half, [(2, 30, 15, 0)], 25)
    assert pushed[:, 0].all() and pushed.sum() > half.sum()


def test_twelve_handles_stand_on_the_outline_of_the_largest_lesion():
    places = warp.handles(WIDE)
    assert (
        len(places) == 12
        and np.allclose(places[0], (45, 25), atol=0.6)
        and np.allclose(places[3], (30, 40), atol=0.6)
    )
    for x, y in places:
        assert abs(np.hypot(x - 30, y - 25) - 15) < 1
    assert warp.handles(NOTHING) == []
    assert len(warp.handles(disc(20, 20, 10.5, 10.5, 0.6))) < 12  # one pixel has no room for twelve
    crescent = disc(100, 100, 50, 50, 40) & (1 - disc(100, 100, 65, 50, 40))
    for x, y in warp.handles(crescent):
        assert crescent[int(y), int(x)]


def test_a_handle_takes_the_edge_with_it_and_the_others_hold():
    labels = disc(200, 240, 100, 100, 50)
    labels |= disc(200, 240, 225, 15, 8)
    places = warp.handles(labels)
    still = [(0.0, 0.0)] * 12
    assert np.array_equal(warp.deform(labels, places, still), labels)
    for reach in (-20, 12, 70):
        moved = warp.deform(labels, places, [(reach, 0.0), *still[1:]])
        assert abs(int(np.flatnonzero(moved[100])[-1]) + 1 - (150 + reach)) <= 2
        for k in range(2, 11):
            x, y = places[k]
            near = np.s_[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3]
            assert np.count_nonzero(moved[near] != labels[near]) <= 6
        assert np.array_equal(moved[:, :60], labels[:, :60]) and np.array_equal(
            moved[:30, 215:], labels[:30, 215:]
        )
        assert len(pieces.components(moved)) == 2
    assert not warp.deform(NOTHING, [], []).any()


def test_elastic_jitter_is_by_seed_smooth_and_bounded():
    jittered = warp.elastic(LESION, 7, 6, 30)
    assert np.array_equal(jittered, warp.elastic(LESION, 7, 6, 30))
    assert not np.array_equal(jittered, warp.elastic(LESION, 8, 6, 30))
    assert np.array_equal(warp.elastic(LESION, 7, 0, 30), LESION)
    assert len(pieces.components(jittered)) == 1
    changed = jittered != LESION
    assert changed.any() and np.abs(shape.signed_distance(LESION)[changed]).max() < 1.5 * 6 * 1.5
    assert warp.elastic(EVERYTHING, 1, 20, 60).all() and not warp.elastic(NOTHING, 1, 20, 60).any()


def test_random_numbers_are_those_of_mulberry32():
    assert np.round(warp.random(1, 3) * 2**32).astype(np.int64).tolist() == [2693262067, 11749833, 2265367787]


@pytest.mark.parametrize("edit", EVERY, ids=lambda edit: edit.kind)
def test_every_edit_gives_a_new_mask_of_two_values_and_the_same_size(edit):
    labels = WIDE * np.uint8(3)  # a class of its own counts as lesion
    before = Mask(labels, ("from a file",))
    after = morph.morph(before, [edit])
    assert after.labels.shape == WIDE.shape and set(np.unique(after.labels)) <= {0, 1}
    assert after.notes == ("from a file",) and np.array_equal(before.labels, labels)
    assert np.array_equal(after.labels, morph.morph(Mask(WIDE), [edit]).labels)


def test_edits_follow_each_other_and_an_emptied_mask_says_so():
    steps = (morph.Grow(pixels=-3), morph.KeepLargest(), morph.Grow(pixels=3))
    expected = shape.grow(pieces.keep_largest(shape.grow(WIDE, -3)), 3)
    assert np.array_equal(morph.morph(Mask(WIDE), steps).labels, expected)
    emptied = morph.morph(Mask(WIDE), [morph.Grow(pixels=-50)])
    assert emptied.empty and emptied.notes == (EMPTY,)
    assert morph.morph(emptied, [morph.Invert()]).notes == ()
    assert morph.morph(Mask(WIDE), []).digest == Mask(WIDE).digest


def test_edits_come_back_from_plain_values():
    plain = [edit.model_dump() for edit in EVERY if edit.kind != "blend"]
    assert morph.parse(plain) == tuple(edit for edit in EVERY if edit.kind != "blend")
    with pytest.raises(MaskError, match=r"edit 1 grow.pixels: .*less than or equal to 200.*edit 2: .*'melt'"):
        morph.parse([{"kind": "grow", "pixels": 201}, {"kind": "melt"}])
    with pytest.raises(MaskError, match="1 places and 0 moves"):
        morph.parse([{"kind": "deform", "places": [(1, 1)], "moves": []}])
    with pytest.raises(ValidationError):
        morph.Grow(pixels=float("nan"))
    with pytest.raises(MaskError, match="40×50 pixels and this one 60×100"):
        morph.morph(Mask(WIDE), [morph.Blend(other=Mask(NOTHING), t=0.5)])
