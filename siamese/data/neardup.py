"""Pictures that are nearly the same: a difference hash finds candidates, the correlation of small pictures decides."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 64  # of the small grey pictures that are compared, pixels
BITS = 6  # that two difference hashes may differ in
CORRELATION = 0.97  # from which two pictures count as near-duplicates
BLOCK = 512  # pictures compared at once


def difference_hash(picture: np.ndarray) -> np.ndarray:
    """64-bit dHash of an (H,W,3) picture: brightness gradients on a 9×8 grid, (8,) uint8."""
    return grey_hash(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))


def grey_hash(grey: np.ndarray) -> np.ndarray:
    """64-bit dHash of an (H,W) picture, (8,) uint8."""
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits(small[:, 1:] > small[:, :-1])


def small_grey(picture: np.ndarray) -> np.ndarray:
    """(H,W,3) → (64,64) uint8."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def near_duplicates(small: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs (i, j, correlation), i < j, of small grey pictures (N,64,64) that show the same in one of 8 orientations.

    A pair's hashes differ in at most 6 of 64 bits and its pixels correlate by 0.97 or more.
    """
    count = len(small)
    turned = [np.rot90(flipped, k, (1, 2)) for flipped in (small, small[:, :, ::-1]) for k in range(4)]
    hashes = [np.stack([grey_hash(s) for s in t]).view(np.uint64)[:, 0] if count else t for t in turned]
    found: dict[tuple[int, int], float] = {}
    for start in range(0, count, BLOCK):
        rows = hashes[0][start : start + BLOCK, None]
        for t, other in zip(turned, hashes, strict=True):
            near = np.bitwise_count(rows ^ other[None, start:]) <= BITS
            for i, j in np.argwhere(near) + start:
                if i < j:
                    likeness = correlation(small[i], t[j])
                    if likeness >= CORRELATION:
                        found[int(i), int(j)] = max(likeness, found.get((int(i), int(j)), 0.0))
    return [(i, j, value) for (i, j), value in sorted(found.items())]


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Of two pictures of one shape, -1..1; 0 where one of them is flat."""
    a, b = (p.astype(np.float32).ravel() - p.mean() for p in (one, other))
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else 0.0
