"""What an eye would say of a picture, in figures."""

from __future__ import annotations

import cv2
import numpy as np


def standing_out(image: np.ndarray, mask: np.ndarray) -> float:
    """Grey levels between the middles of lesion (S,S) bool and of what lies beside it, mean over the colours."""
    beside = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25), np.uint8)).astype(bool) & ~mask
    return float(np.abs(np.median(image[mask], axis=0) - np.median(image[beside], axis=0)).mean())
