"""A whole session of the audit in a real browser: everything received is kept, nothing is judged here."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from siamese.errors import SiameseError
from siamese.study.shown import Shown
from ui import headless

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response

PATIENCE = 60_000  # ms for anything the page has to do
STILL = 320  # ms after the pictures appear in which nothing is an answer
READY = "[data-ready='true']:not([data-saved='no'])"
STORED = """async () => JSON.stringify({
  local: {...localStorage}, session: {...sessionStorage}, cookie: document.cookie, title: document.title,
  databases: indexedDB.databases ? (await indexedDB.databases()).map((one) => one.name) : [],
  caches: window.caches ? await caches.keys() : [],
  workers: navigator.serviceWorker ? (await navigator.serviceWorker.getRegistrations()).length : 0,
})"""
SIZES = """() => [...document.querySelectorAll(".rt-wall canvas")]
  .map((c) => [c.width, c.height, c.style.width, c.style.height])"""
LOADED = """() => performance.getEntriesByType("resource").filter((one) => one.name.includes("/rate/picture/"))
  .map((one) => [one.encodedBodySize, one.decodedBodySize, one.serverTiming ? one.serverTiming.length : 0])"""


@dataclass(frozen=True)
class Received:
    """One response: headers in their order, and bytes with headers as they came over the wire."""

    path: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    asked: str = ""


@dataclass
class Seen:
    """All that a browser received in one session.

    Args:
        pictures: deliveries of pictures.
        answers: JSON of the routes under /rate/.
        files: everything else.
        doms: (stage, question, HTML of the page) at each presentation, before it is answered.
        sizes: of the canvases at each presentation.
        loaded: (encoded, decoded, timings) of each picture as the browser's own clock tells it.
        kept: storage of the browser after each presentation, JSON.
        elsewhere: requests to other machines, web sockets, event streams, failed requests.
        said: console.
        presentations: how many were answered.
    """

    pictures: list[Received] = field(default_factory=list)
    answers: list[Received] = field(default_factory=list)
    files: list[Received] = field(default_factory=list)
    doms: list[tuple[str, str, str]] = field(default_factory=list)
    sizes: list[list] = field(default_factory=list)
    loaded: list[list[int]] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    presentations: int = 0


def session(url: str, key: str, shown: Shown) -> Seen:
    """Take the whole way of one rater, from the sheet to the thanks.

    Args:
        url: of the pages.
        key: secret of the link.
        shown: the study.

    Raises:
        SiameseError: no Playwright, or no Chromium.
    """
    seen = Seen()
    with _browser() as browser:
        page = browser.new_context(viewport={"width": 1600, "height": 1000}).new_page()
        page.set_default_timeout(PATIENCE)
        responses: list[Response] = []
        page.on("response", lambda response: responses.append(response))
        page.on("websocket", lambda socket: seen.elsewhere.append(f"web socket {socket.url}"))
        page.on("requestfailed", lambda request: seen.elsewhere.append(f"failed: {request.url}"))
        page.on("console", lambda message: seen.said.append(message.text))
        page.on("pageerror", lambda error: seen.said.append(str(error)))
        page.goto(f"{url}#{key}")
        rng = random.Random(0)
        while _step(page, shown, rng, seen):
            seen.kept.append(json.loads(page.evaluate(STORED)))
            _sort(responses, url, seen)
        seen.loaded = page.evaluate(LOADED)
        seen.kept.append(json.loads(page.evaluate(STORED)))
        _sort(responses, url, seen)
    return seen


@contextmanager
def _browser() -> Iterator[Browser]:
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError as error:
        raise SiameseError(
            "The blinding audit drives a real browser and needs Playwright: pip install -r requirements-test.txt, then "
            "python -m playwright install chromium."
        ) from error
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=headless.found(), args=headless.FLAGS)
        except Error as error:
            raise SiameseError(
                "The blinding audit found no Chromium: python -m playwright install chromium, or name one in CHROMIUM."
            ) from error
        try:
            yield browser
        finally:
            browser.close()


def _step(page: Page, shown: Shown, rng: random.Random, seen: Seen) -> bool:
    """One page further; False after the last."""
    page.wait_for_selector(f".rt:not([data-stage='opening']){READY}")
    stage = page.locator(".rt").get_attribute("data-stage")
    if stage in ("practice", "item"):
        place = page.locator(".rt").get_attribute("data-place")
        question = page.locator(".rt-panel .rt-question").inner_text()
        seen.doms.append((stage, question, page.locator(".rt").evaluate("(e) => e.outerHTML")))
        seen.sizes.append(page.evaluate(SIZES))
        page.wait_for_timeout(STILL)
        for press in _answer(shown, rng):
            page.keyboard.press(press)
        page.wait_for_selector(f".rt:not([data-place='{place}']){READY}")
        seen.presentations += 1
        if seen.presentations == 2:  # an answer taken back belongs to a session
            page.keyboard.press("z")
            page.wait_for_selector(f".rt[data-place='{place}']{READY}")
    elif stage == "information":
        for field_set in page.locator("fieldset").all():
            field_set.locator("input").first.check()
        page.click("#rt-consent")
        page.wait_for_selector(f".rt[data-stage='screen']{READY}")
    elif stage == "screen":
        for name in ("dark", "light", "red"):
            page.wait_for_selector(f"[data-step={name}]")
            page.wait_for_timeout(STILL)
            page.keyboard.press("4")
        page.click("#rt-fits")
        page.wait_for_selector(f".rt:not([data-stage='screen']){READY}")
    elif stage == "pause":
        page.click("#rt-on")
        page.wait_for_selector(f".rt[data-stage='item']{READY}")
    elif stage == "finish":
        page.locator("fieldset input").first.check()
        page.click("#rt-send")
        page.wait_for_selector(f".rt[data-stage='done']{READY}")
    else:
        return False
    return True


def _answer(shown: Shown, rng: random.Random) -> list[str]:
    if shown.protocol == "P1":
        return [rng.choice("rs"), str(rng.randrange(10))]
    if shown.protocol == "P2":
        return [str(one) for one in rng.sample(range(1, shown.together + 1), shown.together)]
    return [str(rng.randrange(1, 6 if shown.protocol == "P3" else 3))]


def _sort(responses: list[Response], url: str, seen: Seen) -> None:
    """Keep what has arrived; requests that leave this server are kept as such."""
    arrived, responses[:] = responses[:], []
    for response in arrived:
        if not response.url.startswith(url):
            if not response.url.startswith(("blob:", "data:")):
                seen.elsewhere.append(response.url)
            continue
        path = "/" + response.url[len(url) :].split("#")[0]
        headers = tuple((one["name"], one["value"]) for one in response.headers_array())
        body = b"" if response.status in (204, 304, 307) else response.body()
        received = Received(path, response.status, headers, body, response.request.post_data or "")
        if path.startswith("/rate/picture/"):
            seen.pictures.append(received)
        elif urlsplit(path).path.startswith("/rate/"):
            seen.answers.append(received)
        else:
            seen.files.append(received)
