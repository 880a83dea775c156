"""The box of the prompt: there for a model that understands words, gone for others; recorded and recalled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from siamese.tasks import png
from siamese.workspace import Workspace
from tests.diffusion.sd15_files import small, write_checkpoint, write_folder
from tests.ui.conftest import Server, opened, saved, stroke
from tests.ui.test_sampling import set_number, status, wait_state
from tests.ui.workbench import OWNER, finished, note, quiet

WORDS = "of a polyp, small."


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the small model of the family sd15, its base beside it."""
    root: Path = tmp_path_factory.mktemp("sd15")
    model = write_checkpoint(root / "words", write_folder(root / "base", small()))
    made = Server(root / "workspace", "--checkpoint", str(model)).start()
    yield made
    made.stop()


@pytest.mark.soak
def test_a_prompt_is_painted_recorded_and_recalled(context, painter):
    page = quiet(context, painter)
    expect(page.locator("#machine")).to_contain_text("is ready", timeout=60_000)
    box = page.locator("#prompt textarea")
    expect(box).to_be_visible()
    set_number(page, "#steps", 2)
    set_number(page, "#seed", 3)  # away from the Details, which fold and let the page jump
    stroke(page, (0.2, 0.3), (0.7, 0.6))
    saved(page)
    page.locator("#generate").click()
    expect(page.locator("#gallery button")).to_have_count(1, timeout=60_000)
    wait_state(page, "done")
    box.fill(f"  {WORDS} ")
    page.locator("#generate").click()
    expect(page.locator("#gallery button")).to_have_count(2, timeout=60_000)
    wait_state(page, "done")
    gallery = Workspace(painter.workspace).gallery(OWNER)
    typed, usual = gallery.pictures()
    assert typed.facts["prompt"] == WORDS and "prompt" not in usual.facts

    box.fill("something else")
    page.locator("#recall").click()
    assert "2 steps and its prompt are set again" in note(page, "are set again")
    expect(box).to_have_value(WORDS)
    page.locator("#run-again").click()
    note(page, "Identical, pixel for pixel.")
    assert gallery.pictures()[0].facts["prompt"] == WORDS

    page.locator("#gallery button").last.click()
    finished(page)
    page.locator("#recall").click()
    expect(box).to_have_value("")  # a picture without words of its own

    box.fill(WORDS)
    page.locator("[data-body=sheet-body]").click()
    page.locator("#sheet-guidances").locator("input, textarea").fill("9")
    set_number(page, "#sheet-columns", 2)
    page.locator("#make-sheet").click()
    page.wait_for_function("document.querySelector('.sh').dataset.finished === '2'")
    box.fill("something else")
    page.locator(".sh-cell").first.click()
    expect(box).to_have_value(WORDS)

    box.fill("a " * 76)
    page.locator("#generate").click()
    assert wait_state(page, "error") and "76 tokens; 75 are the most" in status(page)


def test_other_models_show_no_box_and_say_so_when_a_prompt_is_recalled(context, shared_server, tmp_path):
    page = opened(context, shared_server)
    page.wait_for_function("document.documentElement.dataset.prompts === 'false'")
    expect(page.locator("#prompt")).to_be_hidden()
    facts = {"seed": 3, "guidance": 9, "steps": 4, "mask_sha256": "ab", "prompt": WORDS}
    (tmp_path / "synthetic.png").write_bytes(png.encode(np.zeros((8, 8, 3), np.uint8), facts))
    page.get_by_label("Synthesized picture to recall").set_input_files(tmp_path / "synthetic.png")
    assert "no-such-model understands no prompts" in note(page, "set again")
    expect(page.locator("#prompt")).to_be_hidden()
    assert page.evaluate("SiameseMask.prompt()") == ""  # live asks for none
