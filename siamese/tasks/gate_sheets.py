"""Contact sheets of a set: what waits for a person, and possible copies beside the real pictures they are like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from siamese.atomic import write_atomically
from siamese.augment.folder import SetFolder
from siamese.counted import counted
from siamese.data.batches import Pictures
from siamese.events import Event, Notice, Saved
from siamese.gate import rules
from siamese.picture import decode
from siamese.tasks import sheet

SHOWN = 240  # pictures on a sheet
FLAGGED, PAIRS = "flagged.png", "copies.png"


def flagged(set: SetFolder) -> Iterator[Event]:
    """The contact sheet of what waits for a person, masks below; copies first, then by id. None waits: no sheet."""
    path = set.root / FLAGGED
    waiting = [(not one.copy, id) for id, one in rules.standing(set).items() if one.state == "flagged"]
    if not waiting:
        path.unlink(missing_ok=True)
        return
    chosen, dealt = [id for _, id in sorted(waiting)][:SHOWN], {one.id: one for one in set.items()}
    side = sheet.SIDE
    images = np.stack([_named(set, id, side) for id in chosen])
    masks = np.stack([square(set.mask(dealt[id]).labels, side) for id in chosen])
    write_atomically(path, sheet.grid([images, masks * np.uint8(255)]), durable=False)
    yield Saved(path)
    yield Notice(f"{counted(len(waiting), 'picture waits', 'pictures wait')} for a person; see {FLAGGED}.")


def copies(set: SetFolder, training: Pictures | None) -> Iterator[Event]:
    """Each picture flagged as a copy above the real one it is like, where that is at hand."""
    path = set.root / PAIRS
    rows = {} if training is None else {row.tobytes().hex(): k for k, row in enumerate(training.sha256)}
    scores, standing = set.scores(), rules.standing(set)
    like = [
        (id, rows[scores[id].copy_of])
        for id, one in standing.items()
        if one.copy and scores[id].copy_of in rows
    ]
    if not like or training is None:
        path.unlink(missing_ok=True)
        return
    images = np.stack([_named(set, id, sheet.SIDE) for id, _ in like[:SHOWN]])
    pairs = [images, training.images[[row for _, row in like[:SHOWN]]]]
    write_atomically(path, sheet.grid(pairs), durable=False)
    yield Notice(f"{path.name} shows real pictures: keep it on this computer.")


def _named(set: SetFolder, id: str, side: int) -> np.ndarray:
    """A picture of the set as a thumbnail, its id on it."""
    image = np.ascontiguousarray(sized(decode(content(set.image_path(id))), side))
    return cv2.putText(image, id, (4, side - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, sheet.NUMBER, 1)


def content(path: Path) -> bytes:
    """A file, b"" where it cannot be read: then it is not what was made."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def sized(image: np.ndarray, size: int) -> np.ndarray:
    """A picture (S,S,3) at another size."""
    if image.shape[:2] == (size, size):
        return image
    shrinking = image.shape[0] > size
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)


def square(labels: np.ndarray, size: int) -> np.ndarray:
    """A mask (H,W) as (size, size), as the model saw it."""
    return cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST)
