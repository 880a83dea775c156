"""Somebody is at work here: a locked file, which the system lets go when its process ends, however it ends."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import IO

NAME = "running.lock"
RUNNER = "runner.lock"  # of a job's runner, while the job waits for its turn and while it works
TRIES = 5  # somebody who only looks whether it is held holds it for a moment


def take(folder: Path, name: str = NAME) -> IO[bytes] | None:
    """Lock `folder` for as long as the answer is kept open; None when somebody else holds it.

    Raises:
        OSError: the folder is missing or cannot be written.
    """
    for left in reversed(range(TRIES)):
        if file := _try(folder / name):
            return file
        if left:
            time.sleep(0.01)
    return None


def held(folder: Path, *names: str) -> bool:
    """Is somebody at work in `folder`? By default: at work, or waiting there for a turn."""
    for name in names or (NAME, RUNNER):
        if not (folder / name).is_file():
            continue
        try:
            file = _try(folder / name)
        except OSError:  # not ours to look at
            return True
        if file is None:
            return True
        file.close()
    return False


def _try(path: Path) -> IO[bytes] | None:
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
