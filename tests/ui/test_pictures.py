"""The pictures made, in the browser with a real (tiny) model: judging, filters, comparison, recall, downloads."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page

from siamese.masks.mask import Mask
from siamese.tasks import png
from siamese.workspace import Workspace
from tests.ui.conftest import Server, saved, stroke
from tests.ui.test_sampling import set_number, status, wait_state
from tests.ui.workbench import OWNER, finished, generate, no_jargon, note, quiet


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Page:
    return quiet(context, server)


def pick(page: Page, index: int) -> None:
    page.locator("#gallery button").nth(index).click()
    page.wait_for_function(
        "(i) => document.querySelectorAll('#gallery button')[i].getAttribute('aria-pressed') === 'true'",
        arg=index,
    )


def states(page: Page, count: int) -> list[str]:
    texts = page.locator("#gallery button .pv-state").all_inner_texts()
    return texts[:count]


def wait_states(page: Page, *wanted: str) -> None:
    page.wait_for_function(
        "(w) => w.every((text, i) => document.querySelectorAll('.pv-state')[i]?.textContent === text)",
        arg=list(wanted),
    )


def test_judging_by_keys_with_undo_filters_and_a_memory(page, server):
    generate(page, count=3, seed=900)
    wait_states(page, "○ new", "○ new", "○ new")
    pick(page, 0)
    page.keyboard.press("a")
    wait_states(page, "✓ accepted", "○ new")
    page.keyboard.press("ArrowRight")
    finished(page)
    page.wait_for_function("document.activeElement === document.querySelectorAll('#gallery button')[1]")
    page.keyboard.press("r")
    page.locator(".pv-why").wait_for()
    no_jargon(page)
    page.keyboard.press("4")
    wait_states(page, "✓ accepted", "✕ border")
    page.keyboard.press("f")
    wait_states(page, "✓ accepted", "★ ✕ border")
    page.keyboard.press("u")
    wait_states(page, "✓ accepted", "✕ border")
    page.keyboard.press("u")
    wait_states(page, "✓ accepted", "○ new")
    page.keyboard.press("u")
    wait_states(page, "○ new", "○ new")
    page.keyboard.press("f")
    wait_states(page, "○ new", "★ ○ new")
    pick(page, 0)
    for key in ("a", "ArrowRight", "r", "4", "ArrowRight", "a"):  # quicker than any answer
        page.keyboard.press(key)
    wait_states(page, "✓ accepted", "★ ✕ border", "✓ accepted")
    for key in ("u", "u", "u"):
        page.keyboard.press(key)
    wait_states(page, "○ new", "★ ○ new", "○ new")
    pick(page, 2)
    page.locator("#accept").click()
    wait_states(page, "○ new", "★ ○ new", "✓ accepted")
    page.locator("#generate").focus()
    page.keyboard.press("r")  # not in the strip: nothing happens
    assert states(page, 3)[2] == "✓ accepted"
    page.locator("#filter-state").select_option("accepted")
    assert page.locator("#gallery button").count() == len(
        [p for p in Workspace(server.workspace).gallery(OWNER).pictures() if p.state == "accepted"]
    )
    page.locator("#filter-state").select_option("favourites")
    assert "seed 901" in page.locator("#gallery button").first.inner_text()
    page.reload()
    wait_states(page, "○ new", "★ ○ new", "✓ accepted")
    assert "accepted" in page.locator("#counts").inner_text()


def test_the_strip_is_filtered_by_lesion_area_in_thirds(page, server):
    pictures = Workspace(server.workspace).gallery(OWNER).pictures()
    page.get_by_role("button", name="Clear the drawing").click()
    saved(page)
    generate(page, count=2)
    pictures = Workspace(server.workspace).gallery(OWNER).pictures()
    assert pictures[0].area == 0
    total = 0
    for size in ("small", "medium", "large"):
        page.locator("#filter-area").select_option(size)
        here = page.locator("#gallery button").count()
        label = page.locator(f"#filter-area option[value={size}]").inner_text()
        assert label.endswith(f"· {here}") and "%" in label
        total += here
    assert total == len(pictures)


def test_two_pictures_are_compared_in_four_ways(page):
    stroke(page, (0.3, 0.4), (0.6, 0.5))
    saved(page)
    generate(page, count=2, seed=60)
    pick(page, 0)
    page.keyboard.press("c")
    note(page, "is A")
    pick(page, 1)
    page.keyboard.press("c")
    page.wait_for_function("document.querySelector('.cp').dataset.mode === 'side'")
    pixels = """(i) => { const c = document.querySelectorAll(".cp canvas")[i];
        const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; let sum = 0;
        for (let k = 0; k < d.length; k++) sum = (sum * 31 + d[k]) >>> 0; return sum; }"""
    a, b, plain = page.evaluate(f"[({pixels})(0), ({pixels})(2), ({pixels})(1)]")
    assert a != b
    page.locator("#compare-outline").click()
    page.wait_for_function(f"(old) => ({pixels})(1) !== old", arg=plain)
    assert page.evaluate(pixels, 0) == a  # the outline lies on its own canvas
    page.locator("#compare-outline").click()
    page.locator("[data-mode=slider]").click()
    half = page.evaluate(pixels, 0)
    page.locator(".cp-slider").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"(old) => ({pixels})(0) !== old", arg=half)
    page.locator(".cp-area").focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowDown")
    zoom, y = page.evaluate(
        "(({zoom, y}) => [Number(zoom), Number(y)])(document.querySelector('.cp').dataset)"
    )
    assert zoom == 1.5 and y > 0.5
    page.locator("[data-mode=difference]").click()
    assert "apart on average" in page.locator(".cp-words").inner_text()
    assert page.evaluate("Number(document.querySelector('.cp').dataset.zoom)") == 1.5
    no_jargon(page)


def test_flicker_needs_a_press_each_where_movement_is_unwanted(page):
    generate(page, count=2, seed=70)
    page.emulate_media(reduced_motion="reduce")
    pick(page, 1)
    page.locator("#pick").click()
    pick(page, 0)
    page.locator("#pick").click()
    page.locator("[data-mode=flicker]").click()
    turns = []
    for _ in range(3):
        turns.append(page.locator(".cp").get_attribute("data-shown"))
        page.locator("#flicker").click()
    assert turns == ["A", "B", "A"] and page.locator(".cp").get_attribute("data-beating") == "false"
    page.emulate_media(reduced_motion="no-preference")
    page.locator("#flicker").click()
    page.wait_for_function(
        "(() => { const s = document.querySelector('.cp').dataset.shown; const seen = (window.turns ||= new Set());"
        " seen.add(s); return seen.size === 2; })()"
    )
    page.locator("[data-view=picture]").click()
    assert page.locator(".cp").get_attribute("data-beating") == "false"  # nothing goes on behind


def drop(page: Page, data: bytes, name: str) -> None:
    page.evaluate(
        """([bytes, name]) => { const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
        const how = {dataTransfer: transfer, bubbles: true, cancelable: true};
        document.querySelector(".pv").dispatchEvent(new DragEvent("drop", how)); }""",
        [list(data), name],
    )


def test_a_dropped_picture_recalls_everything_and_a_second_run_is_identical(page, server):
    stroke(page, (0.2, 0.2), (0.5, 0.7))
    saved(page)
    drawn = page.evaluate("__mask.hash()")
    generate(page, count=1, seed=33)
    gallery = Workspace(server.workspace).gallery(OWNER)
    data = gallery.picture_png(gallery.pictures()[0].name)
    page.get_by_role("button", name="Clear the drawing").click()
    saved(page)
    set_number(page, "#steps", 9)
    set_number(page, "#seed", 1)
    drop(page, data, "synthetic_x.png")
    note(page, "the outline is drawn")
    page.wait_for_function("document.querySelector('#seed input').value === '33'")
    page.wait_for_function("document.querySelector('#steps input').value === '4'")
    assert page.evaluate("__mask.hash()") == drawn
    no_jargon(page)
    page.locator("#run-again").click()
    note(page, "Identical")
    assert page.locator(".pv").get_attribute("data-view") == "compare"
    other = png.encode(
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1] // 2, png.read_facts(data)
    )
    drop(page, other, "changed.png")
    note(page, "the outline is drawn")
    page.locator("#run-again").click()
    assert "Another machine or version" in note(page, "Not identical: at most")


def test_a_picture_whose_outline_is_not_here_and_a_foreign_one_are_told(page, server):
    gallery = Workspace(server.workspace).gallery(OWNER)
    data = gallery.picture_png(gallery.pictures()[0].name)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    drawn = page.evaluate("__mask.hash()")
    drop(page, png.encode(image, {**png.read_facts(data), "mask_sha256": "0" * 64, "seed": 77}), "other.png")
    note(page, "not stored here")
    page.wait_for_function("document.querySelector('#seed input').value === '77'")
    assert page.evaluate("__mask.hash()") == drawn
    page.locator("#run-again").click()
    assert wait_state(page, "error", "done") == "error"
    assert "not stored here" in status(page)
    drop(page, cv2.imencode(".png", image)[1].tobytes(), "photo.png")
    note(page, "photo.png carries no record")
    no_jargon(page)


def download(page: Page, which: str, folder: Path) -> Path:
    page.locator("#downloads").click()
    with page.expect_download() as waiting:
        page.locator(which).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_downloads_of_a_picture_a_slide_a_pair_and_a_selection(page, server, tmp_path):
    generate(page, count=2, seed=800)
    pick(page, 0)
    name = page.locator("#gallery button").first.get_attribute("data-id")
    gallery = Workspace(server.workspace).gallery(OWNER)
    path = download(page, "#download", tmp_path)
    assert path.name.startswith("synthetic_seed-801-guidance") and path.read_bytes() == gallery.picture_png(
        name
    )
    slide = cv2.imread(str(download(page, "#download-slide", tmp_path)))
    assert slide.shape[1] == 640 and slide.shape[0] > 680
    with zipfile.ZipFile(download(page, "#download-pair", tmp_path)) as archive:
        rows = [json.loads(line) for line in archive.read("manifest.jsonl").splitlines()]
        assert len(rows) == 1 and archive.read(rows[0]["image"]) == path.read_bytes()
        assert Mask.from_png(archive.read(rows[0]["mask"])).labels.shape == (64, 64)
    page.locator("#accept").click()
    wait_states(page, "✓ accepted")
    accepted = [p for p in gallery.pictures() if p.state == "accepted"]
    with zipfile.ZipFile(download(page, "#download-accepted", tmp_path)) as archive:
        manifest = archive.read("manifest.jsonl").decode()
        assert len(manifest.splitlines()) == len(accepted)
        assert str(server.workspace) not in manifest and OWNER not in manifest
    page.locator("#downloads").click()
    no_jargon(page)
    assert list((server.workspace / "cache" / "packages").glob("*")) == []  # fetched, and gone
