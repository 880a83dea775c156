"""The studio screen: the drawing on the left, the picture beside it, the settings on the right."""

from __future__ import annotations

import json

import gradio as gr

from ui.making import MOST, Studio, status
from ui.mask_canvas import mask_canvas
from ui.pictures import picture_panel
from ui.services import LOADING, Services

QUALITIES = {"quick": (10, "dpm"), "standard": (20, "dpm"), "paper": (50, "ddim")}
STATUS = (
    "<div id='status' class='st' role='status' data-state='${value.state}'>"
    "<span class='st-text'>${value.text}</span>"
    "<span class='st-bar'><span style='width:${value.percent}%'></span></span></div>"
)
FLUSHED = "async (...all) => { all[all.length - 1] = await window.__mask.flush(); return all; }"
ANOTHER = (
    "async (...all) => { all[0] = Math.floor(Math.random() * 2147483647);"
    " all[all.length - 1] = await window.__mask.flush(); return all; }"
)

TOGGLE = """
const button = element.querySelector("button");
button.addEventListener("click", () => {
    const open = document.getElementById("details-body").classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
});"""


def build(page: gr.Blocks, services: Services) -> None:
    """Lay out the screen inside `page`, the gr.Blocks that is open, and wire it."""
    studio = Studio(services)
    drafts = studio.drafts
    with gr.Row(elem_id="studio"):
        with gr.Column(elem_id="drawing-card", elem_classes="card"):
            canvas = mask_canvas(
                drafts.save, drafts.load, drafts.check, examples=studio.examples, view=studio.view
            )
        with gr.Column(elem_id="picture-card", elem_classes="card"):
            panel = picture_panel(studio.pictures)
        with gr.Column(elem_id="settings-card", elem_classes="card"):
            with gr.Column(elem_id="actions"):
                generate = gr.Button("Generate", variant="primary", elem_id="generate")
                with gr.Row(elem_id="second-row"):
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
                quality = gr.Radio(list(QUALITIES), value="standard", label="Quality", elem_id="quality")
                count = gr.Slider(
                    1, MOST, value=1, step=1, label="Number of pictures", elem_id="count", buttons=[]
                )
                guidance = gr.Slider(
                    0,
                    15,
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
                corner_box = gr.Checkbox(False, label="Black corner box", elem_id="corner-box")
            with gr.Column(elem_id="details"):
                gr.HTML(
                    "<button type='button' class='details-toggle' aria-expanded='false'>Details</button>",
                    js_on_load=TOGGLE,
                    apply_default_css=False,
                )
                with gr.Column(elem_id="details-body"):
                    steps = gr.Number(20, precision=0, label="Steps", elem_id="steps")
                    sampler = gr.Radio(
                        [("DPM-Solver++", "dpm"), ("DDIM", "ddim")],
                        value="dpm",
                        label="Sampler",
                        elem_id="sampler",
                    )
            revision = gr.Number(visible=False)
    machine = gr.HTML(
        value={"state": "loading", "text": LOADING},
        html_template="<p class='machine' data-state='${value.state}'>${value.text}</p>",
        js_on_load="",
        apply_default_css=False,
        elem_id="machine",
    )
    table = json.dumps(QUALITIES)
    quality.input(None, quality, [steps, sampler], js=f"(name) => ({table})[name]", show_progress="hidden")
    find = (
        f"(steps, sampler) => {{ const all = {table};"
        " return Object.keys(all).find((k) => all[k][0] === steps && all[k][1] === sampler) || null; }"
    )
    for setting in (steps, sampler):
        setting.input(None, [steps, sampler], quality, js=find, show_progress="hidden")
    inputs = [seed, guidance, count, steps, sampler, corner_box, revision]
    outputs = [seed, line, panel, generate, another, stop]
    for button, script in ((generate, FLUSHED), (another, ANOTHER)):
        button.click(
            studio.generate,
            inputs,
            outputs,
            js=script,
            show_progress="hidden",
            concurrency_limit=None,
            concurrency_id="studio",
            api_visibility="private",
        )
    stop.click(studio.stop, None, None, queue=False, show_progress="hidden", api_visibility="private")
    page.unload(studio.stop)
    page.load(studio.open, None, [canvas, panel], show_progress="hidden", api_visibility="private")
    page.load(
        studio.machine,
        None,
        machine,
        show_progress="hidden",
        api_visibility="private",
        concurrency_limit=None,
    )
