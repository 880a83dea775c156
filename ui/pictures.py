"""The picture panel: what its server functions answer about the pictures of one person's gallery."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import cv2
import gradio as gr
import numpy as np

from siamese.errors import SiameseError
from siamese.gallery import REASONS, Gallery, Picture
from siamese.masks.mask import Mask
from siamese.tasks.package import sized_mask
from ui.mask_canvas import runs, server_function
from ui.services import Services

THUMB = 96  # pixels
MOST_THUMBS = 24  # of one answer


def file_name(picture: Picture) -> str:
    """What a downloaded picture is called: synthetic_seed-2-guidance-2-20-steps.png."""
    return "synthetic_" + re.sub(r"[^0-9a-z.]+", "-", picture.caption.lower()).strip("-.") + ".png"


def entry(picture: Picture) -> dict:
    """A picture as the strip of small pictures lists it."""
    return {
        "id": picture.name,
        "caption": picture.caption,
        "area": picture.area,
        "state": picture.state,
        "reason": picture.reason,
        "favourite": picture.favourite,
    }


class Answers:
    """Server functions; who asks is read from the signed token."""

    def __init__(self, services: Services):
        self._services = services

    def gallery(self, payload: dict) -> Gallery:
        """The gallery of whoever asks.

        Raises:
            IdentityError: the page is not known.
        """
        return self._services.workspace.gallery(self._services.identity.owner(payload.get("token")))


class Pictures(Answers):
    """Looking at pictures and judging them."""

    def listing(self, payload: dict) -> dict:
        """All pictures, newest first: {ok, pictures: [{id, caption, area, state, reason, favourite}]}."""
        return {"ok": True, "pictures": [entry(p) for p in self.gallery(payload).pictures()]}

    def picture(self, payload: dict) -> dict:
        """The picture {id}: {ok, png (base64, as stored), caption, facts, file}."""
        gallery, name = self.gallery(payload), str(payload.get("id"))
        found = gallery.get(name)
        png = base64.b64encode(gallery.picture_png(name)).decode()
        answer = {"ok": True, "png": png, "caption": found.caption, "facts": found.facts}
        return answer | {"file": file_name(found)}

    def thumbs(self, payload: dict) -> dict:
        """Small pictures of {ids}, at most 24: {ok, thumbs: {id: base64}}; damaged ones are left out."""
        gallery, found = self.gallery(payload), {}
        wanted = payload.get("ids")
        for name in (wanted if isinstance(wanted, list) else [])[:MOST_THUMBS]:
            try:
                stored = gallery.picture_png(str(name))
            except SiameseError:
                continue  # deleted meanwhile
            image = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR)
            if image is not None:
                small = cv2.resize(image, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
                found[str(name)] = base64.b64encode(cv2.imencode(".png", small)[1].tobytes()).decode()
        return {"ok": True, "thumbs": found}

    def outline(self, payload: dict) -> dict:
        """The mask of {id} at the picture's size, as the model saw it: {ok, width, height, runs}."""
        gallery, name = self.gallery(payload), str(payload.get("id"))
        png = sized_mask(gallery.picture_png(name), gallery.mask_png(name))
        mask = Mask.from_png(png, "the stored outline")
        height, width = mask.labels.shape
        return {"ok": True, "width": width, "height": height, "runs": runs(mask)}

    def judge(self, payload: dict) -> dict:
        """Decide about {id}: {state, reason, favourite}, those given; answers {ok, picture}."""
        said = {key: payload[key] for key in ("state", "reason", "favourite") if payload.get(key) is not None}
        picture = self.gallery(payload).judge(str(payload.get("id")), **said)
        return {"ok": True, "picture": entry(picture)}


def picture_panel(functions: list[Callable[[dict], dict]]) -> gr.HTML:
    """The panel as a component; its script comes with the drawing area's.

    Args:
        functions: what the panel may ask the server.

    Returns:
        The component. Props: `token`; `frame` what the large picture is. Events: `adopt`, settings to take over
        lie in `SiameseMask.adopted`; `again` {facts}, make that picture once more.
    """
    return gr.HTML(
        html_template="<div class='pv'></div>",
        js_on_load="""
        const mount = () => {
            const pictures = window.SiameseMask.mountPictures(element.querySelector(".pv"), {
                server, token: () => props.token, reasons: props.reasons,
                adopt: () => trigger("adopt"), again: (facts) => trigger("again", {facts})});
            let begun = false;
            const begin = () => { if (props.token && !begun) { begun = true; pictures.start(); } };
            watch("token", begin);
            watch("frame", () => pictures.frame(props.frame));
            begin(); pictures.frame(props.frame);
        };
        if (window.SiameseMask && window.SiameseMask.mountPictures) mount();
        else window.addEventListener("siamese-scripts", mount, { once: true });
        """,
        server_functions=[server_function(f) for f in functions],
        apply_default_css=False,
        elem_id="picture-panel",
        token="",
        frame=None,
        reasons=list(REASONS),
    )


def live_switch(live: Callable[[dict], dict]) -> gr.HTML:
    """The switch Live as a component; the picture panel shows what comes of it."""
    return gr.HTML(
        html_template="<div class='lv'></div>",
        js_on_load="""
        const mount = () => window.SiameseMask.mountLive(element.querySelector(".lv"), {
            server, token: () => props.token});
        if (window.SiameseMask && window.SiameseMask.mountLive) mount();
        else window.addEventListener("siamese-scripts", mount, { once: true });
        """,
        server_functions=[server_function(live)],
        apply_default_css=False,
        elem_id="live-box",
        token="",
    )
