"""A kit in a real browser, from a file: by the keyboard alone, closed and opened again, sent back and taken in."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page

from siamese.store import records
from siamese.store.engine import reading
from siamese.study.kit import Kits
from siamese.study.kit_import import import_votes
from siamese.study.studies import status
from tests.study.rooms import locked_study
from tests.ui.conftest import until
from ui import headless

P1 = [("R", 7), ("S", 10), ("R", 1), ("S", 3), ("R", 10), ("S", 2), ("R", 9), ("S", 5)]


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser of its own: all files share one memory."""
    made = chromium.new_context(viewport={"width": 1440, "height": 900})
    yield made
    made.close()


@pytest.fixture
def study(tmp_path):
    return locked_study(tmp_path, raters=2, per_arm=3, practice=1, repeats=1, block=5)


def kit_of(study, rater: int = 1) -> str:
    return next(Kits(study, [rater]).write()).path.as_uri()


def opened(context: BrowserContext, url: str, stage: str = "") -> Page:
    """A tab with a kit; it fails when the page asks for anything or complains."""
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.asked.append(str(error)))
    page.on("console", lambda message: page.asked.append(message.text))
    page.goto(url)
    ready(page, stage)
    return page


def ready(page: Page, stage: str = "") -> None:
    page.wait_for_selector(f"#pages[data-stage{f'={stage}' if stage else ''}][data-ready=true]")


def begin(page: Page) -> None:
    """Consent and screen check, by the keyboard."""
    ready(page, "information")
    page.keyboard.press("Tab")  # the file to go on from
    for key in ("Tab", "Space", "Tab", "Space", "Tab", "Enter"):
        page.keyboard.press(key)
    ready(page, "screen")
    for step, key in (("dark", "6"), ("light", "5"), ("red", "4")):
        while page.get_attribute("[data-step]", "data-step") == step:
            page.keyboard.press(key)
            page.wait_for_timeout(100)  # a key too soon after the step before means nothing
    page.wait_for_selector("[data-step=card]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")


def answer(page: Page, *keys: str) -> None:
    """Answer one presentation and wait until it is saved; a pause before it is ended."""
    if page.get_attribute("#pages", "data-stage") == "pause":
        page.keyboard.press("Enter")
    until(
        lambda: page.evaluate("Boolean(__kit.desk.item && __kit.desk.item.open)"),
        "a picture that can be answered",
    )
    place = page.get_attribute("#pages", "data-place")
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_selector(f"#pages[data-saved=yes]:not([data-place='{place}'])")
    ready(page)


def p1(kind: str, sure: int) -> tuple[str, str]:
    return kind, str(sure % 10)


def sent(page: Page, path: Path, button: str = "#kit-save") -> Path:
    """Save the answers as a file."""
    with page.expect_download() as download:
        page.focus(button)
        page.keyboard.press("Enter")
    download.value.save_as(path)
    return path


def votes_of(study, rater: int = 1) -> list[records.Record]:
    with reading(study.votes) as connection:
        assert records.verify(connection, study.id).broken == ""
        return records.records(connection, study.id, rater, ("vote", "undo"))


@contextmanager
def own_browser(chromium: Browser, profile: Path) -> Iterator[BrowserContext]:
    """A browser with a profile on disk, as a person has one."""
    context = chromium.browser_type.launch_persistent_context(
        str(profile), executable_path=headless.found(whole=True), args=headless.FLAGS
    )
    try:
        yield context
    finally:
        with suppress(Error):
            context.close()


def test_a_whole_p1_by_keyboard_closed_and_resumed_then_imported_twice(study, context, tmp_path):
    url = kit_of(study)
    page = opened(context, url, "information")
    begin(page)
    ready(page, "practice")
    for kind, sure in P1[:3]:
        answer(page, *p1(kind, sure))
    assert "Saved: Real, 1" in page.inner_text(".rt-status")
    page.keyboard.press("z")  # within ten seconds
    page.wait_for_selector("#pages[data-place='2'][data-ready=true]")
    answer(page, "s", "4")
    half = sent(page, tmp_path / "half.json")
    page.close()

    page = opened(context, url, "item")  # the next day
    assert page.get_attribute("#pages", "data-place") == "3"
    assert page.locator("#rt-undo").is_hidden()
    for kind, sure in P1[3:]:
        answer(page, *p1(kind, sure))
    ready(page, "finish")
    page.locator("textarea[name=cues]").press_sequentially("zu glatt 🙂")  # z is a letter here
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    ready(page, "done")
    assert (
        page.get_by_text("One step is left").is_visible() and not page.get_by_text("Thank you").is_visible()
    )
    whole = sent(page, tmp_path / "whole.json", "#kit-last")
    assert page.get_by_text("Thank you").is_visible()
    assert [asked for asked in page.asked if asked.split("#")[0] != url] == []

    taken = import_votes(study, whole)
    assert (taken.answers, taken.undone, taken.answered, taken.finished) == (9, 1, 8, True)
    found = votes_of(study)
    revised = [(one.kind, one.place, one.revision) for one in found[2:5]]
    assert revised == [("vote", 2, 1), ("undo", 2, 1), ("vote", 2, 2)]
    stands = {one.place: one.content["answer"] for one in found if one.kind == "vote"}
    pressed = [*P1[:2], ("S", 4), *P1[3:]]
    assert stands == {n: {"real": kind == "R", "confidence": sure} for n, (kind, sure) in enumerate(pressed)}
    facts = found[0].content["facts"]
    assert set(facts) == {"ms", "hidden_ms", "shown", "css", "factor", "dpr", "at"} and facts["ms"] >= 300
    assert facts["css"][0] == pytest.approx(64 * facts["factor"]) and facts["hidden_ms"] == 0
    for path in (whole, half):
        again = import_votes(study, path)
        assert (again.answers, again.undone) == (0, 0)
    assert votes_of(study) == found and status(study).raters[1].finished


def test_a_whole_p4_by_keyboard(context, tmp_path):
    study = locked_study(tmp_path, "P4", raters=1, per_arm=2, practice=1, repeats=1, block=5)
    url = kit_of(study)
    page = opened(context, url)
    begin(page)
    for key in ("1", "2", "ArrowLeft", "ArrowRight"):
        answer(page, key)
    ready(page, "finish")
    shown = page.evaluate(
        "__kit.door.records.filter((one) => one.kind === 'vote').map((one) => one.pictures.length)"
    )
    assert shown == [2] * 4
    taken = import_votes(study, sent(page, tmp_path / "a.json"))
    assert (taken.answers, taken.finished) == (4, False)
    assert [one.content["answer"]["patient"] for one in votes_of(study)] == [0, 1, 0, 1]
    assert [asked for asked in page.asked if asked.split("#")[0] != url] == []


def test_the_pictures_on_the_screen_are_those_of_the_place(study, context):
    """Through padding, veil, base64 and canvas: at the size of the file the pixels are the prepared ones."""
    import cv2
    import numpy as np

    from siamese.study.kit_order import order_of

    page = opened(context, kit_of(study))
    for one in order_of(study, 1)[:3]:
        data = page.evaluate(
            """async (token) => {
                const bitmap = await __kit.door.picture(token);
                const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
                canvas.getContext("2d").drawImage(bitmap, 0, 0);
                return [...canvas.getContext("2d").getImageData(0, 0, bitmap.width, bitmap.height).data];
            }""",
            one.tokens[0],
        )
        stored = cv2.imread(str(study.pictures / f"{one.items[0]}.png"))[..., ::-1]
        assert np.array_equal(np.array(data, np.uint8).reshape(64, 64, 4)[..., :3], stored)


def test_nothing_leaves_the_file_and_a_second_tab_waits(study, context):
    url = kit_of(study)
    page = opened(context, url, "information")
    tried = page.evaluate(
        """async () => {
            const blocked = [];
            document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
            await fetch("http://127.0.0.1:9/").catch(() => {});
            const image = new Image();
            await new Promise((done) => ((image.onerror = done), (image.src = "http://127.0.0.1:9/a.png")));
            return blocked;
        }"""
    )
    assert tried == ["connect-src", "img-src"]
    other = context.new_page()
    other.goto(url)
    other.get_by_text("open in another tab").wait_for()
    page.close()
    ready(other, "information")


def test_withdrawing_in_a_kit_deletes_the_answers_and_is_honoured(study, context, tmp_path):
    url = kit_of(study)
    page = opened(context, url)
    begin(page)
    answer(page, "r", "5")
    before = sent(page, tmp_path / "before.json")
    page.focus("#rt-withdraw")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    ready(page, "withdrawn")
    gone = sent(page, tmp_path / "gone.json", "#kit-withdrawal")
    assert [one["kind"] for one in json.loads(gone.read_text("utf-8"))["records"]] == ["withdraw"]
    page.close()
    page = opened(context, url, "withdrawn")
    assert "real" not in page.evaluate("JSON.stringify(localStorage)")
    import_votes(study, before)
    assert import_votes(study, gone).withdrawn and status(study).raters[1].withdrawn


def test_a_browser_that_keeps_nothing_says_so_and_goes_on_from_a_file(study, chromium, tmp_path):
    profile, url = tmp_path / "profile", kit_of(study)
    (profile / "Default").mkdir(parents=True)
    blocked = {
        "profile": {"default_content_setting_values": {"cookies": 2}}
    }  # as "block all site data" writes it
    (profile / "Default" / "Preferences").write_text(json.dumps(blocked))
    with own_browser(chromium, profile) as context:
        page = opened(context, url, "information")
        assert "keeps nothing" in page.inner_text("#bar")
        begin(page)
        answer(page, "r", "8")
        assert "in this page only" in page.inner_text(".rt-status")
        assert page.get_attribute(".rt-status", "data-kind") == "bad"
        assert page.evaluate("__kit.door.unsafe")
        path = sent(page, tmp_path / "a.json")
        assert not page.evaluate("__kit.door.unsafe")
        answer(page, "s", "2")
        later = sent(page, tmp_path / "b.json")
        page.close()

        page = opened(context, url, "information")
        other = tmp_path / "other.json"
        other.write_text(later.read_text("utf-8").replace('"confidence":8', '"confidence":9'), "utf-8")
        page.set_input_files("#kit-file", other)
        page.get_by_text("was changed on its way").wait_for()
        page.set_input_files("#kit-file", later)
        page.wait_for_selector("#pages[data-place='2']")
        begin_again = page.get_attribute("#pages", "data-stage")
        assert begin_again == "screen"  # this browser has forgotten its screen
    first, second = import_votes(study, later), import_votes(study, path)
    assert (first.answers, second.answers, second.known) == (2, 0, 1)


def test_a_killed_browser_has_every_answer_that_was_called_saved(study, chromium, tmp_path):
    profile, url = tmp_path / "profile", kit_of(study)
    with own_browser(chromium, profile) as context:
        page = opened(context, url)
        begin(page)
        answer(page, "r", "8")
        answer(page, "s", "3")
        said = page.inner_text(".rt-status")
        os.kill(_main_process(profile), signal.SIGKILL)
    assert "Saved: Synthetic, 3" in said
    for lock in profile.glob("Singleton*"):
        lock.unlink()
    with own_browser(chromium, profile) as context:
        page = opened(context, url)
        assert page.get_attribute("#pages", "data-place") == "2"
        path = sent(page, tmp_path / "a.json")
    assert import_votes(study, path).answers == 2


def _main_process(profile: Path) -> int:
    """The process that Chromium names in its profile's lock."""
    lock = profile / "SingletonLock"
    until(lock.is_symlink, "the browser's lock")
    return int(os.readlink(lock).rsplit("-", 1)[1])
