"""What long work yields, written down as it comes: `events.jsonl` in the run folder is the only channel to it.

One JSON object a line, `event` and `time` (seconds since 1970) first:
Begun (pid) · Progress (stage, step, total, rate, seconds_left, memory; at most one a second) ·
Scalars (stage, step, values) · Preview (step, total, file; pictures side by side in `previews/`) · Saved (path, step) ·
Notice (text) · Done (stage, step, complete) · Failed (text). The figures also stand in `tensorboard/`, for those who
read curves there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from siamese import events
from siamese.atomic import write_atomically
from siamese.errors import SiameseError, writing

FILE = "events.jsonl"
BETWEEN = 1.0  # seconds between two lines of progress


def recorded(found: Iterator[events.Event], run: Path) -> Iterator[events.Event]:
    """Pass events on and append each to the run's `events.jsonl`; the errors that users can cure as well.

    The folder is made when the first event comes, so that a refused request leaves nothing behind.
    """
    file: IO[str] | None = None
    curves: _Curves | None = None
    last = 0.0
    try:
        for event in found:
            if file is None:
                file = _open(run)
                _write(file, run, "Begun", {"pid": os.getpid()})
            if isinstance(event, events.Preview):
                shown = {"step": event.step, "total": event.total, "file": _write_preview(event, run)}
                _write(file, run, "Preview", shown)
            elif not isinstance(event, events.Progress):
                _write(file, run, type(event).__name__, vars(event))
                if isinstance(event, events.Scalars):
                    curves = curves or _Curves(run)
                    curves.add(event)
            elif time.monotonic() - last >= BETWEEN or event.step >= event.total:
                last = time.monotonic()
                _write(file, run, "Progress", {**vars(event), "memory": peak_memory()})
            yield event
    except SiameseError as error:
        if run.is_dir():
            file = file or _open(run)
            _write(file, run, "Failed", {"text": str(error)})
        raise
    finally:
        if file is not None:
            file.close()
        if curves is not None:
            curves.close()


class _Curves:
    """TensorBoard event files beside `events.jsonl`; nothing where tensorboardX is not installed."""

    def __init__(self, run: Path):
        self._run = run
        try:
            from tensorboardX import SummaryWriter
        except ImportError:  # a compute node without it trains all the same
            self._writer = None
            return
        with writing(run):
            own = f".{time.time_ns()}"  # two calls within a second must not share a file
            self._writer = SummaryWriter(str(run / "tensorboard"), flush_secs=10, filename_suffix=own)

    def add(self, event: events.Scalars) -> None:
        """The figures of one step, as `stage/name`."""
        if self._writer is not None:
            with writing(self._run):
                for name, value in event.values.items():
                    self._writer.add_scalar(f"{event.stage}/{name}", value, event.step)

    def close(self) -> None:
        """Flush and end the writer's thread."""
        if self._writer is not None:
            with writing(self._run):
                self._writer.close()


def peak_memory() -> int:
    """Largest memory of this process so far, bytes: of the GPU where one is used, else of the machine; 0: unknown."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    if sys.platform == "win32":
        return 0
    import resource

    kilobytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes


def _open(run: Path) -> IO[str]:
    with writing(run):
        run.mkdir(parents=True, exist_ok=True)
        return (run / FILE).open("a", encoding="utf-8")


def _write(file: IO[str], run: Path, name: str, values: dict[str, object]) -> None:
    line = {"event": name, "time": round(time.time(), 3), **values}
    with writing(run):
        file.write(json.dumps(line, default=str, ensure_ascii=False) + "\n")
        file.flush()


def _write_preview(event: events.Preview, run: Path) -> str:
    import cv2
    import numpy as np

    folder = run / "previews"
    with writing(folder):
        folder.mkdir(exist_ok=True)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}_{event.step:07d}.png"
    _, data = cv2.imencode(".png", np.hstack(list(event.images))[..., ::-1])
    write_atomically(folder / name, data.tobytes())
    return f"previews/{name}"
