"""Several processes at one set: who computes which units, who may be at work, and children that end with their parent.

Unit k belongs to shard k mod n, so nobody needs to ask anybody. Locks are the system's: a killed process holds none.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import torch

from siamese import lockfile
from siamese.diffusion.device import choose_device
from siamese.errors import AugmentError, writing

ROOT = Path(__file__).resolve().parents[2]
WHOLE_LOCK = ".whole.lock"
ENDING = 5.0  # seconds in which a process that is about to end may still hold its lock
LOOK = 0.2  # seconds between looks at the workers
SAVING = 600.0  # seconds for the unit at hand after the wish to stop
MOST = 8  # processes that begin without being asked for; each needs about 0.7 GB
WORTH = 40  # pictures that make up for the start of a process
STOPPED = 130  # exit code of a process that stopped as asked


@dataclass(frozen=True)
class Shard:
    """Share `index` (from 1) of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def read(cls, text: str) -> Shard:
        """From "2/4".

        Raises:
            AugmentError: something else.
        """
        match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise AugmentError(f"--shard {text[:20]!r} is no share; write 2/4 for the second of four.")
        return cls(int(match[1]), int(match[2]))


WHOLE = Shard(1, 1)


@contextmanager
def at_work(root: Path, shard: Shard, minded: bool) -> Iterator[None]:
    """Hold a set, or a shard of it, against other processes.

    Args:
        minded: the set itself is held by the process that began this one.

    Raises:
        AugmentError: somebody else is at work here.
    """
    name = WHOLE_LOCK if shard == WHOLE else f".shard-{shard.index}-of-{shard.count}.lock"
    with writing(root):
        lock = _take(root, name)
    with lock:
        others = [
            p.name for p in root.glob(".shard-*-of-*.lock") if not p.name.endswith(f"-of-{shard.count}.lock")
        ]
        if shard != WHOLE and not minded:
            others.append(WHOLE_LOCK)
        _await_end(root, others)
        yield


def _take(root: Path, name: str) -> IO[bytes]:
    deadline = time.monotonic() + ENDING
    while (lock := lockfile.take(root, name)) is None:
        if time.monotonic() > deadline:
            raise _busy(root)
    return lock


def _await_end(root: Path, names: Sequence[str]) -> None:
    deadline = time.monotonic() + ENDING
    while names and lockfile.held(root, *names):
        if time.monotonic() > deadline:
            raise _busy(root)
        time.sleep(LOOK / 4)


def _busy(root: Path) -> AugmentError:
    return AugmentError(
        f"Another process is at work on {root}; wait for it, or stop it. Several share a set with --processes, or with "
        "--shard 1/2 and --shard 2/2."
    )


class Worker(Protocol):
    """A process that computes a shard, here or elsewhere."""

    def ended(self) -> int | None:
        """Its exit code; None while it works."""

    def stop(self) -> None:
        """Ask it to stop after the unit at hand."""

    def said(self) -> str:
        """The last thing it said, for an error."""


class Child:
    """A worker on this computer. It ends when this process does: it notices that its standard input was closed."""

    def __init__(self, words: Sequence[str], log: Path, environment: dict[str, str]):
        self._log = log
        with writing(log), log.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "siamese", *words],
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                env=environment,
            )

    def ended(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()

    def said(self) -> str:
        lines = self._log.read_text("utf-8", "replace").strip().splitlines() if self._log.is_file() else []
        if self._process.returncode == 2 and lines:
            return lines[-1]
        why = f"ended by signal {-self._process.returncode}" if self._process.returncode < 0 else "failed"
        return (
            f"A process of this set {why}; it may have been short of memory (--processes 1 needs the least). What is "
            f"finished is kept, and the same command goes on. It said: {lines[-1] if lines else 'nothing'}"
        )


def fitting(pictures: int, device: str, threaded: bool) -> int:
    """How many processes make `pictures` soonest here: one a GPU, or one a core where a model computes in one thread.

    Args:
        threaded: the models compute in all threads of a process.
    """
    if choose_device(device).type == "cuda":
        best = torch.cuda.device_count() if device == "auto" else 1
    else:
        best = 1 if threaded else min(MOST, torch.get_num_threads())
    return max(1, min(best, pictures // WORTH))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute on the processor in `count` threads, 0: as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def words_of(root: Path, shard: Shard, device: str, workspace: Path | None) -> list[str]:
    """The command that computes a shard of a set that is begun."""
    words = ["synthesize", str(root.absolute()), "--shard", str(shard), "--device", device]
    return words + (["--workspace", str(workspace)] if workspace else [])


def children(root: Path, count: int, device: str, workspace: Path | None) -> list[Child]:
    """Start `count` processes that share the units of a set that is begun; the cores, and the GPUs, are shared too."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    each = str(max(1, torch.get_num_threads() // count))
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": each,
        "NO_COLOR": "1",
    }
    gpus = torch.cuda.device_count() if device == "auto" and torch.cuda.is_available() else 0
    found = []
    for k in range(1, count + 1):
        where = f"cuda:{(k - 1) % gpus}" if gpus else device
        words = words_of(root, Shard(k, count), where, workspace)
        found.append(Child([*words, "--minded", "here"], root / f".shard-{k}-of-{count}.log", environment))
    return found


def watched(workers: Sequence[Worker]) -> Iterator[None]:
    """Now and then, until all workers have ended; when this is closed before, they are asked to stop and waited for.

    Raises:
        AugmentError: one ended with an error; the others were stopped.
    """
    try:
        while True:
            codes = [worker.ended() for worker in workers]
            yield
            for worker, code in zip(workers, codes, strict=True):
                if code not in (None, 0, STOPPED):
                    raise AugmentError(worker.said())
            if None not in codes:
                return
            time.sleep(LOOK)
    finally:
        for worker in workers:
            worker.stop()
        deadline = time.monotonic() + SAVING
        while time.monotonic() < deadline and any(worker.ended() is None for worker in workers):
            time.sleep(LOOK)
