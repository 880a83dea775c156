"""Random masks: like the set's, whole where they were whole, at the border where they were cut, the same by seed."""

from __future__ import annotations

import numpy as np
import pytest

from siamese.augment.plan import Ranges
from siamese.masks import likeness, redraw
from siamese.masks.generate import plausible
from siamese.masks.mask import Mask
from siamese.masks.morph import Blend, morph
from siamese.masks.pieces import components

ANY = likeness.Limits((0.0, 1.0), (1, 9), 1.0, 1.0, 0.0)


@pytest.fixture(scope="module")
def real() -> list[np.ndarray]:
    """Sixty drawn masks of 96 × 120, ten of them cut off by the left border."""
    masks = []
    for seed in range(60):
        labels = np.zeros((96, 120), np.uint8)
        labels[:, 12:108] = plausible(seed, 96).labels
        if seed % 6 == 0:
            middle = int(np.nonzero(labels)[1].mean())
            labels = np.pad(labels[:, middle:], ((0, 0), (0, middle)))
        masks.append(labels)
    return masks


@pytest.fixture(scope="module")
def limits(real: list[np.ndarray]) -> likeness.Limits:
    return likeness.limits_of(real)


def test_drawn_masks_look_like_the_sets_and_say_why_others_did_not(real, limits):
    drawn = [
        redraw.draw(mask, real[k - 1], Ranges(), limits, np.random.default_rng(k))
        for k, mask in enumerate(real)
    ]
    made = [one for one in drawn if one.mask is not None]
    assert len(made) >= 50
    assert all(limits.broken(one.mask.labels) == "" for one in made)
    assert all(one.mask.labels.shape == (96, 120) for one in made)
    reasons = {why for one in drawn for why in one.redraws}
    assert reasons and all("set's" in why for why in reasons)
    speck = likeness.speck(real[0])
    assert min(piece.area for one in made for piece in components(one.mask.labels)) >= speck


def test_the_edits_make_the_mask(real, limits):
    for k in range(8):
        drawn = redraw.draw(real[k], real[k + 1], Ranges(morph=1.0), limits, np.random.default_rng(k))
        assert drawn.mask is not None
        assert morph(Mask(real[k]), drawn.edits).digest == drawn.mask.digest != Mask(real[k]).digest


def test_the_same_generator_gives_the_same_mask_and_another_gives_another(real, limits):
    digests = [
        redraw.draw(real[1], real[2], Ranges(), limits, np.random.default_rng([1, k])).mask.digest
        for k in (5, 5, 6)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_lesion_seen_whole_stays_whole_and_one_at_the_border_stays_there(real):
    wide = Ranges(move=1.0, scale=(0.5, 2.0))
    for k, mask in enumerate(real[:24]):
        cut = mask[:, 0].any()
        drawn = redraw.draw(mask, None, wide, ANY, np.random.default_rng(k)).mask
        if drawn is None:
            continue
        edge = np.concatenate([drawn.labels[0], drawn.labels[-1], drawn.labels[:, 0], drawn.labels[:, -1]])
        assert bool(edge.any()) == bool(cut), k
        if cut:
            assert drawn.labels[:, 0].any() or drawn.labels[:, -1].any()


def test_specks_of_the_real_mask_are_gone_and_do_not_count_as_touching_the_border(real):
    speckled = real[1].copy()
    speckled[0, 0] = 1
    assert likeness.look_at(speckled) == likeness.look_at(real[1])
    drawn = redraw.draw(speckled, None, Ranges(), ANY, np.random.default_rng(3))
    assert [edit.kind for edit in drawn.edits][0] == "remove_islands" and redraw.is_whole(speckled)
    assert morph(Mask(speckled), drawn.edits).digest == drawn.mask.digest
    dot = np.zeros((400, 400), np.uint8)
    dot[200, 200] = 1
    assert redraw.draw(dot, None, Ranges(), ANY, np.random.default_rng(0)).redraws == {likeness.GONE: 1}


def test_masks_at_the_border_are_not_blended(real):
    drawn = redraw.draw(real[0], real[1], Ranges(morph=1.0), ANY, np.random.default_rng(0))
    assert real[0][:, 0].any() and not any(isinstance(edit, Blend) for edit in drawn.edits)
    drawn = redraw.draw(real[1], real[2], Ranges(morph=1.0), ANY, np.random.default_rng(0))
    assert isinstance(drawn.edits[0], Blend)


def test_what_cannot_be_redrawn_is_given_up_and_an_empty_mask_stays_empty(real, limits):
    ranges = Ranges(scale=(9.0, 10.0), redraws=3)
    given_up = redraw.draw(real[1], None, ranges, limits, np.random.default_rng(0))
    assert given_up.mask is None and sum(given_up.redraws.values()) == 4
    empty = redraw.draw(np.zeros((40, 50), np.uint8), real[1], Ranges(), limits, np.random.default_rng(0))
    assert empty.mask.empty and empty.edits == () and not empty.redraws


def test_enlarging_leaves_no_steps():
    """Nearest pixels make stairs: of an enlarged disc the outline still is one, its hull hardly larger."""
    y, x = np.mgrid[:300, :300] - 150
    disc = (x**2 + y**2 < 30**2).astype(np.uint8)
    ranges = Ranges(scale=(3.0, 3.0), move=0, rotate=0, elastic=0, morph=0)
    drawn = redraw.draw(disc, None, ranges, ANY, np.random.default_rng(0)).mask.labels
    assert np.count_nonzero(drawn != (x**2 + y**2 < 90**2)) < 0.015 * drawn.sum()
    assert likeness.look_at(drawn).solidity > 0.985


def test_the_strongest_wobble_of_a_plan_is_possible_at_the_largest_size():
    labels = np.zeros((1024, 1024), np.uint8)
    labels[500:540, 480:530] = 1
    ranges = Ranges(scale=(1, 1), move=1, elastic=0.2, morph=0, redraws=1)
    drawn = redraw.draw(labels, None, ranges, ANY, np.random.default_rng(31))
    assert [edit.strength for edit in drawn.edits if edit.kind == "elastic"] == [redraw.STRONGEST]


def test_large_masks_are_read_smaller_with_smooth_outlines():
    labels = np.zeros((1500, 2048), np.uint8)
    labels[300:900, 400:1000] = 2
    small = redraw.within(labels)
    assert small.shape == (750, 1024) and set(np.unique(small)) == {0, 2}
    assert small.mean() == pytest.approx(labels.mean(), rel=0.01)
    assert redraw.within(small) is small


def test_the_classes_of_a_label_picture_are_carried_along():
    labels = np.zeros((120, 160), np.uint8)
    labels[30:80, 50:110] = 1
    labels[40:60, 60:80] = 2
    labels[0, 0] = 1  # a speck, which must not shift the middle that all turn about
    seen = set()
    for seed in range(6):
        mask = redraw.draw(labels, labels, Ranges(morph=1.0), ANY, np.random.default_rng(seed)).mask.labels
        area = (mask > 0).sum()
        assert set(np.unique(mask)) == {0, 1, 2}
        assert (mask == 2).sum() / area == pytest.approx(400 / 3000, abs=0.04)
        inside, _ = np.nonzero(mask == 2), seen.add(int(area))
        middle = [int(v.mean()) for v in inside]
        assert mask[middle[0], middle[1]] == 2 and mask[max(0, inside[0].min() - 3), middle[1]] == 1
    assert len(seen) == 6


def test_a_mask_that_a_box_cuts_straight_lends_no_random_one():
    for seed in range(40):  # drawn outlines and arcs are not taken for it, at any size
        assert not any(likeness.is_boxed(plausible(seed, size).labels) for size in (128, 384))
    whole = plausible(3, 384).labels
    rows, columns = np.nonzero(whole)
    notched = whole.copy()
    notched[int(rows.mean()) :, : int(columns.mean())] = 0  # the corner box of an endoscope
    assert likeness.is_boxed(notched) and redraw.is_whole(whole) and not redraw.is_whole(notched)
    drawn = redraw.draw(notched, None, Ranges(), ANY, np.random.default_rng(0))
    assert drawn.mask is None and drawn.redraws == {likeness.BOXED: 1}
