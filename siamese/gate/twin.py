"""The real picture that a synthesized one is like, found again by its digest: for the person who decides."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from siamese.atomic import read_capped
from siamese.augment.folder import SetFolder
from siamese.augment.sources import dataset_root
from siamese.data import dataset
from siamese.errors import MaskError, SiameseError
from siamese.picture import decode


class Twins:
    """Pictures of the train splits that a set was compared with; each file's digest is computed once."""

    def __init__(self, workspace: Path | None):
        self._workspace = workspace
        self._known: dict[tuple[Path, int], str] = {}

    def find(self, folder: SetFolder, digest: str) -> tuple[str, np.ndarray] | None:
        """Stem and picture (H,W,3) uint8 RGB whose decoded pixels have this sha256; None where it is not at hand."""
        plan = folder.head().plan
        for name in plan.beside:
            try:
                cases = dataset.read(dataset_root(name, self._workspace), "train").cases
            except (SiameseError, OSError):
                continue
            for case in cases:
                found = self._look(case.image, digest)
                if found is not None:
                    return case.stem, found
        return None

    def _look(self, path: Path, digest: str) -> np.ndarray | None:
        try:
            key = path, path.stat().st_mtime_ns
            if self._known.get(key, digest) != digest:
                return None
            picture = decode(read_capped(path))
        except (OSError, ValueError, MaskError):
            return None
        self._known[key] = hashlib.sha256(np.ascontiguousarray(picture)).hexdigest()
        return picture if self._known[key] == digest else None
