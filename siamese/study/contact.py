"""Contact sheets for the organiser: every prepared picture of an arm with the name of its file. Never for a rater."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from siamese.study.truth import Item

SIDE, BAR, COLUMNS = 192, 18, 8  # pixels of a picture and of its caption, pictures a row


def contact_sheet(items: Sequence[Item], pictures: Path) -> bytes:
    """PNG of the pictures of `items`, by name; practice is marked.

    Args:
        items: one or more.
        pictures: folder of `<id>.png`.
    """
    tiles = [_tile(item, pictures) for item in sorted(items, key=lambda item: (item.practice, item.source))]
    blank = np.full_like(tiles[0], 24)
    tiles += [blank] * (-len(tiles) % min(COLUMNS, len(tiles)))
    width = min(COLUMNS, len(tiles))
    rows = [np.hstack(tiles[k : k + width]) for k in range(0, len(tiles), width)]
    done, data = cv2.imencode(".png", np.vstack(rows))
    assert done
    return data.tobytes()


def _tile(item: Item, pictures: Path) -> np.ndarray:
    picture = cv2.imread(str(pictures / f"{item.id}.png"), cv2.IMREAD_COLOR)
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    bar = np.full((BAR, SIDE, 3), 24, np.uint8)
    path = Path(item.source)
    name = path.parent.name if path.name == "picture.png" else path.stem
    words = ("practice " if item.practice else "") + name.encode("ascii", "replace").decode()
    cv2.putText(bar, words[:30], (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.34, (235, 235, 235), 1, cv2.LINE_AA)
    return np.vstack([small, bar])
