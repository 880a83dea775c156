"""Windows for small lesions: where they lie, what they hold, what stays with the rest of the mask."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from siamese.masks import generate
from siamese.masks.closeup import ENLARGED, MOST, closeups

SIZE = 384


def discs(*found: tuple[int, int, int], label: int = 1) -> np.ndarray:
    """Labels with a disc for each (x, y, radius)."""
    labels = np.zeros((SIZE, SIZE), np.uint8)
    for x, y, radius in found:
        cv2.circle(labels, (x, y), radius, label, cv2.FILLED)
    return labels


def test_a_large_lesion_and_an_empty_mask_have_no_window() -> None:
    for labels in (discs((190, 190, 80)), discs()):
        ground, windows = closeups(labels, 0.1)
        assert windows == []
        assert np.array_equal(ground, labels)


def test_radius_0_enlarges_nothing() -> None:
    labels = discs((190, 190, 12))
    ground, windows = closeups(labels, 0.0)
    assert windows == []
    assert np.array_equal(ground, labels)


def test_a_small_lesion_leaves_the_ground_for_its_window() -> None:
    labels = discs((120, 200, 12), (290, 290, 60))
    ground, (one,) = closeups(labels, 0.1)
    assert np.array_equal(ground, discs((290, 290, 60)))
    assert one.turn == 0
    rows, columns = one.window
    assert rows.start < 200 - 12 < 200 + 12 < rows.stop
    assert columns.start < 120 - 12 < 120 + 12 < columns.stop
    assert one.labels.shape == one.place.shape == (SIZE, SIZE)
    zoom = SIZE / one.side
    assert ENLARGED[0] <= zoom <= ENLARGED[1]
    assert np.count_nonzero(one.labels) == pytest.approx(
        zoom**2 * np.count_nonzero(discs((120, 200, 12))), rel=0.05
    )
    assert (one.place[one.labels > 0] == 1).all()
    assert 1.3 < np.sqrt(np.count_nonzero(one.place) / np.count_nonzero(one.labels)) < 1.8


@pytest.mark.parametrize("corner", [(3, 3), (380, 3), (3, 380), (380, 380)])
def test_windows_stay_inside_the_picture(corner: tuple[int, int]) -> None:
    _, (one,) = closeups(discs((*corner, 14)), 0.1)
    for part in one.window:
        assert 0 <= part.start < part.stop <= SIZE
    assert one.labels.any()


def test_specks_are_no_lesions() -> None:
    labels = discs((190, 190, 70))
    labels[5, 5] = labels[40, 300] = 1
    ground, windows = closeups(labels, 0.1)
    assert windows == []
    assert np.array_equal(ground, labels)


def test_neighbours_wait_their_turn() -> None:
    _, apart = closeups(discs((60, 60, 14), (320, 320, 13)), 0.1)
    assert [one.turn for one in apart] == [0, 0]
    _, beside = closeups(discs((180, 190, 20), (215, 190, 6)), 0.1)
    assert [one.turn for one in beside] == [0, 1]
    assert cv2.connectedComponents(beside[0].labels)[0] == 2, "the smaller is not there yet"
    assert cv2.connectedComponents(beside[1].labels)[0] == 3, "the larger is there already"


def test_a_lesion_that_is_long_rather_than_small_is_painted_with_the_rest() -> None:
    labels = np.zeros((SIZE, SIZE), np.uint8)
    labels[190:196, 20:360] = 1
    ground, windows = closeups(labels, 0.1)
    assert windows == []
    assert np.array_equal(ground, labels)


def test_classes_are_kept() -> None:
    labels = discs((120, 200, 12), label=2) | discs((290, 290, 60), label=1)
    ground, (one,) = closeups(labels, 0.1)
    assert set(np.unique(ground)) == {0, 1}
    assert set(np.unique(one.labels)) == {0, 2}


def test_windows_are_capped_and_the_rest_stays_in_the_ground() -> None:
    labels = discs(*((x, y, 8) for x in range(20, 384, 48) for y in range(20, 384, 48)))
    ground, windows = closeups(labels, 0.1)
    assert len(windows) == MOST
    painted = ground > 0
    for one in windows:
        own = cv2.resize(one.place, (one.side, one.side), interpolation=cv2.INTER_AREA)
        painted[one.window] |= (own > 0) & (labels[one.window] > 0)
    assert np.array_equal(painted, labels > 0)
    assert ground.any()


def test_every_pixel_of_a_mask_is_painted_once() -> None:
    for seed in range(60):
        _, mask = generate.far(seed, SIZE)
        ground, windows = closeups(mask.labels, 0.1)
        assert not np.any(ground & ~mask.labels)
        missing = (mask.labels > 0) & (ground == 0)
        for one in windows:
            missing[one.window] &= (
                cv2.resize(one.place, (one.side, one.side), interpolation=cv2.INTER_AREA) == 0
            )
        assert not missing.any()
