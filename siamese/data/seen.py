"""What a model was trained on, as digests: of every training picture the exact one and a perceptual one, no picture.

A checkpoint holds those of its own pictures and of every checkpoint it came from. What is not known of one of them
stands in `Seen.unknown`: then nobody can tell that the model has not seen a picture.

The perceptual rule was measured on 160 held-out pictures of Kvasir-SEG against the 1,806 that the shipped model was
trained on. A training picture saved again (JPEG 50 to 90, half its size, 384×384; 151 of them) differs in at most 2 of
64 bits, in at most 1 in 98 %. None of the 160 comes within 2 bits upright, none within 1 bit in the 7 other
orientations; 3 do within 2 there, and are other pictures to the eye.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from safetensors import SafetensorError, safe_open

from siamese.data.neardup import grey_hash
from siamese.errors import CheckpointError
from siamese.shipped import FILE, find

EXACT, PERCEPTUAL = "training.sha256", "training.dhash"  # tensors of a checkpoint, (N,32) and (N,8) uint8
INDEX = "train_index.safetensors"  # of a segmenter, with `sha256` and `dhash`
UNKNOWN = "unknown_training"  # metadata: a JSON list of the checkpoints it came from that carry no digests
UPRIGHT, TURNED = 2, 1  # bits of 64 that the hash of a picture saved again may differ in, also after a turn


@dataclass(frozen=True)
class Print:
    """What a picture is recognised by: sha256 of the pixels, dhash (8,) uint64 of its 8 orientations."""

    sha256: bytes
    dhash: np.ndarray


@dataclass(frozen=True)
class Match:
    """A training picture that a picture equals, or looks like when `exact` is False.

    Args:
        row: of `Seen.sha256`. orientation: of the picture in which they match, an index of `orientations`.
    """

    row: int
    orientation: int
    exact: bool


@dataclass(frozen=True, eq=False)
class Seen:
    """Training pictures: `sha256` (N,32) uint8 of decoded pixels, `dhash` (N,8) uint8, one row each.

    `unknown` names models whose training pictures ought to be among them and are not at hand.
    """

    sha256: np.ndarray = field(default_factory=lambda: np.zeros((0, 32), np.uint8))
    dhash: np.ndarray = field(default_factory=lambda: np.zeros((0, 8), np.uint8))
    unknown: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sha256)

    def __or__(self, other: Seen) -> Seen:
        """What either of two was trained on, each picture once, those of the first one first."""
        sha256 = np.concatenate([self.sha256, other.sha256])
        dhash = np.concatenate([self.dhash, other.dhash])
        first = np.sort(np.unique(sha256, axis=0, return_index=True)[1]) if len(sha256) else slice(None)
        unknown = tuple(dict.fromkeys((*self.unknown, *other.unknown)))
        return Seen(sha256[first], dhash[first], unknown)

    def has(self, picture: np.ndarray) -> bool:
        """Whether a picture (H,W,3) uint8 RGB, or one saved again from it, also turned or mirrored, is among them."""
        return self.match(printed(picture)) is not None

    def match(self, found: Print) -> Match | None:
        """The training picture that a picture is, or looks like; the likest one."""
        if found.sha256 in self._rows:
            return Match(self._rows[found.sha256], 0, exact=True)
        if not len(self):
            return None
        bits = np.bitwise_count(self._hashes[None] ^ found.dhash[:, None]).astype(int)
        allowed = np.array([UPRIGHT] + [TURNED] * (len(bits) - 1))[:, None]
        k, row = np.unravel_index(int((bits - allowed).argmin()), bits.shape)
        return Match(int(row), int(k), exact=False) if bits[k, row] <= allowed[k, 0] else None

    @cached_property
    def _rows(self) -> dict[bytes, int]:
        return {row.tobytes(): k for k, row in enumerate(self.sha256)}

    @cached_property
    def _hashes(self) -> np.ndarray:
        return np.ascontiguousarray(self.dhash).view(np.uint64)[:, 0]


def orientations(array: np.ndarray) -> Iterator[np.ndarray]:
    """The 8 orientations of (H,W) or (H,W,C), contiguous, the upright one first."""
    for flipped in (array, array[:, ::-1]):
        for turns in range(4):
            yield np.ascontiguousarray(np.rot90(flipped, turns))


def printed(picture: np.ndarray) -> Print:
    """What a picture (H,W,3) uint8 RGB is recognised by."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    hashes = np.stack([grey_hash(turned) for turned in orientations(grey)])
    digest = hashlib.sha256(np.ascontiguousarray(picture)).digest()
    return Print(digest, hashes.view(np.uint64)[:, 0])


def read(checkpoint: str | Path) -> Seen:
    """What a checkpoint, a shipped name or a folder, and those it came from were trained on.

    One without digests (a published file, one of an old version) is itself `unknown`.

    Raises:
        CheckpointError: missing or damaged.
    """
    folder = find(checkpoint).resolve()
    try:
        with safe_open(folder / FILE, framework="np") as file:
            metadata = file.metadata() or {}
            if EXACT in file.keys() and PERCEPTUAL in file.keys():  # noqa: SIM118 - no mapping
                return _checked(file.get_tensor(EXACT), file.get_tensor(PERCEPTUAL), metadata)
        if "segmenter" in metadata and (folder / INDEX).is_file():
            with safe_open(folder / INDEX, framework="np") as file:
                return _checked(file.get_tensor("sha256"), file.get_tensor("dhash"), metadata)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{folder / FILE} is damaged or truncated ({error}); copy it again from its source."
        ) from None
    return Seen(unknown=(called(folder),))


def called(folder: Path) -> str:
    """What a checkpoint's folder is called for a person; one of a run with the run's name before it."""
    of_run = re.fullmatch(r"[a-z]+-\d{7}", folder.name) and folder.parent.name == "checkpoints"
    return f"{folder.parent.parent.name}/{folder.name}" if of_run else folder.name


def facts(seen: Seen) -> dict[str, str]:
    """The metadata of a checkpoint that says what is not known; empty where all is."""
    return {UNKNOWN: json.dumps(seen.unknown)} if seen.unknown else {}


def _checked(sha256: np.ndarray, dhash: np.ndarray, metadata: dict[str, str]) -> Seen:
    if sha256.shape != (len(sha256), 32) or dhash.shape != (len(sha256), 8):
        raise ValueError(f"digests of shape {sha256.shape} and {dhash.shape}")
    unknown = json.loads(metadata.get(UNKNOWN, "[]"))
    if not isinstance(unknown, list) or not all(isinstance(name, str) for name in unknown):
        raise ValueError(f"{UNKNOWN} is no list of names")
    return Seen(sha256.astype(np.uint8), dhash.astype(np.uint8), tuple(unknown))
