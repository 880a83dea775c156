"""Raters who vote at once over sockets, as pages do: what got no answer is sent again with the same id."""

from __future__ import annotations

import json
import multiprocessing
import random
import secrets
import signal
import socket
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.store.votes_server import serve

PATIENCE = 180.0  # seconds
DOUBLE, SECOND_TAB, UNDO = (
    0.1,
    0.1,
    0.1,
)  # shares of votes that are clicked twice, also sent by another tab, taken back


class Servers:
    """Processes that take votes of one study; one or all of them are killed, others come in their place."""

    def __init__(self, folder: Path, count: int):
        self._folder = folder
        self._context = multiprocessing.get_context(
            "forkserver"
        )  # imports once: 200 kills would cost two minutes
        self._context.set_forkserver_preload(["tests.store.votes_server"])
        self._running = [self._start() for _ in range(count)]

    def address(self, draw: random.Random) -> tuple[str, int]:
        return "127.0.0.1", draw.choice(self._running)[1]

    def kill(self, draw: random.Random) -> None:
        """SIGKILL at one, sometimes at all; the raters meet closed doors meanwhile."""
        victims = list(self._running) if draw.random() < 0.3 else [draw.choice(self._running)]
        for process, _ in victims:
            process.kill()
        for victim in victims:
            victim[0].join()
            assert victim[0].exitcode == -signal.SIGKILL
            self._running[self._running.index(victim)] = self._start()

    def close(self) -> None:
        for process, _ in self._running:
            process.kill()
            process.join()

    def _start(self) -> tuple[BaseProcess, int]:
        here, there = self._context.Pipe()
        process = self._context.Process(target=serve, args=(self._folder, there), daemon=True)
        process.start()
        there.close()
        return process, here.recv()


class Rater(threading.Thread):
    """One rater from the information sheet to the last page, with double clicks, second tabs and undos by seed.

    `saved`: (place, client id, answer, revision) of every vote that was answered as saved; `undone`: of every undo.
    """

    def __init__(self, servers: Servers, number: int, progress: threading.Semaphore):
        super().__init__(daemon=True)
        self._servers, self.number, self._progress = servers, number, progress
        self._draw = random.Random(number)
        self.saved: list[tuple[int, str, dict, int]] = []
        self.undone: list[tuple[int, str]] = []
        self.failed: BaseException | None = None

    def run(self) -> None:
        try:
            while self._step(self._ask(verb="where")):
                pass
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self.failed = error

    def _step(self, where: dict) -> bool:
        stage, place = where["stage"], where["place"]
        if stage == "done":
            return False
        if stage == "pause":
            self._ask(verb="resume")
        elif stage in ("information", "screen", "finish"):
            verb = {"information": "consent"}.get(stage, stage)
            assert "seq" in self._ask(verb=verb, client=secrets.token_hex(8))
        else:
            self._vote(place)
        return True

    def _vote(self, place: int) -> None:
        clicks = [self._click(place)]
        if self._draw.random() < DOUBLE:
            clicks.append(clicks[0])
        if self._draw.random() < SECOND_TAB:
            clicks.append(self._click(place))
        threads = [threading.Thread(target=self._save, args=(click,)) for click in clicks[1:]]
        for thread in threads:
            thread.start()
        self._save(clicks[0])
        for thread in threads:
            thread.join()
        self._progress.release()
        if self._draw.random() < UNDO:
            client = secrets.token_hex(8)
            answer = self._ask(verb="undo", place=place, client=client)
            if "refused" not in answer:
                self.undone.append((place, client))
            else:
                assert answer["refused"] == "TooLate", answer  # its server was killed meanwhile

    def _click(self, place: int) -> dict:
        answer = {"real": self._draw.random() < 0.5, "confidence": self._draw.randint(1, 10)}
        return {"verb": "save", "place": place, "answer": answer, "client": secrets.token_hex(8)}

    def _save(self, click: dict) -> None:
        answer = self._ask(**click)
        assert "refused" not in answer, answer
        client = "" if answer["stored"] else click["client"]
        assert answer["stored"] or answer["answer"] == click["answer"]
        self.saved.append((answer["place"], client, answer["answer"], answer["revision"]))

    def _ask(self, **asked: object) -> dict:
        """Send until an answer comes; three minutes of closed doors are a failure."""
        line, begun = json.dumps({"rater": self.number, **asked}).encode() + b"\n", time.monotonic()
        while time.monotonic() - begun < PATIENCE:
            try:
                with socket.create_connection(self._servers.address(self._draw), timeout=60) as door:
                    door.sendall(line)
                    if answer := door.makefile("rb").readline():
                        found = json.loads(answer)
                        if found.get("refused") != "Unreachable":
                            return found
            except ConnectionError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"no answer to {asked}")
