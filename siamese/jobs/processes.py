"""Processes that somebody else started: is it still the same one, and please stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def started(pid: int) -> str:
    """When a process began, as the system writes it; empty when there is none, or nobody can say (Windows)."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
    if sys.platform == "win32":
        return ""
    said = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return said.stdout.strip()


def identity(pid: int) -> dict[str, object]:
    """A process in such words that it is still known when its number belongs to another."""
    return {"pid": pid, "started": started(pid)}


def alive(noted: object) -> bool:
    """Is there still the process that `identity` described? False where nobody can say."""
    pid = noted.get("pid") if isinstance(noted, dict) else None
    return isinstance(pid, int) and pid > 1 and started(pid) != "" and noted == identity(pid)


def stop(noted: object, now: bool) -> None:
    """Ask the process that `identity` described to stop, or end it now; nothing happens when it is gone.

    Its whole group goes with it where it leads one.
    """
    if not isinstance(noted, dict) or not alive(noted):
        return
    pid, number = int(noted["pid"]), signal.SIGKILL if now else signal.SIGTERM
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
