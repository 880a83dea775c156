"""Work of a page that takes longer than one answer: in a thread of its own, asked after until it is done."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from siamese.errors import SiameseError
from siamese.events import Notice, Progress
from ui.identity import Identity
from ui.services import sentence

KEPT = 3600  # seconds an outcome waits for its page
MOST = 8  # of one person at the same time


class Stopped(SiameseError):
    """The person asked for it."""


class Task:
    """One piece of work of one person."""

    def __init__(self, owner: str):
        self.owner = owner
        self.text, self.step, self.total = "", 0, 0
        self.outcome: dict[str, Any] | None = None
        self.ended = 0.0
        self.stop = threading.Event()

    def follow(self, events: Iterator[Any]) -> list[Any]:
        """Run a generator of events to its end, its progress told to the page; the other events are returned.

        Raises:
            Stopped: asked for meanwhile; the generator is closed.
        """
        kept = []
        with closing(events) as found:  # type: ignore[type-var]
            for event in found:
                if self.stop.is_set():
                    raise Stopped("Stopped as asked; nothing was written.")
                if isinstance(event, Progress):
                    self.text, self.step, self.total = event.stage, event.step, event.total
                elif isinstance(event, Notice):
                    self.text = event.text
                else:
                    kept.append(event)
        return kept


class Tasks:
    """Everybody's work, and the server functions `task` and `cancel`; who asks is read from the signed token."""

    def __init__(self, identity: Identity):
        self._identity = identity
        self._lock = threading.Lock()
        self._tasks: dict[str, Task] = {}

    def begin(self, owner: str, work: Callable[[Task], dict[str, Any]]) -> dict[str, Any]:
        """Start `work`, whose answer becomes the result: {ok, task}.

        Raises:
            SiameseError: this person has too much going on already.
        """
        task = Task(owner)
        with self._lock:
            now = time.monotonic()
            self._tasks = {k: t for k, t in self._tasks.items() if not t.ended or now - t.ended < KEPT}
            if sum(t.owner == owner and not t.ended for t in self._tasks.values()) >= MOST:
                raise SiameseError("Too much is going on for you already; wait until some of it is done.")
            name = secrets.token_urlsafe(12)
            self._tasks[name] = task
        threading.Thread(target=self._run, args=(task, work), name="page-task", daemon=True).start()
        return {"ok": True, "task": name}

    def task(self, payload: dict) -> dict:
        """How {task} stands: {ok, done, text, step, total, result}; {ok: false, error} once it failed."""
        task = self._find(payload)
        if task.outcome is None:
            return {"ok": True, "done": False, "text": task.text, "step": task.step, "total": task.total}
        return task.outcome

    def cancel(self, payload: dict) -> dict:
        """Stop {task} soon."""
        self._find(payload).stop.set()
        return {"ok": True}

    def _find(self, payload: dict) -> Task:
        owner = self._identity.owner(payload.get("token"))
        with self._lock:
            task = self._tasks.get(str(payload.get("task")))
        if task is None or task.owner != owner:
            raise SiameseError("The server was started anew meanwhile; begin again.")
        return task

    def _run(self, task: Task, work: Callable[[Task], dict[str, Any]]) -> None:
        try:
            task.outcome = {"ok": True, "done": True, "result": work(task)}
        except Exception as error:  # noqa: BLE001 - sentence() logs what nobody foresaw; the page goes on
            task.outcome = {"ok": False, "error": sentence(error), "stopped": isinstance(error, Stopped)}
        finally:
            task.ended = time.monotonic()
