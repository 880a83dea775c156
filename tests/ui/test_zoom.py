"""Zoom and pan: a place on the screen is always the right pixel, at every zoom and pixel ratio."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.ui.bare import bare, click, disc, drag, facts, labels, put, spot, state


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    page = bare(chromium)
    page.locator(".mc-canvas").focus()
    yield page
    page.context.close()


@pytest.mark.parametrize("ratio", [0.8, 1, 1.25, 2])  # browser zoom of 80 and 125 % is such a ratio
@pytest.mark.parametrize("zoom", ["Fit", "100 %", "200 %", "400 %"])
def test_a_click_meets_its_pixel(chromium, ratio, zoom):
    page = bare(chromium, device_scale_factor=ratio)
    page.evaluate("canvas.desk.resize(1)")
    page.get_by_role("button", name="Zoom " + zoom, exact=True).click()
    if zoom != "Fit":
        assert state(page, "scale") == int(zoom.split()[0]) / 100
    click(page, 190.5, 201.5)
    assert np.argwhere(labels(page)).tolist() == [[201, 190]]
    page.wait_for_function(
        "(ratio) => { const c = document.querySelector('canvas.mc-canvas');"
        " return c.width === Math.round(c.clientWidth * ratio); }",
        arg=ratio,
    )
    page.context.close()


def test_the_wheel_zooms_at_the_pointer_and_back_to_fit(page):
    where = (164, 400)  # whole pixels: a wheel event has no others
    page.mouse.move(*where)
    place = page.evaluate("([x, y]) => canvas.view.place({clientX: x, clientY: y})", where)
    place = (place["x"], place["y"])
    for _ in range(4):
        page.mouse.wheel(0, -120)
    page.wait_for_function("__mask.state().scale > 3")
    assert spot(page, *place) == pytest.approx(where, abs=0.1)
    for _ in range(12):
        page.mouse.wheel(0, 120)
    page.wait_for_function("__mask.state().zoom === null")


def test_space_and_drag_pans_without_drawing(page):
    page.keyboard.press("4")
    before = spot(page, 192, 192)
    page.keyboard.down(" ")
    page.mouse.move(300, 300)
    page.mouse.down()
    page.mouse.move(380, 340, steps=4)
    page.mouse.up()
    page.keyboard.up(" ")
    after = spot(page, 192, 192)
    assert (after[0] - before[0], after[1] - before[1]) == pytest.approx((80, 40), abs=1)
    assert facts(page)[0] == 0 and facts(page)[2] == 0
    page.mouse.move(300, 300)
    page.mouse.down(button="middle")
    page.mouse.move(320, 300)
    page.mouse.up(button="middle")
    assert spot(page, 192, 192)[0] == pytest.approx(after[0] + 20, abs=1)


def test_pixels_are_hard_squares_from_two_hundred_percent(page):
    put(page, disc(192, 192, 10))
    page.keyboard.press("4")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    colours = page.evaluate(
        """() => {
        const c = document.querySelector("canvas.mc-canvas");
        const f = canvas.view.frameOf();
        const at = (x, y) => Array.from(c.getContext("2d").getImageData(
            Math.floor(x * 4 + f.left) + 1, Math.floor(y * 4 + f.top) + 1, 1, 1).data.slice(0, 3)).join();
        return [at(192, 192), at(190, 190), at(150, 150), at(230, 200)];
    }"""
    )
    assert colours[0] == colours[1] and colours[2] == colours[3] and colours[0] != colours[2]


def test_a_wide_picture_keeps_its_proportions(page):
    page.evaluate("canvas.engine.replace(new Uint8Array(800 * 400), 800, 400); canvas.view.draw()")
    page.evaluate("canvas.desk.resize(1)")
    left, right = spot(page, 0, 200), spot(page, 800, 200)
    top, bottom = spot(page, 400, 0), spot(page, 400, 400)
    assert (right[0] - left[0]) / (bottom[1] - top[1]) == pytest.approx(2)
    click(page, 700.5, 33.5)
    assert np.argwhere(labels(page)).tolist() == [[33, 700]]
    drag(page, (10, 10), (10, -100))  # into the dark above: nothing breaks
    assert labels(page)[5, 10]
