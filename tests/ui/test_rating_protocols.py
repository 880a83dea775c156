"""P2, P3 and P4 in a real browser: by keys, by clicks, taken back in between, outlines, two pictures on a phone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page

from tests.study.rooms import SIZE, Room, locked_study
from tests.ui.rating import Pages, Rater, phone, whole, wide

THREE = (("patients", "real"), ("ours", "synthetic"), ("theirs", "synthetic"))


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Pages of a small study of a protocol; stopped at the end."""
    running = []

    def start(protocol: str, **more: object) -> Pages:
        study = locked_study(
            tmp_path_factory.mktemp(protocol), protocol, raters=3, per_arm=2, repeats=1, **more
        )
        running.append(Pages(study).start())
        return running[-1]

    yield start
    for pages in running:
        pages.stop()


def test_p2_ranks_by_clicks_and_by_keys_and_takes_back_before_the_last(opened, chromium):
    pages = opened("P2", arms=THREE)
    rater = Rater(pages, 1, wide(chromium)).begin()
    page = rater.page
    marks = lambda: page.locator(".rt-mark").all_inner_texts()  # noqa: E731
    boxes = [canvas.bounding_box() for canvas in page.locator(".rt-wall canvas").all()]
    assert len(boxes) == 3 and len({(box["y"], box["width"]) for box in boxes}) == 1
    page.wait_for_timeout(320)
    page.locator(".rt-cell").nth(2).click()
    page.locator(".rt-cell").nth(0).click()
    assert marks() == ["#2", "", "#1"]
    page.wait_for_timeout(600)  # not a double click
    page.locator(".rt-cell").nth(2).click()
    assert marks() == ["#1", "", ""]  # taken back; the next one moves up
    page.keyboard.press("Backspace")
    assert marks() == ["", "", ""] and rater.sent() == []
    rater.answer("2", "3", "1")
    assert rater.answers() == [(0, 1, {"order": [1, 2, 0]})] and rater.said == "Saved: 2, 3, 1"
    assert marks() == ["", "", ""]  # nothing chosen beforehand
    rater.press("1")
    page.wait_for_timeout(20)
    page.keyboard.press("z")  # what was begun
    page.keyboard.press("z")  # then the last vote
    rater.wait("practice", 0)
    rater.answer("3", "2", "1")
    assert rater.answers()[-1] == (0, 2, {"order": [2, 1, 0]})
    rater.context.close()


def test_p3_asks_one_scale_at_a_time_with_anchors_and_shows_the_outline_last(opened, chromium):
    pages = opened("P3")
    rater = Rater(pages, 1, wide(chromium)).begin()
    page, asked = rater.page, []
    while rater.stage != "finish":
        if rater.stage == "pause":
            page.keyboard.press("Enter")
            rater.wait("item")
            continue
        scale, lines = page.inner_text(".rt-panel .rt-label"), page.locator(".rt-outline").count()
        if lines and not any(before for _, before in asked):
            outline_is_the_border_of_its_mask(page, pages.study)
        asked.append((scale, lines))
        assert (
            page.locator(".rt-level").count() == 5
            and len(page.locator(".rt-level small").first.inner_text()) > 10
        )
        level = 1 + len(asked) % 5
        if len(asked) % 2:
            rater.answer(str(level))
        else:
            before = rater.place
            page.wait_for_timeout(320)
            page.click(f".rt-level[data-level='{level}']")
            page.wait_for_selector(f".rt:not([data-place='{before}'])[data-ready='true'][data-saved='yes']")
        word = ("Excellent", "Good", "Fair", "Poor", "Bad")[5 - level]
        assert rater.said == f"Saved: {level} {word}"
    votes = rater.sent()
    assert [vote.content["answer"]["level"] for vote in votes] == [1 + (n + 1) % 5 for n in range(len(votes))]
    kinds = [scale for scale, _ in asked]
    assert kinds[2:14] == ["Realism"] * 4 + ["Anatomy"] * 4 + ["Fit to the outline"] * 4
    assert all((lines == 1) == (scale == "Fit to the outline") for scale, lines in asked)
    whole(pages.study)
    rater.context.close()


def outline_is_the_border_of_its_mask(page: Page, study: Room) -> None:
    """The line that is drawn follows one mask of the study, and can be switched off."""
    line = page.locator(".rt-outline").evaluate(
        """(c) => ({side: c.width, alpha: Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.width).data)
          .filter((_, i) => i % 4 === 3)})"""
    )
    drawn = np.array(line["alpha"]).reshape(line["side"], line["side"]) > 0
    near = []
    for path in study.masks.glob("*.png"):
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        large = cv2.resize(mask, (line["side"], line["side"]), interpolation=cv2.INTER_LINEAR) > 127
        kernel = np.ones((3, 3), np.uint8)
        border = cv2.morphologyEx(large.astype(np.uint8), cv2.MORPH_GRADIENT, kernel) > 0
        near.append(
            (drawn & cv2.dilate(border.astype(np.uint8), np.ones((9, 9))).astype(bool)).sum() / drawn.sum()
        )
    assert max(near) > 0.97 and sorted(near)[-2] < 0.9  # one mask's border, and that mask's alone
    page.keyboard.press("o")
    assert not page.locator(".rt-outline").is_visible()
    page.click("#rt-outline")
    assert page.locator(".rt-outline").is_visible() and line["side"] > SIZE


def test_p4_by_arrows_numbers_and_clicks(opened, chromium):
    pages = opened("P4")
    rater = Rater(pages, 1, wide(chromium)).begin()
    rater.answer("ArrowRight").answer("ArrowLeft").answer("2")
    before = rater.place
    rater.page.wait_for_timeout(320)
    rater.page.locator(".rt-cell").nth(0).click()
    rater.page.wait_for_selector(f".rt:not([data-place='{before}'])[data-ready='true']")
    assert [answer["patient"] for _, _, answer in rater.answers()] == [1, 0, 1, 0]
    rater.context.close()
    rater = Rater(pages, 2, phone(chromium, 2)).begin()
    page = rater.page
    boxes = [canvas.bounding_box() for canvas in page.locator(".rt-wall canvas").all()]
    assert (
        boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"]
    )  # one above the other: larger than side by side
    assert all(box["width"] > 220 and box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    buttons = [button.bounding_box() for button in page.locator(".rt-pair button").all()]
    assert all(
        box["height"] >= 44 and box["width"] > 120 and box["y"] + box["height"] <= 844 for box in buttons
    )
    page.wait_for_timeout(320)
    page.tap(".rt-pair [data-position='1']")
    rater.wait("practice", 1)
    assert rater.answers() == [(0, 1, {"patient": 1})]
    rater.context.close()
