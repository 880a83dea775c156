"""Long work in another process: submitted, listed, stopped and resumed; a job is a folder among the runs.

No database and no daemon: each job has its own detached runner (`siamese.jobs.runner`), which outlives the app.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from siamese import lockfile
from siamese.atomic import private_folder, write_atomically
from siamese.errors import SiameseError, writing
from siamese.jobs import failure, processes, request, runner, status
from siamese.jobs.request import Request
from siamese.jobs.status import Status
from siamese.workspace import Workspace

GONE = "This job is not there any more; look at the list again."
LONGEST_NAME = 80


@dataclass(frozen=True)
class Job:
    """One job: a run folder and what was asked for in it.

    Args:
        folder: in the workspace's runs. request: None for a training run of which no request is known.
    """

    folder: Path
    request: Request | None

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def verb(self) -> str:
        return self.request.verb if self.request else "train"

    @property
    def name(self) -> str:
        return self.request.name if self.request else self.folder.name

    @property
    def owner(self) -> str:
        return self.request.owner if self.request else ""

    @property
    def arguments(self) -> tuple[str, ...]:
        """Everything after `python -m siamese`, the verb first; empty where nobody knows."""
        return tuple(self.request.argv(self.folder)) if self.request else ()

    @property
    def created(self) -> float:
        """Seconds since 1970."""
        if self.request and self.request.created:
            return self.request.created
        try:
            return (self.folder / "recipe.json").stat().st_mtime
        except OSError:
            return 0.0

    @property
    def reason(self) -> str:
        """Why it failed, stopped or was interrupted; empty where there is nothing to say."""
        return self.status().reason

    def status(self) -> Status:
        """How it stands now."""
        return status.compute(self.folder, self.request)

    def cancel(self, force: bool = False) -> None:
        """Ask it to save and stop, which takes up to 20 seconds, or end it at once; queued, it never runs.

        Raises:
            MachineError: disk full or folder not writable.
        """
        if status.lost(self.folder):
            runner.end(self.folder, "stopped", None, failure.Failure(runner.NEVER))
        if not self.status().active:
            return
        write_atomically(self.folder / request.CANCEL, runner.NOW.encode() if force else b"")
        noted = request.read_json(self.folder / request.PROCESS)
        if not processes.alive(
            noted.get("runner")
        ):  # begun from a shell, or killed: nobody passes the wish on
            processes.stop(noted.get("child"), force)

    def resume(self, changes: Sequence[str] = ()) -> None:
        """Queue the same request again, in the same folder; training goes on from its last save.

        Args:
            changes: settings to add, `key=value` as `--set` takes them, e.g. `status().cure`.

        Raises:
            SiameseError: it is at work, finished, or its request is not known.
            MachineError: disk full or folder not writable.
        """
        if self.request is None or not self.request.arguments:
            raise SiameseError(
                f"How {self.id} was begun is not known here; run the command that began it again."
            )
        state = self.status().state
        if state == "finished":
            raise SiameseError(f"{self.name} is finished; start a new one for more.")
        lock = lockfile.take(self.folder, lockfile.RUNNER) if state not in ("queued", "running") else None
        if lock is None:
            raise SiameseError(f"{self.name} is at work or waiting already; nothing was changed.")
        with lock:
            with writing(self.folder):
                for name in (request.CANCEL, request.ENDED, request.PROCESS):
                    (self.folder / name).unlink(missing_ok=True)
            found = request.read(self.folder) or self.request
            again = dataclasses.replace(found.changed(changes), queued=time.time(), shell=False)
            again.write(self.folder)
            runner.spawn(self.folder, lock)

    def log(self, offset: int = 0, most: int = 65536) -> tuple[str, int]:
        """What it printed, from byte `offset` on (-1: the end), without colours.

        Returns:
            Text of at most `most` bytes, and the offset to go on from.
        """
        try:
            with (self.folder / request.LOG).open("rb") as file:
                size = file.seek(0, 2)
                if offset < 0:
                    offset = max(0, size - most)
                elif offset > size:  # its older half was dropped meanwhile
                    offset = 0
                file.seek(offset)
                data = file.read(most)
        except OSError:
            return "", 0
        if len(data) == most and (cut := data.rfind(b"\n")) > 0:
            data = data[: cut + 1]  # no half characters
        return failure.ESCAPES.sub("", data.decode("utf-8", "replace")), offset + len(data)


class Jobs:
    """The jobs of a workspace."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    def submit(
        self,
        verb: str,
        arguments: Sequence[str],
        name: str,
        owner: str = "",
        files: Mapping[str, bytes] | None = None,
        processes: int = 1,
    ) -> Job:
        """Queue what `python -m siamese VERB ARGUMENTS` does.

        Args:
            verb: train, evaluate or sample. arguments: what follows it; `{run}` stands for the job's folder.
            name: what a person calls it. owner: who asks.
            files: put into the folder first, e.g. {"recipe.toml": ...} for "{run}/recipe.toml".
            processes: more than one: under torchrun, one for each GPU.

        Raises:
            SiameseError: no such verb, or a folder option among the arguments.
            MachineError: disk full or folder not writable; nothing is left.
        """
        shown = " ".join(name.split())[:LONGEST_NAME] or verb
        asked = request.make(verb, arguments, shown, owner, processes)
        folder = self._new_folder(verb, shown)
        try:
            for file, data in (files or {}).items():
                if Path(file).name != file or file.startswith("."):
                    raise SiameseError(f"{file!r} is no plain file name.")
                write_atomically(folder / file, data)
            lock = lockfile.take(folder, lockfile.RUNNER)
            assert lock is not None, "nobody else knows this folder"
            with lock:
                asked.write(folder)
                runner.spawn(folder, lock)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return Job(folder, asked)

    def list(self) -> list[Job]:
        """Every job and every training run begun from a shell, newest first."""
        found = [job for folder in self.workspace.runs.iterdir() if (job := _job(folder)) is not None]
        return sorted(found, key=lambda job: (job.created, job.id), reverse=True)

    def find(self, id: str) -> Job:
        """One job.

        Raises:
            SiameseError: there is none.
        """
        name = str(id)
        plain = 0 < len(name) < 256 and not name.startswith(".") and not re.search(r"[/\\\x00]", name)
        job = _job(self.workspace.runs / name) if plain else None
        if job is None:
            raise SiameseError(GONE)
        return job

    def recover(self) -> list[Job]:
        """Queue again those whose turn had not come when the computer was restarted; in their order.

        What had begun is left as it is: "interrupted", for a person to resume.
        """
        waiting = [job for job in self.list() if status.lost(job.folder)]
        waiting.sort(key=lambda job: (job.request.queued if job.request else 0, job.id))
        started = []
        for job in waiting:
            lock = lockfile.take(job.folder, lockfile.RUNNER)
            if lock is None:  # another app was faster
                continue
            with lock:
                runner.spawn(job.folder, lock)
            started.append(job)
        return started

    def _new_folder(self, verb: str, name: str) -> Path:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "job"
        stem, count = f"{time.strftime('%Y%m%d-%H%M%S')}_{verb}_{slug}", 1
        runs = self.workspace.runs
        with writing(runs):
            private_folder(runs)
            while True:
                folder = runs / (stem if count == 1 else f"{stem}-{count}")
                try:
                    folder.mkdir(mode=0o700)
                    return folder
                except FileExistsError:
                    count += 1


def _job(folder: Path) -> Job | None:
    """The job of a folder; None when it holds none, or is a link to elsewhere."""
    if folder.name.startswith(".") or folder.is_symlink() or not folder.is_dir():
        return None
    found = request.read(folder)
    if found is None and not (folder / "recipe.json").is_file():
        return None
    return Job(folder, found)
