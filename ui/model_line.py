"""The line below the studio: which model makes the pictures, and the way back; open pages follow when it changes."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from siamese import shipped
from ui.mask_canvas import server_function
from ui.services import LOADING, Services
from ui.training_runs import model_of

GUIDANCE, STEPS = 2.0, 40  # where the checkpoint does not say what it was tuned for


def view(services: Services) -> list[tuple[float, float]]:
    """Corners of the field of view that the model in use paints by default."""
    return shipped.field_of_view(services.model.checkpoint)


def tuned(services: Services) -> float:
    """The guidance that the model in use was tuned for."""
    found = shipped.guidance(services.model.checkpoint)
    return GUIDANCE if found is None else found


def steps(services: Services) -> int:
    """The sampling steps that the model in use was tuned for."""
    return shipped.steps(services.model.checkpoint) or STEPS


def takes_prompts(services: Services) -> bool:
    """Does the model in use understand words?"""
    return shipped.takes_prompts(services.model.checkpoint)


def asked(services: Services) -> Callable[[dict], dict]:
    """The server function `model`: {ok, state, text, notice, view, guidance, steps, prompts}."""

    def model(payload: dict) -> dict:
        services.identity.owner(payload.get("token"))
        found = model_of(services)
        text = {
            "loading": LOADING,
            "failed": f"{found['problem']} Drawing works meanwhile.",
            "ready": f"Model {found['name']} is ready.",
        }[found["state"]]
        if found["away"]:
            text += f" The Train screen leads back to {found['home']}."
        told = {"ok": True, "state": found["state"], "text": text, "notice": found["notice"]}
        told |= {"view": view(services), "guidance": tuned(services), "steps": steps(services)}
        return told | {"prompts": takes_prompts(services)}

    return model


def model_line(services: Services) -> gr.HTML:
    """The line as a component; its event `switched` comes when other settings should be the default."""
    return gr.HTML(
        html_template="<p class='machine' data-state='loading' role='status'></p>",
        js_on_load="""
        const mount = () => {
            const line = window.SiameseMask.modelLine(element.querySelector(".machine"), {
                server, token: () => props.token, view: props.view, guidance: props.guidance, steps: props.steps,
                switched: () => trigger("switched")});
            const begin = () => { if (props.token) line.start(); };
            watch("token", begin);
            begin();
        };
        if (window.SiameseMask && window.SiameseMask.modelLine) mount();
        else window.addEventListener("siamese-scripts", mount, { once: true });
        """,
        server_functions=[server_function(asked(services))],
        apply_default_css=False,
        elem_id="machine",
        token="",
        view=[list(corner) for corner in view(services)],
        guidance=tuned(services),
        steps=steps(services),
    )
