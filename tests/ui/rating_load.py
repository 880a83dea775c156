"""Raters who vote over HTTP at once while the server is killed: what got no answer is sent again with the same id."""

from __future__ import annotations

import multiprocessing
import os
import random
import secrets
import signal
import threading
import time
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path

import httpx

from siamese.study.studies import Study
from tests.ui.conftest import answers, free_port

TAKEN_BACK, TWICE = 0.05, 0.05  # shares of votes


def serve(folder: Path, port: int, ready: Connection) -> None:
    """The routes of the pages behind their gate, until killed or until the test is gone."""
    from ui.rating import serving
    from ui.rating.app import build
    from ui.rating.gate import Gate

    threading.Thread(target=lambda: (parent_process().join(), os._exit(0)), daemon=True).start()
    teller = serving.teller_of(Study.open(folder))
    ready.send(port)
    serving.run(Gate(build(teller.rating, teller)), serving.Address(port=port), "")


class Server:
    """One server at one address, started anew after every kill as a supervisor would."""

    def __init__(self, folder: Path):
        self._folder, self._port = folder, free_port()
        self._context = multiprocessing.get_context("forkserver")  # imports once
        self._context.set_forkserver_preload(["ui.rating.serving", "ui.rating.app"])
        self.url = f"http://127.0.0.1:{self._port}/"
        self._start()

    def kill(self) -> None:
        """SIGKILL, whatever it is doing."""
        self._process.kill()
        self._process.join()
        assert self._process.exitcode == -signal.SIGKILL
        self._start()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        here, there = self._context.Pipe()
        self._process = self._context.Process(
            target=serve, args=(self._folder, self._port, there), daemon=True
        )
        self._process.start()
        there.close()
        here.recv()
        while not answers(self.url):
            time.sleep(0.01)


class Voter(threading.Thread):
    """One rater from the sheet to the thanks; some votes are taken back, some sent twice at once.

    `saved`: (place, client id, answer) of every vote that was answered as saved; `undone`: (place, client id).
    """

    def __init__(self, url: str, key: str, number: int, progress: threading.Semaphore):
        super().__init__(daemon=True)
        self._url, self._key, self.number, self._progress = url, key, number, progress
        self._draw = random.Random(number)
        self.saved: list[tuple[int, str, dict]] = []
        self.undone: list[tuple[int, str]] = []
        self.pictures = 0
        self.failed: BaseException | None = None

    def run(self) -> None:
        """Until done; an error is kept for the test."""
        try:
            with httpx.Client(base_url=self._url, timeout=60) as self._client:
                self._go()
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self.failed = error

    def _go(self) -> None:
        screen = {"dark": 4, "light": 5, "red": 3, "px_per_cm": 38.5, "dpr": 1, "zoom": 1}
        screen |= {"screen": [1920, 1080], "window": [1800, 900], "touch": False}
        state = self._post("state")["state"]
        while state["stage"] != "done":
            if state["stage"] == "information":
                state = self._act("consent", role="", years="")["state"]
            elif state["stage"] == "screen":
                state = self._act("screen", **screen)["state"]
            elif state["stage"] == "pause":
                state = self._post("state", resume=True)["state"]
            elif state["stage"] == "finish":
                state = self._act("finish", cues="", seen_before="no", comment="")["state"]
            else:
                state = self._vote(state)

    def _vote(self, state: dict) -> dict:
        place, client_id = state["place"], secrets.token_hex(16)
        if place % 10 == 0:
            self._picture(state["pictures"][0])
        answer = {"real": self._draw.random() < 0.5, "confidence": self._draw.randint(1, 10)}
        body = {"place": place, "answer": answer, "facts": {"ms": 900}, "client_id": client_id}
        twin = None
        if self._draw.random() < TWICE:
            twin = threading.Thread(target=self._post, args=("vote",), kwargs=body)
            twin.start()
        told = self._post("vote", **body)
        if twin is not None:
            twin.join()
        assert told["saved"] == {"place": place, "answer": answer, "stored": False}, told
        self.saved.append((place, client_id, answer))
        self._progress.release()
        if self._draw.random() < TAKEN_BACK:
            undo = secrets.token_hex(16)
            told = self._post("undo", place=place, client_id=undo)
            if "state" in told:
                self.undone.append((place, undo))
            else:
                assert told["kind"] == "late", told  # its server was killed meanwhile
        return self._post("state")["state"]

    def _picture(self, token: str) -> None:
        """A token is lost with its server, and that is all: the page asks again."""
        try:
            answer = self._client.get(f"rate/picture/{token}")
            assert answer.status_code in (200, 404)
            self.pictures += answer.status_code == 200
        except httpx.TransportError:
            pass

    def _act(self, name: str, **body: object) -> dict:
        return self._post(name, client_id=secrets.token_hex(16), **body)

    def _post(self, name: str, **body: object) -> dict:
        """Send until an answer comes that is not "again"."""
        while True:
            try:
                told = self._client.post(f"rate/{name}", json={**body, "key": self._key}).json()
                if told.get("kind") != "again":
                    return told
            except (httpx.TransportError, ValueError):
                pass
            time.sleep(0.02)
