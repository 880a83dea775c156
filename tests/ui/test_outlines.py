"""Outlines saved, searched, renamed, deleted; files dropped and pasted; a picture of one's own; two people."""

from __future__ import annotations

import base64
import shutil

import cv2
import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page

from siamese.masks.mask import Mask
from siamese.workspace import Workspace
from tests.ui.bare import disc, facts, spot, state
from tests.ui.conftest import SIZE, Server, opened, ready, saved
from ui.drafts import drawing
from ui.identity import Identity
from ui.mask_canvas import server_function
from ui.outlines import Outlines

DISC = disc(150, 200, 40)
CARDS = ".mc-card[data-name]"


@pytest.fixture
def fresh(context: BrowserContext, shared_server: Server, request: pytest.FixtureRequest):
    """A page of somebody who was never here."""
    name = request.node.name[-40:].strip()
    return opened(context, shared_server, f"try {{ localStorage['siamese-name'] = {name!r}; }} catch {{ }}")


def owner(page: Page) -> str:
    return page.evaluate("localStorage['siamese-name']")


def photo(high: int, wide: int) -> np.ndarray:
    """Something with the tones of a photograph."""
    ys, xs = np.mgrid[:high, :wide]
    return np.stack([90 + xs % 120, 60 + ys % 150, 100 + (xs + ys) % 90], axis=2).astype(np.uint8)


def png(array: np.ndarray) -> bytes:
    return cv2.imencode(".png", array)[1].tobytes()


def file(name: str, array: np.ndarray) -> dict:
    return {"name": name, "mimeType": "image/png", "buffer": png(array)}


def drop(page: Page, name: str, data: bytes) -> None:
    """Drop a file on the canvas, as the browser tells it."""
    page.evaluate(
        """([name, data]) => {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name, {type: "image/png"}));
        document.querySelector(".mc-frame").dispatchEvent(
            new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: transfer}));
    }""",
        [name, base64.b64encode(data).decode()],
    )


def paint(page: Page, array: np.ndarray) -> None:
    found = drawing(Mask.from_array(array))
    page.evaluate("(d) => SiameseMask.load(d.runs, d.width, d.height, 'put')", found)
    saved(page)


def test_an_outline_is_saved_found_renamed_duplicated_used_and_deleted(fresh, shared_server):
    page = fresh
    paint(page, DISC)
    page.get_by_role("button", name="Save this outline").click()
    page.wait_for_selector(CARDS)
    library = Workspace(shared_server.workspace).library(owner(page))
    assert (library.get(library.masks()[0].name).labels == DISC).all()
    page.get_by_role("button", name="Rename: outline 1").click()
    page.get_by_role("textbox", name="New name").fill("flat lesion <b>")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Use the outline: flat lesion <b>").wait_for()
    page.get_by_role("button", name="Duplicate: flat lesion <b>").click()
    page.wait_for_function(f"document.querySelectorAll('{CARDS}').length === 2")
    page.get_by_role("searchbox", name="Search outlines").fill("nothing like this")
    page.wait_for_function(f"document.querySelectorAll('{CARDS}').length === 0")
    page.get_by_role("searchbox", name="Search outlines").fill("FLAT")
    page.wait_for_function(f"document.querySelectorAll('{CARDS}').length === 2")
    page.get_by_role("button", name="Clear the drawing").click()
    page.locator(CARDS).first.locator(".mc-example").click()
    saved(page)
    page.wait_for_function("(area) => __mask.area() === area", arg=int(DISC.sum()))
    remove = page.locator(CARDS).first.get_by_role("button", name="Delete")
    remove.click()
    assert len(library.masks()) == 2  # the first press only asks
    remove.click()
    page.wait_for_function(f"document.querySelectorAll('{CARDS}').length === 1")
    assert len(Workspace(shared_server.workspace).library(owner(page)).masks()) == 1


def test_a_random_outline_comes_by_number(fresh):
    page = fresh
    page.get_by_role("spinbutton", name="Number of the random outline").fill("7")
    press = page.get_by_role("button", name="A random plausible outline")
    hashes = []
    for n in (8, 9):
        before = facts(page)[2]
        press.click()
        page.wait_for_function("(n) => __mask.undoDepth() > n", arg=before)
        assert page.get_by_role("spinbutton", name="Number of the random outline").input_value() == str(n)
        hashes.append(facts(page)[1])
    page.get_by_role("spinbutton", name="Number of the random outline").fill("7")
    press.click()
    page.wait_for_function("(hash) => __mask.hash() === hash", arg=hashes[0])
    assert hashes[0] != hashes[1]


def test_several_files_go_under_outlines_and_bad_ones_are_named(fresh, shared_server):
    page = fresh
    before = facts(page)
    bad = {"name": "notes.png", "mimeType": "image/png", "buffer": b"patient notes"}
    good = [file(f"case-{i}.png", disc(100 + 30 * i, 150, 30).astype(np.uint8) * 255) for i in range(3)]
    page.get_by_label("Outline or picture files").set_input_files([*good, bad])
    page.wait_for_function("document.querySelector('.mc-state').textContent.includes('3 of 4 files are')")
    assert "notes.png" in page.locator(".mc-state").inner_text()
    page.wait_for_function(f"document.querySelectorAll('{CARDS}').length === 3")
    titles = {s.title for s in Workspace(shared_server.workspace).library(owner(page)).masks()}
    assert titles == {"case-0", "case-1", "case-2"} and facts(page) == before


def test_masks_of_a_dataset_in_the_workspace_are_found_and_used_but_not_changed(fresh, shared_server):
    page = fresh
    root = shared_server.workspace / "datasets" / "clinic-a"
    (root / "masks").mkdir(parents=True)
    high = np.repeat(np.repeat(disc(60, 50, 20, 160, 120), 2, 0), 2, 1)  # 320×240
    (root / "masks" / "case-7.png").write_bytes(png(high.astype(np.uint8) * 255))
    (root / "masks" / "notes.png").write_bytes(b"no mask")
    (shared_server.workspace / "datasets" / "somebody-1-own" / "masks").mkdir(parents=True)
    (shared_server.workspace / "datasets" / "somebody-1-own" / "masks" / "case-8.png").write_bytes(
        png(DISC.astype(np.uint8) * 255)
    )
    page.get_by_role("searchbox", name="Search outlines").fill("case-")
    use = page.get_by_role("button", name="Use the outline: case-7 · clinic-a")
    use.wait_for()
    assert page.locator(CARDS).count() == 1
    assert page.locator(CARDS).get_by_role("button", name="Delete").count() == 0
    use.click()
    page.wait_for_function("__mask.undoDepth() === 1")
    assert facts(page)[0] / SIZE**2 == pytest.approx(high.mean(), rel=0.03)
    page.get_by_role("searchbox", name="Search outlines").fill("")
    shutil.rmtree(root)
    shutil.rmtree(shared_server.workspace / "datasets" / "somebody-1-own")


def test_a_dropped_mask_becomes_the_drawing_and_can_be_undone(fresh):
    page = fresh
    before = facts(page)
    drop(page, "mask.png", png(DISC.astype(np.uint8) * 255))
    page.wait_for_function("(area) => __mask.area() === area", arg=int(DISC.sum()))
    page.locator(".mc-canvas").focus()
    page.keyboard.press("Control+z")
    assert facts(page)[:2] == before[:2]


def test_a_pasted_mask_is_taken_only_while_the_drawing_area_has_the_focus(fresh):
    page = fresh
    before = facts(page)
    data = base64.b64encode(png(DISC.astype(np.uint8) * 255)).decode()
    paste = """(data) => {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "clip.png", {type: "image/png"}));
        document.activeElement.dispatchEvent(new ClipboardEvent("paste", {bubbles: true, clipboardData: transfer}));
    }"""
    page.get_by_role("searchbox", name="Search outlines").focus()
    page.evaluate(paste, data)
    page.locator(".mc-canvas").focus()
    assert facts(page) == before
    page.evaluate(paste, data)
    page.wait_for_function("(area) => __mask.area() === area", arg=int(DISC.sum()))


def test_a_picture_of_ones_own_keeps_its_size_and_becomes_a_case(fresh, chromium, shared_server):
    page = fresh
    paint(page, DISC)
    picture = photo(480, 640)
    drop(page, "Mrs Smith.png", png(picture))
    page.get_by_role("button", name="Draw on it").click()
    page.wait_for_function("__mask.state().background && __mask.saved()")
    assert (state(page, "width"), state(page, "height")) == (640, 480)
    page.evaluate("SiameseMask.load([640 * 480], 640, 480, 'clear')")
    page.mouse.move(*spot(page, 100, 100))
    page.mouse.down()
    page.mouse.move(*spot(page, 500, 100), steps=4)
    page.mouse.up()
    saved(page)
    png_, _ = Workspace(shared_server.workspace).load_draft(owner(page))
    stored = Mask.from_png(png_).labels
    assert stored.shape == (480, 640) and stored[100, 300] and not stored[200, 300]
    page.get_by_role("tab", name="View").click()
    page.get_by_role("textbox", name="Name of the case").fill("case one")
    page.get_by_role("button", name="Save as case").click()
    page.wait_for_function("document.querySelector('.mc-state').textContent.includes('saved as case-one')")
    folder = next(shared_server.workspace.glob("datasets/*-own/images/case-one.png")).parents[1]
    assert (cv2.imread(str(folder / "images" / "case-one.png")) == picture).all()
    assert (Mask.read(folder / "masks" / "case-one.png").labels == stored).all()
    page.get_by_role("tab", name="Outlines").click()
    page.get_by_role("button", name=f"Use the outline: case-one · {folder.name}").wait_for()
    other = opened(page.context, shared_server)  # another window, after a reload
    other.wait_for_function("__mask.state().background")
    other.get_by_role("tab", name="View").click()
    other.get_by_role("button", name="Remove picture").click()
    other.wait_for_function("__mask.state().width === 384 && __mask.saved()")
    assert facts(other)[0] > 0  # the outline stays


def test_a_photograph_can_be_read_as_an_outline_or_left_alone(fresh):
    page = fresh
    before = facts(page)
    drop(page, "photo.png", png(photo(300, 300)))
    page.locator(".mc-choice").get_by_role("button", name="Cancel").click()
    assert facts(page) == before and state(page, "width") == SIZE
    drop(page, "photo.png", png(photo(300, 300)))
    page.get_by_role("button", name="Read it as an outline").click()
    page.wait_for_function("document.querySelector('.mc-state').textContent.includes('threshold')")
    assert facts(page)[2] == 1


def test_a_picture_too_large_to_draw_on_is_refused_in_words(fresh):
    page = fresh
    before = facts(page)
    drop(page, "large.png", png(photo(2100, 300)))
    page.get_by_role("button", name="Draw on it").click()
    page.wait_for_function("document.querySelector('.mc-state').dataset.kind === 'bad'")
    assert "2048" in page.locator(".mc-state").inner_text() and facts(page) == before


def test_a_mask_unlike_the_training_masks_is_said_in_words(fresh):
    page = fresh
    paint(page, DISC)
    assert page.locator(".mc-warning").is_hidden()
    paint(page, disc(200, 200, 4))
    page.locator(".mc-warning").wait_for()
    assert "small" in page.locator(".mc-warning").inner_text().lower()
    paint(page, DISC)
    page.locator(".mc-warning").wait_for(state="hidden")


def test_the_download_is_the_drawing(fresh):
    page = fresh
    paint(page, DISC)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download this outline").click()
    found = Mask.read(waiting.value.path())
    assert (found.labels == DISC).all() and not found.notes


def test_a_name_is_asked_once_and_two_people_never_see_each_other(chromium, shared_server):
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    ana = start(context, shared_server, "Ana")
    paint(ana, DISC)
    ana.get_by_role("button", name="Save this outline").click()
    ana.wait_for_selector(CARDS)
    leave(ana)
    bo = start(context, shared_server, "Bo")
    paint(bo, disc(300, 100, 30))
    bo.reload()
    ready(bo)  # not asked again
    assert facts(bo)[0] == disc(300, 100, 30).sum() and bo.locator(CARDS).count() == 0
    bo.locator("#who").click()
    bo.get_by_role("textbox", name="Your name").wait_for()
    leave(bo)
    again = start(context, shared_server, "Ana")
    again.wait_for_selector(CARDS)
    assert facts(again)[0] == DISC.sum() and again.locator("#who").inner_text() == "Ana"
    context.close()


def leave(page: Page) -> None:
    """Whoever opens the page next comes as to a browser that has never been here."""
    page.evaluate("localStorage.clear()")
    page.close()


def start(context: BrowserContext, server: Server, name: str) -> Page:
    """A first visit: nothing can be done before a name is given."""
    page = context.new_page()
    page.goto(server.url)
    field = page.get_by_role("textbox", name="Your name")
    field.fill("   ")
    page.keyboard.press("Enter")
    assert not page.evaluate("__mask.saved()")
    field.fill(name)
    page.get_by_role("button", name="Start", exact=True).click()
    ready(page)
    return page


def test_bad_payloads_of_outlines_are_refused(shared_server):
    workspace = Workspace(shared_server.workspace)
    identity = Identity(workspace.root)
    functions = {f.__name__: server_function(f) for f in Outlines(workspace, identity).functions}
    mine = identity.mint("somebody")
    for name, payload in [
        ("outlines", {}),
        ("outline", {"token": mine, "name": "../../drafts"}),
        ("outline", {"token": mine, "name": "clinic-a/../../page"}),
        ("outline_delete", {"token": mine, "name": ".."}),
        ("outline_random", {"token": mine, "seed": "1"}),
        ("outline_random", {"token": mine, "seed": 10**9}),
        ("outline_save", {"token": mine, "runs": [4], "width": 2, "height": 2}),  # nothing drawn
        ("outline_save", {"token": mine, "runs": [0, 4], "width": True, "height": 4}),
        ("outline_save", {"token": mine, "runs": [0, 4], "width": 10**6, "height": 10**6}),
        ("outline_import", {"token": mine, "name": "a.png", "data": "no base64!"}),
    ]:
        answer = functions[name](payload)
        assert answer["ok"] is False and answer["error"], (name, payload)
