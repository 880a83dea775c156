"""The app as it is started: arguments, login, silence towards the network, words, looks, speed."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request

from siamese.masks.mask import Mask
from siamese.workspace import Workspace
from tests.ui.conftest import HOUSE, PATIENCE, Server, answers, opened, ready, saved, stroke

JARGON = ("checkpoint", "latent", "sampler", "ddim", "dpm", "inference", "token", "tensor", "gradio", "hint")
IDS = ("mask-canvas", "guidance", "seed", "steps", "generate", "stop", "preview", "gallery", "status")


def run_app(*arguments: str, workspace: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HOUSE / "app.py"), "--no-browser", "--workspace", str(workspace), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=workspace.parent,
        env={**{k: v for k, v in os.environ.items() if k != "SIAMESE_PASSWORD"}, **environment},
    )


def one_sentence(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result.stderr
    assert not result.stdout and "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "127.0.0.2", ""])
def test_any_other_host_needs_a_password(tmp_path, host):
    one_sentence(run_app("--host", host, workspace=tmp_path / "w"), "--password", "SIAMESE_PASSWORD")
    assert not (tmp_path / "w").exists()


def test_port_in_use_names_the_cure(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        one_sentence(run_app("--port", str(port), workspace=tmp_path / "w"), str(port), f"--port {port + 1}")


def test_impossible_port_address_and_workspace(tmp_path):
    one_sentence(run_app("--port", "70000", workspace=tmp_path / "w"), "70000")
    result = run_app("--host", "no.such.host.invalid", "--password", "x", workspace=tmp_path / "w")
    one_sentence(result, "no.such.host")
    (tmp_path / "file").write_text("in the way")
    one_sentence(run_app(workspace=tmp_path / "file"), "--workspace")


def test_building_the_page_imports_no_torch(tmp_path):
    code = (
        "import sys, app\n"
        "from pathlib import Path\n"
        "from ui.address import prepare_environment\n"
        "from siamese.workspace import Workspace\n"
        "workspace = Workspace(Path(sys.argv[1]))\n"
        "prepare_environment(workspace.cache)\n"
        "from ui import shell\n"
        "from ui.services import Services\n"
        "page = shell.build(Services(workspace, 'polyp-compact')); shell.theme(); shell.head()\n"
        "heavy = {'torch', 'diffusers', 'torchvision', 'transformers', 'safetensors'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "w")], check=True, timeout=60, cwd=HOUSE)


def test_everything_checks_look_for_is_there(page, shared_server):
    for name in IDS:
        assert page.locator(f"[id='{name}']").count() == 1, name
    assert page.locator("#status").get_attribute("data-state") in ("idle", "error")
    assert set(page.evaluate("Object.keys(__mask)")) >= {
        "area",
        "hash",
        "undoDepth",
        "revision",
        "saved",
        "flush",
    }
    assert answers(shared_server.url + "/gradio_api/info")
    info = page.evaluate("fetch('/gradio_api/info').then(a => a.text())")
    assert "/generate" not in info  # nothing of the page is a public interface
    assert page.evaluate("fetch('/gradio_api/runs').then(a => a.status)") == 404
    for private in ("page.key", "drafts", "pictures", "masks"):
        path = (shared_server.workspace / private).as_posix()
        assert page.evaluate("(p) => fetch('/gradio_api/file=' + p).then(a => a.status)", path) in (403, 404)


def test_nothing_is_fetched_from_the_network(context, shared_server):
    tried = []

    def note(request: Request) -> None:
        if not request.url.startswith((shared_server.url, "data:", "blob:")):
            tried.append(request.url)

    context.on("request", note)
    page = opened(context, shared_server)
    stroke(page, (0.3, 0.3), (0.5, 0.5))
    saved(page)
    page.reload()
    ready(page)
    page.wait_for_selector(".machine[data-state=failed]")
    context.remove_listener("request", note)
    assert tried == []


def test_no_jargon_around_the_canvas_and_in_its_help(page):
    said = []
    for tab in ("Outlines", "Reshape", "Lesions", "View"):
        page.locator(".mc-tab", has_text=tab).click()
        said.append(page.locator("#drawing-card").inner_text())
    page.locator(".mc-tab", has_text="Reshape").click()
    for chip in page.locator(".mc-chip[aria-pressed]:visible").all():
        chip.click()
        said.append(page.locator("#drawing-card").inner_text())
    page.locator(".mc-canvas").focus()
    page.keyboard.press("?")
    said.append(page.locator(".mc-dialog").inner_text())
    words = " ".join(said).lower()
    assert "grow / shrink" in words and "undo" in words and "fill" in words
    assert [word for word in JARGON if word in words] == []


def test_no_jargon_outside_details(page):
    words, labels = page.evaluate(
        """() => {
        const own = (element) => !element.closest("#details") && !element.closest(".pv-facts dl");
        const labels = [...document.querySelectorAll("[title], [aria-label], [alt]")].filter(own).flatMap(
            (e) => [e.title, e.getAttribute("aria-label"), e.getAttribute("alt")]);
        document.querySelector("#details").style.display = "none";
        document.querySelector("#machine").style.display = "none";  // names the missing model
        return [document.body.innerText.toLowerCase(), labels.join("\\n").toLowerCase()];
    }"""
    )
    assert "not for diagnosis" in words and "synthetic" in words and "white light" in words
    assert [word for word in JARGON if word in words + labels] == []
    assert words.count("(guidance)") == 1 and words.count("(seed)") == 1


def test_dark_and_neutral_although_the_browser_prefers_light(page):
    assert page.evaluate("matchMedia('(prefers-color-scheme: light)').matches")
    fills = page.evaluate(
        "[...new Set([...document.querySelectorAll('html, body, body *:not(.mc-colour)')].map("
        "e => getComputedStyle(e).backgroundColor))]"
    )
    for fill in fills:
        channels = [float(v) for v in re.findall(r"[\d.]+", fill)]
        assert channels[0] == channels[1] == channels[2], fill
    body = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert float(re.findall(r"[\d.]+", body)[0]) < 60


def test_the_main_loop_fits_the_window(page):
    for width, height in ((1440, 900), (1024, 768), (480, 900)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(
            "(w) => innerWidth === w && w === document.documentElement.clientWidth", arg=width
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width >= 1024:
            for where in (".mc-canvas", ".mc-strip", "#preview", "#generate", "#stop", "#status", "#counts"):
                box = page.locator(where).bounding_box()
                assert box["y"] >= 0 and box["y"] + box["height"] <= height, (where, width)
                assert box["x"] >= 0 and box["x"] + box["width"] <= width, (where, width)


def sign_in(page: Page, name: str, word: str) -> None:
    page.get_by_label("username").fill(name)
    page.get_by_label("password").fill(word)
    page.get_by_role("button", name="Login").click()


def test_login_and_a_drawing_for_each_name(chromium, context, tmp_path):
    server = Server(tmp_path / "workspace", "--checkpoint", "no-such-model", "--password", "blue sky").start()
    other = chromium.new_context(viewport={"width": 1440, "height": 900})
    other.set_default_timeout(PATIENCE)
    try:
        ana, ben = context.new_page(), other.new_page()
        ana.goto(server.url)
        sign_in(ana, "ana", "red sky")
        ana.get_by_text("Incorrect").wait_for()
        assert ana.evaluate("fetch('/config').then(a => a.status)") == 401
        refused = ana.evaluate(
            "fetch('/gradio_api/component_server', {method: 'POST', body: JSON.stringify({data: {},"
            " component_id: 1, fn_name: 'load', session_hash: 'x'})}).then(a => a.status)"
        )
        assert refused == 401
        sign_in(ana, "ana", "blue sky")
        ready(ana)
        first = ana.evaluate("__mask.hash()")
        stroke(ana, (0.1, 0.1), (0.9, 0.1))
        saved(ana)
        ben.goto(server.url)
        sign_in(ben, "ben", "blue sky")
        ready(ben)
        assert ben.evaluate("__mask.hash()") == first != ana.evaluate("__mask.hash()")
        other.clear_cookies()
        stroke(ben, (0.1, 0.9), (0.9, 0.9))
        ben.get_by_text("signed out").first.wait_for()
        drawn = ben.evaluate("__mask.hash()")
        ben.reload()  # signs in again in the same browser: the stroke is still there
        sign_in(ben, "ben", "blue sky")
        ready(ben)
        assert ben.evaluate("__mask.hash()") == drawn
        saved(ben)
        drafts = [Workspace(server.workspace).load_draft(name) for name in ("ana", "ben")]
        areas = [int(Mask.from_png(png).labels.sum()) for png, _ in drafts]
        assert areas == [page.evaluate("__mask.area()") for page in (ana, ben)]
    finally:
        other.close()
        server.stop()


def test_without_a_model_the_page_says_so_and_drawing_goes_on(page):
    page.wait_for_selector(".machine[data-state=failed]")
    page.locator("#generate").click()
    page.wait_for_function("document.querySelector('#status').dataset.state === 'error'")
    text = page.locator("#status").inner_text()
    assert "no-such-model" in text and "Something went wrong" not in text
    stroke(page, (0.3, 0.3), (0.5, 0.5))
    saved(page)
    assert page.locator("#generate").is_enabled()


def test_a_damaged_model_is_a_sentence_and_can_be_cured_without_a_restart(context, tmp_path, tiny_checkpoint):
    model = tmp_path / "model"
    shutil.copytree(tiny_checkpoint, model)
    (model / "model.safetensors").write_bytes(pickle.dumps({"weights": [1, 2]}))
    server = Server(tmp_path / "workspace", "--checkpoint", str(model)).start()
    try:
        page = opened(context, server)
        page.wait_for_selector(".machine[data-state=failed]")
        assert "Something went wrong" not in page.locator("#machine").inner_text()
        shutil.copy(tiny_checkpoint / "model.safetensors", model)
        page.locator("#steps input").fill("1")
        page.locator("#generate").click()
        page.wait_for_function("document.querySelector('#status').dataset.state === 'error'")
        assert "model" in page.locator("#status").inner_text()
        page.locator("#generate").click()
        page.wait_for_function("document.querySelector('#status').dataset.state === 'done'")
    finally:
        server.stop()
