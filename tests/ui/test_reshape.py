"""Reshaping on the canvas: live, applied, cancelled, undone; by drag, by clicks, by numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from siamese.masks import morph
from siamese.masks.mask import Mask
from tests.ui.bare import bare, click, disc, drag, facts, iou, labels, put, seen, state


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    page = bare(chromium)
    put(page, disc(150, 150, 50))
    page.locator(".mc-canvas").focus()
    yield page
    page.context.close()


def slide(page: Page, kind: str, name: str, value: float) -> None:
    page.get_by_role("tab", name="Reshape").click()
    chip = page.get_by_role("button", name=kind, exact=True)
    if chip.get_attribute("aria-pressed") != "true":
        chip.click()
    page.get_by_role("slider", name=f"{kind}, slider: {name}").fill(str(value))


def test_a_slider_shows_at_once_keeps_the_mask_and_waits(page):
    before = facts(page)
    for pixels in (5, 20, -10):
        slide(page, "Grow / shrink", "pixels", pixels)
        assert iou(seen(page), disc(150, 150, 50 + pixels)) > 0.97
        assert (labels(page) == disc(150, 150, 50)).all() and facts(page)[1:] == before[1:]
    assert state(page, "morph")
    page.get_by_role("button", name="Cancel the change").click()
    assert facts(page) == before and not state(page, "morph")
    slide(page, "Grow / shrink", "pixels", 20)
    page.locator(".mc-canvas").focus()
    page.keyboard.press("Enter")
    assert iou(labels(page), disc(150, 150, 70)) > 0.97 and facts(page)[2] == before[2] + 1
    page.keyboard.press("Control+z")
    assert facts(page) == before


def test_undo_cancels_an_open_change_and_a_stroke_applies_it(page):
    before = facts(page)
    slide(page, "Smooth", "radius", 20)
    page.locator(".mc-canvas").focus()
    page.keyboard.press("Control+z")
    assert facts(page) == before
    slide(page, "Grow / shrink", "pixels", 10)
    page.evaluate("__mask.flush()")  # what Generate asks for first
    assert not state(page, "morph") and facts(page)[2] == before[2] + 1


@pytest.mark.parametrize("how", ["drag", "clicks", "keys"])
def test_the_box_moves_the_lesion(page, how):
    page.keyboard.press("t")
    if how == "drag":
        drag(page, (150, 150), (210, 130))
    if how == "clicks":
        click(page, 150, 150)
        click(page, 210, 130)
    if how == "keys":
        page.evaluate("canvas.view.hover = {x: 150, y: 150}")
        page.keyboard.press("Enter")
        for keys in ["Shift+ArrowRight"] * 6 + ["Shift+ArrowUp"] * 2:
            page.keyboard.press(keys)
        page.keyboard.press("Enter")
    assert iou(seen(page), disc(210, 130, 50)) > 0.97
    assert (labels(page) == disc(150, 150, 50)).all()
    page.keyboard.press("Control+Enter")
    assert iou(labels(page), disc(210, 130, 50)) > 0.97


def test_box_handles_scale_and_turn(page):
    page.keyboard.press("t")
    drag(page, (200, 150), (225, 150))  # the right side
    wide = seen(page)
    xs = np.nonzero(wide.any(0))[0]
    assert abs(xs[-1] - xs[0] + 1 - 150) <= 2 and abs(int(wide.sum()) / disc(150, 150, 50).sum() - 1.5) < 0.03
    knob = page.evaluate("canvas.desk.tool.knobs(canvas.view.css()).turn")
    drag(page, tuple(knob), (150 + 200, 150))  # a quarter turn
    high = seen(page)
    ys = np.nonzero(high.any(1))[0]
    assert abs(ys[-1] - ys[0] + 1 - 150) <= 3
    page.keyboard.press("Escape")
    assert (seen(page) == disc(150, 150, 50)).all() and not state(page, "morph")


def test_box_by_numbers_is_the_same_as_in_python(page):
    page.get_by_role("tab", name="Reshape").click()
    page.get_by_role("button", name="Numbers").click()
    for name, value in (("right", 30), ("down", -12), ("width %", 140), ("turn °", 25)):
        page.get_by_role("spinbutton", name=f"Numbers: {name}").fill(str(value))
    edit = morph.Transform(dx=30, dy=-12, scale_x=1.4, degrees=25)
    expected = morph.morph(Mask.from_array(disc(150, 150, 50)), [edit]).labels
    assert iou(seen(page), expected) >= 0.99


def test_a_handle_pulls_the_edge_and_the_other_side_stays(page):
    page.keyboard.press("c")
    handles = page.evaluate("canvas.desk.tool.places()")
    assert len(handles) == 12
    x, y = max(handles)
    drag(page, (x, y), (x + 40, y), steps=10)
    pulled = seen(page)
    xs = np.nonzero(pulled.any(0))[0]
    assert abs(xs[-1] + 1 - (x + 40)) <= 4 and abs(xs[0] - 100) <= 2
    assert state(page, "morph")
    page.keyboard.press("Enter")
    assert (labels(page) == pulled).all() and facts(page)[2] == 2


def test_a_push_moves_the_edge_along_and_is_one_edit(page):
    page.keyboard.press("w")
    drag(page, (195, 150), (235, 150), steps=12)
    pushed = labels(page)
    assert pushed[150, 215] and not pushed[60, 150] and facts(page)[2] == 2
    assert pushed[150, 101] and int(pushed.sum()) > disc(150, 150, 50).sum()
    drag(page, (20, 350), (60, 350))  # nothing there: nothing to undo
    assert facts(page)[2] == 2
    click(page, 100, 150)  # hold, and drop by Escape
    page.mouse.move(300, 300)
    page.keyboard.press("Escape")
    assert (labels(page) == pushed).all()


def test_from_a_to_b_by_slider(page):
    page.get_by_role("button", name="Take as B for the morph from A to B: all").click()
    assert page.get_by_role("tab", name="Reshape").get_attribute("aria-selected") == "true"
    areas = []
    for t in (0, 30, 60, 100):
        slide(page, "A → B", "from A to B, %", t)
        areas.append(facts(page)[0])
    assert areas[0] == disc(150, 150, 50).sum() and areas[-1] == 384 * 384 and areas == sorted(areas)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Invert", lambda a: ~a),
        ("Flip ↔", lambda a: a[:, ::-1]),
        ("Flip ↕", lambda a: a[::-1]),
        ("Fill holes", lambda a: a | disc(150, 150, 20)),
        ("Largest", lambda a: a & ~disc(300, 300, 15)),
    ],
)
def test_changes_of_one_click(page, name, expected):
    start = (disc(150, 150, 50) & ~disc(150, 150, 20)) | disc(300, 300, 15)
    put(page, start)
    page.get_by_role("tab", name="Reshape").click()
    page.get_by_role("button", name=name, exact=True).click()
    assert (labels(page) == expected(start)).all() and facts(page)[2] == 3


def test_islands_go_by_size_and_wobble_by_number(page):
    start = disc(150, 150, 50) | disc(300, 300, 6)
    put(page, start)
    slide(page, "Islands", "smaller than, pixels", 200)
    assert (seen(page) == disc(150, 150, 50)).all()
    page.get_by_role("button", name="Cancel the change").click()
    slide(page, "Wobble", "strength", 20)
    one = seen(page)
    slide(page, "Wobble", "number", 2)
    other = seen(page)
    slide(page, "Wobble", "number", 1)
    assert 0.5 < iou(one, start) < 1 and iou(one, other) < 1 and (seen(page) == one).all()


def test_lesions_are_listed_largest_first_and_deleted_one_by_one(page):
    put(page, disc(150, 150, 50) | disc(300, 300, 15))
    page.get_by_role("tab", name="Lesions").click()
    rows = page.get_by_role("listitem")
    assert (
        rows.count() == 2
        and "middle" in rows.nth(0).inner_text()
        and "bottom right" in rows.nth(1).inner_text()
    )
    assert f"{disc(300, 300, 15).sum()} px" in rows.nth(1).inner_text()
    page.get_by_role("button", name="Delete: lesion 1").click()
    assert (labels(page) == disc(300, 300, 15)).all()
