"""What goes wrong between a click and the disk, in a real browser: every answer is there once, exactly."""

from __future__ import annotations

import itertools
import json

import pytest

from tests.study.rooms import locked_study
from tests.ui.rating import Pages, Rater, whole, wide

SAVED = ".rt[data-saved='yes'][data-ready='true']"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    pages = Pages(locked_study(tmp_path_factory.mktemp("faults"), raters=20, per_arm=4)).start()
    yield pages
    pages.stop()


@pytest.fixture(scope="module")
def numbers():
    return itertools.count(1)


@pytest.fixture
def rater(pages, numbers, chromium):
    """Somebody new, at the first presentation."""
    rater = Rater(pages, next(numbers), wide(chromium)).begin()
    yield rater
    assert rater.errors == []
    whole(pages.study)
    rater.context.close()


def unsaved(rater: Rater) -> None:
    """Wait until the page says that an answer is not saved yet."""
    rater.page.wait_for_selector(".rt[data-saved='no'] .rt-status[data-kind='bad'] >> text=Not saved yet")


def test_the_answer_to_a_stored_vote_is_lost(rater):
    """The server has stored it, the page has not heard so: it asks again with the same id."""
    heard = []

    def swallow(route):
        heard.append(route.request.post_data_json["client_id"])
        if len(heard) > 2:
            route.continue_()
        else:
            route.fetch()
            route.abort()

    rater.page.route("**/rate/vote", swallow)
    rater.press("r", "6")
    unsaved(rater)
    rater.page.wait_for_selector(".rt[data-place='1'] >> css=canvas")
    rater.wait(place=1)
    assert len(heard) == 3 and len(set(heard)) == 1 and rater.said == "Saved: Real, 6"
    assert rater.answers() == [(0, 1, {"real": True, "confidence": 6})]


def test_the_network_is_gone_when_the_key_is_pressed(rater):
    rater.context.set_offline(True)
    rater.press("s", "3")
    unsaved(rater)
    rater.page.keyboard.press("r")
    rater.page.keyboard.press("9")  # nothing more is answered before that one is stored
    rater.page.keyboard.press("z")
    rater.page.click("[data-key=R]")
    pressed = rater.page.locator(".rt-panel [aria-pressed=true]").all_inner_texts()
    assert [text.split()[-1] for text in pressed] == ["Synthetic", "3"]  # what waits, and nothing else
    assert rater.place == 0 and rater.sent() == []
    rater.context.set_offline(False)
    rater.wait(place=1)
    assert rater.answers() == [(0, 1, {"real": False, "confidence": 3})] and rater.sent("undo") == []


def test_a_reload_while_an_answer_waits_sends_it(rater):
    again = []  # begun only with the new page: the old one tries by itself meanwhile
    rater.page.on("framenavigated", lambda frame: again.append(frame))
    rater.page.route("**/rate/vote", lambda route: route.continue_() if again else route.abort())
    rater.press("r", "4")
    unsaved(rater)
    waiting = json.loads(rater.page.evaluate("Object.values(sessionStorage)[0]"))
    rater.page.reload()
    rater.wait(place=1)
    assert rater.said == "Saved: Real, 4" and rater.answers() == [(0, 1, {"real": True, "confidence": 4})]
    assert rater.sent()[0].client_id == waiting[0]["body"]["client_id"]
    assert rater.page.evaluate("Object.keys(sessionStorage).length") == 0


def test_a_second_click_of_a_double_click_answers_nothing(rater):
    page = rater.page
    page.wait_for_timeout(320)
    page.dblclick("[data-key=R]")
    page.dblclick("[data-confidence='8']")
    rater.wait(place=1)
    page.wait_for_timeout(320)
    assert rater.answers() == [(0, 1, {"real": True, "confidence": 8})]
    assert page.locator(".rt-panel [aria-pressed=true]").count() == 0


def test_a_key_that_is_held_or_pressed_twice_answers_once(rater):
    page = rater.page
    rater.press("r")
    page.keyboard.down("7")
    for _ in range(5):
        page.keyboard.down("7")  # as a keyboard repeats
    rater.wait(place=1)
    page.keyboard.up("7")
    page.keyboard.press("r")
    page.keyboard.press("7")  # within the first moments of the next picture
    assert rater.place == 1 and rater.answers() == [(0, 1, {"real": True, "confidence": 7})]


def test_of_two_tabs_the_second_shows_the_stored_vote_and_goes_on(rater, pages):
    other = Rater(pages, rater.number, rater.context).open("practice")
    assert other.place == rater.place == 0
    rater.answer("r", "2")
    other.answer("s", "9")
    assert "another tab" in other.said and other.said.endswith("Real, 2") and other.place == 1
    other.answer("s", "9")
    assert rater.answers() == [
        (0, 1, {"real": True, "confidence": 2}),
        (1, 1, {"real": False, "confidence": 9}),
    ]
    other.page.keyboard.press("z")
    other.wait(place=1)
    rater.answer("r", "1")  # the first tab, still at place 1: its answer is the new revision
    assert rater.answers()[-1] == (1, 2, {"real": True, "confidence": 1})
    assert other.errors == []


def test_another_device_goes_on_by_the_link_and_checks_its_own_screen(rater, pages, chromium):
    rater.answer("r", "2").answer("s", "5")
    tablet = Rater(pages, rater.number, wide(chromium, viewport={"width": 1024, "height": 768})).open(
        "screen"
    )
    tablet.check_screen(steps=2).wait(place=2)
    tablet.answer("s", "4")
    assert len(rater.sent("screen")) == 2 and len(rater.sent("consent")) == 1
    rater.open()
    assert rater.stage == "item" and rater.place == 3  # this one was measured before
    assert [vote.place for vote in rater.sent()] == [0, 1, 2]
    tablet.context.close()


def test_a_clock_that_jumps_in_the_browser_changes_no_time(pages, numbers, chromium):
    context = wide(chromium)
    context.add_init_script(
        "let n = 0; Date.now = () => (n++ % 2 ? 0 : 4e12); window.Date = class extends Date {"
        " constructor() { super(n++ % 2 ? 0 : 4e12); } static now() { return n++ % 2 ? 0 : 4e12; } };"
    )
    rater = Rater(pages, next(numbers), context).begin()
    rater.answer("r", "2")
    assert rater.page.locator("#rt-undo").is_visible()
    (vote,) = rater.sent()
    assert (
        300 < vote.content["facts"]["ms"] < 60_000
        and abs(vote.content["facts"]["shown"] - vote.at) < 60_000_000
    )
    rater.page.keyboard.press("z")
    rater.wait(place=0)
    context.close()


def test_time_in_another_tab_is_counted_apart(rater):
    page = rater.page
    hide = "(hidden) => { Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true});"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(hide, True)
    page.wait_for_timeout(500)
    page.evaluate(hide, False)
    rater.answer("r", "2")
    facts = rater.sent()[0].content["facts"]
    assert 500 <= facts["hidden_ms"] <= facts["ms"] - 300


def test_a_picture_whose_token_was_used_is_asked_for_anew(rater):
    """Somebody else took the picture with the token: the page gets 404, asks for the state and has it all the same."""
    taken, statuses = {}, {}  # by address: a picture fetched before the reload may still be on its way

    def take(route):
        taken[route.request.url] = route.fetch().status
        route.continue_()

    rater.page.route("**/rate/picture/*", take, times=2)
    rater.page.on("response", lambda answer: statuses.update({answer.url: answer.status}))
    rater.page.reload()
    rater.wait(place=0)
    assert set(taken.values()) == {200} and {statuses[url] for url in taken if url in statuses} == {404}
    assert 200 in [status for url, status in statuses.items() if "/rate/picture/" in url and url not in taken]
    rater.answer("r", "2")
    assert len(rater.sent()) == 1


def test_the_server_is_killed_between_click_and_answer(pages, numbers, chromium):
    one, other = (Rater(pages, next(numbers), wide(chromium)).begin().answer("r", "2") for _ in range(2))
    pages.stop()
    try:
        one.press("s", "8")
        other.page.keyboard.press("z")
        for rater in (one, other):
            unsaved(rater)
    finally:
        pages.start()
    one.wait(place=2)
    real, synthetic = {"real": True, "confidence": 2}, {"real": False, "confidence": 8}
    assert one.said == "Saved: Synthetic, 8" and [answer for _, _, answer in one.answers()] == [
        real,
        synthetic,
    ]
    # the ten seconds are counted by the process: a new one opens no window again, and says so
    other.page.wait_for_selector(".rt-status >> text=this one stands")
    other.wait(place=1)
    assert other.sent("undo") == [] and [answer for _, _, answer in other.answers()] == [real]
    assert one.errors == other.errors == []
    whole(pages.study)
    for rater in (one, other):
        rater.context.close()
