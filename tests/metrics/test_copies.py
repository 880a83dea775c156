"""The copy check finds planted copies and leaves strangers alone."""

from __future__ import annotations

import numpy as np

from siamese.metrics import copies
from tests.conftest import draw_case

TRAINING = np.stack([draw_case(s)[0] for s in range(40)])
STRANGERS = np.stack([draw_case(s)[0] for s in range(100, 130)])


def test_copies_are_found_in_every_orientation_brightness_and_contrast() -> None:
    training = copies.thumbnails(TRAINING)
    limit = copies.threshold(copies.nearest(STRANGERS, training, copies.thumbnails))
    bent = [
        TRAINING[3],
        TRAINING[5][:, ::-1],
        np.rot90(TRAINING[7]),
        np.rot90(TRAINING[9], 3)[::-1],
        (TRAINING[11] * 0.8 + 20).astype(np.uint8),
    ]
    found = copies.nearest(np.stack(bent), training, copies.thumbnails)
    assert found.index.tolist() == [3, 5, 7, 9, 11]
    assert (found.distance < limit).all()


def test_the_threshold_flags_one_in_a_hundred_of_its_own_strangers() -> None:
    training = copies.thumbnails(TRAINING)
    found = copies.nearest(STRANGERS, training, copies.thumbnails)
    assert (found.distance < copies.threshold(found)).sum() <= 1


def test_there_are_eight_different_orientations() -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    assert len({turned.tobytes() for turned in copies.orientations(picture)}) == 8
