"""Regions of COCO as pixels: polygons, and run lengths, plain or in COCO's own text.

Source: the format of cocodataset/cocoapi (maskApi), written anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from siamese.data.report import Shape
from siamese.errors import MaskError

FINE = 4  # bits of a pixel's fraction that OpenCV draws with


def drawn(shapes: Iterable[Shape], height: int, width: int) -> np.ndarray:
    """Labels (H,W) uint8; larger regions first, so that small ones stay visible.

    Raises:
        MaskError: run lengths of another size.
    """
    regions = []
    for shape in shapes:
        region = np.zeros((height, width), np.uint8)
        for polygon in shape.polygons:
            corners = np.array(polygon, np.float64).reshape(-1, 2) - 0.5  # pixel (0,0) spans 0 to 1
            cv2.fillPoly(region, [np.round(corners * 2**FINE).astype(np.int32)], 1, shift=FINE)
        if shape.runs:
            if shape.size != (height, width):
                raise MaskError(
                    f"run lengths are for {shape.size[0]}×{shape.size[1]}, the picture is {height}×{width}; "
                    "export both at one size."
                )
            region |= unrolled(shape.runs, height, width)
        regions.append((int(region.sum()), shape.label, region))
    labels = np.zeros((height, width), np.uint8)
    for _, label, region in sorted(regions, key=lambda r: -r[0]):
        labels[region > 0] = label
    return labels


def unrolled(runs: Sequence[int], height: int, width: int) -> np.ndarray:
    """Lengths of runs of 0 and 1 in turn, down the columns → (H,W) uint8 {0,1}.

    Raises:
        MaskError: they do not fill the picture.
    """
    if any(run < 0 for run in runs) or sum(runs) != height * width:
        raise MaskError(f"run lengths fill {sum(runs)} of {height * width} pixels; export them again.")
    bits = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8)
    return bits.reshape(width, height).T


def run_lengths(text: str) -> tuple[int, ...]:
    """COCO's compressed run lengths: 5 bits a character, a sign, from the third on the difference to two before.

    Raises:
        MaskError: other characters, or it ends within a number.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise MaskError("run lengths hold characters that are none of the format; export them again.")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise MaskError("run lengths end within a number; export them again.")
    return tuple(runs)
