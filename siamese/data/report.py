"""What an inspection of somebody's pictures found: cases, problems, near-duplicates. Plain data, no pixels.

Stems and paths here are original names: for the eyes of who brings the pictures, never for a log or an export.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from siamese.errors import DatasetError

Severity = Literal["cure", "left out", "note"]
SHOWN = 200  # stems of one problem in a summary


@dataclass(frozen=True)
class Problem:
    """One thing that was found, with every case that has it.

    Args:
        kind: a few words, e.g. "no mask".
        severity: "cure": nothing is imported before it is cured; "left out": these cases can be left out; "note".
        text: one sentence.
        stems: the cases, or names of files where no case stands for them.
    """

    kind: str
    severity: Severity
    text: str
    stems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How the pixels of a set's masks become labels.

    Args:
        table: stored value → label; empty: black and white, the lesion above 127 (or 1 where the brightest is 1).
            A colour's value is 2^24 + its 24 bits.
    """

    table: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """A region of COCO: polygons (pixels) or run lengths, of the class `label`."""

    label: int
    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()
    size: tuple[int, int] = (0, 0)  # height, width of the runs


@dataclass(frozen=True)
class SourceCase:
    """One picture of the source with its mask, and what was seen in it.

    Args:
        stem: its name in this report, unique.
        image, masks, shapes: where picture and mask are; several masks are united.
        style: the centre or the like, "" where there is one only.
        group: patient, video or lesion that it belongs to, "" where it stands alone.
        split: the source's own: train, val, test or "".
        height, width: of the picture as it will be written, pixels; 0 where it cannot be read.
        labels: what occurs in the mask, without 0; `area` the share that is not 0.
        text_box: x0, y0, x1, y1 around burnt-in text, pixels, or None.
        stripped: which of EXIF, XMP, ICC the picture's file carries.
        turned: EXIF turns the picture, 1 to 8; `as_stored` where only the picture as stored fits its mask.
        digest: sha256 of the pixels that are imported. `small`: (64,64) uint8, for near-duplicates.
        broken: it cannot be imported.
    """

    stem: str
    image: Path
    masks: tuple[Path, ...] = ()
    shapes: tuple[Shape, ...] = ()
    style: str = ""
    subset: str = ""
    group: str = ""
    split: str = ""
    height: int = 0
    width: int = 0
    labels: tuple[int, ...] = ()
    area: float = 0.0
    text_box: tuple[int, int, int, int] | None = None
    stripped: frozenset[str] = frozenset()
    turned: int = 1
    as_stored: bool = False
    digest: bytes = b""
    small: np.ndarray | None = field(default=None, repr=False, compare=False)
    reading: Reading = Reading()
    broken: bool = False


@dataclass(frozen=True)
class Duplicate:
    """Two cases that show nearly the same, perhaps turned or mirrored."""

    one: str
    other: str
    correlation: float


@dataclass
class Report:
    """An inspected source; `close` it when done, so that an unpacked zip is deleted."""

    source: Path
    layout: str
    cases: tuple[SourceCase, ...]
    problems: tuple[Problem, ...]
    classes: tuple[str, ...] = ()
    group_rule: str = ""
    duplicates: tuple[Duplicate, ...] = ()
    prompts: dict[str, str] = field(default_factory=dict)
    temporary: Path | None = None

    @property
    def usable(self) -> tuple[SourceCase, ...]:
        """The cases that can be imported."""
        return tuple(case for case in self.cases if not case.broken)

    @property
    def texts(self) -> tuple[str, ...]:
        """Stems of the usable cases with burnt-in text."""
        return tuple(case.stem for case in self.usable if case.text_box)

    @cached_property
    def _by_stem(self) -> dict[str, SourceCase]:
        return {case.stem: case for case in self.cases}

    def case(self, stem: str) -> SourceCase:
        """A case by its stem.

        Raises:
            DatasetError: there is none.
        """
        try:
            return self._by_stem[stem]
        except KeyError:
            raise DatasetError(
                self.source, ["no such picture in this report; look at the data again."]
            ) from None

    def refusals(self, leave_out: bool) -> list[str]:
        """Why it cannot be imported, a sentence each; `leave_out`: the cases with problems may go."""
        wanted = ("cure",) if leave_out else ("cure", "left out")
        found = [problem.text for problem in self.problems if problem.severity in wanted]
        if not self.usable:
            found.append("no picture is left that could be imported.")
        return found

    def summary(self) -> dict:
        """What a page or `--json` shows, JSON-able."""
        usable = self.usable
        sizes = [(case.height, case.width) for case in usable]
        groups = {case.group for case in usable if case.group}
        return {
            "source": str(self.source),
            "layout": self.layout,
            "cases": len(self.cases),
            "usable": len(usable),
            "can_import": not self.refusals(leave_out=False),
            "can_import_rest": not self.refusals(leave_out=True),
            "classes": list(self.classes),
            "smallest": list(min(sizes, default=(0, 0), key=lambda s: s[0] * s[1])),
            "largest": list(max(sizes, default=(0, 0), key=lambda s: s[0] * s[1])),
            "empty": sum(not case.labels for case in usable),
            "styles": dict(Counter(case.style for case in usable)),
            "prompts": dict(self.prompts),
            "splits": dict(Counter(case.split for case in usable if case.split)),
            "groups": len(groups),
            "group_rule": self.group_rule,
            "stripped": dict(Counter(kind for case in usable for kind in sorted(case.stripped))),
            "problems": [
                {
                    "kind": problem.kind,
                    "severity": problem.severity,
                    "text": problem.text,
                    "stems": list(problem.stems[:SHOWN]),
                    "count": len(problem.stems),
                }
                for problem in self.problems
            ],
            "texts": list(self.texts),
            "duplicates": [
                {"one": pair.one, "other": pair.other, "correlation": round(pair.correlation, 4)}
                for pair in self.duplicates
            ],
        }

    def close(self) -> None:
        """Delete what a zip was unpacked to; its pictures cannot be imported or shown after that."""
        if self.temporary is not None:
            shutil.rmtree(self.temporary, ignore_errors=True)
