"""What of a picture is shown: cleaned of text, cut so that it fills the common outline, black outside.

A look at a picture depends on nothing but the picture and the design, so that every arm is treated alike. Only the
corner that is covered is common to all: it hides the largest box found among them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from siamese.data import view

Outline = Literal["octagon", "circle", "square"]
SIDE = 96  # of the maps that outline and field of view are compared on
SPARE = 0.002  # share of the outline that may lie outside the field of view
EDGE = 0.01  # of a side: the rim of a field of view is dim and blurred
SMALLEST = 0.7  # of the field of view's sides that must be left to fill the outline
STRETCH = 1.25  # of one side against the other; the longer one is cut first
LARGEST_BOX = 0.4  # of a side: no larger corner is covered on every picture
CUT = 1 - 2**-0.5  # of a regular octagon's corners
AROUND = (
    70,
    60,
)  # rows above and below, columns beside found text in which single letters are looked for, at 576 px


@dataclass(frozen=True)
class Look:
    """What was found in a picture of (height, width) pixels.

    Args:
        size: height, width.
        window: top, left, bottom, right of what is shown, pixels.
        zoom: the window's share of the field of view's sides; below 1 it was cut to fill the outline.
        box: rows and columns of the corner box as shares of the window; 0, 0 for none.
        text: where burnt-in characters stand in the window, packed bits; empty for none.
    """

    size: tuple[int, int]
    window: tuple[int, int, int, int]
    zoom: float
    box: tuple[float, float]
    text: np.ndarray = field(repr=False)


def outline_map(outline: Outline, size: int) -> np.ndarray:
    """What is seen of a prepared picture, (size,size) bool."""
    steps = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(
        np.minimum(steps, 1 - steps), np.minimum(steps, 1 - steps)
    )  # distance from the nearer side
    if outline == "circle":
        return (0.5 - x) ** 2 + (0.5 - y) ** 2 <= 0.25
    return x + y >= CUT if outline == "octagon" else np.ones((size, size), bool)


def seen_map(outline: Outline, size: int, cover: tuple[float, float]) -> np.ndarray:
    """The outline without the covered corner at the lower left, (size,size) bool; `cover`: its rows and columns."""
    seen = outline_map(outline, size)
    rows, columns = (min(size, int(np.ceil(share * size))) for share in cover)
    if rows and columns:
        seen[size - rows :, :columns] = False
    return seen


def lettering(picture: np.ndarray) -> np.ndarray:
    """Burnt-in text of (H,W,3) uint8 RGB with the single letters near it, (H,W) bool.

    `view.burnt_in_text` finds rows of words. Two letters below them are left by it, and are enough to know a patient's
    picture; so every fine white thing near a word goes, a highlight too.
    """
    text = view.burnt_in_text(picture)
    if not text.any():
        return text
    height, width = text.shape
    fine = fine_white(picture)
    scale = view.TEXT_HEIGHT / height
    rows, columns = (np.flatnonzero(text.any(axis=axis)) for axis in (1, 0))
    near = np.zeros_like(fine)
    top, bottom = round(rows[0] * scale) - AROUND[0], round(rows[-1] * scale) + AROUND[0]
    near[max(0, top) : bottom, : min(round(columns[-1] * scale) + AROUND[1], round(0.45 * fine.shape[1]))] = (
        True
    )
    letters = cv2.dilate((fine & near).astype(np.uint8), np.ones((5, 5), np.uint8))
    return text | (cv2.resize(letters, (width, height), interpolation=cv2.INTER_NEAREST) > 0)


def fine_white(picture: np.ndarray) -> np.ndarray:
    """Bright strokes and dots no larger than letters, at a height of 576 pixels, bool."""
    height, width = picture.shape[:2]
    scaled = (round(width * view.TEXT_HEIGHT / height), view.TEXT_HEIGHT)
    small = cv2.resize(
        picture, scaled, interpolation=cv2.INTER_AREA if height > view.TEXT_HEIGHT else cv2.INTER_CUBIC
    )
    white = small.min(axis=2)
    contrast = cv2.morphologyEx(white, cv2.MORPH_TOPHAT, np.ones((19, 19), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(((contrast > 14) & (white > 70)).astype(np.uint8))
    kept = (
        (stats[:, cv2.CC_STAT_HEIGHT] <= 30)
        & (stats[:, cv2.CC_STAT_WIDTH] <= 140)
        & (stats[:, cv2.CC_STAT_AREA] >= 4)
    )
    kept[0] = False
    return kept[labels]


def look(picture: np.ndarray, outline: Outline, boxes: str) -> Look | str:
    """Find text, field of view and corner box of (H,W,3) uint8 RGB, and the largest window that fills the outline.

    Returns:
        The look, or why it cannot be shown.
    """
    text = lettering(picture)
    clean = view.inpaint(picture, text) if text.any() else picture
    inside, box = view.field_of_view(clean), view.corner_box(clean)
    top, left, bottom, right = _bounds(inside)
    filled = inside | box
    found = None
    for zoom in np.arange(1.0, SMALLEST - 0.01, -0.02):
        window = _window((top, left, bottom, right), float(zoom))
        if _fills(filled, window, outline):
            found = window
            break
    if found is None:
        return "left out because what is seen of the tissue does not fill the outline"
    share = _box_share(box, found, outline)
    if share != (0, 0) and boxes == "leave out":
        return "left out for a box in the corner"
    if max(share) > LARGEST_BOX:
        return "left out because the box in the corner is too large to be covered everywhere"
    top, left, bottom, right = found
    written = text[top:bottom, left:right]
    packed = np.packbits(written) if written.any() else np.zeros(0, np.uint8)
    return Look(picture.shape[:2], found, round(float(zoom), 2), share, packed)


def render(picture: np.ndarray, found: Look, seen: np.ndarray, jpeg: int) -> np.ndarray:
    """The picture as raters see it, (S,S,3) uint8 RGB, for `seen` (S,S) bool.

    Text is filled in, the window resized once, what is not seen is black, one JPEG round trip at quality `jpeg`.
    """
    top, left, bottom, right = found.window
    part = picture[top:bottom, left:right]
    if found.text.size:
        text = np.unpackbits(found.text, count=part.shape[0] * part.shape[1]).reshape(part.shape[:2])
        part = view.inpaint(np.ascontiguousarray(part), text)
    how = cv2.INTER_AREA if min(part.shape[:2]) > len(seen) else cv2.INTER_CUBIC
    shown = cv2.resize(part, seen.shape[::-1], interpolation=how)
    shown[~seen] = 0
    if jpeg:
        done, data = cv2.imencode(".jpg", shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, jpeg])
        assert done
        shown = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
        shown[~seen] = 0
    return shown


def hidden_share(labels: np.ndarray, found: Look, seen: np.ndarray) -> float:
    """Share of the lesion of a mask (H,W) {0,1} that `seen` does not show, 0..1; 0 for an empty mask."""
    labels = _as_large(labels, found)
    top, left, bottom, right = found.window
    small = cv2.resize(seen.astype(np.uint8), (right - left, bottom - top), interpolation=cv2.INTER_NEAREST)
    whole = int(np.count_nonzero(labels))
    return 1 - np.count_nonzero(labels[top:bottom, left:right] & small) / whole if whole else 0.0


def render_mask(labels: np.ndarray, found: Look, seen: np.ndarray) -> np.ndarray:
    """A mask (H,W) {0,1} of the same picture, cut and resized alike: (S,S) uint8 0 or 255; 0 where nothing is seen."""
    top, left, bottom, right = found.window
    part = _as_large(labels, found)[top:bottom, left:right]
    part = cv2.resize(part, seen.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.where(seen, part * np.uint8(255), np.uint8(0))


def _as_large(labels: np.ndarray, found: Look) -> np.ndarray:
    same = labels.shape == found.size
    return labels if same else cv2.resize(labels, found.size[::-1], interpolation=cv2.INTER_NEAREST)


def _bounds(inside: np.ndarray) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the field of view without its rim, the longer side cut where one is much longer."""
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    rim = round(EDGE * min(bottom - top, right - left))
    top, bottom, left, right = top + rim, bottom - rim, left + rim, right - rim
    top, bottom = _cut(top, bottom, STRETCH * (right - left))
    left, right = _cut(left, right, STRETCH * (bottom - top))
    return top, left, bottom, right


def _cut(start: int, end: int, longest: float) -> tuple[int, int]:
    over = max(0, end - start - round(longest))
    return start + over // 2, end - (over - over // 2)


def _window(bounds: tuple[int, int, int, int], zoom: float) -> tuple[int, int, int, int]:
    """The middle of `bounds`, its sides `zoom` times as long."""
    top, left, bottom, right = bounds
    rows, columns = round((bottom - top) * (1 - zoom) / 2), round((right - left) * (1 - zoom) / 2)
    return top + rows, left + columns, bottom - rows, right - columns


def _fills(inside: np.ndarray, window: tuple[int, int, int, int], outline: Outline) -> bool:
    top, left, bottom, right = window
    if bottom - top < 16 or right - left < 16:
        return False
    part = cv2.resize(
        inside[top:bottom, left:right].astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST
    )
    wanted = outline_map(outline, SIDE)
    return float((wanted & (part == 0)).sum() / wanted.sum()) <= SPARE


def _box_share(box: np.ndarray, window: tuple[int, int, int, int], outline: Outline) -> tuple[float, float]:
    """Rows and columns at the lower left that hide what the outline shows of a box; 0, 0 for next to nothing."""
    top, left, bottom, right = window
    part = cv2.resize(
        box[top:bottom, left:right].astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST
    )
    wanted = outline_map(outline, SIDE)
    part = (part > 0) & wanted
    if part.sum() <= SPARE * wanted.sum():
        return 0.0, 0.0
    rows, columns = (np.flatnonzero(part.any(axis=axis)) for axis in (1, 0))
    wider = 2  # cells: where a box was found by its coarse map, its rim lies beside it
    rows, columns = (len(wanted) - rows[0] + wider) / SIDE, (columns[-1] + 1 + wider) / SIDE
    return round(float(rows), 3), round(float(columns), 3)
