"""Kvasir-SEG: images/ and masks/ as JPEG under equal names, a JSON file of boxes; splits as lists of names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from siamese.counted import counted
from siamese.export.layouts import files
from siamese.export.pairs import SPLITS, Options, Pair, Written, checked
from siamese.export.regions import pieces

BOXES = "kavsir_bboxes.json"  # the published file is misspelt, and read by that name


def write(pairs: Iterable[Pair], out: Path, options: Options) -> Written:
    """Write the pairs below `out`; masks are JPEG of a quality that gives them back where a pixel is above 127."""
    found, names, boxes, grey, merged = {}, {}, {}, 0, False
    lists: dict[str, list[str]] = {split: [] for split in SPLITS}
    for pair in checked(pairs):
        picture, mask = (f"{folder}/{pair.name}.jpg" for folder in ("images", "masks"))
        files.picture_jpeg(out, picture, pair, options)
        merged |= bool((pair.labels > 1).any())
        white = (pair.labels > 0).astype(np.uint8) * np.uint8(255)
        data = _mask_jpeg(white)
        grey += int(np.count_nonzero(np.isin(_decoded(data), (0, 255), invert=True)))
        files.write(out, mask, data)
        found[pair.id], names[pair.id] = (picture, mask), pair.name
        lists[pair.split].append(pair.name)
        boxes[pair.name] = {
            "height": pair.labels.shape[0],
            "width": pair.labels.shape[1],
            "bbox": [
                {
                    "label": options.classes[0 if len(options.classes) == 1 else region.label - 1],
                    "xmin": region.left,
                    "ymin": region.top,
                    "xmax": region.left + region.width - 1,
                    "ymax": region.top + region.height - 1,
                }
                for region in pieces(pair.labels)
            ],
        }
    files.write(out, BOXES, json.dumps(boxes, ensure_ascii=False).encode())
    for split, listed in lists.items():
        if listed:
            files.write(out, f"{split}.txt", "".join(f"{name}\n" for name in listed).encode())
    notes = [
        f"Masks are JPEG, as in Kvasir-SEG: {counted(grey, 'pixel')} of them came out grey. Read them with > 127, "
        "which gives every mask back exactly; > 0 does not. Pictures lose a little to JPEG as well."
    ]
    if sum(map(bool, lists.values())) > 1:
        notes.append("All splits lie in one folder, as in Kvasir-SEG: train on the names in train.txt alone.")
    if merged:
        notes.append("JPEG masks hold no classes: all of them became white.")
    return Written(found, names, tuple(notes))


def _mask_jpeg(white: np.ndarray) -> bytes:
    """(H,W) of 0 and 255 → JPEG of three channels, as the published masks are, exact above 127."""
    for quality in files.QUALITIES:
        data = files.jpeg(cv2.merge([white] * 3), quality)
        if ((_decoded(data) > 127) == (white > 0)).all():
            return data
    raise AssertionError("a black and white JPEG of quality 100 is off by a few levels at most")


def _decoded(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
