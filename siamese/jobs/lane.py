"""A lane: jobs of it run one at a time, first come first served, re-read from the folders of the runs.

The turn is a locked file, which the system lets go when the last process that holds it ends, however it ends.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from siamese import lockfile
from siamese.jobs import request
from siamese.jobs.request import Request


def turn(folder: Path, own: Request) -> IO[bytes] | None:
    """The lane's lock when it is this job's turn, to be kept open while it works; None: not yet."""
    lock = lockfile.take(folder.parent, f".lane-{own.lane}.lock")
    if lock is not None and _before(folder, own):
        lock.close()
        return None
    return lock


def ahead(folder: Path, own: Request) -> int:
    """How many jobs come before this one, the one at work included."""
    return _before(folder, own) + lockfile.held(folder.parent, f".lane-{own.lane}.lock")


def waits(folder: Path) -> bool:
    """Has the job of this folder a runner, and has it not begun, ended or been cancelled?"""
    over = (request.PROCESS, request.ENDED, request.CANCEL)
    return lockfile.held(folder, lockfile.RUNNER) and not any((folder / name).exists() for name in over)


def _before(folder: Path, own: Request) -> int:
    count = 0
    for other in folder.parent.iterdir():
        if other == folder or not waits(other):
            continue
        found = request.read(other)
        if found and found.lane == own.lane and (found.queued, other.name) < (own.queued, folder.name):
            count += 1
    return count
