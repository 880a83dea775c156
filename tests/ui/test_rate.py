"""The screen "Rate": a study from its template to its report in a real browser, its rating pages served from there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from siamese.study.studies import Studies, Study
from siamese.workspace import Workspace
from tests.conftest import draw_case
from tests.study.rooms import vote_through
from tests.ui.conftest import PATIENCE, Server, answers, until

expect.set_options(timeout=PATIENCE)


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Server]:
    """A studio whose workspace holds two datasets, every picture of them another."""
    workspace = tmp_path / "workspace"
    for name, first in (("ward", 0), ("made", 100)):
        folder = workspace / "datasets" / name
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True)
        for seed in range(first, first + 12):
            picture, mask = draw_case(seed)
            clouds = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=mask.shape), (0, 0), 8)
            picture = (picture + 900 * clouds[..., None] * (picture > 0)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / "images" / f"{name}{seed}.png"), picture[..., ::-1])
            cv2.imwrite(str(folder / "masks" / f"{name}{seed}.png"), mask)
    server = Server(workspace, "--checkpoint", "no-such-model").start()
    yield server
    server.stop()


def typed(page: Page, name: str, text: str) -> None:
    page.locator(f"#{name} input, #{name} textarea").first.fill(text)


def fold(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def said(page: Page, text: str) -> None:
    expect(page.locator("#rate-said")).to_contain_text(text)


def begin(page: Page) -> None:
    """A study of five and five pictures for two raters."""
    page.get_by_role("tab", name="Rate").click()
    expect(page.locator("#rate-steps")).to_contain_text("Make a study")
    typed(page, "rate-name", "first")  # there is no study yet: its form stands open
    typed(page, "rate-n", "5")
    typed(page, "rate-raters", "2")
    for field, folder in (("rate-real", "ward"), ("rate-synthetic", "made")):
        page.locator(f"#{field} input").click()
        page.locator(f"#{field}").get_by_role("option", name=f"dataset {folder}").click()
    page.keyboard.press("Escape")
    page.locator("#rate-make").click()
    said(page, "Made first.")
    expect(page.locator("#rate-name")).to_be_hidden()


def describe(page: Page) -> None:
    """What a lock asks for."""
    expect(page.locator("#rate-pools textarea")).to_have_value(re.compile("real:"))  # the form is filled in
    typed(page, "rate-f-organiser", "A. Example")
    fold(page, "All settings and texts")
    page.locator("#rate-take").click()  # changes nothing, and takes nothing away that is not saved yet
    expect(page.locator("#rate-said")).not_to_contain_text("Made")
    expect(page.get_by_label("Who runs it")).to_have_value("A. Example")
    fold(page, "All settings and texts")
    typed(page, "rate-f-texts-contact", "study@example.org")
    typed(page, "rate-f-raters_who_know", "none")
    typed(page, "rate-pools", "real: drawn here, seen by no generator\nsynthetic: drawn here too")
    page.locator("#rate-save").click()
    said(page, "Saved.")
    expect(page.locator("#rate-cost")).to_contain_text("minutes a rater")
    fold(page, "1 · Design")


def prepare(page: Page, study: Study) -> None:
    """Pictures, and a reason for every cue that tells the arms apart."""
    fold(page, "2 · Pictures")
    page.locator("#rate-prepare").click()
    said(page, "Prepared.")
    expect(page.locator("#rate-cues")).to_contain_text("AUC")
    expect(page.locator("#rate-cues details")).to_have_count(2)
    telling = page.locator("#rate-reasons textarea").input_value()
    typed(page, "rate-reasons", telling.replace(": ", ": drawn pictures differ; this is a trial"))
    fold(page, "2 · Pictures")


def test_a_study_from_its_template_to_its_report(context: BrowserContext, ward: Server) -> None:
    page = context.new_page()
    page.goto(ward.url)
    begin(page)
    study = Studies(Workspace(ward.workspace)).find("first")
    fold(page, "3 · Lock")
    expect(page.locator("#rate-missing")).to_contain_text("its pictures are not prepared")
    describe(page)
    assert study.design.organiser == "A. Example" and study.design.arms[1].pool == "drawn here too"
    prepare(page, study)
    typed(page, "rate-by", "A. Example")
    typed(page, "rate-typed", "other")
    page.locator("#rate-lock").click()
    said(page, "Type first to lock it")
    assert not study.locked
    typed(page, "rate-typed", "first")
    page.locator("#rate-lock").click()
    said(page, "Locked; design sha256")
    assert study.locked
    expect(page.locator("#rate-sheet")).to_be_visible()
    fold(page, "4 · Raters")
    fold(page, "Personal links")
    expect(page.locator("#rate-links li")).to_have_count(3)
    expect(page.locator("#rate-counts")).to_contain_text("has not begun")
    serve(page, study)
    for rater in (1, 2):
        vote_through(study, rater, np.random.default_rng(rater))
    expect(page.locator("#rate-counts")).to_contain_text("finished")  # looked at by itself
    shows_arms = page.locator("#rate").inner_text().count("synthetic")
    fold(page, "5 · Results")
    page.locator("#rate-report").click()
    said(page, "unblind")
    assert page.locator("#rate").inner_text().count("synthetic") <= shows_arms + 1
    typed(page, "rate-open-by", "A. Example")
    typed(page, "rate-why", "all have finished")
    typed(page, "rate-open-name", "first")
    page.locator("#rate-unblind").click()
    expect(page.locator("#rate-steps")).to_contain_text("Unblinded")
    page.locator("#rate-report").click()
    report = page.frame_locator("#rate-page iframe")
    expect(report.locator("body")).to_contain_text("mean AUC")
    expect(page.locator("#rate-files")).to_contain_text(".pdf")
    expect(page.locator("#rate-methods textarea")).to_have_value(re.compile("[Tt]wo raters|2 raters"))


def serve(page: Page, study: Study) -> None:
    """The rating pages, started and stopped from the screen."""
    from tests.ui.conftest import free_port

    port = free_port()
    typed(page, "rate-port", str(port))
    page.locator("#rate-serve").click()
    expect(page.locator("#rate-served")).to_contain_text("The rating pages of first are at")
    assert answers(f"http://127.0.0.1:{port}/")
    page.locator("#rate-quit").click()
    expect(page.locator("#rate-served")).to_contain_text("Nobody serves")
    until(lambda: not answers(f"http://127.0.0.1:{port}/"), "the pages to end")
