"""The canvas on a bare page: no Gradio, no server."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from siamese.masks.mask import Mask
from tests.ui.bare import bare, disc, facts, labels, put
from tests.ui.conftest import SIZE, stroke
from ui.mask_canvas import runs


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    page = bare(chromium)
    yield page
    page.context.close()


def fnv(data: bytes) -> str:
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{value:08x}"


def test_a_dot_is_a_hard_edged_disc_where_the_pointer_was(page):
    stroke(page, (0.25, 0.75))
    drawn = labels(page)
    ys, xs = np.nonzero(drawn)
    assert abs(xs.mean() + 0.5 - 0.25 * SIZE) < 1 and abs(ys.mean() + 0.5 - 0.75 * SIZE) < 1
    assert abs(drawn.sum() - math.pi * 18**2) < 30  # the brush is 36 pixels wide
    assert set(np.unique(page.evaluate("Array.from(canvas.engine.raster)"))) == {0, 1}
    area, hash_, depth = facts(page)
    assert (area, hash_, depth) == (int(drawn.sum()), fnv(drawn.tobytes()), 1)


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
def test_the_pointer_hits_the_same_pixel_at_every_device_pixel_ratio(chromium, ratio):
    page = bare(chromium, device_scale_factor=ratio)
    page.evaluate("canvas.desk.resize(1)")
    stroke(page, (0.601, 0.301))
    assert np.argwhere(labels(page)).tolist() == [[int(0.301 * SIZE), int(0.601 * SIZE)]]
    page.wait_for_function(
        "(ratio) => { const c = document.querySelector('canvas.mc-canvas');"
        " return c.width === Math.round(c.clientWidth * ratio); }",
        arg=ratio,
    )
    page.context.close()


def test_undo_redo_by_keys_and_buttons_gives_back_the_same_mask(page):
    empty = facts(page)
    stroke(page, (0.3, 0.3), (0.6, 0.4))
    one = facts(page)
    stroke(page, (0.5, 0.5), (0.5, 0.8))
    two = facts(page)
    for keys, expected in (
        ("Control+z", one), ("Control+z", empty), ("Control+z", empty), ("Control+Shift+Z", one),
        ("Control+y", two), ("Control+y", two),
    ):  # fmt: skip
        page.keyboard.press(keys)
        assert facts(page) == expected, keys
    page.get_by_role("button", name="Undo (Ctrl+Z)").click()
    assert facts(page) == one
    page.get_by_role("button", name="Redo").click()
    assert facts(page) == two


def test_keys_do_nothing_while_the_focus_is_elsewhere(page):
    stroke(page, (0.3, 0.3), (0.6, 0.4))
    before = facts(page)
    page.locator("#elsewhere").focus()
    page.keyboard.press("Control+z")
    page.keyboard.type("[]eb")
    assert facts(page) == before
    assert page.evaluate("[canvas.desk.size, canvas.desk.active]") == [36, "brush"]
    assert page.locator("#elsewhere").input_value() == "[]eb"


def test_what_changes_nothing_cannot_be_undone(page):
    stroke(page, (0.5, 0.5))
    before = facts(page)
    stroke(page, (0.5, 0.5))  # the same dot again
    stroke(page, (0.1, 0.1), (0.2, 0.1), button="right")  # erasing what is empty
    page.get_by_role("button", name="Eraser").click()
    stroke(page, (0.9, 0.9))
    assert facts(page) == before


def test_a_stroke_may_leave_the_canvas_and_come_back(page):
    stroke(page, (0.8, 0.4), (1.3, 0.4), (1.3, 0.6), (0.8, 0.6))
    drawn = labels(page)
    assert drawn[int(0.4 * SIZE), -1] and drawn[int(0.6 * SIZE), -1]  # reached the border on both ways
    assert not drawn[int(0.5 * SIZE), -1]  # outside, nothing was drawn along the border
    assert facts(page)[2] == 1


def test_a_stroke_that_ends_outside_is_finished_there(page):
    stroke(page, (0.5, 0.5), (0.5, -0.4))
    assert facts(page)[2] == 1 and labels(page)[0, SIZE // 2]
    page.mouse.move(60, 60)
    page.mouse.move(200, 200)
    assert facts(page)[2] == 1


@pytest.mark.parametrize("how", ["button", "right", "alt", "key"])
def test_every_way_to_erase(page, how):
    stroke(page, (0.2, 0.5), (0.8, 0.5))
    area = facts(page)[0]
    if how == "button":
        page.get_by_role("button", name="Eraser").click()
    if how == "key":
        page.keyboard.press("e")
    if how == "alt":
        page.keyboard.down("Alt")
    stroke(page, (0.4, 0.5), (0.6, 0.5), button="right" if how == "right" else "left")
    assert facts(page)[0] < area and facts(page)[2] == 2
    assert not labels(page)[SIZE // 2, SIZE // 2]


def test_brush_size_by_keys_slider_and_its_limits(page):
    page.locator(".mc-canvas").focus()
    page.keyboard.press("]")
    assert page.evaluate("canvas.desk.size") == 40
    page.keyboard.press("[")
    assert page.evaluate("canvas.desk.size") == 35
    page.get_by_role("slider", name="Brush size").fill("12")
    assert page.evaluate("canvas.desk.size") == 12
    page.locator(".mc-canvas").focus()
    for _ in range(40):
        page.keyboard.press("[")
    assert page.evaluate("canvas.desk.size") == 1


def test_the_name_below_an_example_can_be_clicked(page):
    page.locator(".mc-example span", has_text="all").click()
    assert facts(page)[0] == SIZE * SIZE


def test_clear_and_examples_can_be_undone(page):
    page.get_by_role("button", name="Use the example outline: all").click()
    full = facts(page)
    assert full[0] == SIZE * SIZE
    page.get_by_role("button", name="Clear the drawing").click()
    assert facts(page)[0] == 0 and facts(page)[2] == 2
    page.locator(".mc-canvas").focus()
    page.keyboard.press("Control+z")
    assert facts(page) == full


def test_shift_click_draws_a_straight_line(page):
    stroke(page, (0.2, 0.2))
    page.keyboard.down("Shift")
    stroke(page, (0.8, 0.2))
    page.keyboard.up("Shift")
    assert labels(page)[int(0.2 * SIZE), int(0.5 * SIZE)]


@pytest.mark.parametrize("kind", ["touch", "pen"])
def test_finger_and_pen_draw_and_a_second_finger_does_not(page, kind):
    box = page.locator(".mc-canvas").bounding_box()
    page.evaluate(
        """([box, kind]) => {
        const canvas = document.querySelector(".mc-canvas");
        canvas.setPointerCapture = () => {};  // only a real pointer can be captured
        const send = (type, id, x, y, button = 0) => canvas.dispatchEvent(new PointerEvent(type, {
            pointerId: id, pointerType: kind, button, bubbles: true,
            clientX: box.x + x * box.width, clientY: box.y + y * box.height}));
        send("pointerdown", 7, 0.3, 0.5);
        send("pointerdown", 8, 0.3, 0.9);
        send("pointermove", 8, 0.7, 0.9);
        send("pointermove", 7, 0.7, 0.5);
        send("pointerup", 8, 0.7, 0.9);
        send("pointerup", 7, 0.7, 0.5);
    }""",
        [box, kind],
    )
    drawn = labels(page)
    assert drawn[SIZE // 2, SIZE // 2] and not drawn[int(0.9 * SIZE), SIZE // 2]
    assert facts(page)[2] == 1


def test_runs_mean_the_same_in_the_browser_and_in_python(page):
    rng = np.random.default_rng(5)
    for array in (
        np.zeros((SIZE, SIZE), bool), np.ones((SIZE, SIZE), bool), rng.random((SIZE, SIZE)) < 0.4,
        np.tri(SIZE, dtype=bool),
    ):  # fmt: skip
        mask = Mask.from_array(array)
        page.evaluate(f"(runs) => canvas.engine.replace(SiameseMask.rasterOf(runs, {SIZE}))", runs(mask))
        assert page.evaluate("canvas.engine.runs()") == runs(mask)
        assert (labels(page) == mask.labels).all()
        assert facts(page)[:2] == (int(array.sum()), fnv(mask.labels.tobytes()))


def test_five_hundred_random_edits_undone_and_redone(page):
    """Strokes, fills, morphs and changes of size: undo all is the empty mask, redo all the same hash."""
    done = page.evaluate(
        """() => {
        let seed = 7;
        const draw = (n) => {
            seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
            return Math.floor((seed / 2 ** 32) * n);
        };
        const { engine, desk } = canvas;
        const { morph } = SiameseMask;
        const edge = () => draw(500) - 50;
        const line = (width, value) => {
            engine.begin();
            engine.stroke(edge(), edge(), edge(), edge(), 1 + draw(width), value);
            return engine.end();
        };
        const changed = (name, ...rest) =>
            engine.replace(morph[name](engine.raster, engine.width, engine.height, ...rest));
        const acts = [
            () => line(40, 1),
            () => line(30, 0),
            () => {
                engine.begin();
                engine.polygon([0, 0, 0, 0].map(() => [edge(), edge()]), draw(4) ? 1 : 0);
                return engine.end();
            },
            () => changed("grow", draw(21) - 10),
            () => changed("flip", "horizontal"),
            () => changed("keepLargest"),
            () => changed("smooth", draw(8)),
            () => {
                desk.open({ reset() {} }, "moved");
                desk.preview(morph.invert(engine.raster));
                return draw(2) ? desk.apply() : !desk.cancel();
            },
            () => {
                const wide = 200 + 8 * draw(20);
                const { raster, width, height } = engine;
                return engine.replace(SiameseMask.resized(raster, width, height, wide, 384), wide, 384);
            },
        ];
        let changes = 0;
        for (let i = 0; i < 500; i++) { const act = acts[draw(acts.length)]; if (act()) changes++; }
        return changes;
    }"""
    )
    end = facts(page)
    size = page.evaluate("[canvas.engine.width, canvas.engine.height]")
    assert end[2] == done > 300
    assert page.evaluate("(() => { let n = 0; while (canvas.engine.undo()) n++; return n; })()") == done
    assert facts(page)[0] == 0 and page.evaluate("[canvas.engine.width, __mask.undoDepth()]") == [SIZE, 0]
    assert page.evaluate("(() => { let n = 0; while (canvas.engine.redo()) n++; return n; })()") == done
    assert facts(page) == end and page.evaluate("[canvas.engine.width, canvas.engine.height]") == size


def test_a_polygon_covers_exactly_the_pixels_whose_centres_it_holds(page):
    corners = [[20.2, 30.7], [300.1, 11.0], [250.5, 390.0], [-40.0, 200.3]]
    page.evaluate(
        "(c) => { canvas.engine.begin(); canvas.engine.polygon(c, 1); canvas.engine.end(); }", corners
    )
    ys, xs = np.mgrid[:SIZE, :SIZE] + 0.5
    inside = np.zeros((SIZE, SIZE), bool)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        crosses = (y0 <= ys) != (y1 <= ys)
        inside ^= crosses & (xs >= x0 + (ys - y0) * (x1 - x0) / (y1 - y0))
    assert (labels(page) == inside).all()


def test_a_mask_of_another_size_is_one_edit_and_keeps_its_outline(page):
    put(page, disc(100, 200, 40))
    page.evaluate(
        "canvas.engine.replace(SiameseMask.resized(canvas.engine.raster, 384, 384, 640, 480), 640, 480)"
    )
    big = labels(page)
    assert big.shape == (480, 640)
    ys, xs = np.nonzero(big)
    assert abs(xs.mean() / 640 - 100 / 384) < 0.005 and abs(ys.mean() / 480 - 200 / 384) < 0.005
    page.locator(".mc-canvas").focus()
    page.keyboard.press("Control+z")
    assert (labels(page) == disc(100, 200, 40)).all()


def test_every_control_is_named_and_at_least_24_pixels(page):
    controls = page.locator("button, input[type=range], input[type=number], canvas.mc-canvas")
    for tab in ("Outlines", "Reshape", "Lesions", "View"):
        page.get_by_role("tab", name=tab).click()
        for control in controls.all():
            box = control.bounding_box()
            if box is None:
                continue
            assert control.get_attribute("aria-label") or control.inner_text(), control
            assert box["width"] >= 24 and box["height"] >= 24, control.evaluate("e => e.outerHTML")
    stroke(page, (0.5, 0.5))
    assert "lesion" in page.locator("[aria-live]").inner_text()
