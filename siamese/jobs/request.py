"""`request.json` of a job's folder: what was asked for, in the words of the command line."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from siamese import lockfile
from siamese.atomic import read_capped, write_atomically
from siamese.errors import SiameseError
from siamese.jobs import processes

FILE, PROCESS, ENDED, CANCEL, LOG = "request.json", "process.json", "ended.json", "cancel", "log.txt"
RUN = "{run}"  # stands for the job's folder inside its arguments, so that a workspace can be moved
VERSION = 1
SMALL = 1 << 20  # bytes; larger files of these names are not ours
FOLDERS = {
    "train": ("--run", RUN),
    "evaluate": ("--out", RUN),
    "sample": ("--out", f"{RUN}/pictures"),
    "synthesize": ("--out", f"{RUN}/set"),
    "export": ("--out", f"{RUN}/export"),
}


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Args:
        verb: a key of FOLDERS. arguments: everything after `python -m siamese`, the verb first.
        name: what a person calls it. owner: who asked. created, queued: seconds since 1970.
        lane: jobs of one lane run one at a time.
        cwd: where relative paths of the arguments begin; empty where that folder was gone already.
        processes: more than one: under torchrun. shell: begun without a queue, from a command line.
    """

    verb: str
    arguments: tuple[str, ...]
    name: str
    owner: str = ""
    created: float = 0.0
    queued: float = 0.0
    lane: str = "gpu"
    cwd: str = ""
    processes: int = 1
    shell: bool = False
    version: int = VERSION

    @property
    def begun_from_is_there(self) -> bool:
        """Is there still the folder where relative paths begin?"""
        return bool(self.cwd) and Path(self.cwd).is_dir()

    def argv(self, folder: Path) -> list[str]:
        """The arguments with the job's folder in place."""
        return [argument.replace(RUN, str(folder)) for argument in self.arguments]

    def changed(self, changes: Sequence[str]) -> Request:
        """The same with more `--set key=value`."""
        more = [word for change in changes for word in ("--set", change)]
        return dataclasses.replace(self, arguments=(*self.arguments, *more))

    def write(self, folder: Path) -> None:
        """Store it, whole.

        Raises:
            MachineError: disk full or folder not writable.
        """
        text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False)
        write_atomically(folder / FILE, text.encode())


def make(verb: str, arguments: Sequence[str], name: str, owner: str = "", processes: int = 1) -> Request:
    """A request for now; the option for the verb's folder is filled in.

    Raises:
        SiameseError: no such verb, or a folder of its own among the arguments.
    """
    if verb not in FOLDERS:
        raise SiameseError(f"No job can {verb[:40]!r}; choose one of: {', '.join(FOLDERS)}.")
    words = [str(argument) for argument in arguments]
    option, folder = FOLDERS[verb]
    given = [b for a, b in zip(words, words[1:], strict=False) if a == option]
    given += [word.partition("=")[2] for word in words if word.startswith(option + "=")]
    if any(not value.startswith(RUN) for value in given):
        raise SiameseError(f"A job has its own folder; leave {option} {given[0]} out.")
    if not given:
        words += [option, folder]
    now = time.time()
    return Request(verb, (verb, *words), name, owner, now, now, cwd=_working_folder(), processes=processes)


def read(folder: Path) -> Request | None:
    """The request of a folder; None when there is none or it is damaged."""
    values = read_json(folder / FILE)
    known = {field.name: field for field in dataclasses.fields(Request)}
    try:
        found = Request(**{name: value for name, value in values.items() if name in known})
        found = dataclasses.replace(found, arguments=tuple(found.arguments))
        good = (
            found.verb in FOLDERS
            and all(isinstance(word, str) for word in (*found.arguments, found.name, found.owner, found.lane))
            and all(isinstance(value, int | float) for value in (found.created, found.queued))
            and isinstance(found.processes, int)
            and isinstance(found.cwd, str)
            and re.fullmatch(r"[a-z0-9-]{1,32}", found.lane) is not None
            and found.arguments[:1] in ((found.verb,), ())
        )
    except TypeError:
        return None
    return found if good else None


def read_json(path: Path) -> dict[str, object]:
    """The object in a small JSON file; empty when it is absent, damaged or something else."""
    try:
        values = json.loads(read_capped(path, SMALL))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def note(folder: Path) -> bool:
    """Called by a verb at work in `folder`: so that a run begun from a shell is listed, stopped and resumed like a job.

    Where a runner is at work already nothing is written.

    Returns:
        Was it written now, as happens once?
    """
    noted = read_json(folder / PROCESS).get("child")
    if noted == processes.identity(os.getpid()) or lockfile.held(folder, lockfile.RUNNER):
        return False
    (folder / ENDED).unlink(missing_ok=True)
    words = list(sys.argv[1:])
    if words[:1] and words[0] in FOLDERS and not (folder / FILE).exists():
        option, inside = FOLDERS[words[0]]
        for k, word in enumerate(words):
            if k and words[k - 1] == option:
                words[k] = inside
            elif word.startswith(option + "="):
                words[k] = f"{option}={inside}"
        if not any(word.partition("=")[0] == option for word in words):  # the verb chose this folder itself
            words += [option, inside]
        now = time.time()
        request = Request(
            words[0], tuple(words), folder.name, created=now, queued=now, cwd=_working_folder(), shell=True
        )
        request.write(folder)
    write_process(folder, os.getpid())
    return True


def write_process(folder: Path, pid: int, runner: int | None = None) -> None:
    """Write `process.json`: which process works here, and which runner minds it."""
    found = {"child": processes.identity(pid)} | ({"runner": processes.identity(runner)} if runner else {})
    write_atomically(folder / PROCESS, json.dumps(found).encode())


def _working_folder() -> str:
    """Empty where it was deleted meanwhile."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""
