"""`python -m siamese.jobs.runner FOLDER`: waits for the job's turn, runs it as a child, writes down how it ended.

It is detached from whoever submitted the job, and light: the work is the command line's, in the child.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from siamese import lockfile
from siamese.atomic import write_atomically
from siamese.errors import MachineError
from siamese.jobs import failure, lane, request, status
from siamese.jobs.failure import Failure
from siamese.jobs.request import Request

ROOT = Path(__file__).resolve().parents[2]
LOOK = 0.2  # seconds between looks at the lane, the child and the wish to stop
PATIENCE = 20.0  # seconds from "please stop" to the end by force; a save that is being written is waited for
SAVING = 600.0  # seconds at most for that
LARGEST_LOG = 32 << 20  # bytes; then its older half is dropped
NEVER = "Cancelled before its turn came."
NOW = "now"  # content of the file `cancel`: end by force
MOVED = "Its folder was moved or deleted {when}, so it was ended; resume goes on from the last save."


@dataclass
class _System:
    """Has the system asked this runner to end?"""

    asked: bool = False

    def hear(self, number: int, frame: object) -> None:
        self.asked = True


class _Place:
    """The folder of a job as it was first seen; somebody may move or delete it while the job waits or works."""

    def __init__(self, folder: Path):
        self.folder, self._known = folder, folder.stat()

    @property
    def lost(self) -> bool:
        """Is it somewhere else, or nowhere? A disk that does not answer for a moment is no reason to end."""
        try:
            return not os.path.samestat(self.folder.stat(), self._known)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False

    def tell(self, when: str) -> None:
        """Write the end into the folder wherever it is now: `spawn` made it this process's working folder."""
        with suppress(OSError, MachineError):  # deleted: nobody lists it any more
            if os.path.samestat(os.stat("."), self._known):
                end(Path.cwd(), "failed", None, Failure(MOVED.format(when=when)))


def spawn(folder: Path, lock: IO[bytes]) -> None:
    """Start the runner of a job, detached; `lock` is its folder's runner lock, which goes over to it."""
    command = [sys.executable, "-P", "-m", "siamese.jobs.runner", str(folder)]
    keep: dict[str, object] = {"pass_fds": [lock.fileno()], "start_new_session": True}
    if sys.platform == "win32":
        lock.close()  # it cannot be handed over there; the runner takes it itself
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        keep = {"creationflags": flags}
    else:
        command.append(str(lock.fileno()))
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with (folder / request.LOG).open("ab") as log:
        child = subprocess.Popen(command, cwd=folder, env=_environment(), stderr=log, **quiet, **keep)
    _reap_later(child)


def run(folder: Path, lock: IO[bytes]) -> None:
    """Wait for the turn, work, write down the end. Asked by the system to end, it leaves the job resumable."""
    system = _System()
    signal.signal(signal.SIGTERM, system.hear)
    place, asked = _Place(folder), request.read(folder)
    if asked is None:
        return
    cancel = folder / request.CANCEL
    while place.lost or (turn := lane.turn(folder, asked)) is None or cancel.exists():
        if place.lost:
            place.tell("before its turn came")
            return
        if cancel.exists():
            end(folder, "stopped", None, Failure(NEVER))
            return
        if system.asked:
            return
        time.sleep(LOOK)
    log = (folder / request.LOG).open("ab")
    try:
        _work(place, asked, [lock, turn], log, system)
    finally:
        log.close()
        turn.close()


def end(folder: Path, state: status.State, code: int | None, why: Failure) -> None:
    """Write `ended.json`, whole."""
    number = -code if code is not None and code < 0 else None
    facts = {"state": state, "code": code, "signal": number, "at": time.time()}
    text = json.dumps({**facts, "reason": why.reason, "cure": list(why.cure)}, ensure_ascii=False)
    write_atomically(folder / request.ENDED, text.encode())


def _work(place: _Place, asked: Request, locks: list[IO[bytes]], log: IO[bytes], system: _System) -> None:
    folder = place.folder
    words = asked.argv(folder)
    log.write(f"$ siamese {' '.join(words)}    {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
    log.flush()
    begun = log.tell()
    keep: dict[str, object] = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    if sys.platform != "win32":  # the locks are held until the child ends, even if this runner dies before
        keep = {"pass_fds": [file.fileno() for file in locks], "start_new_session": True}
    try:
        child = subprocess.Popen(
            [*_launcher(asked.processes), *words],
            cwd=asked.cwd if asked.begun_from_is_there else folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **keep,
        )
    except (OSError, ValueError) as error:  # too little memory, too long an argument
        why = getattr(error, "strerror", None) or str(error)
        end(folder, "failed", None, Failure(f"It could not be started ({why}); mend that, then resume."))
        return
    request.write_process(folder, child.pid, os.getpid())
    stop = _Stop(folder, child, gently=asked.processes > 1)
    while True:
        try:
            code = child.wait(LOOK)
            break
        except subprocess.TimeoutExpired:
            begun = _cap(folder / request.LOG, begun)
        if place.lost:
            stop.at_once()  # what it would save, nobody would find
            code = child.wait()
            break
        stop.look(system.asked)
        if stop.by_system and stop.waited > PATIENCE:
            return  # it may still be saving: the machine goes off, or it ends by itself
    if place.lost:
        place.tell("while it worked")
        return
    if stop.by_system:
        end(folder, "interrupted", code, Failure("The computer went off; resume goes on from the last save."))
        return
    state, why = _judge(folder, asked, code, stop, begun)
    end(folder, state, code, why)


class _Stop:
    """The wish to stop: passed on once, and after some patience by force.

    `gently`: the child is torchrun, which would end the others with the first to go; the file `cancel` alone reaches
    all of them at the same step.
    """

    def __init__(self, folder: Path, child: subprocess.Popen[bytes], gently: bool):
        self.folder, self.child, self.gently = folder, child, gently
        self.forced = self.by_system = False
        self._since: float | None = None

    @property
    def asked(self) -> bool:
        return self._since is not None

    @property
    def waited(self) -> float:
        return 0.0 if self._since is None else time.monotonic() - self._since

    def look(self, by_system: bool) -> None:
        """Is it wished now? Tell the child's group, and no other."""
        try:
            word = (self.folder / request.CANCEL).read_text(encoding="utf-8")[: len(NOW)]
        except OSError:
            word = None
        if self._since is None and (word is not None or by_system):
            self._since, self.by_system = time.monotonic(), by_system
            if not self.gently:
                self._tell(signal.SIGTERM)
        patience = SAVING if self._saving() else PATIENCE
        if not self.by_system and not self.forced and (word == NOW or self.waited > patience):
            self.at_once()

    def at_once(self) -> None:
        """End the child by force."""
        self.forced = True
        self._tell(getattr(signal, "SIGKILL", signal.SIGTERM))

    def _saving(self) -> bool:
        return self.asked and any(self.folder.glob("checkpoints/.*.tmp*"))

    def _tell(self, number: int) -> None:
        if sys.platform != "win32":
            os.killpg(self.child.pid, number)  # not waited for yet: the number is still its own
        elif self.forced:
            self.child.kill()


def _judge(folder: Path, asked: Request, code: int, stop: _Stop, begun: int) -> tuple[status.State, Failure]:
    if stop.forced:
        return "stopped", Failure("Ended by force; what came after the last save is lost.")
    if code == 0 and (asked.verb != "train" or status.trained(folder)):
        return "finished", Failure("")
    if stop.asked or code in (0, 130):
        return "stopped", Failure("")
    said = ""
    with suppress(FileNotFoundError), (folder / request.LOG).open("rb") as file:
        file.seek(max(begun, file.seek(0, os.SEEK_END) - 65536))
        said = file.read().decode("utf-8", "replace")
    return "failed", failure.explain(folder, asked, code, said)


def _launcher(count: int) -> list[str]:
    python = [sys.executable, "-P", "-m"]
    if count > 1:
        spread = ["torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
        return [*python, *spread, "-m", "--", "siamese"]  # else it takes our --run for its own --run-path
    return [*python, "siamese"]


def _environment() -> dict[str, str]:
    """Ours, with this source found first and nothing held back on its way to the log."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


def _cap(log: Path, begun: int) -> int:
    """Drop the older half of a log that has become too long; the child goes on appending to the same file.

    Returns:
        Where this session begins in it now.
    """
    if not log.exists() or log.stat().st_size <= LARGEST_LOG:
        return begun
    with log.open("r+b") as file:
        file.seek(-LARGEST_LOG // 2, os.SEEK_END)
        kept = file.read()
        file.seek(0)
        file.truncate()
        file.write(b"... what came before was dropped ...\n" + kept[kept.find(b"\n") + 1 :])
    return 0


def _reap_later(child: subprocess.Popen[bytes]) -> None:
    import threading

    threading.Thread(target=child.wait, name="job runner", daemon=True).start()


def main(arguments: list[str]) -> None:
    """Take over the lock that was handed down, or take it; then run."""
    folder = Path(arguments[0])
    handed = arguments[1:]
    lock = os.fdopen(int(handed[0]), "ab") if handed else lockfile.take(folder, lockfile.RUNNER)
    if lock is None:  # another runner is at work here already
        return
    try:
        run(folder, lock)
    except MachineError as error:  # disk full: the job is found interrupted
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    finally:
        lock.close()


if __name__ == "__main__":
    main(sys.argv[1:])
