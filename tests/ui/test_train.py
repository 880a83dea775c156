"""The screen "Train" from a zip of pictures to a model in the studio: real server, real jobs, the smallest model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import expect

from siamese.jobs.jobs import Jobs
from siamese.workspace import Workspace
from tests.data import sources
from tests.data.test_inspect import written
from tests.ui.conftest import Server, ready, until
from tests.ui.training import choose, end_all, looked, screen, setting, zipped

PATIENCE = 240_000  # ms for a training, on a machine that is busy with others
SHORT = {
    "stages": '["autoencoder", "base", "siamese"]',
    "train_autoencoder.steps": "10",
    "train_base.steps": "10",
    "train_siamese.steps": "40",
    "train_siamese.preview_every": "20",
    "sampling.steps": "6",
}


@pytest.fixture(scope="module")
def station(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the tiny model and a workspace of its own."""
    folder = tmp_path_factory.mktemp("train") / "workspace"
    server = Server(folder, "--checkpoint", str(tiny_checkpoint)).start()
    yield server
    server.stop()
    end_all(folder)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip with twelve good cases, one without a mask, one with burnt-in text and a near-duplicate."""
    root = tmp_path_factory.mktemp("ward") / "Doe"
    for k in range(12):
        sources.pair(root / f"images/anna{k}.png", root / f"masks/anna{k}.png", k)
    sources.put(root / "images/lonely.png", sources.scene(40)[0])
    picture, mask = sources.scene(41)
    sources.put(root / "images/named.png", written(picture))
    sources.put(root / "masks/named.png", cv2.resize(mask, (400, 400), interpolation=cv2.INTER_NEAREST))
    sources.put(root / "images/twin.png", sources.scene(2)[0][:, ::-1].copy())
    sources.put(root / "masks/twin.png", sources.scene(2)[1][:, ::-1].copy())
    return zipped(root, root.with_suffix(".zip"))


def test_from_a_zip_to_a_model_in_the_studio(context, station, ward):
    workspace = Workspace(station.workspace)
    page = screen(context, station)
    expect(page.locator("#train-datasets")).to_contain_text("No pictures here yet")
    expect(page.locator("#train-go")).to_be_disabled()

    page.locator("#train-data input[type=file]").set_input_files(ward)
    report = page.locator(".tr-report")
    expect(report).to_contain_text("14 usable", timeout=PATIENCE)
    expect(report).to_contain_text("can be left out")
    expect(report).to_contain_text("1 pair of pictures")
    expect(report).to_contain_text("1 picture has no mask")
    expect(report).to_contain_text("1 picture has burnt-in text")
    expect(report).to_contain_text("Show 1 picture")
    assert not re.search(r"\b1 (pictures|masks|pairs|cases)\b", report.inner_text())
    expect(page.locator("#train-texts img")).to_have_attribute("src", re.compile("^data:image/png"))
    expect(page.locator("#train-split")).to_contain_text("to train on")
    expect(page.locator("#train-bring")).to_be_disabled()
    page.get_by_label("Leave out the pictures with problems").check()
    page.get_by_label("Burnt-in text of this picture").select_option("leave-out")
    page.wait_for_function(
        r"document.querySelector('#train-split').textContent.match(/\d+(?= to )/g).reduce((a, b) => a + +b, 0) === 13"
    )
    page.locator("#train-dataset-name").fill("ward-3")
    page.locator("#train-bring").click()
    expect(page.locator("#train-data-said")).to_contain_text("ward-3 is here: 13 pictures", timeout=PATIENCE)
    assert (
        sorted(p.name for p in (workspace.datasets / "ward-3" / "images").iterdir())[0] == "ward-3-0001.png"
    )
    assert list(workspace.runs.iterdir()) == []  # nothing trains by itself
    assert not [p for p in workspace.cache.rglob("*") if p.suffix in (".png", ".zip")]

    page.locator("#train-all > summary").click()
    page.locator("#train-file").select_option("tiny.toml")
    page.wait_for_function("document.querySelector('#knob-train_siamese-steps')?.value === '40'")
    for key, value in SHORT.items():
        setting(page, key, value)
    page.wait_for_function("!document.querySelector('#train-go').disabled")
    page.locator("#train-name").fill("first try")
    page.locator("#train-go").click()
    run = page.locator("#train-run")
    expect(page.locator("#train-title")).to_have_text("first try", timeout=PATIENCE)
    expect(run.locator(".tr-chart path.tr-curve").first).to_be_visible(timeout=PATIENCE)
    page.wait_for_selector("#train-previews img[src^=data]", timeout=PATIENCE)
    page.locator("#train-stop").click()
    expect(run).to_have_attribute("data-state", "stopped", timeout=PATIENCE)
    job = Jobs(workspace).list()[0]
    assert job.name == "first try" and job.status().state == "stopped"

    page.locator("#train-resume").click()
    expect(run).to_have_attribute("data-state", "finished", timeout=PATIENCE)
    expect(run).to_contain_text("Trained to the end")
    expect(page.locator(".tr-segment[aria-pressed=true]")).to_have_text("Siamese (outlines)")
    assert page.locator(".tr-small").count() >= 3
    assert not re.search("anna|Doe|lonely", page.locator("#train-run").inner_text())

    page.locator("#train-use").click()
    expect(page.locator("#train-said")).to_contain_text("first try, step 40", timeout=PATIENCE)
    expect(page.locator("#train-model")).to_contain_text("first try, step 40")
    page.get_by_role("tab", name="Studio").click()
    expect(page.locator("#machine")).to_contain_text("Model first try, step 40 is ready")
    expect(page.locator("#steps input")).to_have_value("6")  # those the model was tuned for
    page.locator("#generate").click()
    page.wait_for_selector(".st[data-state=done]", timeout=PATIENCE)

    page.reload()  # the choice outlives the page
    ready(page)
    expect(page.locator("#machine")).to_contain_text("first try, step 40 is ready", timeout=PATIENCE)
    page.get_by_role("tab", name="Train").click()
    page.locator("#train-home").click()
    expect(page.locator("#train-home")).to_have_count(0, timeout=PATIENCE)
    expect(page.locator("#machine")).to_contain_text("Model siamese-0000040 is ready")
    expect(page.locator("#steps input")).to_have_value("40")
    assert not (workspace.root / "model.json").exists()


def test_settings_are_checked_where_they_are_typed_and_duplicated(context, station, small_dataset):
    workspace = Workspace(station.workspace)
    link = workspace.datasets / "drawn"
    for part in ("images", "masks"):
        (link / part).mkdir(parents=True, exist_ok=True)
        for file in (small_dataset / part).iterdir():
            (link / part / file.name).write_bytes(file.read_bytes())
    page = screen(context, station)
    choose(page, "drawn")
    expect(page.locator("#train-size")).to_contain_text("About 100 pictures (you have 12)")
    steps = page.locator("#knob-train_siamese-steps")
    steps.fill("none")
    expect(steps).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#train-problem")).to_contain_text(
        "train_siamese.steps: Input should be a valid integer"
    )
    expect(page.locator("#train-go")).to_be_disabled()
    steps.fill("7")
    expect(steps).to_have_attribute("aria-invalid", "false")
    setting(page, "seed", "11")
    page.locator("#train-minutes").fill("0.5")
    page.locator("#train-device").select_option("cpu")
    page.locator("#train-precision").select_option("fp32")
    page.locator("#train-processes").select_option("2")
    setting(page, "train_siamese.batch", "3")
    expect(page.locator("#train-problem")).to_contain_text("a step of 3 pictures cannot be shared by 2")
    expect(page.locator("#train-go")).to_be_disabled()
    setting(page, "train_siamese.batch", "2")
    page.locator("#train-name").fill("to be copied")
    page.locator("#train-search").fill("learning rate")
    assert 0 < page.locator(".tr-table tbody tr:visible").count() < 12
    page.wait_for_function("!document.querySelector('#train-go').disabled")
    page.locator("#train-go").click()
    expect(page.locator("#train-title")).to_have_text("to be copied", timeout=PATIENCE)
    until(lambda: any(j.name == "to be copied" for j in Jobs(workspace).list()), "the job")
    job = next(j for j in Jobs(workspace).list() if j.name == "to be copied")
    job.cancel(force=True)
    assert "--seconds" in job.arguments and "--start" in job.arguments
    asked = " ".join(job.arguments)
    assert "--device cpu" in asked and "--precision fp32" in asked and job.request.processes == 2
    assert "seed = 11" in (job.folder / "recipe.toml").read_text()
    looked(page)
    page.locator("#train-duplicate").click()
    expect(steps).to_have_value("7")
    expect(page.locator("#train-name")).to_have_value("to be copied, again")
    expect(page.locator("#train-minutes")).to_have_value("0.5")
    for select, value in {"device": "cpu", "precision": "fp32", "processes": "2"}.items():
        expect(page.locator(f"#train-{select}")).to_have_value(value)
    expect(page.locator("#train-datasets").get_by_label("drawn")).to_be_checked()
