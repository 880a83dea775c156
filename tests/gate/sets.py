"""Small sets of drawn pairs, made as `synthesize` leaves them, and a drawn real dataset beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from siamese.augment.folder import Checkpoint, Head, SetFolder
from siamese.augment.item import Item, Made, Source
from siamese.augment.plan import parse
from siamese.masks.mask import Mask
from tests.conftest import draw_case, write_dataset

SIZE = 96
UNIT = 4
Pair = tuple[np.ndarray, np.ndarray]


def pairs(count: int, first: int = 500) -> list[Pair]:
    """Drawn pictures (S,S,3) and masks (S,S) {0,1}, none of them in `real_dataset`."""
    return [
        (image, (mask > 0).astype(np.uint8))
        for image, mask in (draw_case(first + k, SIZE) for k in range(count))
    ]


def real_dataset(root: Path, train: int, val: int) -> Path:
    """Drawn cases with lists of train and val."""
    write_dataset(root, train + val, SIZE)
    stems = [f"case{k:03d}" for k in range(train + val)]
    (root / "train.txt").write_text("\n".join(stems[:train]))
    (root / "val.txt").write_text("\n".join(stems[train:]))
    return root


def write_set(
    root: Path, dealt: Sequence[Pair], real: Sequence[str] = (), units: int | None = None
) -> SetFolder:
    """A set of these pairs, the first `units` units made."""
    plan = parse({"name": "drawn", "real": list(real), "masks": {"source": "examples"}})
    masks = [Mask(mask) for _, mask in dealt]
    items = [
        Item(
            f"s{k + 1:06d}",
            k // UNIT,
            0,
            k,
            m.digest,
            *m.labels.shape,
            Source("examples", "", f"c{k}", m.digest),
        )
        for k, m in enumerate(masks)
    ]
    count = -(-len(dealt) // UNIT)
    found = SetFolder(root)
    checkpoint = Checkpoint("polyp-compact", "polyp-compact", "0" * 64, SIZE)
    found.begin(Head(plan, (checkpoint,), len(items), count, len(items)), zip(items, masks, strict=True))
    for unit in range(count if units is None else units):
        make(found, dealt, unit)
    return found


def make(found: SetFolder, dealt: Sequence[Pair], unit: int) -> None:
    """Write the pictures of one unit."""
    rows = range(unit * UNIT, min((unit + 1) * UNIT, len(dealt)))
    files = [png(dealt[k][0]) for k in rows]
    made = [
        Made(f"s{k + 1:06d}", hashlib.sha256(data).hexdigest(), hashlib.sha256(dealt[k][0]).hexdigest(), 1.0)
        for k, data in zip(rows, files, strict=True)
    ]
    found.write_unit(unit, made, files)


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()
