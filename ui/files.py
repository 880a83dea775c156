"""The screen "Your files": what lies where, how large it is, and deleting it; and the server functions behind it."""

from __future__ import annotations

import base64
import os
import threading
from pathlib import Path

import cv2
import gradio as gr

from siamese import disk
from siamese.atomic import clear_leftovers
from siamese.errors import SiameseError
from ui.mask_canvas import server_function
from ui.services import Services

THUMB = 48  # pixels
MOST_THUMBS = 24  # in one call
GROUPS = {
    "drawing": ("Drawing", "Nothing is drawn yet. Draw an outline in the studio."),
    "saved mask": ("Saved masks", "No masks are saved yet. Save one from the drawing in the studio."),
    "picture": ("Pictures", "No pictures yet. Press Generate in the studio."),
    "dataset": ("Datasets", "No datasets yet. A picture of your own, saved with its outline, begins one."),
    "run": ("Runs", "Nothing was trained or measured here yet."),
    "export": ("Exported datasets", "No export yet; the screen Dataset makes one."),
    "study": ("Studies", "No rating study yet; the screen Rate makes one."),
    "cache": ("Temporary files", "There are no temporary files."),
}
FILE_OF = {"picture": "picture.png", "saved mask": "mask.png", "drawing": ""}  # what a small picture shows


class Files:
    """Server functions; who asks is read from the signed token."""

    def __init__(self, services: Services):
        self._services = services
        self._workspace = services.workspace
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, disk.Entry]] = {}  # owner -> what the last listing held
        clear_leftovers(services.workspace.root)

    def open(self, name: str, request: gr.Request) -> gr.HTML:
        """A page of `name` opened: give the screen its token."""
        return gr.HTML(token=self._services.identity.mint(self._services.enter(request, name)))

    def listing(self, payload: dict) -> dict:
        """Everything {token} may see: {ok, where, private, total, free, groups, entries}; sizes in bytes."""
        owner = self._services.identity.owner(payload.get("token"))
        found = self._list(owner)
        groups = [
            {"kind": t.kind, "title": GROUPS[t.kind][0], "empty": GROUPS[t.kind][1]}
            | {"count": t.count, "bytes": t.bytes, "shared": t.kind in disk.SHARED}
            for t in disk.totals(found)
        ]
        return {
            "ok": True,
            "where": str(self._workspace.root),
            "private": os.name == "posix" and not self._workspace.root.stat().st_mode & 0o077,
            "total": disk.size_of(self._workspace.root),
            "free": disk.free(self._workspace),
            "groups": groups,
            "entries": [vars(entry) | {"thumb": entry.kind in FILE_OF} for entry in found],
        }

    def look(self, payload: dict) -> dict:
        """What deleting {id} would take with it: {ok, along, models, warning, shared}; nothing is changed."""
        owner = self._services.identity.owner(payload.get("token"))
        return _said(disk.look(self._workspace, owner, str(payload.get("id"))))

    def remove(self, payload: dict) -> dict:
        """Delete {id} with all that hangs on it, after the person said so; answers as `look`."""
        owner = self._services.identity.owner(payload.get("token"))
        if payload.get("confirmed") is not True:
            raise SiameseError("Nothing was deleted: the question was not answered.")
        return _said(disk.delete(self._workspace, owner, str(payload.get("id"))))

    def thumb(self, payload: dict) -> dict:
        """Small pictures of up to 24 {ids}: {ok, thumbs: {id: base64 of a PNG}}; those without one are left out."""
        owner = self._services.identity.owner(payload.get("token"))
        ids = payload.get("ids")
        wanted = [str(i) for i in ids[:MOST_THUMBS]] if isinstance(ids, list) else []
        with self._lock:
            known = self._known.get(owner)
        if known is None:
            known = {entry.id: entry for entry in self._list(owner)}
        entries = [known[i] for i in wanted if i in known and known[i].kind in FILE_OF]
        made = {e.id: _small(self._workspace.root / e.path / FILE_OF[e.kind]) for e in entries}
        return {"ok": True, "thumbs": {i: png for i, png in made.items() if png}}

    def _list(self, owner: str) -> list[disk.Entry]:
        found = disk.entries(self._workspace, owner)
        with self._lock:
            self._known[owner] = {entry.id: entry for entry in found}
        return found


def _said(found: disk.Deleted) -> dict:
    return {
        "ok": True,
        "title": found.entry.title,
        "kind": found.entry.kind,
        "bytes": found.entry.bytes,
        "shared": found.entry.shared,
        "along": list(found.along),
        "models": list(found.models),
        "warning": found.warning,
    }


def _small(path: Path) -> str:
    """base64 of a small PNG of a picture file; empty when it cannot be read."""
    image = cv2.imread(str(path))
    if image is None:
        return ""
    scale = THUMB / max(image.shape[:2])
    size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return base64.b64encode(cv2.imencode(".png", small)[1].tobytes()).decode()


def build(page: gr.Blocks, services: Services) -> None:
    """Lay out the screen inside `page`, the gr.Blocks that is open, and wire it."""
    files = Files(services)
    screen = gr.HTML(
        html_template="<div class='fl'></div>",
        js_on_load="""
        const mount = () => {
            const screen = window.SiameseMask.mountFiles(element.querySelector(".fl"), {
                server, token: () => props.token});
            const begin = () => { if (props.token) screen.start(); };
            watch("token", begin);
            begin();
        };
        if (window.SiameseMask && window.SiameseMask.mountFiles) mount();
        else window.addEventListener("siamese-scripts", mount, { once: true });
        """,
        server_functions=[server_function(f) for f in (files.listing, files.look, files.remove, files.thumb)],
        apply_default_css=False,
        elem_id="files",
        token="",
    )
    name = gr.Textbox(visible=False)
    page.load(files.open, name, screen, js=services.who, show_progress="hidden", api_visibility="private")
