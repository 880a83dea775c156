"""The workbench in the browser with a real (tiny) model: seeds, contact sheet, live."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from siamese.workspace import Workspace
from tests.ui.conftest import Server, opened, saved, stroke
from tests.ui.test_sampling import set_number, shown, status, wait_state
from tests.ui.workbench import OWNER, generate, no_jargon, note, quiet, seed


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Page:
    return quiet(context, server)


def test_seeds_same_counted_up_and_random_and_the_real_one_can_be_copied(page, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    assert "seed 40 " in generate(page, seed=40) and seed(page) == 40
    page.get_by_label("+1", exact=True).check(force=True)
    assert "seed 41 " in generate(page, seed=40, count=2)
    page.wait_for_function("document.querySelector('#seed input').value === '42'")  # two were made
    assert "seed 42 " in generate(page, count=1)
    page.get_by_label("random", exact=True).check(force=True)
    label = generate(page)
    real = seed(page)
    assert f"seed {real} " in label and real not in (42, 43)
    page.locator("#copy-seed").click()
    note(page, "copied")
    assert page.evaluate("navigator.clipboard.readText()") == str(real)
    page.get_by_label("same", exact=True).check(force=True)
    assert generate(page) == label
    no_jargon(page)


def test_sixteen_pictures_come_one_by_one(page):
    before = page.evaluate("SiameseMask.pictures && document.querySelectorAll('#gallery button').length")
    page.evaluate(
        """() => { window.lengths = new Set(); const strip = document.querySelector("#gallery");
        new MutationObserver(() => lengths.add(strip.children.length)).observe(strip, {childList: true}); }"""
    )
    generate(page, count=16, seed=500)
    page.wait_for_function(
        "(n) => document.querySelectorAll('#gallery button').length === n", arg=before + 16
    )
    assert len(page.evaluate("[...lengths]")) > 3  # four are made together; a busy page may draw two events as one
    assert page.locator("#gallery button").first.inner_text().startswith("seed 515")


def sheet(page: Page, values: str, columns: int) -> None:
    if page.locator("[data-body=sheet-body]").get_attribute("aria-expanded") == "false":
        page.locator("[data-body=sheet-body]").click()
    page.locator("#sheet-guidances").locator("input, textarea").fill(values)
    set_number(page, "#sheet-columns", columns)
    page.locator("#make-sheet").click()


def test_a_sheet_has_labels_fills_and_a_cell_is_taken_over(page, server):
    set_number(page, "#seed", 7)
    before = len(Workspace(server.workspace).gallery(OWNER).pictures())
    sheet(page, "1, 2.5 4", 2)
    wait_state(page, "sampling")
    assert wait_state(page, "done", "error") == "done", status(page)
    page.wait_for_function("document.querySelector('.sh').dataset.finished === '6'")
    heads = page.locator(".sh th").all_inner_texts()
    assert heads[1:] == ["7", "8", "1", "2.5", "4"]
    assert len(Workspace(server.workspace).gallery(OWNER).pictures()) == before + 6
    no_jargon(page)
    page.locator(".sh-cell").nth(2).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#seed input').value === '8'")
    page.wait_for_function("document.querySelector('#guidance input[type=number]').value === '2.5'")
    assert "seed 8 · guidance 2.5 · 4 steps" in page.locator(".pv-label").inner_text()
    taken = shown(page)
    assert generate(page) == "seed 8 · guidance 2.5 · 4 steps"
    assert (shown(page) == taken).all()  # a cell is what Generate makes with the same settings
    page.locator("[data-view=sheet]").click()
    assert page.locator(".sh-cell[data-state=finished]").count() == 6


def test_a_sheet_stops_within_a_step_and_keeps_what_is_finished(page, server):
    set_number(page, "#steps", 400)
    before = len(Workspace(server.workspace).gallery(OWNER).pictures())
    sheet(page, "1, 2", 3)
    page.wait_for_function(
        "/tep ([3-9]|\\d\\d+) of 400 · about/.test(document.querySelector('#status').textContent)"
    )
    assert page.locator(".sh-cell[data-state=making]").count() == 1
    page.locator("#stop").click()
    wait_state(page, "stopped")
    assert "No picture finished" in status(page)
    assert page.locator("#make-sheet").is_enabled()
    assert len(Workspace(server.workspace).gallery(OWNER).pictures()) == before


def test_impossible_values_of_a_sheet_are_a_sentence(page):
    sheet(page, "1, two", 2)
    assert wait_state(page, "error", "done") == "error"
    assert "two" in status(page) and "1, 2, 3, 5" in status(page)


def test_closing_the_tab_during_a_sheet_frees_the_lane(page, context, server):
    set_number(page, "#steps", 1000)
    sheet(page, "1, 2, 3", 8)
    page.wait_for_function("/tep \\d+ of 1000/.test(document.querySelector('#status').textContent)")
    other = opened(context, server)
    set_number(other, "#steps", 2)
    other.locator("#generate").click()
    other.wait_for_function("document.querySelector('#status').textContent.includes('1 other request first')")
    page.close()
    assert wait_state(other, "done", "error") == "done"


def test_live_follows_the_outline_and_the_settings_and_stores_nothing(page, server):
    before = len(Workspace(server.workspace).gallery(OWNER).pictures())
    page.wait_for_selector(".machine[data-state=ready]")
    page.locator("#live").click()
    page.wait_for_function("__live.on() && __live.counts.shown > 0 && __live.settled()")
    label = page.locator(".pv-label").inner_text()
    assert label == f"live · seed {seed(page)} · guidance 2.5"
    assert page.locator(".pv-badge").inner_text() == "Synthetic" and page.locator("#accept").is_disabled()
    first = shown(page)
    count = page.evaluate("__live.counts.shown")
    stroke(page, (0.2, 0.2), (0.8, 0.8), (0.8, 0.2))
    page.wait_for_function("(n) => __live.counts.shown > n && __live.settled()", arg=count)
    assert not (shown(page) == first).all()
    set_number(page, "#seed", 5)
    page.wait_for_function(
        "document.querySelector('.pv-label').textContent === 'live · seed 5 · guidance 2.5'"
    )
    assert len(Workspace(server.workspace).gallery(OWNER).pictures()) == before
    no_jargon(page)
    page.locator("#live").click()
    page.reload()
    page.wait_for_function("window.__live && !__live.on()")  # the choice is remembered


def test_live_has_one_request_under_way_and_the_newest_mask_wins(page):
    page.locator("#live").click()
    page.wait_for_function("__live.counts.shown > 0 && __live.settled()")
    held: list[Route] = []
    holding = [True]

    def hold(route: Route) -> None:
        if holding and route.request.post_data_json["fn_name"] == "live":
            held.append(route)
        else:
            route.continue_()

    page.route("**/component_server/", hold)
    page.get_by_role("button", name="Clear the drawing").click()
    page.wait_for_function("__live.counts.sent >= 2")
    for x in (0.2, 0.4, 0.6, 0.8):
        stroke(page, (x, 0.3), (x, 0.6))
    saved(page)
    assert len(held) == 1  # four strokes later still the first
    holding.clear()
    for route in held:
        route.continue_()
    sent = page.evaluate("__live.counts.sent")
    page.wait_for_function("__live.settled()")
    assert page.evaluate("__live.counts.sent") <= sent + 1  # one for all four


def test_a_late_live_picture_is_not_painted_over_what_was_asked_for(page):
    page.locator("#live").click()
    page.wait_for_function("__live.counts.shown > 0 && __live.settled()")
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.post_data_json["fn_name"] == "live":
            held.append(route)
        else:
            route.continue_()

    page.route("**/component_server/", hold)
    sent = page.evaluate("__live.counts.sent")
    set_number(page, "#seed", 70)
    page.wait_for_function("(n) => __live.counts.sent > n", arg=sent)
    label = generate(page)
    with page.expect_response(lambda answer: "component_server" in answer.url):
        for route in held:
            route.continue_()
    page.wait_for_function("__live.counts.reasons.ok > 1")  # the page has it
    assert page.locator(".pv-label").inner_text() == label and "seed 70 " in label
    set_number(page, "#seed", 71)  # and a change after that is followed again
    page.wait_for_function("(n) => __live.counts.sent > n + 1", arg=sent)


def takes(page: Page, seconds: float) -> None:
    """Live pictures say that they took so long, whatever the machine: after two slow ones Live goes off."""

    def told(route: Route) -> None:
        body = route.request.post_data_json
        answer = route.fetch()
        found = answer.json() if body["fn_name"] == "live" else {}
        if "seconds" in found:
            route.fulfill(response=answer, json={**found, "seconds": seconds})
        else:
            route.fulfill(response=answer)

    page.route("**/component_server/", told)


def test_live_waits_for_a_generate_of_somebody_else_and_stop_works(page, context, server):
    takes(page, 0.1)
    page.locator("#live").click()
    page.wait_for_function("__live.counts.shown > 0 && __live.settled()")
    other = opened(context, server)
    set_number(other, "#count", 8)  # still at work when the stroke below has come, however busy the machine
    set_number(other, "#steps", 1000)
    other.locator("#generate").click()
    other.wait_for_function("/tep \\d+ of 1000/.test(document.querySelector('#status').textContent)")
    count = page.evaluate("__live.counts.shown")
    page.bring_to_front()
    stroke(page, (0.1, 0.5), (0.9, 0.5))
    note(page, "Another picture is being made")
    other.bring_to_front()
    other.locator("#stop").click()
    wait_state(other, "stopped")
    page.wait_for_function("(n) => __live.counts.shown > n", arg=count)


def test_live_switches_itself_off_where_it_is_slow_and_says_so(page):
    page.wait_for_selector(".machine[data-state=ready]")
    takes(page, 3.0)
    page.locator("#live").click()
    for number in range(5):
        set_number(page, "#seed", number + 20)
        page.wait_for_function("__live.settled()")
    note(page, "Live is off now")
    assert page.locator("#live").get_attribute("aria-pressed") == "false"
