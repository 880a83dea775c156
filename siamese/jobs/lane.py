"""A lane: jobs of it run one at a time, first come first served, re-read from the folders of the runs.

The turn is a locked file, which the system lets go when the last process that holds it ends, however it ends.
A training begun from a shell takes a free lane, so that jobs wait for it; nobody makes it wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from siamese import lockfile
from siamese.jobs import request
from siamese.jobs.request import Request

OF_A_WORKSPACE = ("datasets", "drafts", "pictures")  # beside the folder of its runs, one of them at least
BESIDE = (
    "{who} is at work in this workspace already, and two trainings at once are slow; to wait for a turn instead: "
    "Ctrl+C, then python -m siamese jobs submit train and the same words without --run."
)


def turn(folder: Path, own: Request) -> IO[bytes] | None:
    """The lane's lock when it is this job's turn, to be kept open while it works; None: not yet."""
    lock = lockfile.take(folder.parent, _file(own.lane))
    if lock is not None and _before(folder, own):
        lock.close()
        return None
    return lock


def ahead(folder: Path, own: Request) -> int:
    """How many jobs come before this one, the one at work included."""
    return _before(folder, own) + lockfile.held(folder.parent, _file(own.lane))


@contextmanager
def joined(folder: Path) -> Iterator[str]:
    """The lane for a training that a shell began in `folder`, if it is free; else who has it, in a sentence.

    It goes on in either case: who typed a command sees it work, and may have a second GPU. Outside a workspace there
    is no lane.
    """
    runs = folder.absolute().parent
    if runs.name != "runs" or not any((runs.parent / name).is_dir() for name in OF_A_WORKSPACE):
        yield ""
    elif lock := lockfile.take(runs, _file(Request.lane)):
        with lock:
            yield ""
    else:
        others = [other.name for other in runs.iterdir() if other.name != folder.name and _works(other)]
        yield BESIDE.format(who=" and ".join(sorted(others)) or "Another job")


def waits(folder: Path) -> bool:
    """Has the job of this folder a runner, and has it not begun, ended or been cancelled?"""
    over = (request.PROCESS, request.ENDED, request.CANCEL)
    return lockfile.held(folder, lockfile.RUNNER) and not any((folder / name).exists() for name in over)


def _works(folder: Path) -> bool:
    begun = (folder / request.PROCESS).exists() and not (folder / request.ENDED).exists()
    return begun and lockfile.held(folder)


def _file(lane: str) -> str:
    return f".lane-{lane}.lock"


def _before(folder: Path, own: Request) -> int:
    count = 0
    for other in folder.parent.iterdir():
        if other == folder or not waits(other):
            continue
        found = request.read(other)
        if found and found.lane == own.lane and (found.queued, other.name) < (own.queued, folder.name):
            count += 1
    return count
