"""The rating pages as a process of their own, started and stopped from the studio; they outlive a restart of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from siamese.atomic import write_atomically
from siamese.errors import MachineError, StudyError
from siamese.jobs import processes
from siamese.study.studies import Study

NOTE, LOG = "serving.json", "serving.log"  # in the study's folder
ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60  # seconds until the pages answer; a busy machine takes its time
LARGEST_LOG = 4000  # characters of it that are read


def where(study: Study) -> str:
    """The line that says where a study's pages are; empty when nobody serves them."""
    try:
        noted = json.loads((study.folder / NOTE).read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(noted.get("line", "")) if processes.alive(noted.get("process")) else ""


def start(study: Study, arguments: list[str]) -> str:
    """Serve a locked study.

    Args:
        study: which.
        arguments: of `python -m ui.rating` beside `--study`.

    Returns:
        The line that says where.

    Raises:
        StudyError: served already, or what the pages themselves refuse. MachineError: they do not answer.
    """
    if line := where(study):
        raise StudyError(f"{line}; stop it first to serve it elsewhere.")
    command = [sys.executable, "-P", "-m", "ui.rating", "--study", str(study.folder), *arguments]
    log = study.folder / LOG
    with log.open("wb") as said:
        log.chmod(0o600)
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        text = log.read_text("utf-8", "replace")[-LARGEST_LOG:]
        if child.poll() is not None:
            last = (
                text.strip().splitlines()[-1]
                if text.strip()
                else f"the pages ended with code {child.returncode}"
            )
            raise StudyError(last)
        lines = [line for line in text.splitlines() if "://" in line]
        if lines:
            note = {"process": processes.identity(child.pid), "line": lines[0]}
            write_atomically(study.folder / NOTE, json.dumps(note).encode())
            return lines[0]
        time.sleep(0.1)
    child.kill()
    raise MachineError(f"The rating pages did not start within {PATIENCE} s; what they said is in {log}.")


def stop(study: Study) -> None:
    """End the pages of a study; what was voted is on disk, and raters go on when they are served again."""
    try:
        noted = json.loads((study.folder / NOTE).read_text("utf-8"))
    except (OSError, ValueError):
        return
    processes.stop(noted.get("process"), now=False)
    (study.folder / NOTE).unlink(missing_ok=True)
