"""The studio screen: the drawing on the left, the picture beside it, the settings on the right."""

from __future__ import annotations

import json

import gradio as gr

from ui import model_line
from ui.making import COUNT_UP, RANDOM, SAME, Studio, status
from ui.mask_canvas import mask_canvas
from ui.pictures import live_switch, picture_panel
from ui.services import Services
from ui.settings import FEWEST_COLUMNS, GUIDANCES, HIGHEST_GUIDANCE, LONGEST_PROMPT, MOST, MOST_COLUMNS

QUALITIES = {"quick": (10, "sde"), "standard": (None, "sde"), "fine": (100, "sde"), "paper": (50, "ddim")}
STATUS = (
    "<div id='status' class='st' role='status' data-state='${value.state}'>"
    "<span class='st-text'>${value.text}</span>"
    "<span class='st-bar'><span style='width:${value.percent}%'></span></span></div>"
)
FLUSHED = "all[all.length - 1] = await window.__mask.flush(); return all; }"
DRAW = "all[0] = Math.floor(Math.random() * 2147483647);"
SEED = f"async (...all) => {{ if (all[1] === {json.dumps(RANDOM)}) {DRAW} {FLUSHED}"
ANOTHER = f"async (...all) => {{ {DRAW} {FLUSHED}"
STORED = f"async (...all) => {{ {FLUSHED}"
TABLE = (  # steps and sampler by quality; standard: the steps that the model was tuned for
    f"Object.fromEntries(Object.entries({json.dumps(QUALITIES)})"
    ".map(([name, [steps, sampler]]) => [name, [steps ?? window.SiameseMask.tuned.steps, sampler]]))"
)
FIND = f"""(steps, sampler) => {{ const all = {TABLE};
    return Object.keys(all).find((k) => all[k][0] === steps && all[k][1] === sampler) || null; }}"""
SWITCHED = """(quality, steps) => { const tuned = window.SiameseMask.tuned;
    return [tuned.guidance, quality === "standard" ? tuned.steps : steps]; }"""
ADOPTED = f"""() => {{ const s = window.SiameseMask.adopted;
    const quality = ({FIND})(s.steps, s.sampler);
    return [s.seed, s.guidance, s.steps, s.sampler, s.corner_box, s.prompt, quality, "same"]; }}"""

TOGGLE = """
const button = element.querySelector("button");
button.addEventListener("click", () => {
    const open = document.getElementById(button.dataset.body).classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
});"""


def build(page: gr.Blocks, services: Services) -> None:
    """Lay out the screen inside `page`, the gr.Blocks that is open, and wire it."""
    studio = Studio(services)
    functions = [*studio.drafts.functions, *studio.outlines.functions]
    with gr.Row(elem_id="studio"):
        with gr.Column(elem_id="drawing-card", elem_classes="card"):
            canvas = mask_canvas(functions, examples=studio.examples, view=studio.view)
        with gr.Column(elem_id="picture-card", elem_classes="card"):
            panel = picture_panel(studio.panel_functions)
        with gr.Column(elem_id="settings-card", elem_classes="card"):
            with gr.Column(elem_id="actions"):
                generate = gr.Button("Generate", variant="primary", elem_id="generate")
                with gr.Row(elem_id="second-row"):
                    live = live_switch(studio.live.live)
                    another = gr.Button("Another example", elem_id="another")
                    stop = gr.Button("Stop", elem_id="stop", interactive=False, variant="stop")
                line = gr.HTML(
                    value=status("idle", "Draw an outline, then press Generate."),
                    html_template=STATUS,
                    apply_default_css=False,
                    js_on_load="",
                    elem_id="status-box",
                )
            with gr.Column(elem_id="choices"):
                quality = gr.Radio(
                    list(QUALITIES),
                    value="standard",
                    label="Quality",
                    elem_id="quality",
                    elem_classes="segments",
                )
                count = gr.Slider(
                    1, MOST, value=1, step=1, label="Number of pictures", elem_id="count", buttons=[]
                )
                words = gr.Textbox(  # shown where the model understands words: studio.css, model.js
                    label="Prompt",
                    elem_id="prompt",
                    info="In words. Empty: as in training.",
                    max_lines=3,
                    max_length=LONGEST_PROMPT,
                )
                guidance = gr.Slider(
                    0,
                    HIGHEST_GUIDANCE,
                    value=studio.tuned,
                    step=0.1,
                    label="Fit to the outline (guidance)",
                    elem_id="guidance",
                    buttons=[],
                    info="Low: looser. High: stricter.",
                )
                seed = gr.Number(
                    2,  # the seed of assets/first.png: the first Generate shows the same picture
                    precision=0,
                    label="Example number (seed)",
                    elem_id="seed",
                    info="Same number: same picture.",
                )
                mode = gr.Radio(
                    [RANDOM, SAME, COUNT_UP],
                    value=SAME,
                    label="Number at each Generate",
                    elem_id="seed-mode",
                    elem_classes="segments",
                )
                corner_box = gr.Checkbox(False, label="Black corner box", elem_id="corner-box")
            with gr.Column(elem_id="sheet", elem_classes="fold"):
                _fold("Contact sheet", "sheet-body")
                with gr.Column(elem_id="sheet-body", elem_classes="fold-body"):
                    guidances = gr.Textbox(
                        ", ".join(f"{value:g}" for value in GUIDANCES),
                        label="Guidance values, one row each",
                        elem_id="sheet-guidances",
                        max_lines=1,
                    )
                    columns = gr.Slider(
                        FEWEST_COLUMNS,
                        MOST_COLUMNS,
                        value=4,
                        step=1,
                        label="Seeds beside each other",
                        elem_id="sheet-columns",
                        buttons=[],
                        info="From the example number above on.",
                    )
                    make_sheet = gr.Button("Make the sheet", elem_id="make-sheet")
            with gr.Column(elem_id="details", elem_classes="fold"):
                _fold("Details", "details-body")
                with gr.Column(elem_id="details-body", elem_classes="fold-body"):
                    steps = gr.Number(studio.tuned_steps, precision=0, label="Steps", elem_id="steps")
                    sampler = gr.Radio(
                        [("DPM-Solver++ SDE", "sde"), ("DPM-Solver++", "dpm"), ("DDIM", "ddim")],
                        value=QUALITIES["standard"][1],
                        label="Sampler",
                        elem_id="sampler",
                    )
            revision = gr.Number(visible=False)
    line_below = model_line.model_line(services)
    line_below.switched(None, [quality, steps], [guidance, steps], js=SWITCHED, show_progress="hidden")
    quality.input(None, quality, [steps, sampler], js=f"(name) => ({TABLE})[name]", show_progress="hidden")
    for setting in (steps, sampler):
        setting.input(None, [steps, sampler], quality, js=FIND, show_progress="hidden")
    adopted = [seed, guidance, steps, sampler, corner_box, words, quality, mode]
    panel.adopt(None, None, adopted, js=ADOPTED, show_progress="hidden")

    outputs = [seed, line, panel, generate, another, make_sheet, stop]
    making = {
        "show_progress": "hidden",
        "concurrency_limit": None,
        "concurrency_id": "studio",
        "api_visibility": "private",
    }
    inputs = [seed, mode, guidance, count, steps, sampler, corner_box, words, revision]
    generate.click(studio.generate, inputs, outputs, js=SEED, **making)
    another.click(studio.generate, inputs, outputs, js=ANOTHER, **making)
    cells = [seed, guidances, columns, steps, sampler, corner_box, words, revision]
    make_sheet.click(studio.sheet, cells, outputs, js=STORED, **making)
    panel.again(studio.again, None, outputs, **making)
    stop.click(studio.stop, None, None, queue=False, show_progress="hidden", api_visibility="private")
    page.unload(studio.close)
    name = gr.Textbox(visible=False)
    page.load(
        studio.open,
        name,
        [canvas, panel, live, line_below],
        js=services.who,
        show_progress="hidden",
        api_visibility="private",
    )


def _fold(name: str, body: str) -> None:
    gr.HTML(
        f"<button type='button' class='details-toggle' aria-expanded='false' data-body='{body}'>{name}</button>",
        js_on_load=TOGGLE,
        apply_default_css=False,
    )
