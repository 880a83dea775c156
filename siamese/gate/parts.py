"""What the gate has measured already, some pictures a file below `.gate/`, so that a run goes on where one broke off.

A part's name is the digest of everything it depends on; a damaged one is measured again.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamese.atomic import write_atomically
from siamese.augment import item as items
from siamese.augment.item import Scores
from siamese.errors import writing

FOLDER = ".gate"
VERSION = 1  # of what is measured: another one, and everything is measured again


@dataclass(frozen=True)
class Part:
    """Some pictures measured: scores without their neighbours, features (N,D), thumbnails (N,32,32,3) uint8."""

    scores: tuple[Scores, ...]
    features: np.ndarray
    thumbs: np.ndarray


class Parts:
    """The parts of a set.

    Args:
        root: the set's folder. identity: of judge, copy check and size; another one, and nothing stored fits.
    """

    def __init__(self, root: Path, identity: str):
        self.folder, self.identity = root / FOLDER, identity
        self._used: set[str] = set()

    def name(self, digests: Sequence[tuple[str, str]]) -> str:
        """Name of the part of pictures given by id and sha256 of the file as it lies there."""
        text = json.dumps([VERSION, self.identity, [list(pair) for pair in digests]])
        return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"

    def read(self, name: str) -> Part | None:
        """A part, None where there is none that can be read."""
        self._used.add(name)
        try:
            with np.load(self.folder / name, allow_pickle=False) as found:
                scores = tuple(items.parsed(Scores, str(line)) for line in found["lines"])
                part = Part(scores, found["features"], found["thumbs"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return part if len(part.scores) == len(part.features) == len(part.thumbs) else None

    def write(self, name: str, part: Part) -> None:
        """Store a part.

        Raises:
            MachineError: disk full or folder not writable.
        """
        with writing(self.folder):
            self.folder.mkdir(exist_ok=True)
        data = io.BytesIO()
        lines = np.array([items.line(one) for one in part.scores])
        np.savez(data, lines=lines, features=part.features, thumbs=part.thumbs)
        write_atomically(self.folder / name, data.getvalue(), durable=False)

    def clear(self) -> None:
        """Remove the parts that were not asked for: of pictures, judges or checks that are no more."""
        for path in self._stored():
            if path.name not in self._used:
                path.unlink(missing_ok=True)

    def _stored(self) -> Iterable[Path]:
        return list(self.folder.glob("*.npz")) if self.folder.is_dir() else ()
