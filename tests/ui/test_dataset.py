"""The screen "Dataset": from the outlines that came with the app to a verified zip; real server, jobs and browser."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from siamese.augment.folder import SetFolder
from siamese.jobs.jobs import Jobs
from siamese.workspace import Workspace
from tests.shell import siamese
from tests.ui.conftest import Server, opened, until
from tests.ui.training import end_all

PATIENCE = 120_000  # ms for a set, on a machine that is busy with others


@pytest.fixture(scope="module")
def workshop(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the tiny model and a workspace of its own."""
    folder = tmp_path_factory.mktemp("dataset") / "workspace"
    server = Server(folder, "--checkpoint", str(tiny_checkpoint)).start()
    yield server
    server.stop()
    end_all(folder)


def screen(context: BrowserContext, server: Server) -> Page:
    """A tab with the screen open and masks shown."""
    page = opened(context, server)
    page.get_by_role("tab", name="Dataset").click()
    page.wait_for_selector("#dataset-masks img")
    return page


def made(server: Server) -> SetFolder:
    """The newest set."""
    jobs = [job for job in Jobs(Workspace(server.workspace)).list() if job.verb == "synthesize"]
    return SetFolder(jobs[0].folder / "set")


def test_from_the_example_masks_to_a_verified_zip(context, workshop, tmp_path):
    page, go = screen(context, workshop), "#dataset-next"
    expect(page.locator("#dataset-sets")).to_contain_text("No set was made here yet")
    expect(page.get_by_role("button", name="Synthesize")).to_be_disabled()
    before = page.locator("#dataset-masks img").first.get_attribute("src")
    page.locator("#dataset-others").click()
    page.wait_for_function(
        "(was) => { const i = document.querySelector('#dataset-masks img'); return i && i.src !== was; }",
        arg=before,
    )
    page.locator(go).click()
    page.locator("#dataset-folds").get_by_role("button", name="2×").click()
    page.locator("#dataset-name").fill("Übung 1")
    expect(page.locator(go)).to_have_text("Synthesize 12 pictures")
    expect(page.locator("#dataset-lines")).to_contain_text("6 masks → 12 pictures")
    page.locator(go).click()
    expect(page.locator("#dataset-step-3")).to_contain_text("Übung 1")
    expect(page.locator(go)).to_be_enabled(timeout=PATIENCE)
    expect(page.locator("#dataset-newest img")).to_have_count(8)
    folder = made(workshop)
    assert len(folder.made()) == 12 and len({one.seed for one in folder.items()}) == 12
    page.locator(go).click()
    page.wait_for_selector("#dataset-sheet .ds-cell, #dataset-sheet .tr-empty")
    reviewed(page, folder)
    page.locator(go).click()
    page.locator("#dataset-layouts input[value='coco']").check()
    page.locator("#dataset-title").fill("Übung")
    page.locator(go).click()
    expect(page.locator("#dataset-export-said")).to_contain_text("Written and verified", timeout=PATIENCE)
    with page.expect_download() as download:
        page.locator("#dataset-fetch").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    told = siamese("export", "verify", path)
    assert told.returncode == 0, told.stderr
    assert page.locator("#dataset-export-done").inner_text().count("sha256") == 1


def reviewed(page: Page, folder: SetFolder) -> None:
    """Decide by keyboard: accept, reject for a reason, undo; every key is on the disk before the page says so."""
    page.get_by_role("group", name="Which pictures").get_by_role("button", name="all", exact=True).click()
    cells = page.locator("#dataset-sheet .ds-cell")
    expect(cells).to_have_count(12)
    cells.first.focus()
    page.keyboard.press("a")
    expect(page.locator("#dataset-review-said")).to_have_text("s000001 accepted.")
    expect(cells.nth(1)).to_be_focused()
    page.keyboard.press("v")
    expect(page.locator("#dataset-review-said")).to_have_text("s000002 rejected: vessels.")
    assert {id: (one.word, one.reason) for id, one in folder.decisions().items()} == {
        "s000001": ("accept", ""),
        "s000002": ("reject", "vessels"),
    }
    expect(cells.nth(1)).to_have_attribute("data-state", "rejected")
    page.keyboard.press("u")
    expect(page.locator("#dataset-review-said")).to_have_text("s000002 is as it was.")
    assert set(folder.decisions()) == {"s000001"}
    cells.nth(3).focus()
    for key in "abc":  # quicker than any answer: one picture after the other, each its own
        page.keyboard.press(key)
    cells.nth(9).focus()
    expect(cells.nth(5)).to_have_attribute("data-state", "rejected")
    expect(cells.nth(9)).to_be_focused()  # no answer that came late has moved it
    decided = {id: (one.word, one.reason) for id, one in folder.decisions().items() if id != "s000001"}
    assert decided == {
        "s000004": ("accept", ""),
        "s000005": ("reject", "border"),
        "s000006": ("reject", "colour"),
    }
    for k in range(12):  # random weights paint nothing like a lesion: a person accepts them here
        if cells.nth(k).get_attribute("data-state") != "accepted":
            cells.nth(k).focus()
            page.keyboard.press("a")
            expect(cells.nth(k)).to_have_attribute("data-state", "accepted")


def test_a_rule_is_moved_and_says_what_it_costs(context, workshop):
    page = screen(context, workshop)
    page.locator("#dataset-sets button").first.click()
    page.locator("#dataset-rules > summary").click()
    chart = page.locator("[data-rule='mask_fit']")
    chart.get_by_label("Mask fit: threshold").fill("1.1")
    lines = chart.locator("li").first.evaluate_handle("(line) => line")
    page.evaluate("document.querySelector('#dataset-rules').dispatchEvent(new Event('toggle'))")
    page.wait_for_function("(line) => !line.isConnected", arg=lines)  # drawn anew while somebody types
    expect(chart.get_by_label("Mask fit: threshold")).to_have_value("1.1")
    chart.get_by_label("Mask fit: threshold").press("Enter")
    expect(chart).to_contain_text("All pictures: 12 of 12")
    chart.get_by_label("what happens beyond it").select_option("reject")
    path = made(workshop).root / "rules.json"
    until(lambda: json.loads(path.read_text())["mask_fit"] == {"flag": None, "reject": 1.1}, "the rule")
    expect(page.locator("#dataset-counts [data-kind='flagged'] strong")).to_have_text("0")
    decided = made(workshop).decisions()
    assert decided  # of the others some may have been accepted by the rules themselves until now
    accepted = page.locator("#dataset-counts [data-kind='accepted'] strong")
    expect(accepted).to_have_text(str(len(decided)), timeout=PATIENCE)


def test_a_plan_can_be_changed_and_begun_anew(context, workshop):
    page, go = screen(context, workshop), "#dataset-next"
    page.locator("#dataset-sets button").first.click()
    page.locator("#dataset-rail").get_by_role("button", name="Synthesize").click()
    page.locator("#dataset-again").click()
    expect(page.locator(go)).to_have_text("Next: how many")
    expect(page.locator(go)).to_be_enabled()
    page.locator(go).click()
    expect(page.locator(go)).to_have_text("Synthesize 12 pictures")
    assert page.locator("#dataset-name").input_value() == "Übung 1"
    assert page.locator("#dataset-folds [aria-pressed='true']").inner_text() == "2×"


def test_stop_keeps_what_is_made_and_go_on_goes_on(context, workshop):
    page, go = screen(context, workshop), "#dataset-next"
    page.locator("#dataset-new").click()
    page.wait_for_selector("#dataset-masks img")
    page.locator(go).click()
    page.locator("#dataset-folds").get_by_role("button", name="10×").click()
    page.get_by_text("Guidance, steps, seed").click()
    page.locator("#dataset-steps").fill("120")
    page.locator("#dataset-name").fill("long one")
    expect(page.locator(go)).to_have_text("Synthesize 60 pictures")
    page.locator(go).click()
    page.wait_for_function("document.querySelector('#dataset-newest img')", timeout=PATIENCE)
    page.locator("#dataset-stop").click()
    expect(page.locator(go)).to_have_text("Go on", timeout=PATIENCE)
    kept = made(workshop).made()
    assert 0 < len(kept) < 60
    page.locator(go).click()
    expect(page.locator("#dataset-stop")).to_be_visible(timeout=PATIENCE)
    while len(made(workshop).made()) <= len(kept):
        time.sleep(0.1)
    again = made(workshop).made()
    assert all(again[id] == one for id, one in kept.items())
    page.locator("#dataset-stop").click()
    expect(page.locator(go)).to_have_text("Go on", timeout=PATIENCE)
