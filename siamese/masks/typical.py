"""Typical: what the masks look like that the shipped model was trained on, and words for a mask that is unlike them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from siamese.masks.pieces import Component, components, remove_islands
from siamese.masks.shape import lesion


@dataclass(frozen=True)
class Typical:
    """Limits that few training masks pass; shares are 0..1.

    Args:
        smallest: the lesions' share of the picture that 99 of 100 training masks exceed.
        largest: the one that 98 of 100 stay below.
        largest_whole: the one that 99 of 100 stay below or else touch the border of the picture.
        cut: share of a side along which a lesion lies that touches this side only; 99 of 100 stay below.
        lesions: count that 99 of 100 do not exceed.
        speck: share of the picture below which a piece is not counted as a lesion.
        solidity: area of the largest lesion over that of its convex hull; 99 of 100 exceed it.
        outside: share of the lesions outside the field of view; 99 of 100 stay below.
    """

    smallest: float
    largest: float
    largest_whole: float
    cut: float
    lesions: int
    speck: float
    solidity: float
    outside: float


# Measured on the 840 masks of Kvasir-SEG that the shipped model was trained on, at 384×384. Share of the picture:
# 1 % 0.0127, 5 % 0.0265, 25 % 0.060, 50 % 0.114, 75 % 0.207, 95 % 0.421, 98 % 0.552, 99 % 0.617; above 0.41 without
# touching the border 1.2 %. Touching the border is common (18 %, specks aside), mostly one side (122 of 152); one side
# only, along more than 0.38 of it: 1.1 %. One lesion 95.8 %, two 3.5 %, more 0.7 %; 18 % have specks below 20 pixels
# besides, often in the corner (0,0), which count for nothing here.
# Solidity: 1 % 0.748, 50 % 0.967. Outside the picture's own field of view, corner box included: more than 2 % of the
# lesion in 0.6 % of the masks. Of the 840 masks 6.5 % get a sentence, 1 of 60 for validation and 9 of 100 for tests.
TYPICAL = Typical(
    smallest=0.0127,
    largest=0.552,
    largest_whole=0.41,
    cut=0.38,
    lesions=2,
    speck=20 / 384**2,
    solidity=0.748,
    outside=0.02,
)


def unusual(
    labels: np.ndarray, view: Sequence[tuple[float, float]] = (), typical: Typical = TYPICAL
) -> tuple[str, ...]:
    """Sentences for a clinician about what training masks hardly ever have; none for an ordinary mask.

    Args:
        labels: (H,W) uint8, above 0 lesion.
        view: corners (x, y) in [0,1] of the field of view, as `siamese.shipped.field_of_view` gives them; empty where
            it is not known.
        typical: the limits.
    """
    found = lesion(labels)
    pieces = components(found)
    if not pieces:
        return (
            "Nothing is drawn: normal mucosa will be synthesized, but all pictures the model was trained on show a "
            "lesion.",
        )
    area = found.mean()
    count = sum(piece.area >= typical.speck * found.size for piece in pieces)
    drawn = remove_islands(found, math.ceil(typical.speck * found.size))
    contact = {
        "left": drawn[:, 0].mean(),
        "right": drawn[:, -1].mean(),
        "upper": drawn[0].mean(),
        "lower": drawn[-1].mean(),
    }
    touched = [side for side, share in contact.items() if share]
    said = []
    if area < typical.smallest:
        said.append("Very small: smaller than 99 of 100 lesions the model was trained on; look whether it shows.")
    if area > typical.largest:
        said.append("Very large: larger than 98 of 100 lesions the model was trained on.")
    elif area > typical.largest_whole and not touched:
        said.append(
            "Large and seen whole: only 1 of 100 lesions the model was trained on is this large without touching the "
            "picture's border."
        )
    if count > typical.lesions:
        said.append(f"Several lesions ({count}): the model has mostly seen one.")
    if len(touched) == 1 and contact[touched[0]] > typical.cut:
        said.append(
            f"Cut off by the {touched[0]} border along much of it: only 1 of 100 lesions the model was trained on is."
        )
    if solidity(found, pieces[0]) < typical.solidity:
        said.append("Unusual outline: more jagged or indented than 99 of 100 the model was trained on.")
    if len(view) >= 3 and _outside(found, view) > typical.outside:
        said.append("Reaches outside the endoscope's field of view.")
    return tuple(said)


def solidity(found: np.ndarray, largest: Component) -> float:
    """Area of the largest lesion over that of its convex hull, both in pixels."""
    x0, y0, x1, y1 = largest.box
    part = found[y0:y1, x0:x1]
    contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(max(contours, key=cv2.contourArea))
    return largest.area / np.count_nonzero(cv2.fillConvexPoly(np.zeros_like(part), hull, 1))


def _outside(found: np.ndarray, view: Sequence[tuple[float, float]]) -> float:
    """Share of the lesion's pixels outside the corners."""
    corners = np.round(np.array(view) * (np.array(found.shape[::-1]) - 1)).astype(np.int32)
    inside = cv2.fillPoly(np.zeros_like(found), [corners], 1)
    return np.count_nonzero(found > inside) / np.count_nonzero(found)
