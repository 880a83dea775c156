"""Pictures an hour of `synthesize`, checkpoint and steps by default, PNG and gate included: one process, and two.

Measured between the first unit and the last, and over the whole gate: in a night the start does not count. Beside it
the time that the processors were at work, which other programs on the machine disturb less. Nothing is asserted here.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import torch

from siamese.augment import plan as plans
from siamese.events import Progress
from siamese.tasks.synthesize import STAGE, SynthesizeRequest, synthesize

FOLD = 10.0  # of the six example masks
NIGHT = 8 * 3600  # seconds


def measure(processes: int, batch: int, folder: Path) -> tuple[float, float, float]:
    """Seconds a picture to make it, to gate it, and of processors at work for both, starts included."""
    plan = plans.parse({"fold": FOLD, "masks": {"source": "examples"}, "pictures": {"batch": batch}})
    times: list[tuple[int, float]] = []
    before, begun = os.times(), time.perf_counter()
    last = begun
    for event in synthesize(SynthesizeRequest(plan, folder, processes=processes)):
        now = time.perf_counter()
        if isinstance(event, Progress) and event.stage == STAGE:
            if event.step and (not times or times[-1][0] != event.step):
                times.append((event.step, now))
            last = now
    ended, after = time.perf_counter(), os.times()
    count = times[-1][0]
    making = (times[-1][1] - times[0][1]) / max(1, count - times[0][0])
    work = sum(after[:4]) - sum(before[:4])
    return making, (ended - last) / count, work / count


def figures() -> list[tuple[str, str]]:
    """Rows for the table of `make bench`."""
    cuda = torch.cuda.is_available()
    rows = []
    for processes, batch in ((1, 64), (2, 64)) if cuda else ((1, 8), (2, 8)):
        with tempfile.TemporaryDirectory() as folder:
            making, gating, work = measure(processes, batch, Path(folder) / "set")
        each = making + gating
        what = f"synthesize and gate, {processes} process{'es' * (processes > 1)}, {batch} at a time"
        told = f"{making:.2f} + {gating:.2f} s; {3600 / each:,.0f} an hour, {NIGHT / each:,.0f} in 8 h"
        rows.append((what, f"{1 / making:.1f} made a second; {told}" if cuda else told))
        rows.append(("  processors at work a picture, starts included", f"{work:.2f} s"))
    if not cuda:
        rows.append(("pictures a second on a GPU", "no GPU"))
    with suppress(OSError):
        if os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1):
            rows.append(
                ("NOTE", f"the machine is busy (load {os.getloadavg()[0]:.0f}): read the processors' time")
            )
    return rows


if __name__ == "__main__":
    for name, value in figures():
        print(f"  {name:<58} {value}", flush=True)
