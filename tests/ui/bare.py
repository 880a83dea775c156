"""The canvas on a bare page: no Gradio, no server."""

from __future__ import annotations

import numpy as np
from playwright.sync_api import Browser, Page

from siamese.masks.mask import Mask
from tests.ui.conftest import HOUSE, SIZE
from ui.mask_canvas import SCRIPTS, mask_of, runs

STATIC = HOUSE / "ui" / "static"
PARTS = [(STATIC / name).read_text("utf-8") for name in SCRIPTS[: SCRIPTS.index("mount.js") + 1]]
CSS = "".join((STATIC / name).read_text("utf-8") for name in ("studio.css", "canvas.css"))
BODY = (
    f"<style>{CSS}</style><div style='width:500px;margin:7px 0 0 13px'><div class='mc'></div></div>"
    "<input id='elsewhere'>"
)
ADDRESS = "http://bare.test/"  # a page of its own, so that it has a localStorage; nothing is fetched


def bare(browser: Browser, **options: object) -> Page:
    """A page with an empty canvas of 384×384 in `window.canvas`."""
    options.setdefault("viewport", {"width": 900, "height": 900})
    page = browser.new_context(**options).new_page()
    page.route(ADDRESS, lambda route: route.fulfill(body=BODY, content_type="text/html"))
    page.goto(ADDRESS)
    for script in PARTS:
        page.evaluate(script)
    page.evaluate(
        "window.canvas = SiameseMask.mount(document.querySelector('.mc'),"
        f" {{size: {SIZE}, examples: [{{name: 'all', runs: [0, {SIZE * SIZE}]}}], server: null}})"
    )
    return page


def labels(page: Page) -> np.ndarray:
    """The stored mask, (H,W) uint8."""
    return seen(page, "canvas.engine.raster")


def seen(page: Page, what: str = "canvas.engine.visible") -> np.ndarray:
    """What is on the screen, an open morph included, (H,W) uint8."""
    found = page.evaluate(
        f"[canvas.engine.width, canvas.engine.height, Array.from(SiameseMask.runsOf({what}))]"
    )
    return mask_of(found[2], found[0], found[1]).labels


def put(page: Page, array: np.ndarray) -> None:
    """Replace the mask by (H,W) numbers, as one edit."""
    mask = Mask.from_array(np.asarray(array, bool))
    high, wide = mask.labels.shape
    page.evaluate("([runs, w, h]) => SiameseMask.load(runs, w, h, 'put')", [runs(mask), wide, high])


def facts(page: Page) -> tuple[int, str, int]:
    """Area on the screen, hash of the stored mask, depth of the undo history."""
    return tuple(page.evaluate("[__mask.area(), __mask.hash(), __mask.undoDepth()]"))


def state(page: Page, name: str) -> object:
    """One fact of the canvas: tool, morph, width, height, zoom, scale, size."""
    return page.evaluate("(name) => __mask.state()[name]", name)


def spot(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a place in mask pixels is on the page."""
    box = page.locator(".mc-canvas").bounding_box()
    frame = page.evaluate("__mask.frame()")
    ratio = frame["ratio"]
    return (
        box["x"] + (x * frame["scale"] + frame["left"]) / ratio,
        box["y"] + (y * frame["scale"] + frame["top"]) / ratio,
    )


def drag(page: Page, *places: tuple[float, float], steps: int = 5, button: str = "left") -> None:
    """Press at the first place, go through the others, let go at the last; mask pixels."""
    page.mouse.move(*spot(page, *places[0]))
    page.mouse.down(button=button)
    for place in places[1:]:
        page.mouse.move(*spot(page, *place), steps=steps)
    page.mouse.up(button=button)


def click(page: Page, x: float, y: float) -> None:
    """Click at a place in mask pixels."""
    page.mouse.click(*spot(page, x, y))


def disc(x: float, y: float, radius: float, width: int = SIZE, height: int = SIZE) -> np.ndarray:
    """(height,width) bool: the pixels whose centres lie within `radius` of (x, y)."""
    ys, xs = np.mgrid[:height, :width] + 0.5
    return np.hypot(xs - x, ys - y) <= radius


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union; 1 for two empty masks."""
    a, b = a > 0, b > 0
    return float((a & b).sum() / max(1, (a | b).sum())) if (a | b).any() else 1.0
