"""What is measured of one pair: exposure and sharpness inside the field of view, statistics of the mask."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from siamese.gate.scores import look, shape
from tests.conftest import draw_case

PICTURE = draw_case(3, 192)[0]


def test_darker_brighter_and_blurred_pictures_score_so() -> None:
    own = look(PICTURE)
    assert look(PICTURE // 2).brightness < 0.6 * own.brightness
    assert look(np.clip(PICTURE * 1.3, 0, 255).astype(np.uint8)).brightness > 1.2 * own.brightness
    noisy = np.clip(PICTURE + np.random.default_rng(0).normal(0, 12, PICTURE.shape), 0, 255).astype(np.uint8)
    assert look(cv2.GaussianBlur(noisy, (0, 0), 2)).sharpness < 0.2 * look(noisy).sharpness


def test_the_black_outside_is_neither_dark_nor_clipped_nor_sharp() -> None:
    y, x = np.mgrid[:192, :192] / 192 - 0.5
    flat = np.where((x**2 + y**2 <= 0.22)[..., None], np.uint8([180, 100, 90]), np.uint8(0))
    found = look(flat)
    grey = cv2.cvtColor(np.uint8([[[180, 100, 90]]]), cv2.COLOR_RGB2GRAY)[0, 0] / 255
    assert found.brightness == pytest.approx(grey, abs=0.02)
    assert found.clipped < 0.03 and found.sharpness < 1


def test_a_white_patch_inside_is_clipped_and_a_corner_box_is_not() -> None:
    white, boxed = PICTURE.copy(), PICTURE.copy()
    white[80:110, 80:110] = 255
    boxed[130:, :60] = 0
    assert look(white).clipped > look(PICTURE).clipped + 0.02
    assert look(boxed).clipped == pytest.approx(look(PICTURE).clipped, abs=0.01)


@pytest.mark.parametrize("value", [0, 255])
def test_a_picture_of_one_colour_has_scores(value: int) -> None:
    found = look(np.full((64, 64, 3), value, np.uint8))
    assert found.clipped == 1 and found.sharpness == 0 and found.brightness == value / 255


def test_a_mask_counts_its_lesions_without_specks() -> None:
    labels = np.zeros((100, 200), np.uint8)
    labels[10:30, 10:30] = 1
    labels[60:70, 100:140] = 2
    labels[90, 190] = 1
    found = shape(labels)
    assert found.lesions == 2 and found.border == 0
    assert found.area == pytest.approx((400 + 400 + 1) / 20_000)


def test_the_share_of_the_border_and_an_empty_mask() -> None:
    labels = np.zeros((50, 100), np.uint8)
    labels[:10] = 1
    assert shape(labels).border == pytest.approx((100 + 9 + 9) / (2 * 100 + 2 * 48))
    assert shape(np.ones((9, 9), np.uint8)).border == 1
    assert (shape(0 * labels).area, shape(0 * labels).lesions, shape(0 * labels).border) == (0, 0, 0)
