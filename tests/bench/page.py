"""Figures of the page in headless Chromium: its start, strokes, frames while drawing and morphing, live pictures."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.ui.bare import drag, spot
from tests.ui.conftest import NAMED, Server, opened
from ui import headless

FRAMES = """() => {
    window.frames_ = [];
    let last = performance.now();
    const tick = (now) => {
        window.frames_.push(now - last);
        last = now;
        window.frameRequest = requestAnimationFrame(tick);
    };
    window.frameRequest = requestAnimationFrame(tick);
}"""
UP = """() => {
    const first = !window.times;
    window.times = [];
    if (first) document.querySelector(".mc-canvas").addEventListener("pointerup", () => {
        const start = performance.now();
        const look = () => __mask.saved() ? window.times.push(performance.now() - start) : setTimeout(look, 1);
        setTimeout(look, 0);
    });
}"""
Rows = list[tuple[str, str]]


def figures(rounds: int = 3) -> Rows:
    """Names and values, medians and 95th percentiles with their n."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=headless.found(), args=headless.FLAGS)
        rows = [("page usable after the command", f"{usable(browser, Path(folder), rounds):.1f} s")]
        server = Server(Path(folder) / "workspace").start()
        try:
            rows += live(visit(browser, server))
            page = visit(browser, server)
            page.locator("#live").click()  # off: strokes are measured alone
            rows += strokes(page, 384)
            rows += frames(page, 384)
            page.evaluate("SiameseMask.load([1024 * 1024], 1024, 1024, 'larger')")
            page.wait_for_function("__mask.saved()")
            rows += strokes(page, 1024)
            rows += frames(page, 1024)
        finally:
            server.stop()
        browser.close()
    return rows


def visit(browser: Browser, server: Server) -> Page:
    """A page in a browser of its own."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(NAMED)
    return opened(context, server)


def usable(browser: Browser, folder: Path, rounds: int) -> float:
    """Median seconds from `python app.py` to a page that can be drawn on."""
    times = []
    for k in range(rounds + 1):
        server = Server(folder / f"workspace{k}")
        begun = time.perf_counter()
        try:
            visit(browser, server.start()).context.close()
            times.append(time.perf_counter() - begun)
        finally:
            server.stop()
    return statistics.median(times[1:])


def strokes(page: Page, size: int) -> Rows:
    """Pointer-up to stored on the server."""
    page.evaluate(UP)
    for i in range(30):
        drag(page, (size * (0.1 + 0.025 * i), size * 0.2), (size * (0.1 + 0.025 * i), size * 0.8))
        page.wait_for_function("(n) => window.times.length >= n", arg=i + 1)
    return [row(f"pointer-up to stored, {size} px", page.evaluate("window.times"))]


def frames(page: Page, size: int) -> Rows:
    """Time between frames while painting, and while a morph's slider moves."""
    rows = []
    page.evaluate(FRAMES)
    for _ in range(3):
        drag(page, (size * 0.1, size * 0.1), (size * 0.9, size * 0.9), steps=60)
    rows.append(row(f"frame while painting, {size} px", page.evaluate("window.frames_.splice(0)")))
    page.get_by_role("tab", name="Reshape").click()
    chip = page.get_by_role("button", name="Grow / shrink")
    if chip.get_attribute("aria-pressed") != "true":
        chip.click()
    slider = page.get_by_role("slider", name="Grow / shrink, slider: pixels")
    slider.fill("1")
    page.evaluate("window.frames_.splice(0)")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for k in range(120):
        x = box["x"] + box["width"] * (0.5 + 0.3 * ((k % 40) / 40 - 0.5))
        page.mouse.move(x, box["y"] + box["height"] / 2)
    page.mouse.up()
    rows.append(row(f"frame while growing by slider, {size} px", page.evaluate("window.frames_.splice(0)")))
    page.locator(".mc-canvas").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    x, y = page.evaluate("__mask.handles()[0]")
    page.mouse.move(*spot(page, x, y))
    page.mouse.down()
    page.evaluate("window.frames_.splice(0)")
    for k in range(60):
        page.mouse.move(*spot(page, x + size * 0.002 * (k % 30), y))
    page.mouse.up()
    rows.append(row(f"frame while pulling a handle, {size} px", page.evaluate("window.frames_.splice(0)")))
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.evaluate("cancelAnimationFrame(window.frameRequest)")
    return rows


def live(page: Page) -> Rows:
    """Pointer-up to the live picture of that stroke."""
    ready = "document.querySelector('#machine').textContent.includes('is ready')"
    page.wait_for_function(ready, timeout=60_000)
    for i in range(21):  # the first one, when everything is cold, is left out
        drag(page, (60 + 12 * i, 80), (60 + 12 * i, 120))
        page.wait_for_function("(n) => __live.counts.latencies.length >= n", arg=i + 1)
    return [row("pointer-up to the live picture", page.evaluate("__live.counts.latencies.slice(1)"))]


def row(name: str, times: list[float]) -> tuple[str, str]:
    """Median and 95th percentile in ms, with n."""
    ordered = sorted(times)
    high = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return name, f"{statistics.median(ordered):.0f} ms, p95 {high:.0f} ms, n = {len(ordered)}"
