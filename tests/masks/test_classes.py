"""Labels of several classes: distinct in the hint, read only where it is said."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from siamese.errors import MaskError
from siamese.masks.classes import COLOURS, MOST, hint_of
from siamese.masks.mask import Mask, read_labels


def test_label_1_is_the_papers_mask_and_all_others_differ():
    labels = np.arange(MOST + 1, dtype=np.uint8).reshape(1, -1)
    hint = hint_of(labels)
    assert hint.shape == (3, 1, MOST + 1) and hint.dtype == np.float32 and hint.flags.c_contiguous
    assert hint[:, 0, 0].tolist() == [0, 0, 0] and hint[:, 0, 1].tolist() == [1, 1, 1]
    assert (hint[0, 0] == (labels[0] > 0)).all()  # red: something lies there
    apart = [np.abs(np.subtract(a, b)).max() for k, a in enumerate(COLOURS) for b in COLOURS[:k]]
    assert min(apart) > 0.3 and hint.min() >= 0 and hint.max() <= 1
    with pytest.raises(MaskError, match="label 14"):
        hint_of(labels + 1)


def test_binary_masks_are_what_they_were():
    labels = (np.random.default_rng(0).random((2, 8, 8)) > 0.5).astype(np.uint8)
    before = np.repeat((labels > 0).astype(np.float32)[:, None], 3, axis=1)
    assert hint_of(labels).tobytes() == before.tobytes()
    assert Mask(labels[0]).hint(8).tobytes() == before[0].tobytes()


def test_a_masks_hint_tells_classes_apart_after_resizing():
    labels = np.zeros((40, 40), np.uint8)
    labels[:20, :20], labels[20:, 20:] = 1, 2
    hint = Mask(labels).hint(16)
    assert hint[:, 2, 2].tolist() == [1, 1, 1] and hint[:, 12, 12].tolist() == list(COLOURS[1])


def test_label_pictures_are_read_only_where_it_is_said(tmp_path):
    labels = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    path = tmp_path / "labels.png"
    cv2.imwrite(str(path), labels)
    assert (read_labels(path, 2) == labels).all()
    assert not Mask.read(path).labels.any()  # as ever: grey, thresholded at 127
    with pytest.raises(MaskError, match="label 2"):
        read_labels(path, 1)
    cv2.imwrite(str(path), np.dstack([labels] * 3) * np.array([1, 2, 3], np.uint8))
    with pytest.raises(MaskError, match="no label picture"):
        read_labels(path, 9)
