"""Keypoints (SIFT) that a picture shares with a training picture in one arrangement: moved, turned, scaled, mirrored.

Source: Lowe, IJCV 2004; square roots of the descriptors: Arandjelović & Zisserman, CVPR 2012.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

MOST = 200  # keypoints of a picture, strongest first
VOTERS = 80  # of them that look for, and stand for, their picture among all
PARTS = 32  # principal components of a descriptor while they look
CANDIDATES = 4  # pictures with most votes that are compared in full, each way round
ALIKE = 0.8  # dot product from which two descriptors may be the same
REACH = 4.0  # pixels that a keypoint may lie beside its place
SCALES = (0.4, 2.5)  # between the two pictures
LEAST = 3  # matches that an arrangement needs
FEW = 512  # descriptors from which the components are worth computing
SAMPLE = 20_000  # descriptors that the components are computed of


@dataclass(frozen=True)
class Keypoints:
    """Of one picture: places (K,2) float32 in pixels, x first; descriptors (K,128) float32 of norm 1."""

    places: np.ndarray
    descriptors: np.ndarray

    def mirrored(self) -> Keypoints:
        """Those of the mirrored picture, without looking at it: 4×4 cells upside down, 8 directions reversed."""
        cells = self.descriptors.reshape(-1, 4, 4, 8)[:, ::-1][..., -np.arange(8) % 8]
        return Keypoints(self.places * np.float32([-1, 1]), cells.reshape(-1, 128))


def find(picture: np.ndarray, allowed: np.ndarray, side: int) -> Keypoints:
    """Keypoints of a picture (H,W,3) uint8, square, at `side` pixels, where `allowed` (H,W) is True."""
    smooth = cv2.INTER_AREA if len(picture) > side else cv2.INTER_CUBIC
    grey = cv2.cvtColor(cv2.resize(picture, (side, side), interpolation=smooth), cv2.COLOR_RGB2GRAY)
    where = cv2.resize(allowed.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)
    points, found = cv2.SIFT_create(nfeatures=MOST, contrastThreshold=0.01).detectAndCompute(grey, where)
    if found is None or not len(points):
        return Keypoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    strongest = np.argsort([-p.response for p in points], kind="stable")[:MOST]
    places = np.array([points[k].pt for k in strongest], np.float32)
    found = found[strongest]
    return Keypoints(places, np.sqrt(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-6)))


class Arrangements:
    """The keypoints of many pictures. Descriptors are kept as uint8, 128 bytes each."""

    def __init__(self, known: Sequence[Keypoints], rows: Sequence[int]):
        """`rows`: for each of `known` the training picture that it belongs to."""
        self._places = [k.places for k in known]
        self._stored = [(k.descriptors * 255).round().astype(np.uint8) for k in known]
        self._rows = np.array(rows, int)
        voters = np.concatenate([np.zeros((0, 128), np.float32), *(k.descriptors[:VOTERS] for k in known)])
        self._owner = np.repeat(np.arange(len(known)), [min(VOTERS, len(k.places)) for k in known])
        self._mean, self._axes = _components(voters)
        self._voters = (voters - self._mean) @ self._axes
        self._half = (self._voters**2).sum(axis=1) / 2

    def most(self, points: Keypoints, apart: np.ndarray | None = None) -> tuple[int, int]:
        """The largest number of keypoints in one arrangement with a training picture, and that picture's row.

        `apart` (M,) bool: training pictures that are left out. (0, -1) where none shares an arrangement.
        """
        best = 0, -1
        if len(points.places) < LEAST or not len(self._owner):
            return best
        barred = None if apart is None else apart[self._rows]
        for shown in (points, points.mirrored()):
            for k in self._candidates(shown, barred):
                shared = self._shared(shown, k)
                if shared > best[0]:
                    best = shared, int(self._rows[k])
        return best

    def _candidates(self, points: Keypoints, barred: np.ndarray | None) -> np.ndarray:
        looking = (points.descriptors[:VOTERS] - self._mean) @ self._axes
        likeness = looking @ self._voters.T - self._half
        votes = np.bincount(self._owner[likeness.argmax(axis=1)], minlength=len(self._rows))
        if barred is not None:
            votes[barred] = 0
        order = np.argsort(-votes, kind="stable")[:CANDIDATES]
        return order[votes[order] > 1]

    def _shared(self, points: Keypoints, k: int) -> int:
        """Mutual nearest descriptors whose places one similarity transform brings together (RANSAC)."""
        likeness = points.descriptors @ (self._stored[k].astype(np.float32) / 255).T
        there, here = likeness.argmax(axis=1), likeness.argmax(axis=0)
        same = (here[there] == np.arange(len(there))) & (likeness.max(axis=1) > ALIKE)
        if same.sum() < LEAST:
            return 0
        cv2.setRNGSeed(0)
        transform, inside = cv2.estimateAffinePartial2D(
            points.places[same], self._places[k][there[same]], ransacReprojThreshold=REACH, maxIters=500
        )
        if transform is None or not SCALES[0] <= np.hypot(*transform[:, 0]) <= SCALES[1]:
            return 0
        return int(inside.sum())


def _components(descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(descriptors) < FEW:
        return np.zeros(128, np.float32), np.eye(128, dtype=np.float32)
    some = descriptors[:: max(1, len(descriptors) // SAMPLE)]
    mean = some.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov((some - mean).T))
    return mean, np.ascontiguousarray(vectors[:, : -PARTS - 1 : -1]).astype(np.float32)
