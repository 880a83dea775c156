"""What the generators of a study were trained on: real pictures among it are no fair comparison, and are not shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from siamese.atomic import read_capped
from siamese.data.neardup import difference_hash
from siamese.errors import CheckpointError
from siamese.shipped import FILE, find
from siamese.study.design import Design

MANIFEST = "manifest.jsonl"
BITS = 2  # of 64 that the difference hash of a picture saved again may differ in; the nearest stranger differs in 4


@dataclass(frozen=True)
class Seen:
    """Digests of training pictures: `sha256` of decoded pixels, `dhash` (N,) uint64; notes for the organiser."""

    sha256: frozenset[bytes]
    dhash: np.ndarray
    notes: tuple[str, ...] = ()

    def has(self, picture: np.ndarray) -> bool:
        """Whether a picture (H,W,3) uint8 RGB, or one saved again from it, is among them."""
        if hashlib.sha256(np.ascontiguousarray(picture)).digest() in self.sha256:
            return True
        own = difference_hash(picture).view(np.uint64)[0]
        return bool((np.bitwise_count(self.dhash ^ own) <= BITS).any())


def seen_by_generators(design: Design) -> Seen:
    """Digests of what the models behind the synthetic and control arms were trained on, where they are at hand."""
    known, hashes, notes = set(), [np.zeros(0, np.uint64)], []
    for arm in design.arms:
        if arm.kind == "real":
            continue
        names = [arm.checkpoint] if arm.checkpoint else _made_by(Path(arm.source).expanduser())
        if not names:
            notes.append(
                f"arm {arm.name}: nothing says which model made it, so real pictures that it was trained on cannot "
                "be told; name it (checkpoint), or say in `pool` why the real pictures are new to it."
            )
        for name in names:
            try:
                sha256, dhash = _digests(find(name) / FILE)
            except (CheckpointError, SafetensorError, OSError):
                notes.append(
                    f"arm {arm.name}: the training pictures of {name} are not at hand; name its folder (checkpoint), "
                    "or say in `pool` why the real pictures are new to it."
                )
                continue
            known |= sha256
            hashes.append(dhash)
    return Seen(frozenset(known), np.unique(np.concatenate(hashes)), tuple(notes))


def _made_by(root: Path) -> list[str]:
    """Names of the models that a manifest beside pictures, or the facts of a gallery, name."""
    lines: Sequence[str] = []
    try:
        lines = read_capped(root / MANIFEST).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        lines = [_text(path) for path in sorted(root.glob("*/picture.json"))]
    found = {}
    for line in lines:
        try:
            said = json.loads(line)
            name = said.get("checkpoint") or said.get("facts", {}).get("checkpoint")
        except (ValueError, AttributeError):
            continue
        if isinstance(name, str) and name:
            found[name] = True
    return list(found)


def _text(path: Path) -> str:
    try:
        return read_capped(path).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _digests(path: Path) -> tuple[set[bytes], np.ndarray]:
    with safe_open(path, framework="np") as file:
        sha256, dhash = (file.get_tensor(f"training.{name}") for name in ("sha256", "dhash"))
    return {row.tobytes() for row in sha256.astype(np.uint8)}, np.ascontiguousarray(dhash).view(np.uint64)[
        :, 0
    ]
