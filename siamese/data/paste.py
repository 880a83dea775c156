"""Small lesions of other pictures, blended in: data hold few pictures with a tiny lesion or with several."""

from __future__ import annotations

import cv2
import numpy as np

MOST = 4  # lesions blended into one picture
RADIUS = (0.02, 0.09)  # of a pasted lesion, as its area's circle would have, parts of the side
TRIES = 12  # places tried for each lesion
MARGIN = 0.25  # of the lesion's box, kept around it for the blend


def paste(
    image: np.ndarray,
    mask: np.ndarray,
    view: np.ndarray,
    sources: list[tuple[np.ndarray, np.ndarray]],
    draw: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Blend one to four lesions, shrunk, turned and flipped, into free places of a picture.

    Gradients are kept and colours follow the new place (Pérez et al., Poisson Image Editing, 2003).

    Args:
        image, mask, view: (S,S,3), (S,S) labels, (S,S) uint8; nothing lands where `view` is not 0.
        sources: pictures with their masks; one is drawn for each lesion.

    Returns: new image and mask; the same ones where no place was free.
    """
    size = len(mask)
    image, mask = image.copy(), mask.copy()
    for _ in range(int(draw.integers(1, MOST + 1))):
        source, outline = sources[int(draw.integers(len(sources)))]
        found = _piece(source, outline, draw, size)
        if found is None:
            continue
        piece, lesion, labels = found
        high, wide = lesion.shape
        reach = cv2.dilate(lesion, np.ones((3, 3), np.uint8), iterations=max(1, min(high, wide) // 10))
        for _ in range(TRIES):
            top, left = (int(draw.integers(2, size - extent - 2)) for extent in (high, wide))
            window = np.s_[top : top + high, left : left + wide]
            if mask[window].any() or view[window].any():
                continue
            framed = reach.copy()
            framed[[0, -1]] = framed[:, [0, -1]] = (
                0  # seamlessClone centres the mask's own box, not the patch
            )
            ys, xs = np.nonzero(framed)
            if len(ys) == 0 or min(np.ptp(ys), np.ptp(xs)) < 4:
                break  # too small to blend
            box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
            middle = (left + (xs.min() + xs.max() + 1) // 2, top + (ys.min() + ys.max() + 1) // 2)
            image = cv2.seamlessClone(
                np.ascontiguousarray(piece[box]), image, framed[box] * 255, middle, cv2.NORMAL_CLONE
            )
            mask[window] |= lesion * labels
            break
    return image, mask


def _piece(
    source: np.ndarray, outline: np.ndarray, draw: np.random.Generator, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """One lesion with a margin at its new size: picture, place {0,1}, class 1..K; None without, or at the border."""
    ys, xs = np.nonzero(outline)
    radius = size * np.exp(draw.uniform(*np.log(RADIUS)))
    turns, flip = int(draw.integers(4)), bool(draw.integers(2))
    if not len(ys):
        return None
    top, bottom, left, right = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
    margin = max(4, round(MARGIN * max(bottom - top, right - left)))
    top, left, bottom, right = top - margin, left - margin, bottom + margin, right + margin
    if top < 0 or left < 0 or bottom > size or right > size:
        return None
    scale = float(radius / np.sqrt(len(ys) / np.pi))
    if scale > 1:
        return None
    extent = tuple(max(5, round(scale * e)) for e in (right - left, bottom - top))
    piece = cv2.resize(source[top:bottom, left:right], extent, interpolation=cv2.INTER_AREA)
    part = cv2.resize(
        (outline[top:bottom, left:right] > 0).astype(np.float32), extent, interpolation=cv2.INTER_AREA
    )
    inside = outline[top:bottom, left:right]
    labels = cv2.resize(inside, extent, interpolation=cv2.INTER_NEAREST)
    labels[labels == 0] = np.bincount(inside[inside > 0]).argmax()  # rims that only the smooth resize reaches
    found = [np.rot90(a, turns) for a in (piece, (part > 0.5).astype(np.uint8), labels)]
    if flip:
        found = [a[:, ::-1] for a in found]
    piece, lesion, labels = (np.ascontiguousarray(a) for a in found)
    return (piece, lesion, labels) if lesion.any() else None
