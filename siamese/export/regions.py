"""What the formats of object detectors make of a mask: pieces, boxes, outlines along the pixels' edges, run lengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

FINE = 3  # times that a piece is enlarged, so that its outline tells the pixels' edges apart


@dataclass(frozen=True, eq=False)
class Region:
    """One piece of one class.

    Args:
        label: 1..K. left, top, width, height: its box, pixels. inside: (height, width) bool, the piece in its box.
    """

    label: int
    left: int
    top: int
    width: int
    height: int
    inside: np.ndarray = field(repr=False)

    @property
    def area(self) -> int:
        """Its pixels."""
        return int(np.count_nonzero(self.inside))

    def outline(self) -> np.ndarray:
        """Corners (n,2) float64 of its outer edge, x and y in the picture (pixel (0,0) spans 0 to 1); no holes."""
        large = np.kron(self.inside.astype(np.uint8), np.ones((FINE, FINE), np.uint8))
        contours, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        corners = (contours[0].reshape(-1, 2) + FINE / 2) // FINE
        corners = corners[(corners != np.roll(corners, 1, axis=0)).any(axis=1)]
        return corners + np.array((self.left, self.top), np.float64)

    def holes(self) -> bool:
        """Does the outer edge enclose background?"""
        beyond = np.pad(~self.inside, 1, constant_values=True).astype(np.uint8)
        return cv2.connectedComponents(beyond, connectivity=4)[0] > 2


def pieces(labels: np.ndarray) -> Iterator[Region]:
    """The pieces of labels (H,W) uint8, class by class; pixels that touch at a corner belong together."""
    for label in np.unique(labels[labels > 0]):
        count, places, stats, _ = cv2.connectedComponentsWithStats(
            (labels == label).astype(np.uint8), connectivity=8
        )
        for k in range(1, count):
            left, top, width, height = (int(v) for v in stats[k, :4])
            inside = places[top : top + height, left : left + width] == k
            yield Region(int(label), left, top, width, height, inside)


def run_lengths(region: Region, height: int, width: int) -> str:
    """The piece as COCO's compressed run lengths in a picture of `height` × `width`.

    Source: the format of cocodataset/cocoapi (maskApi), written anew; `siamese.data.shapes` reads it.
    """
    bits = np.zeros((height, width), bool)
    bits[region.top : region.top + region.height, region.left : region.left + region.width] = region.inside
    flat = np.concatenate([[False], bits.T.ravel(), [False]])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(np.concatenate([[0], changes, [height * width]])).tolist()
    if runs[-1] == 0:
        runs.pop()
    return "".join(_text(run - (runs[k - 2] if k > 2 else 0)) for k, run in enumerate(runs))


def _text(value: int) -> str:
    """A number as 5 bits a character, the lowest first; the last one carries the sign."""
    characters = ""
    while True:
        bits, value = value & 31, value >> 5
        last = value == (-1 if bits & 16 else 0)
        characters += chr(48 + (bits if last else bits | 32))
        if last:
            return characters
