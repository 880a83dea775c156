"""Somebody is at work here: a locked file, which the system lets go when its process ends, however it ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

NAME = "running.lock"


def take(folder: Path) -> IO[bytes] | None:
    """Lock `folder` for as long as the answer is kept open; None when somebody else holds it.

    Raises:
        OSError: the folder is missing or cannot be written.
    """
    file = (folder / NAME).open("ab")
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


def held(folder: Path) -> bool:
    """Is somebody at work in `folder`?"""
    if not (folder / NAME).is_file():
        return False
    try:
        file = take(folder)
    except OSError:  # not ours to look at
        return True
    if file is None:
        return True
    file.close()
    return False
