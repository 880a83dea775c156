"""A real browser and a real server: nothing of the page is imitated."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

from siamese.masks.mask import Mask
from siamese.workspace import Workspace
from ui import headless

HOUSE = Path(__file__).parents[2]
PATIENCE = 120_000  # ms for anything the page has to do; a first picture outlasted 60 s beside two busy workers
SIZE = 384
NAMED = (  # before any page: the name that is asked for at first start
    "try { if (!localStorage['siamese-name']) localStorage['siamese-name'] = 'default'; } catch { /* no page yet */ }"
)


def free_port() -> int:
    """A port nobody listens at."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


class Server:
    """The app as a process of its own."""

    def __init__(self, workspace: Path, *arguments: str):
        self.workspace = workspace
        self.arguments = arguments
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = workspace.parent / f"{workspace.name}-{self.port}.log"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Server:
        """Start and wait for the line that says where it is."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(HOUSE / "app.py"), "--port", str(self.port), "--no-browser"]
                + ["--workspace", str(self.workspace), *self.arguments],
                cwd=self.workspace.parent,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self.process.stdout.readline()
        assert self.url in line, f"{line!r}\n{self.log.read_text()}"
        return self

    def stop(self) -> None:
        """Kill it, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process.stdout.close()
            self.process = None


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Headless Chromium: the one named by CHROMIUM, one on the path, else Playwright's own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=headless.found(), args=headless.FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def kept(chromium: Browser) -> Iterator[tuple[BrowserContext, CDPSession]]:
    """A browser that keeps the page's files from test to test, which halves the work of opening the page."""
    made = chromium.new_context(viewport={"width": 1440, "height": 900})
    made.set_default_timeout(PATIENCE)
    made.add_init_script(NAMED)
    yield made, made.new_cdp_session(made.new_page())
    made.close()


@pytest.fixture
def context(kept: tuple[BrowserContext, CDPSession]) -> Iterator[BrowserContext]:
    """A browser that knows nothing of anybody; scripts that a test adds go to its pages, they cannot be taken back."""
    made, session = kept
    pages: list[Page] = []

    def note(page: Page) -> None:
        pages.append(page)

    made.on("page", note)
    yield made
    made.remove_listener("page", note)
    for page in pages:
        page.close()
    made.unroute_all()
    made.clear_permissions()
    made.clear_cookies()
    for origin in {"/".join(page.url.split("/")[:3]) for page in pages if page.url.startswith("http")}:
        session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that neither stop it nor sample; its checkpoint does not exist."""
    server = Server(tmp_path_factory.mktemp("shared") / "workspace", "--checkpoint", "no-such-model").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server to stop and start; each test leaves it running."""
    server = Server(tmp_path_factory.mktemp("own") / "workspace", "--checkpoint", "no-such-model").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def server(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that samples, with a model of the smallest size."""
    server = Server(
        tmp_path_factory.mktemp("sampling") / "workspace", "--checkpoint", str(tiny_checkpoint)
    ).start()
    yield server
    server.stop()


@pytest.fixture
def page(context: BrowserContext, shared_server: Server) -> Page:
    """The page on the shared server, with an empty drawing and nothing to undo."""
    workspace = Workspace(shared_server.workspace)
    _, revision = workspace.load_draft("default") or (b"", 0)
    workspace.save_draft("default", Mask.from_array(np.zeros((SIZE, SIZE), bool)).png(), revision + 1)
    page = opened(context, shared_server)
    assert page.evaluate("[__mask.area(), __mask.undoDepth()]") == [0, 0]
    return page


def opened(context: BrowserContext, server: Server, script: str = "") -> Page:
    """A tab at the server's page, its drawing loaded; `script` runs before everything of the page."""
    page = context.new_page()
    if script:
        page.add_init_script(script)
    page.goto(server.url)
    ready(page)
    return page


def ready(page: Page) -> None:
    """Wait until the drawing is there."""
    page.wait_for_function("window.__mask && __mask.saved()", timeout=PATIENCE)


def saved(page: Page) -> None:
    """Wait until the server holds what is on the screen."""
    page.wait_for_function("window.__mask && __mask.saved()", timeout=PATIENCE)


def stroke(page: Page, *points: tuple[float, float], button: str = "left") -> None:
    """Draw through points given as parts of the canvas (0..1; beyond means outside)."""
    box = page.locator(".mc-canvas").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down(button=button)
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up(button=button)


def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for something outside the browser."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def answers(url: str) -> bool:
    """Whether a server answers at `url`, whatever it says."""
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
