"""The main loop in the browser with a real (tiny) model: draw, generate, watch, stop."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page

from siamese.masks.mask import Mask
from siamese.workspace import Workspace
from tests.ui.conftest import Server, opened, saved, stroke

STATE = "document.querySelector('#status').dataset.state"


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Page:
    page = opened(context, server)
    set_number(page, "#steps", 4)
    return page


def set_number(page: Page, where: str, value: int) -> None:
    page.locator(f"{where} input[type=number]").fill(str(value))
    page.keyboard.press("Tab")


def wait_state(page: Page, *states: str) -> str:
    page.wait_for_function(f"(states) => states.includes({STATE})", arg=states)
    return page.locator("#status").get_attribute("data-state")


def status(page: Page) -> str:
    return page.locator("#status").inner_text()


def shown(page: Page) -> np.ndarray:
    data = page.locator("#preview img").get_attribute("src")
    assert data.startswith("data:image/png;base64,")  # lossless, and nothing to fetch
    return cv2.imdecode(np.frombuffer(base64.b64decode(data.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)


def watch(page: Page) -> None:
    """Note every status line and every preview from now on."""
    page.evaluate(
        """() => {
        window.seen = []; window.frames_ = new Set(); window.locked = false;
        const look = () => {
            const status = document.querySelector("#status");
            const line = status.dataset.state + ": " + status.textContent.trim();
            if (window.seen.at(-1) !== line) window.seen.push(line);
            const [generate, stop] = ["#generate", "#stop"].map((id) => document.querySelector(id));
            if (status.dataset.state === "sampling") window.locked ||= generate.disabled && !stop.disabled;
            const image = document.querySelector("#preview img");
            if (status.dataset.state === "sampling" && image.src) window.frames_.add(image.src.slice(-400));
        };
        const everything = {subtree: true, childList: true, attributes: true, characterData: true};
        new MutationObserver(look).observe(document.body, everything);
    }"""
    )


def test_the_slider_shows_the_models_own_guidance_at_once(page, context, shared_server):
    """Never one value on the screen and another in the picture: it comes from the file's header, not from the model."""
    value = page.locator("#guidance input[type=number]")
    assert float(value.input_value()) == 2.5  # of tiny.toml
    unknown = opened(context, shared_server)
    assert float(unknown.locator("#guidance input[type=number]").input_value()) == 2


def test_the_canvas_shows_the_models_field_of_view(page, context, shared_server):
    """Corners outside are darker than the middle; without a model the whole square is inside."""
    look = """() => { const c = document.querySelector("#mask-canvas canvas"); const ink = c.getContext("2d");
        const grey = (x, y) => ink.getImageData(x * c.width, y * c.height, 1, 1).data[0];
        return [grey(0.03, 0.03), grey(0.97, 0.97), grey(0.5, 0.1)]; }"""
    page.wait_for_function(f"({look})()[2] > 0")
    assert page.evaluate(look) == [16, 16, 48]
    plain = opened(context, shared_server)
    plain.wait_for_function(f"({look})()[2] > 0")
    assert plain.evaluate(look)[0] == 48


def test_generate_shows_every_step_then_the_picture_and_a_gallery(page, server):
    before = len(Workspace(server.workspace).gallery("default").pictures())
    stroke(page, (0.2, 0.3), (0.7, 0.6))
    saved(page)
    area = page.evaluate("__mask.area()")
    watch(page)
    set_number(page, "#seed", 11)
    page.locator("#generate").click()
    page.wait_for_function("window.seen.some((line) => /^(done|error)/.test(line))")  # noted, however short it was
    assert wait_state(page, "done", "error") == "done", status(page)
    page.wait_for_function("document.querySelector('#preview').dataset.kind === 'finished'")
    assert page.evaluate("window.locked")
    seen = " | ".join(page.evaluate("window.seen"))
    assert "Step " in seen and "of 4" in seen and "s left" in seen, seen
    assert len(page.evaluate("[...window.frames_]")) >= 2
    page.wait_for_function("(n) => document.querySelectorAll('#gallery button').length === n", arg=before + 1)
    caption = page.locator("#gallery button").first.inner_text()
    assert "seed 11" in caption and "guidance" in caption and "4 steps" in caption
    assert shown(page).shape == (64, 64, 3)
    gallery = Workspace(server.workspace).gallery("default")
    stored = gallery.pictures()[0]
    data = gallery.picture_png(stored.name)
    assert (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) == shown(page)).all()
    assert stored.facts["seed"] == 11 and stored.facts["steps"] == 4 and stored.state == "new"
    mask = Mask.from_png(gallery.mask_png(stored.name))
    assert mask.area == stored.area == area / 384**2  # what was drawn is what was used
    assert page.locator("#generate").is_enabled() and page.locator("#stop").is_disabled()


def test_what_is_sampled_is_what_is_stored(page, server):
    page.get_by_role("button", name="Use the example outline: small").click()
    page.locator("#generate").click()  # at once: Generate itself waits for the save
    assert wait_state(page, "done", "error") == "done"
    small = Mask.read(Path(__file__).parents[2] / "assets" / "masks" / "5-small.png")
    page.wait_for_function("document.querySelector('#preview').dataset.kind === 'finished'")
    text = page.locator(".pv-facts dl").text_content()
    png, _ = Workspace(server.workspace).load_draft("default")
    assert Mask.from_png(png).digest == small.digest
    assert small.digest in text


def test_with_two_windows_the_newest_drawing_is_shown_before_it_is_used(page, context, server):
    other = opened(context, server)
    stroke(other, (0.1, 0.8), (0.5, 0.9))
    saved(other)
    drawn = other.evaluate("__mask.hash()")
    page.bring_to_front()
    page.locator("#generate").click()
    assert wait_state(page, "done", "error") == "done"
    assert page.evaluate("__mask.hash()") == drawn


def test_several_pictures_and_a_click_brings_one_back(page):
    set_number(page, "#count", 3)
    set_number(page, "#seed", 100)
    watch(page)
    page.locator("#generate").click()
    assert wait_state(page, "done", "error") == "done"
    assert "Picture 2 of 3" in " | ".join(page.evaluate("window.seen"))
    buttons = page.locator("#gallery button")
    page.wait_for_function("document.querySelector('#gallery button').textContent.startsWith('seed 102')")
    page.wait_for_function("document.querySelector('.pv-label').textContent.startsWith('seed 102')")
    assert [buttons.nth(i).inner_text().split(" ·")[0].split("\n")[0] for i in range(3)] == [
        "seed 102", "seed 101", "seed 100",
    ]  # fmt: skip
    last = shown(page)
    buttons.nth(2).click()
    page.wait_for_function("document.querySelector('.pv-label').textContent.includes('seed 100')")
    assert not (shown(page) == last).all()
    page.reload()
    page.wait_for_function("document.querySelectorAll('#gallery button').length >= 3")


def test_stop_answers_at_once_and_keeps_the_last_preview(page, server):
    stored = Workspace(server.workspace).gallery("default")
    before = len(stored.pictures())
    set_number(page, "#steps", 1000)
    page.locator("#generate").click()
    page.wait_for_function("/tep ([3-9]|\\d\\d+) of/.test(document.querySelector('#status').textContent)")
    page.locator("#stop").click()
    wait_state(page, "stopped")  # and not at the end of a thousand steps
    assert "unfinished" in status(page) and "unfinished" in page.locator(".pv-label").inner_text()
    assert shown(page).shape == (64, 64, 3)
    assert len(stored.pictures()) == before
    assert page.locator("#accept").is_disabled()
    set_number(page, "#steps", 2)
    page.locator("#generate").click()
    assert wait_state(page, "done", "error") == "done"


def test_closing_the_tab_frees_the_lane(page, context, server):
    set_number(page, "#steps", 1000)
    page.locator("#generate").click()
    page.wait_for_function("/tep \\d+ of 1000/.test(document.querySelector('#status').textContent)")
    other = opened(context, server)
    set_number(other, "#steps", 2)
    other.locator("#generate").click()
    other.wait_for_function("document.querySelector('#status').textContent.includes('1 other request first')")
    page.close()
    assert wait_state(other, "done", "error") == "done"


def test_another_example_takes_a_new_seed_and_the_quality_sets_the_steps(page):
    seed = page.locator("#seed input").input_value()
    page.locator("#another").click()
    assert wait_state(page, "done", "error") == "done"
    assert page.locator("#seed input").input_value() != seed
    for name, steps in (("paper", "50"), ("quick", "10"), ("standard", "40")):
        page.get_by_text(name, exact=True).click()
        page.wait_for_function("(s) => document.querySelector('#steps input').value === s", arg=steps)


def test_an_empty_drawing_gives_normal_mucosa_and_says_so(page):
    page.get_by_role("button", name="Clear the drawing").click()
    page.locator("#generate").click()
    assert wait_state(page, "done", "error") == "done"
    assert "normal mucosa" in status(page)


def test_an_impossible_setting_is_a_sentence_and_the_page_goes_on(page):
    for where, value in (("#steps", ""), ("#steps", "100000"), ("#seed", "-5")):
        page.locator(f"{where} input[type=number]").fill(value)
        page.keyboard.press("Tab")
        page.locator("#generate").click()
        wait_state(page, "error")
        assert "expected" in status(page), (where, value)
        set_number(page, "#steps", 2)
        set_number(page, "#seed", 2)
        page.locator("#generate").click()
        wait_state(page, "done")
