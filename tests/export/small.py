"""A small dataset and a gated set beside it, written directly, without a model."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import cv2
import numpy as np

from siamese.augment import plan as plans
from siamese.augment.folder import Checkpoint, Head, SetFolder
from siamese.augment.item import Item, Made, Scores, Source
from siamese.masks.mask import Mask
from siamese.shipped import SHIPPED

SIZE = 48
WEIGHTS = hashlib.sha256((SHIPPED / "polyp-compact" / "model.safetensors").read_bytes()).hexdigest()


def picture(seed: int, height: int, width: int) -> np.ndarray:
    """Reddish noise, (H,W,3) uint8 RGB."""
    noise = np.random.default_rng(seed).integers(0, 120, (height, width, 3))
    return (noise + [110, 40, 20]).astype(np.uint8)


def mask(seed: int, height: int, width: int) -> Mask:
    """An ellipse somewhere; no two seeds share one."""
    labels = np.zeros((height, width), np.uint8)
    centre = (width // 3 + seed % 7, height // 3 + seed // 7 % 7)
    cv2.ellipse(labels, centre, (width // 5 + seed % 5, height // 6 + seed // 5 % 5), seed * 13, 0, 360, 1, -1)
    return Mask(labels)


def cut(whole: Mask) -> Mask:
    """Without its upper rows: no ellipse of a real picture is the same."""
    labels = whole.labels.copy()
    labels[: np.flatnonzero(labels.any(axis=1))[0] + 4] = 0
    return Mask(labels)


def dataset(root: Path, train: int = 4, val: int = 2, test: int = 2) -> Path:
    """A dataset whose stems are names that may not leave."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    number = 0
    for split, count in (("train", train), ("val", val), ("test", test)):
        stems = [f"Müller-{number + k:03d}" for k in range(count)]
        for k, stem in enumerate(stems):
            pixels = picture(1000 + number + k, 40, 56)
            cv2.imwrite(str(root / "images" / f"{stem}.png"), pixels[:, :, ::-1])
            mask(number + k, 40, 56).write(root / "masks" / f"{stem}.png")
        (root / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems), "utf-8")
        number += count
    return root


def scored(id: str, **changes: object) -> Scores:
    """Scores that every rule accepts."""
    good = Scores(id, 0.9, 0.4, "", "", 0.5, "s000001", 0.1, 1, 0.0, 0.4, 0.01, 400.0)
    return dataclasses.replace(good, **changes)


def synthesized(root: Path, data: Path | None, count: int = 12, gated: bool = True) -> SetFolder:
    """A finished set on masks of `data`, or of nobody."""
    masks = {"source": "dataset", "where": [str(data)]} if data else {"source": "examples"}
    plan = plans.parse({"name": "trial", "masks": masks})
    pairs, made = [], []
    for k in range(1, count + 1):
        drawn = cut(mask(100 + k, 40, 56))
        stem, kind = (f"Müller-{(k - 1) % 4:03d}", "dataset") if data else (f"outline-{k}", "examples")
        source = Source(kind, data.name if data else "", stem, f"{k % 4:064x}")
        edits = ({"kind": "flip", "axis": "horizontal"},)
        pairs.append((Item(f"s{k:06d}", (k - 1) // 4, 0, k, drawn.digest, 40, 56, source, edits), drawn))
    checkpoint = Checkpoint("polyp-compact", "polyp-compact", WEIGHTS, SIZE)
    units = -(-count // 4)
    leaks = ("No validation or test picture was seen by polyp-compact.",)
    set = SetFolder(root)
    set.begin(Head(plan, (checkpoint,), count, units, 4, {"too small": 2}, (), leaks), pairs)
    for unit in range(units):
        mine = [item for item, _ in pairs if item.unit == unit]
        data_of = [cv2.imencode(".png", picture(item.seed, SIZE, SIZE)[:, :, ::-1])[1].tobytes() for item in mine]
        made = [
            Made(item.id, hashlib.sha256(data).hexdigest(), "", 0.5, {"seed": item.seed, "guidance": 2.0, "steps": 20})
            for item, data in zip(mine, data_of, strict=True)
        ]
        set.write_unit(unit, made, data_of)
    if gated:
        set.write_scores(scored(item.id) for item, _ in pairs)
    return set
