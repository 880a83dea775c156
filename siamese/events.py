"""What long work yields: typed events, printed by the CLI, shown by the page, listed by tests.

Long verbs are generators of these. They are plain frozen dataclasses; pictures are numpy arrays (N,H,W,3) uint8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Progress:
    """Where the work stands: step `step` of `total` in `stage`; `rate` steps a second; `seconds_left` estimated."""

    stage: str
    step: int
    total: int
    rate: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class Scalars:
    """Named figures of one step, e.g. losses (L_m, L_i, L_c) and the learning rate."""

    stage: str
    step: int
    values: dict[str, float]


@dataclass(frozen=True)
class Preview:
    """Unfinished pictures: uint8 (N,H,W,3); `step` of `total`, of the pictures in `seeds`."""

    step: int
    total: int
    images: np.ndarray = field(repr=False)
    seeds: tuple[int, ...] = ()
    seconds_left: float | None = None


@dataclass(frozen=True)
class Saved:
    """Something complete now lies at `path`."""

    path: Path
    step: int | None = None


@dataclass(frozen=True)
class Notice:
    """One sentence the user should read (resumed at step k; a grey mask was thresholded at 127)."""

    text: str


@dataclass(frozen=True)
class Done:
    """The work is finished, or stopped as asked (`complete` False)."""

    stage: str
    step: int
    complete: bool = True


Event = Progress | Scalars | Preview | Saved | Notice | Done
