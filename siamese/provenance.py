"""Which models were trained on a dataset: told by the digests of training pictures that every model carries."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamese.atomic import read_capped
from siamese.errors import MaskError
from siamese.picture import decode
from siamese.shipped import FILE, SHIPPED

SAMPLED = 24  # pictures of a dataset that are looked for; every stage trains on the whole train split
LARGEST_TEXT = 4 * 1024 * 1024  # bytes of a recipe.json
DIGESTS = (("training.sha256", FILE), ("sha256", "train_index.safetensors"))  # tensor (N,32) uint8, file


@dataclass(frozen=True)
class Model:
    """A model that has seen a dataset; `run` is its run folder's name, empty for one that came with the app."""

    name: str
    run: str


def trained_on(dataset: Path, runs: Path, shipped: Path = SHIPPED) -> list[Model]:
    """Models among the runs of a workspace and those shipped that were trained on a dataset.

    A run counts when its recipe names the dataset (or a centre of it) as a style, or when one of its checkpoints
    holds the sha256 of a picture of it; a shipped model when it holds one. 24 pictures are looked for.

    Args:
        dataset: folder with `images/`.
        runs: folder of run folders.
        shipped: folder of checkpoints that came with the app.
    """
    digests = _digests(dataset)
    found = []
    for run in sorted(p for p in _folders(runs)):
        checkpoints = sorted(_folders(run / "checkpoints"), key=lambda p: p.stat().st_mtime, reverse=True)
        if _named(dataset.name, run) or any(_holds(folder, digests) for folder in checkpoints):
            stages = dict.fromkeys(folder.name.partition("-")[0] for folder in checkpoints)
            words = f" ({', '.join(stages)})" if stages else " (nothing saved yet)"
            found.append(Model(f"run {run.name}{words}", run.name))
    found += [
        Model(f"{folder.name} (came with the app)", "")
        for folder in _folders(shipped)
        if _holds(folder, digests)
    ]
    return found


def _folders(parent: Path) -> list[Path]:
    try:
        return [p for p in parent.iterdir() if p.is_dir() and not p.name.startswith(".")]
    except OSError:
        return []


def _named(dataset: str, run: Path) -> bool:
    try:
        styles = json.loads(read_capped(run / "recipe.json", LARGEST_TEXT))["styles"]
        return any(style == dataset or str(style).startswith(f"{dataset}-") for style in styles)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _digests(dataset: Path) -> set[bytes]:
    """sha256 of pixels, (H,W,3) uint8 RGB, of pictures spread evenly over the dataset (as data.batches.prepare)."""
    try:
        files = sorted(p for p in (dataset / "images").iterdir() if p.is_file())
    except OSError:
        return set()
    chosen = [files[i * len(files) // SAMPLED] for i in range(SAMPLED)] if len(files) > SAMPLED else files
    return {digest for path in chosen if (digest := _digest(path)) is not None}


def _digest(path: Path) -> bytes | None:
    try:
        picture = decode(read_capped(path))
    except (OSError, ValueError, MaskError):  # no picture, or damaged: the others are looked for
        return None
    return hashlib.sha256(np.ascontiguousarray(picture)).digest()


def _holds(checkpoint: Path, digests: set[bytes]) -> bool:
    from safetensors import SafetensorError, safe_open  # only when something is to be deleted

    for tensor, name in DIGESTS:
        try:
            with safe_open(checkpoint / name, framework="np") as file:
                rows = file.get_tensor(tensor)
        except (SafetensorError, OSError):
            continue
        if rows.ndim == 2 and any(row.tobytes() in digests for row in rows.astype(np.uint8)):
            return True
    return False
