"""Photographs told from masks, and what is no picture refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from siamese.errors import MaskError
from siamese.picture import decode, photograph
from tests.data.test_paste import SIZE, disc, scene


def test_a_photograph_is_told_from_a_mask():
    lesion = disc(90, 90, 40)
    black_white = np.repeat(lesion[..., None] * 255, 3, axis=2)
    assert not photograph(black_white)
    assert not photograph(cv2.GaussianBlur(black_white, (0, 0), 1))  # a mask saved as JPEG
    assert not photograph(np.full((SIZE, SIZE, 3), 128, np.uint8))
    assert photograph(scene(4, lesion))
    data = cv2.imencode(".jpg", scene(4, lesion))[1].tobytes()
    assert photograph(decode(data)) and decode(data).shape == (SIZE, SIZE, 3)


@pytest.mark.parametrize("data", [b"", b"notes", b"\x89PNG\r\n\x1a\n" + b"0" * 40])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(MaskError):
        decode(data)
