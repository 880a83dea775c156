"""The rating pages in a real browser, P1: a session by keyboard, the sheet, the screen, undo, withdrawal, phones."""

from __future__ import annotations

import itertools
import json

import pytest
import sqlalchemy as sa

from siamese.store import records, tables
from siamese.store.engine import writing
from siamese.study.texts import Texts
from tests.study.rooms import locked_study
from tests.ui.rating import CARD_STEPS, Pages, Rater, phone, recorded, whole, wide, write_result

ORGANISER, CONTACT, TOLD = (
    "Endoscopy, Example Hospital",
    "study@hospital.example",
    "Half of them are from patients.",
)
USUAL = 96 / 2.54  # CSS px per cm before the card is measured


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    study = locked_study(
        tmp_path_factory.mktemp("pages"),
        raters=20,
        per_arm=4,
        organiser=ORGANISER,
        told=TOLD,
        texts=Texts(
            contact=CONTACT, information="{title} takes {minutes} minutes, {braces} stay.\nAsk {contact}."
        ),
    )
    pages = Pages(study).start()
    yield pages
    pages.stop()


@pytest.fixture(scope="module")
def numbers():
    return itertools.count(1)


@pytest.fixture
def rater(pages, numbers, chromium):
    """Somebody new."""
    rater = Rater(pages, next(numbers), wide(chromium))
    yield rater
    assert rater.errors == []
    rater.context.close()


def tab_to(page, selector: str) -> None:
    """Walk there with the Tab key, as somebody without a mouse does."""
    for _ in range(60):
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {selector} by Tab")


def test_a_whole_session_by_keyboard_alone(rater, pages):
    page = rater.open("information").page
    tab_to(page, "input[name=role]")
    page.keyboard.press("Space")  # the first: Consultant
    tab_to(page, "input[name=years]")
    page.keyboard.press("ArrowDown")  # from the first to the second
    tab_to(page, "#rt-consent")
    page.keyboard.press("Enter")
    rater.wait("screen").check_screen().wait("practice", 0)
    assert "Practice" in page.inner_text(".rt-notices")
    keys = itertools.cycle([("r", "7"), ("S", "0"), ("R", "1"), ("s", "9")])
    pressed, undone = [], []
    while rater.stage in ("practice", "item", "pause"):
        if rater.stage == "pause":
            assert "break" in page.inner_text(".rt-main")
            page.keyboard.press("Enter")
            rater.wait("item")
            continue
        place, (kind, number) = rater.place, next(keys)
        rater.answer(kind, number)
        answer = {"real": kind in "rR", "confidence": int(number) or 10}
        spoken = f"{'Real' if answer['real'] else 'Synthetic'}, {answer['confidence']}"
        assert rater.said == f"Saved: {spoken}" and page.locator("#rt-undo").is_visible()
        pressed.append((place, 1 + sum(one[0] == place for one in pressed), answer))
        if place in (3, 6) and place not in undone:  # inside a block, and across its end
            page.keyboard.press("z" if place == 3 else "Backspace")
            rater.wait("item", place)
            undone.append(place)
            assert "Taken back" in rater.said and not page.locator("#rt-undo").is_visible()
    assert rater.stage == "finish" and page.inner_text(".rt-progress").startswith("10 of 10")
    tab_to(page, "textarea[name=cues]")
    page.keyboard.type("zebra folds 7r")  # no letter of it is a command
    tab_to(page, "input[name=seen_before]")
    page.keyboard.press("ArrowDown")
    tab_to(page, "#rt-send")
    page.keyboard.press("Enter")
    rater.wait("done")
    assert rater.answers() == pressed and len(pressed) == 12 + 2
    assert [record.place for record in rater.sent("undo")] == [3, 6]
    (consent,), (screen,), (finish,) = rater.sent("consent"), rater.sent("screen"), rater.sent("finish")
    assert consent.content == {"version": "1", "role": "Consultant", "years": "5 to 9"}
    assert [screen.content[name] for name in ("dark", "light", "red", "squares")] == [4, 5, 3, 6]
    assert screen.content["px_per_cm"] == pytest.approx(USUAL + CARD_STEPS / 8.56, abs=0.2)
    assert (
        screen.content["window"] == [1440, 900] and screen.content["zoom"] == 1 and screen.content["dpr"] == 1
    )
    assert finish.content == {"cues": "zebra folds 7r", "seen_before": "no", "comment": ""}
    whole(pages.study)


def test_the_sheet_says_what_the_design_says_and_chooses_nothing(rater):
    page = rater.open("information").page
    text = page.inner_text(".rt-sheet")
    whole_sheet = (
        "Are they believable? takes 2 minutes, {braces} stay.",
        f"Ask {CONTACT}.",
        ORGANISER,
        TOLD,
        "Version 1",
    )
    assert [said for said in whole_sheet if said not in text] == []
    assert page.title() == "Are they believable?" and page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("input:checked").count() == 0
    page.click("#rt-consent")
    assert "choose" in rater.said
    page.get_by_label("Nurse").check()
    page.click("#rt-consent")
    assert rater.stage == "information" and rater.sent("consent") == []
    page.locator("input[name=years]").last.check()  # no answer
    page.click("#rt-consent")
    rater.wait("screen")
    assert rater.sent("consent")[0].content == {"version": "1", "role": "Nurse", "years": ""}


def test_before_the_link_has_opened_nothing_of_the_study_is_told(rater, pages):
    page = rater.page
    page.goto(pages.url)
    page.wait_for_selector(".rt[data-stage=link]")
    assert page.title() == "Rating" and "personal link" in page.inner_text(".rt-main")
    assert not any(word in page.content() for word in ("believable", ORGANISER, CONTACT, TOLD))
    page.goto(f"{pages.url}#{rater.key[:-1]}")  # another secret: the page reloads by itself
    page.wait_for_selector(".rt[data-stage=link] >> text=not known")
    assert not page.locator("#rt-withdraw").is_visible()
    assert not any(word in page.content() for word in ("believable", ORGANISER, CONTACT, TOLD))


def test_a_link_revoked_in_the_middle_closes_the_page(rater, pages):
    rater.begin().answer("r", "5")
    with writing(pages.study.votes) as connection:
        of = (tables.link.c.study == pages.study.id, tables.link.c.rater == rater.number)
        connection.execute(sa.update(tables.link).where(*of).values(revoked_at=records.now()))
    rater.press("s", "5")
    rater.page.wait_for_selector(".rt[data-stage=link] >> text=newest")
    assert len(rater.sent()) == 1 and rater.page.locator("canvas").count() == 0


@pytest.mark.parametrize("dpr", [1, 1.5])
def test_pictures_have_the_width_of_the_design_in_centimetres_and_one_resampling(
    pages, numbers, chromium, dpr
):
    rater = Rater(pages, next(numbers), wide(chromium, device_scale_factor=dpr)).begin()
    per_cm = rater.sent("screen")[0].content["px_per_cm"]
    canvas = rater.page.locator(".rt-wall canvas")
    box, pixels = canvas.bounding_box(), canvas.evaluate("(c) => [c.width, c.height]")
    assert box["width"] == pytest.approx(12 * per_cm, abs=1) and box["width"] == box["height"]
    assert pixels == [round(box["width"] * dpr)] * 2  # one pixel of the canvas is one of the device
    rater.answer("r", "5")
    facts = rater.sent()[0].content["facts"]
    assert facts["css"] == pytest.approx([box["width"]] * 2, abs=0.05) and facts["dpr"] == dpr
    assert facts["factor"] == pytest.approx(box["width"] / 64, abs=0.01)
    assert 300 < facts["ms"] < 60_000 and facts["hidden_ms"] == 0
    assert abs(facts["shown"] + facts["ms"] * 1000 - rater.sent()[0].at) < 20_000_000
    rater.context.close()


def test_another_zoom_is_noticed_and_changes_no_width(rater):
    page = rater.begin().page
    canvas, notice = page.locator(".rt-wall canvas"), page.get_by_text("Zoom or screen changed")
    before = canvas.bounding_box()["width"]
    assert not notice.is_visible()
    # what Ctrl and + does: fewer, larger CSS pixels
    session = rater.context.new_cdp_session(page)
    metrics = {"width": 1152, "height": 720, "deviceScaleFactor": 1.25, "mobile": False}
    session.send("Emulation.setDeviceMetricsOverride", metrics)
    notice.wait_for()
    narrower = "(w) => document.querySelector('.rt-wall canvas').getBoundingClientRect().width < w"
    page.wait_for_function(narrower, arg=before)
    assert canvas.bounding_box()["width"] * 1.25 == pytest.approx(before, abs=1.5)
    rater.answer("r", "5")
    assert rater.sent()[0].content["facts"]["dpr"] == 1.25
    page.get_by_role("button", name="Check the screen again").first.click()
    rater.wait("screen").check_screen().wait("practice", 1)
    assert len(rater.sent("screen")) == 2 and not notice.is_visible()


def test_nothing_beside_a_picture_has_a_colour(rater):
    page = rater.begin().answer("r", "5").page
    page.keyboard.press("s")
    coloured = page.evaluate(
        """() => {
          const found = [];
          const borders = ["borderTopColor", "borderBottomColor", "outlineColor"];
          const names = ["color", "backgroundColor", "accentColor", "webkitTapHighlightColor", ...borders];
          for (const element of [document.body, ...document.querySelectorAll(".rt, .rt *")])
            for (const name of names) {
              const [r, g, b, a] = (getComputedStyle(element)[name].match(/[\\d.]+/g) || []).map(Number);
              if (a !== 0 && r !== undefined && (r !== g || g !== b)) found.push([element.className, name, r, g, b]);
            }
          return found;
        }"""
    )
    assert coloured == []
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.rt')).backgroundColor") == "rgb(28, 28, 28)"
    )


def test_a_half_given_answer_is_taken_back_before_the_last_vote(rater):
    page = rater.begin().answer("r", "5").page
    rater.press("4")  # confidence alone says nothing
    assert page.locator("[data-confidence='4']").is_disabled()
    page.keyboard.press("s")
    page.keyboard.press("z")
    assert page.locator("[aria-pressed=true]").count() == 0 and rater.place == 1 and len(rater.sent()) == 1
    page.keyboard.press("z")
    rater.wait("practice", 0)
    assert len(rater.sent("undo")) == 1


def test_withdrawing_asks_first_and_is_final(rater, pages):
    page = rater.begin().answer("r", "5").page
    page.click("#rt-withdraw")
    assert page.evaluate("document.activeElement.id") == "rt-no"
    page.keyboard.press("Escape")
    page.click("#rt-withdraw")
    page.keyboard.press("Enter")
    assert page.locator("dialog").count() == 0 and rater.sent("withdraw") == []
    page.click("#rt-withdraw")
    page.click("#rt-yes")
    rater.wait("withdrawn")
    assert len(rater.sent("withdraw")) == 1 and page.locator("canvas").count() == 0
    rater.open("withdrawn")
    assert not page.locator("#rt-withdraw").is_visible()
    whole(pages.study)


def test_the_own_result_stands_behind_the_same_link_once_it_is_there(rater, pages):
    rater.begin()
    while rater.stage != "finish":
        if rater.stage == "pause":
            rater.page.click("#rt-on")
            rater.wait("item")
        rater.answer("r", "5")
    rater.page.get_by_label("Not sure").check()
    rater.page.click("#rt-send")
    rater.wait("done")
    assert "Your result" not in rater.page.inner_text(".rt-main")
    path = write_result(
        pages.study, rater.number, "You took 6 of 8 <b>pictures</b> for real.", ["Of others, 5."]
    )
    rater.open("done")
    text = rater.page.inner_text(".rt-main")
    assert "Your result" in text and "6 of 8 <b>pictures</b> for real." in text and "Of others, 5." in text
    path.write_text(json.dumps({"sentence": 3}), "utf-8")
    assert "Your result" not in rater.open("done").page.inner_text(".rt-main")


def test_a_phone_shows_picture_and_all_buttons_without_scrolling(pages, numbers, chromium):
    rater = Rater(pages, next(numbers), phone(chromium, 3)).open("information").consent()
    page = rater.page
    for field, count in (("dark", 4), ("light", 5), ("red", 3)):
        page.wait_for_selector(f"[data-step={field}]")
        page.wait_for_timeout(270)
        page.tap(f"[data-count='{count}']")
    page.tap("#rt-larger")
    page.tap("#rt-fits")
    rater.wait("practice", 0)
    seen = page.evaluate(
        """() => [...document.querySelectorAll(".rt-panel button")].map((b) => b.getBoundingClientRect())
          .map((r) => [r.top >= 0 && r.bottom <= innerHeight && r.left >= 0 && r.right <= innerWidth, r.height])"""
    )
    assert len(seen) == 12 and all(inside and height >= 44 for inside, height in seen)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    box = page.locator(".rt-wall canvas").bounding_box()
    assert box["width"] > 340 and box["x"] >= 0
    page.wait_for_timeout(320)
    page.tap("[data-key=S]")
    page.tap("[data-confidence='10']")
    rater.wait("practice", 1)
    assert rater.answers() == [(0, 1, {"real": False, "confidence": 10})]
    page.tap("#rt-undo")
    rater.wait("practice", 0)
    assert len(recorded(pages.study, rater.number, "undo")) == 1
    rater.context.close()
