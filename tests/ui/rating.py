"""The rating pages as a process of its own, and a rater in a real browser: what their tests begin with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
from playwright.sync_api import Browser, BrowserContext, Page

from siamese.store import records
from siamese.store.engine import reading
from siamese.study.studies import Study
from tests.study.rooms import Room
from tests.ui.conftest import HOUSE, PATIENCE, free_port

STILL = 320  # ms after pictures appear in which a press is no answer
CARD_STEPS = 8  # presses of → at the card


class Pages:
    """`python -m ui.rating` for a study."""

    def __init__(self, study: Study, *arguments: str, program: str = "ui.rating", scheme: str = "http"):
        self.study, self.program, self.arguments = study, program, arguments
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}/"
        self.log = study.folder.parent / f"{study.name}-{self.port}.log"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Pages:
        """Start and wait for the line that says where it is."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    self.program,
                    "--study",
                    str(self.study.folder),
                    "--port",
                    str(self.port),
                ]
                + list(self.arguments),
                cwd=HOUSE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self.process.stdout.readline()
        assert "are at" in line, f"{line!r}\n{self.log.read_text()}"
        return self

    def stop(self) -> None:
        """Kill it, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process.stdout.close()
            self.process = None

    def post(self, name: str, **body: object) -> httpx.Response:
        """One request, without a browser."""
        return httpx.post(f"{self.url}rate/{name}", json=body, timeout=30, verify=False)


class Rater:
    """Somebody with a personal link and a browser."""

    def __init__(self, pages: Pages, number: int, context: BrowserContext):
        self.pages, self.number, self.context = pages, number, context
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    @property
    def key(self) -> str:
        """The secret of the link."""
        study = self.pages.study
        assert isinstance(study, Room)
        return study.keys[self.number]

    def open(self, stage: str | None = None) -> Rater:
        """Open the link; wait for a page, or for the stage that is expected."""
        address = f"{self.pages.url}#{self.key}"
        if self.page.url == address:
            self.page.reload()
        else:
            self.page.goto(address)
        return self.wait(stage or "")

    def wait(self, stage: str = "", place: int | None = None) -> Rater:
        """Wait until a page is whole: its pictures drawn, everything saved."""
        at = f"[data-stage='{stage}']" if stage else ":not([data-stage='opening'])"
        at += f"[data-place='{place}']" if place is not None else ""
        self.page.wait_for_selector(f".rt{at}[data-ready='true']:not([data-saved='no'])")
        return self

    @property
    def stage(self) -> str:
        """Which page is shown."""
        return self.page.locator(".rt").get_attribute("data-stage")

    @property
    def place(self) -> int:
        """Which presentation is shown."""
        return int(self.page.locator(".rt").get_attribute("data-place"))

    @property
    def said(self) -> str:
        """What the page says of saving."""
        return self.page.locator(".rt-status").inner_text()

    def consent(self) -> Rater:
        """Role, years, consent."""
        self.page.get_by_label("Consultant").check()
        self.page.get_by_label("10 to 19").check()
        self.page.click("#rt-consent")
        return self.wait("screen")

    def check_screen(self, counts: Sequence[int] = (4, 5, 3), steps: int = CARD_STEPS) -> Rater:
        """Three counts and the card, by keys."""
        for field, count in zip(("dark", "light", "red"), counts, strict=True):
            self.page.wait_for_selector(f"[data-step={field}]")
            self.page.wait_for_timeout(270)  # a quicker press is taken for a double one
            self.page.keyboard.press(str(count))
        self.page.wait_for_selector("[data-step=card]")
        for _ in range(steps):
            self.page.keyboard.press("ArrowRight")
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(".rt:not([data-stage=screen])[data-ready='true']")
        return self

    def begin(self) -> Rater:
        """As far as the first presentation."""
        return self.open("information").consent().check_screen()

    def press(self, *keys: str) -> None:
        """Answer with keys once the pictures have been there for a moment, without waiting for what follows."""
        self.page.wait_for_timeout(STILL)
        for key in keys:
            self.page.keyboard.press(key)

    def answer(self, *keys: str) -> Rater:
        """Answer with keys and wait for the next page."""
        before = self.place
        self.press(*keys)
        self.page.wait_for_selector(f".rt:not([data-place='{before}'])[data-ready='true'][data-saved='yes']")
        return self

    def sent(self, kind: records.Kind = "vote") -> list[records.Record]:
        """What the study holds of this rater."""
        return recorded(self.pages.study, self.number, kind)

    def answers(self) -> list[tuple[int, int, dict]]:
        """(place, revision, answer) of every vote."""
        return [(vote.place, vote.revision, vote.content["answer"]) for vote in self.sent()]


def recorded(study: Study, rater: int, kind: records.Kind = "vote") -> list[records.Record]:
    """Records of a rater, read from the database itself."""
    with reading(study.votes) as connection:
        return records.records(connection, study.id, rater, (kind,))


def whole(study: Study) -> None:
    """The chain of a study verifies."""
    with reading(study.votes) as connection:
        assert records.verify(connection, study.id).broken == ""


def wide(browser: Browser, **options: object) -> BrowserContext:
    """A browser that has never been here."""
    options.setdefault("viewport", {"width": 1440, "height": 900})
    return browser.new_context(**options)


def phone(browser: Browser, dpr: float) -> BrowserContext:
    """The same in somebody's hand."""
    return wide(
        browser,
        viewport={"width": 390, "height": 844},
        device_scale_factor=dpr,
        has_touch=True,
        is_mobile=True,
    )


def write_result(study: Study, rater: int, sentence: str, lines: list[str]) -> Path:
    """What the report writes after unblinding."""
    folder = study.folder / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{rater}.json"
    path.write_text(json.dumps({"sentence": sentence, "lines": lines}), "utf-8")
    return path
