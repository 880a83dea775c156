"""What the tests of the workbench do again and again on a page."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page

from tests.ui.conftest import Server, opened
from tests.ui.test_app import JARGON
from tests.ui.test_sampling import set_number, status, wait_state

OWNER = "default"
NOTE_STATES = """() => {
    const now = () => document.querySelector("#status").dataset.state;
    let last = now();
    window.ran = [];
    new MutationObserver(() => { if (now() !== last) window.ran.push((last = now())); }).observe(
        document.body, {subtree: true, childList: true, attributes: true});
}"""


def quiet(context: BrowserContext, server: Server) -> Page:
    """A page with live switched off, 4 steps."""
    page = opened(context, server, "localStorage['siamese-live'] = localStorage['siamese-live'] || 'off'")
    set_number(page, "#steps", 4)
    return page


def generate(page: Page, **numbers: int) -> str:
    for name, value in numbers.items():
        set_number(page, f"#{name}", value)
    page.evaluate(NOTE_STATES)
    page.locator("#generate").click()
    page.wait_for_function("window.ran.length")  # noted, however short; a busy page may draw only the end of it
    assert wait_state(page, "done", "error") == "done", status(page)
    finished(page)
    return page.locator(".pv-label").inner_text()


def finished(page: Page) -> None:
    page.wait_for_function(
        "document.querySelector('#preview').dataset.kind === 'finished' && "
        "document.querySelector('#gallery button[aria-pressed=true]')"
    )


def note(page: Page, words: str) -> str:
    page.wait_for_function("(w) => document.querySelector('.pv-note').textContent.includes(w)", arg=words)
    return page.locator(".pv-note").inner_text()


def seed(page: Page) -> int:
    return int(page.locator("#seed input").input_value())


def no_jargon(page: Page) -> None:
    words = page.evaluate(
        """() => {
        const own = (e) => !e.closest("#details, .pv-facts dl, #machine") && e.checkVisibility();
        const labels = [...document.querySelectorAll("[title], [aria-label], [alt]")].filter(own).flatMap(
            (e) => [e.title, e.getAttribute("aria-label"), e.getAttribute("alt")]);
        const hidden = [...document.querySelectorAll("#details, .pv-facts dl, #machine")];
        hidden.forEach((e) => (e.style.display = "none"));
        const text = document.body.innerText;
        hidden.forEach((e) => (e.style.display = ""));
        return (text + labels.join("\\n")).toLowerCase(); }"""
    )
    assert [word for word in JARGON if word in words] == []
