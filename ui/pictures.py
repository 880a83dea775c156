"""The picture panel: the large picture, those made so far, those kept; and the server functions behind it."""

from __future__ import annotations

import base64
import re

import cv2
import gradio as gr

from siamese.errors import SiameseError
from ui.mask_canvas import server_function
from ui.services import Services, sentence

THUMB = 96  # pixels
RECENT = 4


class Pictures:
    """Server functions; who asks is read from the signed token."""

    def __init__(self, services: Services):
        self._services = services

    def picture(self, payload: dict) -> dict:
        """The picture {id}: {ok, png (base64, as stored), caption, facts, file}."""
        try:
            owner = self._services.identity.owner(payload.get("token"))
            made = self._services.shelf.get(owner, str(payload.get("id")))
            return {
                "ok": True,
                "png": base64.b64encode(made.picture).decode(),
                "caption": made.caption,
                "facts": made.facts,
                "file": "synthetic_" + re.sub(r"[^0-9a-z]+", "-", made.caption.lower()).strip("-") + ".png",
                "keptAlready": made.kept is not None,
            }
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}

    def keep(self, payload: dict) -> dict:
        """Store the picture {id} with its mask and facts; answers as `kept`."""
        try:
            owner = self._services.identity.owner(payload.get("token"))
            made = self._services.shelf.get(owner, str(payload.get("id")))
            if made.kept is None:
                made.kept = self._services.workspace.keep(made.picture, made.mask, made.facts)
            return self._kept()
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}

    def kept(self, payload: dict) -> dict:
        """How many pairs are kept and small pictures of the last ones: {ok, count, recent, folder}."""
        try:
            self._services.identity.owner(payload.get("token"))
            return self._kept()
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}

    def _kept(self) -> dict:
        pairs = self._services.workspace.kept_pairs()
        recent = []
        for pair in pairs[:RECENT]:
            image = cv2.imread(str(pair / "picture.png"))
            if image is not None:
                small = cv2.resize(image, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
                png = cv2.imencode(".png", small)[1].tobytes()
                recent.append({"name": pair.name, "png": base64.b64encode(png).decode()})
        folder = str(self._services.workspace.kept)
        return {"ok": True, "count": len(pairs), "recent": recent, "folder": folder}


def picture_panel(pictures: Pictures) -> gr.HTML:
    """The panel as a component; its script comes with the drawing area's.

    Props: `token`; `frame` what the large picture is; `results` ids and captions.
    """
    return gr.HTML(
        html_template="<div class='pv'></div>",
        js_on_load="""
        const mount = () => {
            const pictures = window.SiameseMask.mountPictures(element.querySelector(".pv"), {
                server, token: () => props.token});
            let begun = false;
            const begin = () => { if (props.token && !begun) { begun = true; pictures.start(); } };
            const results = () => pictures.results(props.results || []);
            watch("token", begin);
            watch("results", results);
            watch("frame", () => pictures.frame(props.frame));
            begin(); results(); pictures.frame(props.frame);
        };
        if (window.SiameseMask && window.SiameseMask.mountPictures) mount();
        else window.addEventListener("siamese-scripts", mount, { once: true });
        """,
        server_functions=[server_function(f) for f in (pictures.picture, pictures.keep, pictures.kept)],
        apply_default_css=False,
        elem_id="picture-panel",
        token="",
        frame=None,
        results=[],
    )
