"""Every drawing tool, its keys, and the ways that need no dragging; on a bare page, by numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.ui.bare import bare, click, disc, drag, facts, iou, labels, put, state


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    page = bare(chromium)
    page.locator(".mc-canvas").focus()
    yield page
    page.context.close()


def test_the_lasso_fills_what_was_gone_around_and_may_leave_the_canvas(page):
    page.keyboard.press("l")
    drag(page, (300, 100), (450, 100), (450, 200), (300, 200), steps=20)
    drawn = labels(page)
    assert drawn[150, 383] and drawn[150, 310] and not drawn[90, 350] and not drawn[150, 290]
    assert facts(page)[2] == 1 and set(drawn.ravel().tolist()) == {0, 1}
    drag(page, (320, 120), (360, 120), (360, 180), (320, 180), steps=20, button="right")
    assert not labels(page)[150, 340] and facts(page)[2] == 2


@pytest.mark.parametrize("close", ["first corner", "double click", "Enter", "another tool"])
def test_a_polygon_is_closed_in_every_way_and_dropped_with_another_tool(page, close):
    page.keyboard.press("p")
    for corner in ((50, 50), (250, 50), (250, 150)):
        click(page, *corner)
    click(page, 50, 150)
    if close == "first corner":
        click(page, 52, 51)
    if close == "double click":
        click(page, 50, 150)
    if close == "Enter":
        page.keyboard.press("Enter")
    if close == "another tool":
        page.keyboard.press("b")
        assert facts(page)[0] == 0 and facts(page)[2] == 0
        return
    drawn = labels(page)
    assert drawn[100, 150] and not drawn[160, 150] and abs(int(drawn.sum()) - 200 * 100) < 300
    assert facts(page)[2] == 1


def test_undo_takes_back_polygon_corners_first_and_escape_all_of_them(page):
    put(page, disc(300, 300, 20))
    page.keyboard.press("p")
    for corner in ((50, 50), (250, 50), (250, 150)):
        click(page, *corner)
    page.keyboard.press("Control+z")
    assert page.evaluate("canvas.desk.tool.corners.length") == 2 and facts(page)[0] > 0
    page.keyboard.press("Escape")
    assert page.evaluate("canvas.desk.tool.corners.length") == 0
    page.keyboard.press("Control+z")
    assert facts(page)[0] == 0


@pytest.mark.parametrize("dragged", [True, False])
def test_an_ellipse_by_drag_or_by_two_clicks(page, dragged):
    page.keyboard.press("o")
    if dragged:
        drag(page, (100, 120), (300, 220))
    else:
        click(page, 100, 120)
        page.mouse.move(500, 300)
        click(page, 300, 220)
    drawn = labels(page)
    assert abs(int(drawn.sum()) - math.pi * 100 * 50) < 0.02 * math.pi * 5000
    assert drawn[170, 105] and drawn[122, 200] and not drawn[125, 110]
    assert facts(page)[2] == 1


def test_shift_makes_a_circle_and_escape_drops_what_a_click_holds(page):
    page.keyboard.press("o")
    page.keyboard.down("Shift")
    drag(page, (100, 100), (200, 160))
    page.keyboard.up("Shift")
    assert iou(labels(page), disc(150, 150, 50)) > 0.97
    before = facts(page)
    click(page, 10, 10)
    page.mouse.move(400, 400)
    page.keyboard.press("Escape")
    click(page, 300, 300)  # takes hold anew
    page.keyboard.press("Escape")
    assert facts(page) == before


@pytest.mark.parametrize("leave", ["w", "b", "Control+z", "Escape"])
def test_what_a_click_holds_is_let_go_with_another_tool(page, leave):
    put(page, disc(150, 150, 50))
    before = facts(page)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    for key, place in (("c", (200, 150)), ("w", (200, 150)), ("t", (150, 150)), ("o", (10, 10))):
        page.keyboard.press(key)
        click(page, *place)
        page.keyboard.press(leave)
        page.mouse.move(400, 420)
        page.mouse.move(300, 320)
        assert not page.evaluate("canvas.view.sticky")
        if leave in "wb":
            page.keyboard.press("Escape")
        assert facts(page) == before and not errors, (key, errors)


def test_everything_by_keys_alone(page):
    """The cross by arrows, Enter to press; a second Enter lets go (WCAG 2.1.1)."""
    page.keyboard.press("Enter")  # a dot in the middle
    assert iou(labels(page), disc(192, 192, 18)) > 0.95
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+Enter")  # a line from the dot
    assert labels(page)[192, 240] and facts(page)[2] == 2
    page.keyboard.press("o")
    for _ in range(8):
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Enter")
    for _ in range(6):
        page.keyboard.press("Shift+ArrowRight")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    assert labels(page)[132, 272] and facts(page)[2] == 3
    page.keyboard.press("p")
    for keys in ("ArrowLeft", "ArrowDown", "ArrowRight"):
        page.keyboard.press("Enter")
        for _ in range(6):
            page.keyboard.press("Shift+" + keys)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # twice at one place closes it
    assert facts(page)[2] == 4


def test_single_letters_can_be_switched_off_and_stay_off(page):
    page.keyboard.press("?")
    box = page.get_by_role("checkbox", name="single letters act")
    assert box.is_checked()
    box.uncheck()
    page.get_by_role("button", name="Close", exact=True).click()
    page.keyboard.press("e")
    page.keyboard.press("]")
    assert (state(page, "tool"), state(page, "size")) == ("brush", 36)
    put(page, disc(100, 100, 20))
    page.keyboard.press("Control+z")  # not a single letter: still acts
    assert facts(page)[0] == 0
    assert page.evaluate("localStorage.getItem('siamese-letters')") == "off"


def test_h_hides_the_outline_only_while_it_is_held(page):
    page.keyboard.down("h")
    assert page.evaluate("canvas.view.hidden")
    page.keyboard.up("h")
    assert not page.evaluate("canvas.view.hidden")


def test_the_wheel_with_shift_changes_the_brush_and_without_it_zooms(page):
    page.mouse.move(300, 300)
    page.keyboard.down("Shift")
    page.mouse.wheel(0, -100)
    page.wait_for_function("__mask.state().size > 36")
    page.mouse.wheel(0, 200)
    page.wait_for_function("__mask.state().size < 40")
    page.keyboard.up("Shift")
    assert state(page, "zoom") is None
    page.mouse.wheel(0, -100)
    page.wait_for_function("__mask.state().zoom !== null")
