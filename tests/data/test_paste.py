"""Small lesions blended in."""

from __future__ import annotations

import cv2
import numpy as np

from siamese.data.paste import RADIUS, paste

SIZE = 192


def disc(x: float, y: float, radius: float) -> np.ndarray:
    ys, xs = np.mgrid[:SIZE, :SIZE]
    return (np.hypot(xs - x, ys - y) <= radius).astype(np.uint8)


def scene(seed: int, lesion: np.ndarray) -> np.ndarray:
    """Rough ground with a bright lesion."""
    ground = np.random.default_rng(seed).integers(90, 130, (SIZE, SIZE, 3)).astype(np.float32)
    ground = cv2.GaussianBlur(ground, (0, 0), 2)
    return np.clip(
        ground + 60 * cv2.GaussianBlur(lesion.astype(np.float32), (0, 0), 2)[..., None], 0, 255
    ).astype(np.uint8)


def pasted(seed: int, mask: np.ndarray, view: np.ndarray, sources=None):
    image = scene(1, mask)
    source = disc(90, 100, 40)
    sources = sources or [(scene(2, source), source)]
    return image, *paste(image, mask, view, sources, np.random.default_rng(seed))


def test_lesions_land_in_free_places_with_their_contrast_and_size():
    before = disc(40, 40, 20)
    view = np.zeros((SIZE, SIZE), np.uint8)
    view[:, 150:] = 1
    contrasts = []
    for seed in range(12):
        image, after, mask = pasted(seed, before, view)
        new = (mask > 0) & (before == 0)
        assert (mask >= before).all() and set(np.unique(mask)) <= {0, 1}
        assert not new[:, 150:].any()
        count, _, stats, _ = cv2.connectedComponentsWithStats(new.astype(np.uint8))
        assert 1 <= count - 1 <= 4
        for area in stats[1:, cv2.CC_STAT_AREA]:
            radius = np.sqrt(area / np.pi) / SIZE
            assert RADIUS[0] * 0.6 < radius < RADIUS[1] * 1.2
        ring = cv2.dilate(new.astype(np.uint8), np.ones((9, 9))) - cv2.dilate(
            new.astype(np.uint8), np.ones((5, 5))
        )
        if new.sum() > 150:
            contrasts.append(after[new].mean() - after[ring > 0].mean())
        far = cv2.dilate(new.astype(np.uint8), np.ones((31, 31))) == 0
        assert (after[far] == image[far]).all()
    assert np.mean(contrasts) > 12  # a lesion is there, not only its outline


def test_nothing_lands_where_nothing_is_free_or_no_lesion_can_be_cut_out():
    everywhere = np.ones((SIZE, SIZE), np.uint8)
    image, after, mask = pasted(3, everywhere, np.zeros_like(everywhere))
    assert (after == image).all() and (mask == everywhere).all()
    empty = np.zeros((SIZE, SIZE), np.uint8)
    at_border = disc(0, 90, 30)
    for outline in (empty, at_border):
        image, after, mask = pasted(3, empty, empty, [(scene(2, outline), outline)])
        assert (after == image).all() and not mask.any()


def test_the_same_draw_gives_the_same_picture():
    empty = np.zeros((SIZE, SIZE), np.uint8)
    one, two, other = (pasted(seed, empty, empty) for seed in (5, 5, 6))
    assert (one[1] == two[1]).all() and (one[2] == two[2]).all() and (one[2] != other[2]).any()


def test_a_lesion_too_small_to_blend_is_left_out():
    outline = cv2.resize(disc(90, 100, 60), (64, 64), interpolation=cv2.INTER_NEAREST)
    image = np.full((64, 64, 3), 110, np.uint8)
    empty = np.zeros((64, 64), np.uint8)
    landed = []
    for seed in range(30):  # radii of 1 to 6 pixels
        after, mask = paste(image, empty, empty, [(image, outline)], np.random.default_rng(seed))
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        landed += list(stats[1:count, cv2.CC_STAT_AREA])
    assert landed and min(landed) >= 9
