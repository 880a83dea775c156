"""The screen "Your files": what is there, and nothing goes without a question that says what it takes along."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from siamese import lockfile
from siamese.masks.mask import Mask
from siamese.workspace import Workspace
from tests.ui.conftest import Server, opened, ready, until
from ui.files import MOST_THUMBS, Files
from ui.mask_canvas import server_function
from ui.services import Services

MASK = Mask.from_array(np.eye(64, dtype=bool))
FORBIDDEN = re.compile(r"checkpoint|latent|sampler|ddim|inference|token", re.IGNORECASE)
OWNER = "default"  # without a login


def png(seed: int) -> bytes:
    picture = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return cv2.imencode(".png", picture)[1].tobytes()


def add_picture(workspace: Workspace, seed: int, owner: str = OWNER) -> str:
    facts = {"seed": seed}
    return workspace.gallery(owner).add(png(seed), MASK.png(), facts, f"seed {seed}", MASK.area).name


def add_dataset(workspace: Workspace, name: str) -> Path:
    root = workspace.datasets / name
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    (root / "images" / "1.png").write_bytes(png(1))
    (root / "masks" / "1.png").write_bytes(MASK.png())
    return root


def add_run(workspace: Workspace, name: str, style: str) -> Path:
    root = workspace.runs / name
    (root / "cache").mkdir(parents=True)
    (root / "cache" / "x").write_bytes(bytes(2_000_000))
    (root / "checkpoints" / "siamese-0000100").mkdir(parents=True)
    (root / "recipe.json").write_text(json.dumps({"styles": [style]}))
    return root


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: others would find their drawings deleted."""
    made = Server(tmp_path_factory.mktemp("files") / "workspace", "--checkpoint", "no-such-model").start()
    yield made
    made.stop()


@pytest.fixture
def workspace(server: Server) -> Workspace:
    return Workspace(server.workspace)


def screen(context: BrowserContext, server: Server) -> Page:
    """A tab with the screen open and the list read."""
    page = opened(context, server)
    page.get_by_role("tab", name="Your files").click()
    page.wait_for_function("Number(document.querySelector('.fl')?.dataset.readings) > 0")
    return page


def row(page: Page, title: str) -> Locator:
    return page.locator(".fl-row").filter(has=page.get_by_text(title, exact=True))


def question(page: Page, title: str) -> Locator:
    """Press Delete of a row, and wait for the question."""
    row(page, title).get_by_role("button", name="Delete").click()
    ask = page.get_by_role("dialog")
    expect(ask).to_be_visible()
    return ask


def test_the_empty_states_say_what_to_do(context, server):
    page = screen(context, server)
    expect(page.locator("#files-where")).to_have_text(str(server.workspace))
    for words in ("No pictures yet. Press Generate", "No masks are saved yet", "No datasets yet"):
        expect(page.locator("#files-list")).to_contain_text(words)
    expect(row(page, "The drawing on the page")).to_have_count(1)  # the first example


def test_what_is_there_is_listed_with_its_size_and_a_small_picture(context, server, workspace):
    name = add_picture(workspace, 11)
    workspace.library(OWNER).add(MASK, "flat, at a fold")
    add_picture(workspace, 12, "somebody else")
    page = screen(context, server)
    files = list((workspace.gallery(OWNER).folder / name).iterdir())
    shown = row(page, "seed 11")
    expect(shown.locator(".fl-size")).to_have_text(f"{round(sum(p.stat().st_size for p in files) / 1000)} kB")
    expect(shown.locator(".fl-note")).to_contain_text(
        f"not judged · pictures/{workspace.gallery(OWNER).folder.name}"
    )
    for title in ("seed 11", "flat, at a fold"):
        expect(row(page, title).locator("img")).to_have_attribute("src", re.compile("^data:image/png"))
    expect(row(page, "seed 12")).to_have_count(0)
    expect(page.locator('.fl-group[data-kind="picture"]')).to_contain_text("Pictures 1")
    assert page.locator("#files-free").inner_text().endswith("B")
    assert not FORBIDDEN.search(page.locator("#files").inner_text())


def test_nothing_goes_without_an_answer(context, server, workspace):
    name = add_picture(workspace, 21)
    folder = workspace.gallery(OWNER).folder / name
    page = screen(context, server)
    ask = question(page, "seed 21")
    expect(ask).to_contain_text("its outline and how it was made")
    page.keyboard.press("Escape")
    expect(ask).to_be_hidden()
    question(page, "seed 21").get_by_role("button", name="Keep it").click()
    expect(ask).to_be_hidden()
    expect(row(page, "seed 21").get_by_role("button")).to_be_focused()
    assert folder.is_dir()
    question(page, "seed 21").get_by_role("button", name="Delete for good").click()
    expect(row(page, "seed 21")).to_have_count(0)
    expect(page.locator("#files-said")).to_contain_text("Deleted “seed 21”")
    assert not folder.exists()


def test_with_the_keyboard_alone(context, server, workspace):
    for seed in (31, 32):
        add_picture(workspace, seed)
    page = screen(context, server)
    page.locator("#files-search").focus()
    page.keyboard.type("seed 3")
    expect(page.locator(".fl-row")).to_have_count(2)
    row(page, "seed 32").get_by_role("button").focus()
    page.keyboard.press("Enter")
    ask = page.get_by_role("dialog", name="Delete “seed 32”?")
    expect(ask.get_by_role("button", name="Keep it")).to_be_focused()  # a hasty Enter deletes nothing
    page.keyboard.press("Tab")
    expect(ask.get_by_role("button", name="Delete for good")).to_be_focused()
    page.keyboard.press("Enter")
    expect(row(page, "seed 32")).to_have_count(0)
    expect(row(page, "seed 31").get_by_role("button")).to_be_focused()


def test_search_and_groups(context, server, workspace):
    for seed in (41, 42):
        add_picture(workspace, seed)
    workspace.library(OWNER).add(MASK, "wide 41")
    page = screen(context, server)
    page.locator("#files-search").fill("41")
    expect(page.locator(".fl-row")).to_have_count(2)
    group = page.locator('.fl-group[data-kind="picture"]')
    group.click()
    expect(group).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".fl-row .fl-title")).to_have_text(["seed 41"])
    page.locator("#files-search").fill("no such thing")
    expect(page.locator("#files-list")).to_contain_text("Nothing here is called “no such thing”")
    page.locator("#files-search").fill("")
    group.click()
    expect(row(page, "wide 41")).to_have_count(1)


def test_a_dataset_names_its_models_and_takes_along_what_was_made_from_it(context, server, workspace):
    root, run = add_dataset(workspace, "ward-3"), add_run(workspace, "tuesday", "ward-3")
    workspace.library(OWNER).add(MASK, "of the ward", "ward-3")
    page = screen(context, server)
    ask = question(page, "ward-3")
    expect(ask).to_contain_text("Deleting pictures does not make a model forget them: run tuesday (siamese)")
    expect(ask).to_contain_text("training data and previews made from it in 1 run, 2.0 MB")
    expect(ask).to_contain_text("1 copy of its outlines")
    expect(ask).to_contain_text("Everybody in this studio shares it")
    ask.get_by_role("button", name="Delete for good").click()
    expect(page.locator("#files-said")).to_contain_text("run tuesday (siamese) was trained on it")
    assert not root.exists() and not (run / "cache").exists() and (run / "recipe.json").is_file()
    expect(row(page, "of the ward")).to_have_count(0)
    question(page, "tuesday").get_by_role("button", name="Delete for good").click()
    expect(row(page, "tuesday")).to_have_count(0)
    assert not run.exists()


def test_a_run_at_work_says_to_stop_it_first(context, server, workspace):
    run = add_run(workspace, "working", "none")
    work = lockfile.take(run)
    page = screen(context, server)
    expect(row(page, "working")).to_contain_text("at work now")
    row(page, "working").get_by_role("button").click()
    expect(page.locator("#files-said")).to_contain_text("stop it first")
    assert run.is_dir()
    work.close()
    question(page, "working").get_by_role("button", name="Delete for good").click()
    until(lambda: not run.exists(), "the run to be deleted")


def test_a_deleted_drawing_does_not_come_back_and_a_visit_keeps_it(context, server, workspace):
    page = opened(context, server)
    page.get_by_role("button", name="Clear the drawing").click()
    ready(page)
    assert page.evaluate("__mask.area()") == 0
    page.get_by_role("tab", name="Your files").click()
    page.get_by_role("tab", name="Studio").click()
    expect(page.locator(".mc-canvas").first).to_be_visible()
    assert page.evaluate("__mask.area()") == 0
    page.get_by_role("tab", name="Your files").click()
    with page.expect_navigation():
        question(page, "The drawing on the page").get_by_role("button", name="Delete for good").click()
    ready(page)
    page.wait_for_function("__mask.area() > 0")  # the first example: nothing is drawn any more


def test_the_list_is_read_again_when_the_tab_is_opened(context, server, workspace):
    page = screen(context, server)
    page.get_by_role("tab", name="Studio").click()
    add_picture(workspace, 51)
    page.get_by_role("tab", name="Your files").click()
    expect(row(page, "seed 51")).to_have_count(1)


def test_long_lists_come_in_parts(context, server, workspace):
    for seed in range(1000, 1070):
        add_picture(workspace, seed)
    page = screen(context, server)
    page.locator("#files-search").fill("seed 10")
    expect(page.locator(".fl-row")).to_have_count(60)
    page.get_by_role("button", name="Show 10 more of 70").click()
    expect(page.locator(".fl-row")).to_have_count(70)


def test_everything_can_be_hit_and_has_a_name(context, server):
    page = screen(context, server)
    controls = page.locator("#files button, #files input, #screens > .tab-wrapper [role=tab]").all()
    assert len(controls) > 8
    for control in controls:
        if control.is_visible():
            box = control.bounding_box()
            assert box["width"] >= 24 and box["height"] >= 24, control.evaluate("e => e.outerHTML")
            assert control.inner_text().strip() or control.get_attribute("aria-label")
    bar = page.locator("#screens > .tab-wrapper").bounding_box()
    assert bar["height"] <= 36
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture
def doors(tmp_path) -> tuple[SimpleNamespace, Services]:
    """The screen's server functions as the page calls them."""
    services = Services(Workspace(tmp_path / "workspace"), "no-such-model")
    files = Files(services)
    named = {f.__name__: server_function(f) for f in (files.listing, files.look, files.remove, files.thumb)}
    return SimpleNamespace(**named), services


@pytest.mark.parametrize(
    "payload", [{}, {"token": "forged.forged"}, {"token": None, "id": "x", "confirmed": True}]
)
def test_without_a_true_token_no_door_opens(doors, payload):
    files, _ = doors
    for door in (files.listing, files.look, files.remove, files.thumb):
        answer = door(payload)
        assert answer["ok"] is False and "reload it" in answer["error"]


def test_the_token_alone_says_who_asks(doors):
    files, services = doors
    name = add_picture(services.workspace, 1, "anna")
    anna, ben = (services.identity.mint(owner) for owner in ("anna", "ben"))
    entry = next(e for e in files.listing({"token": anna})["entries"] if e["kind"] == "picture")
    assert files.thumb({"token": anna, "ids": [entry["id"]]})["thumbs"].keys() == {entry["id"]}
    theirs = {"token": ben, "owner": "anna", "id": entry["id"], "ids": [entry["id"]], "confirmed": True}
    assert not [e for e in files.listing(theirs)["entries"] if e["kind"] == "picture"]
    assert files.thumb(theirs) == {"ok": True, "thumbs": {}}
    assert not files.look(theirs)["ok"] and not files.remove(theirs)["ok"]
    unconfirmed = files.remove({"token": anna, "id": entry["id"], "confirmed": "yes"})
    assert "Nothing was deleted" in unconfirmed["error"]
    assert services.workspace.gallery("anna").get(name)
    assert files.remove(theirs | {"token": anna})["ok"]
    assert services.workspace.gallery("anna").pictures() == []


@pytest.mark.parametrize("ids", [None, "x", [None, 7, {}], ["x"] * 10_000])
def test_strange_ids_show_nothing(doors, ids):
    files, services = doors
    token = services.identity.mint("anna")
    assert files.thumb({"token": token, "ids": ids}) == {"ok": True, "thumbs": {}}
    assert MOST_THUMBS < 100
