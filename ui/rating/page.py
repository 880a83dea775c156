"""The page that every rater gets: one gr.HTML with our own plain scripts, the same for everybody, without an event."""

from __future__ import annotations

import gradio as gr

from siamese.study import pages
from siamese.study.shown import Shown
from ui.calm import calm

TITLE = "Rating"  # until a link has opened: strangers learn nothing of the study


def build(shown: Shown) -> gr.Blocks:
    """The page; it asks for everything else with the secret of its link."""
    scripts = "\n".join(path.read_text("utf-8") for path in pages.SCRIPTS)
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(
            html_template="<div class='rt'></div>",  # constant: a changed template would wipe the page
            js_on_load=scripts + "window.SiameseRating.mount(element.querySelector('.rt'), props.words);",
            apply_default_css=False,
            elem_id="rating",
            words=shown.texts.words.model_dump(mode="json", exclude={"kit"}),
        )
    page.queue(api_open=False)
    calm(page)
    return page


def head() -> str:
    """Styles, inline like the scripts: no file of ours has an address."""
    return f'<meta name="color-scheme" content="dark"><style>{pages.STYLE.read_text("utf-8")}</style>'


def theme() -> gr.themes.Base:
    """Only what keeps Gradio from fetching fonts; the page covers the rest."""
    return gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"])
