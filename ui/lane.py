"""One lane for heavy work: a thread that runs one generator of events after another, first come first served.

All of it runs on this one thread, so that torch's thread-local settings never leak to a page.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from siamese.events import Preview

log = logging.getLogger(__name__)
HEARTBEAT = 0.25  # seconds between looks at a stop request while nothing happens


@dataclass(frozen=True)
class Waiting:
    """The work has not begun: `ahead` others come first."""

    ahead: int


class Job:
    """One piece of work in the lane. `stop()` from any thread; it ends before its next event."""

    def __init__(self, work: Callable[[], Iterator[Any]], ahead: Callable[[Job], int]):
        self._work = work
        self._ahead = ahead
        self._out: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._ahead_of_time: tuple[str, Any] | None = (
            None  # taken from the queue while looking for newer previews
        )
        self._stop = threading.Event()
        self._begun = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether somebody asked for a stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the work to end within one event."""
        self._stop.set()

    def events(self) -> Iterator[Any]:
        """What the work yields, `Waiting` before it begins; leaving the loop early stops the work.

        A preview that a newer one has overtaken is left out, so that a slow page never lags behind the work.

        Raises:
            whatever the work raised.
        """
        try:
            while True:
                try:
                    what, value = self._next()
                except queue.Empty:
                    if self._stop.is_set() and not self._begun.is_set():
                        return
                    if not self._begun.is_set():
                        yield Waiting(self._ahead(self))
                    continue
                if what == "event":
                    yield value
                elif what == "error":
                    raise value
                else:
                    return
        finally:
            self._stop.set()

    def _next(self) -> tuple[str, Any]:
        item = self._ahead_of_time or self._out.get(timeout=HEARTBEAT)
        self._ahead_of_time = None
        while isinstance(item[1], Preview):
            try:
                following = self._out.get_nowait()
            except queue.Empty:
                break
            if not isinstance(following[1], Preview):
                self._ahead_of_time = following
                break
            item = following
        return item

    def run(self) -> None:
        """Called by the lane."""
        self._begun.set()
        work = None
        try:
            if not self._stop.is_set():
                work = self._work()
                for event in work:
                    if self._stop.is_set():
                        break
                    self._out.put(("event", event))
        except Exception as error:  # noqa: BLE001 - handed to the page that asked, which translates it
            self._out.put(("error", error))
        finally:
            if work is not None and hasattr(work, "close"):
                work.close()
            self._out.put(("end", None))


class Lane:
    """Runs jobs one at a time on its own daemon thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: list[Job] = []  # the running one first
        self._wake: queue.SimpleQueue[Job] = queue.SimpleQueue()
        threading.Thread(target=self._drive, name="lane", daemon=True).start()

    def submit(self, work: Callable[[], Iterator[Any]]) -> Job:
        """Queue `work`, a function that makes the generator; it is called on the lane's thread."""
        job = Job(work, self._ahead)
        with self._lock:
            self._jobs.append(job)
        self._wake.put(job)
        return job

    @property
    def busy(self) -> int:
        """Jobs running or waiting."""
        with self._lock:
            return len(self._jobs)

    def _ahead(self, job: Job) -> int:
        with self._lock:
            waiting = [j for j in self._jobs if j is job or not j.stopped]
            return waiting.index(job) if job in waiting else 0

    def _drive(self) -> None:
        while True:
            job = self._wake.get()
            try:
                job.run()
            except Exception:
                log.exception("closing stopped work failed")
            finally:
                with self._lock:
                    self._jobs.remove(job)
