"""What a run wrote down while it worked, `events.jsonl` of `siamese.tasks.record`: curves, pictures, sentences."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

FILE = "events.jsonl"
LARGEST = 512 << 20  # bytes that are read of one file
LONGEST = 1 << 20  # bytes of a line; longer ones are not ours
MOST_NAMES = 200  # different scalars of one stage
WATCH = "watch"  # the name under which the memorisation watch of a stage writes its figures


@dataclass(frozen=True)
class Progress:
    """Where the work stood at `time` (seconds since 1970); `memory` is the peak so far, bytes, 0: unknown."""

    stage: str
    step: int
    total: int
    rate: float | None
    seconds_left: float | None
    memory: int
    time: float


@dataclass(frozen=True)
class Done:
    """A stage ended at `step`; `complete` False: stopped as asked."""

    stage: str
    step: int
    complete: bool


class History:
    """Everything known of a run so far; `refresh` reads on.

    Attributes:
        offset: bytes of the file that were read. sessions: when somebody began to work, seconds since 1970.
        previews: (step, picture). preview_stages: the stage of each picture by its file name.
        saved: (step, folder). notices: sentences, in order.
        failed: the error that ended the last session; None when there was none.
    """

    def __init__(self, folder: Path, since: int = 0):
        self.folder, self.offset = folder, since
        self.progress: Progress | None = None
        self.done: list[Done] = []
        self.previews: list[tuple[int, Path]] = []
        self.preview_stages: dict[str, str] = {}
        self.saved: list[tuple[int, Path]] = []
        self.notices: list[str] = []
        self.sessions: list[float] = []
        self.failed: str | None = None
        self._curves: dict[str, dict[str, dict[int, float]]] = {}
        self._stage = ""  # of the last scalars that are no look of the watch
        self.refresh()

    def refresh(self) -> bool:
        """Read what was appended since; a half last line waits for the next time.

        Returns:
            Was there anything new?
        """
        try:
            with (self.folder / FILE).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self.offset:  # another run began in this folder
                    self.__init__(self.folder)
                    return True
                file.seek(self.offset)
                data = file.read(max(0, LARGEST - self.offset))
        except OSError:
            return False
        data = data[: data.rfind(b"\n") + 1]
        self.offset += len(data)
        for line in data.splitlines():
            if len(line) > LONGEST:
                continue
            try:
                self._take(json.loads(line))
            except (ValueError, TypeError, KeyError, RecursionError, OverflowError, AttributeError):
                continue  # damaged or foreign: the others still count
        return bool(data)

    def names(self) -> dict[str, tuple[str, ...]]:
        """Names of the scalars of each stage, in order of appearance."""
        return {stage: tuple(curves) for stage, curves in self._curves.items()}

    def series(self, stage: str, name: str) -> list[tuple[int, float]]:
        """(step, value) by step; a resumed run repeats steps: the later value counts."""
        return sorted(self._curves.get(stage, {}).get(name, {}).items())

    def _take(self, line: Mapping[str, object]) -> None:
        kind = line["event"]
        if kind == "Scalars":
            stage = str(line["stage"])
            if stage != WATCH:
                self._stage = stage
            step, curves = int(line["step"]), self._curves.setdefault(stage, {})
            for name, value in line["values"].items():
                if name in curves or len(curves) < MOST_NAMES:
                    curves.setdefault(name, {})[step] = float(value)
        elif kind == "Progress":
            rate, left = line.get("rate"), line.get("seconds_left")
            self.progress = Progress(
                str(line["stage"]),
                int(line["step"]),
                int(line["total"]),
                None if rate is None else float(rate),
                None if left is None else float(left),
                int(line.get("memory") or 0),
                float(line.get("time") or 0),
            )
        elif kind == "Preview":
            name = PurePosixPath(str(line["file"])).name
            self._list(self.previews, line["step"], self.folder / "previews" / name)
            self.preview_stages[name] = self._stage
        elif kind == "Saved":
            name = PureWindowsPath(str(line["path"])).name  # splits at both slashes
            self._list(self.saved, line.get("step") or 0, self.folder / "checkpoints" / name)
        elif kind == "Notice":
            self.notices.append(str(line["text"]))
        elif kind == "Done":
            self.done.append(Done(str(line["stage"]), int(line["step"]), bool(line.get("complete", True))))
        elif kind == "Failed":
            self.failed = str(line["text"])
        elif kind == "Begun":
            self.sessions.append(float(line["time"]))
            self.failed = None

    @staticmethod
    def _list(found: list[tuple[int, Path]], step: object, path: Path) -> None:
        """Later entries of the same file replace earlier ones; those that are gone are left out by the reader."""
        if (int(step), path) not in found[-50:] and path.name not in ("", "..", "."):
            found.append((int(step), path))


def read(folder: str | Path, since: int = 0) -> History:
    """The history of a run folder; empty where nothing was written.

    Args:
        since: bytes to skip; `History.offset` of an earlier reading gives what came after it.
    """
    return History(Path(folder), since)


def downsample(series: Sequence[tuple[int, float]], most: int = 600) -> list[tuple[int, float]]:
    """At most `most` points that look the same in a plot: the least and the greatest of every bucket, first and last.

    Values that are not finite are left out.
    """
    finite = [point for point in series if math.isfinite(point[1])]
    if len(finite) <= max(4, most):
        return finite
    buckets = max(1, most // 2 - 1)
    inner, chosen = finite[1:-1], [finite[0]]
    for k in range(buckets):
        part = inner[k * len(inner) // buckets : (k + 1) * len(inner) // buckets]
        if part:
            value = [point[1] for point in part]
            ends = {value.index(min(value)), value.index(max(value))}
            chosen += [part[index] for index in sorted(ends)]
    return [*chosen, finite[-1]]
