"""A run on the screen "Train": curves, previews, comparing, the watch; sizes, names and words of everything on it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from siamese.workspace import Workspace
from tests.conftest import write_dataset
from tests.ui.conftest import Server
from tests.ui.training import looked, screen, write_run

FORBIDDEN = re.compile(r"checkpoint|latent|sampler|ddim|inference|token", re.IGNORECASE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose workspace holds two runs of a shell."""
    made = Server(tmp_path_factory.mktemp("runs") / "workspace", "--checkpoint", "no-such-model").start()
    workspace = Workspace(made.workspace)
    write_dataset(workspace.datasets / "drawn")
    write_run(workspace, "monday", fall=2.0)
    write_run(workspace, "tuesday", fall=1.0)
    yield made
    made.stop()


@pytest.fixture
def page(context, server) -> Page:
    """The run tuesday, open."""
    page = screen(context, server)
    page.locator('.tr-run[data-id="tuesday"]').click()
    expect(page.locator("#train-title")).to_have_text("tuesday")
    return page


def value(page: Page, chart: int = 0) -> str:
    return page.locator("#train-curves .tr-chart-value").nth(chart).inner_text()


def test_curves_are_read_with_the_keys_smoothed_and_logarithmic(page):
    page.locator("#train-smooth").fill("0")
    chart = page.get_by_role("slider", name="Outline loss L_m, read along the steps")
    assert value(page) == "0.02"
    chart.focus()
    page.keyboard.press("Home")
    assert value(page) == "step 1: 1"
    page.keyboard.press("ArrowRight")
    assert value(page) == "step 2: 0.5"
    expect(chart).to_have_attribute("aria-valuetext", "step 2: 0.5")
    line = page.locator("#train-curves path.tr-curve.tr-line-0").first
    before = line.get_attribute("d")
    page.get_by_label("Logarithmic").check()
    assert line.get_attribute("d") != before
    page.locator("#train-smooth").fill("0.9")
    page.keyboard.press("Tab")
    assert float(value(page).split()[-1]) > 0.02  # the past weighs in


def test_two_runs_lie_over_each_other(page):
    page.locator("#train-smooth").fill("0")
    page.locator("#train-compare").select_option("monday")
    expect(page.locator("#train-curves .tr-legend").first).to_contain_text("monday")
    assert value(page) == "tuesday 0.02 · monday 0.04"
    beside = page.locator("#train-previews figure").nth(1)
    expect(beside).to_contain_text("monday, step 50")
    expect(beside.locator("img")).to_have_attribute("src", re.compile("^data:image/png"))
    page.locator("#train-compare").select_option("")
    expect(beside).to_be_hidden()
    assert value(page) == "0.02"


def test_previews_over_time(page):
    expect(page.locator(".tr-small")).to_have_count(5)
    image = page.locator("#train-preview")
    expect(image).to_have_attribute("alt", "Preview: Siamese (outlines), step 50")
    last = image.get_attribute("src")
    page.locator("#train-preview-step").focus()
    page.keyboard.press("Home")
    expect(image).to_have_attribute("alt", "Preview: Siamese (outlines), step 10")
    page.wait_for_function("(s) => document.querySelector('#train-preview').src !== s", arg=last)
    expect(page.locator(".tr-small").first).to_have_attribute("aria-pressed", "true")


def test_the_watch_warns_and_names_the_best(page):
    watch = page.get_by_role("region", name="Memorisation watch")
    expect(watch).to_contain_text("Pictures begin to look like training pictures.")
    expect(watch.locator(".tr-limit-word")).to_have_text("limit 0.1")
    expect(watch.locator("path.tr-curve").first).to_be_visible()
    expect(page.locator(".tr-points li").nth(1)).to_contain_text("step 40 · ★ best by the memorisation watch")


def test_a_model_that_cannot_be_loaded_changes_nothing(page, server):
    page.locator("#train-use").click()
    expect(page.locator("#train-said")).to_have_attribute("data-kind", "bad", timeout=60_000)
    expect(page.locator("#train-said")).to_contain_text("siamese-0000040")
    assert not (server.workspace / "model.json").exists()
    expect(page.locator("#train-home")).to_have_count(0)


def test_a_new_run_and_new_lines_appear_by_themselves(page, server):
    run = server.workspace / "runs" / "tuesday"
    with (run / "events.jsonl").open("a") as file:
        file.write(
            '{"event": "Scalars", "time": 2e9, "stage": "siamese", "step": 51, "values": {"L_m": 7.5}}\n'
        )
    page.locator("#train-smooth").fill("0")
    page.wait_for_function("document.querySelector('#train-curves .tr-chart-value').textContent === '7.5'")
    write_run(Workspace(server.workspace), "wednesday")
    expect(page.locator('.tr-run[data-id="wednesday"]')).to_be_visible()


@pytest.mark.parametrize(
    ("place", "said"), [("#train-data", "#train-data-said"), ("#train-runs", "#train-side-said")]
)
def test_what_is_dropped_goes_where_it_belongs_or_is_refused(context, server, place, said):
    page = screen(context, server)
    dropped = page.evaluate_handle(
        """() => { const data = new DataTransfer();
        data.items.add(new File(["no zip at all"], "ward.zip", { type: "application/zip" })); return data; }"""
    )
    page.dispatch_event(place, "drop", {"dataTransfer": dropped})
    expect(page.locator(said)).to_have_attribute("data-kind", "bad")
    expect(page.locator(said)).to_contain_text("zip")
    other = "#train-side-said" if said == "#train-data-said" else "#train-data-said"
    expect(page.locator(other)).to_have_text("")


def test_everything_can_be_hit_has_a_name_and_fits(context, server):
    page = screen(context, server)
    fold = page.locator("#train-all > summary")
    for shown in ("form", "run"):
        if shown == "run":
            page.locator('.tr-run[data-id="tuesday"]').click()
            looked(page)
        for width in (1440, 1024, 480):
            page.set_viewport_size({"width": width, "height": 900 if width > 480 else 800})
            page.wait_for_function("(w) => innerWidth === w", arg=width)
            assert not FORBIDDEN.search(page.locator("#train").inner_text())
            if shown == "form":
                fold.click()
            assert too_small(page) == [], width
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
            if shown == "form":
                fold.click()


def too_small(page: Page) -> list[str]:
    """What is on the screen and cannot be hit, or has no name."""
    return page.evaluate(
        """() => [...document.querySelectorAll("#train :is(button, input, select, summary, [role=slider])")]
        .filter((e) => e.checkVisibility() && e.offsetParent).filter((e) => {
            const box = e.getBoundingClientRect();
            const named = e.labels?.length || e.getAttribute("aria-label") || e.innerText.trim();
            return box.width < 24 || box.height < 24 || !named; })
        .map((e) => e.outerHTML.slice(0, 200))"""
    )
