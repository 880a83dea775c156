"""Work that the screen "Train" does before a training: an import that is stopped, a measurement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

from siamese.workspace import Workspace
from tests.conftest import write_dataset
from tests.data import sources
from tests.ui.conftest import Server
from tests.ui.training import choose, screen, setting

MANY, SIDE = 40, 768  # about a second of work for an import: a click takes a tenth of that
PATIENCE = 120_000  # ms, on a machine that is busy with others


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one drawn dataset, and without a model."""
    made = Server(tmp_path_factory.mktemp("stop") / "workspace", "--checkpoint", "no-such-model").start()
    write_dataset(Workspace(made.workspace).datasets / "drawn")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures with noise, which take long to write as PNG."""
    root = tmp_path_factory.mktemp("ward") / "ward"
    noise = np.random.default_rng(1).integers(-20, 20, (SIDE, SIDE, 3))
    for k in range(MANY):
        picture, mask = (
            cv2.resize(a, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) for a in sources.scene(k)
        )
        sources.put(root / f"images/{k}.jpg", np.clip(picture + noise, 0, 255).astype(np.uint8))
        sources.put(root / f"masks/{k}.png", mask)
    return root


def test_an_import_that_is_stopped_leaves_nothing_and_can_be_done_again(context, server, ward):
    datasets = Workspace(server.workspace).datasets
    page = screen(context, server)
    page.locator("#train-path").fill(str(ward))
    page.locator("#train-look").click()
    said, stop = page.locator("#train-data-said"), page.locator("#train-import-stop")
    expect(page.locator(".tr-report")).to_contain_text(f"{MANY} usable", timeout=PATIENCE)
    expect(stop).to_be_hidden()
    page.locator("#train-bring").click()
    stop.click()
    expect(said).to_have_text("Stopped as asked; nothing was written.", timeout=PATIENCE)
    expect(stop).to_be_hidden()
    assert [p.name for p in datasets.iterdir()] == ["drawn"]
    expect(page.locator("#train-datasets li")).to_have_count(1)

    page.locator("#train-bring").click()
    expect(said).to_contain_text(f"ward is here: {MANY} pictures", timeout=PATIENCE)
    assert sorted(p.name for p in datasets.iterdir()) == ["drawn", "ward"]


def test_measuring_on_this_machine_tells_the_time(context, server):
    page = screen(context, server)
    choose(page, "drawn")
    page.locator("#train-all > summary").click()
    page.locator("#train-file").select_option("tiny.toml")
    page.wait_for_function("document.querySelector('#knob-train_siamese-steps')?.value === '40'")
    setting(page, "stages", '["siamese"]')
    page.locator("#train-precision").select_option("fp32")
    page.wait_for_function("!document.querySelector('#train-measure').disabled")
    page.locator("#train-measure").click()
    lines = page.locator("#train-lines li")
    expect(lines.first).to_have_text(
        re.compile(r"Time: about \d+ minutes?, measured on this machine \(cpu\)"), timeout=PATIENCE
    )
    expect(lines.nth(1)).to_contain_text("on this machine")
    page.get_by_text("Details", exact=True).locator("visible=true").click()
    expect(page.get_by_label("Details of the estimate")).to_contain_text("(cpu, fp32)")
    expect(page.locator("#train-start-said")).to_have_text("")
    assert list(Workspace(server.workspace).runs.iterdir()) == []  # measuring starts nothing
