"""The drawing area: our own plain JavaScript in a gr.HTML, and the drafts it is stored in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import numpy as np

from siamese.errors import MaskError, SiameseError
from siamese.masks.mask import Mask
from siamese.workspace import Workspace
from ui.identity import Identity
from ui.services import sentence

SIZE = 384  # side of every drawn mask, pixels
LARGEST_DRAFT = 2 * 1024 * 1024  # bytes
STATIC = Path(__file__).parent / "static"
SCRIPTS = ("engine.js", "view.js", "sync.js", "tools.js", "mount.js", "picture.js")


@dataclass(frozen=True)
class Example:
    """An outline to begin with."""

    name: str
    mask: Mask


def examples(folder: Path) -> list[Example]:
    """The outlines `<number>-<words>.png` of a folder, in the order of their names."""
    return [
        Example(" ".join(path.stem.split("-")[1:]), Mask.read(path).resized(SIZE))
        for path in sorted(folder.glob("*.png"))
    ]


def runs(mask: Mask) -> list[int]:
    """The mask as lengths of equal pixels in reading order, background first: 000110000 is [3, 2, 4]."""
    flat = (mask.labels > 0).ravel()
    turns = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], turns, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths


def mask_of(lengths: object) -> Mask:
    """The inverse of `runs`, for the drawing area's size; two values by construction.

    Raises:
        MaskError: not whole numbers that fill the square exactly.
    """
    if not isinstance(lengths, list) or len(lengths) > SIZE * SIZE + 1:
        raise MaskError("The drawing did not arrive whole; reload the page.")
    if any(isinstance(n, bool) or not isinstance(n, int) or n < 0 or n > SIZE * SIZE for n in lengths):
        raise MaskError("The drawing holds something other than counts of pixels; reload the page.")
    if sum(lengths) != SIZE * SIZE:
        raise MaskError(
            f"The drawing has {sum(lengths)} pixels; {SIZE * SIZE} were expected; reload the page."
        )
    values = np.arange(len(lengths)) % 2
    return Mask.from_array(np.repeat(values, lengths).astype(bool).reshape(SIZE, SIZE))


class Drafts:
    """The server functions of the drawing area; who asks is read from the signed token alone.

    Args:
        workspace: where drafts are stored.
        identity: verifies tokens.
        first: what somebody sees who has not drawn yet.
        seen: called when a page has asked for its draft.
    """

    def __init__(self, workspace: Workspace, identity: Identity, first: Mask, seen: Callable[[], None]):
        self._workspace = workspace
        self._identity = identity
        self._first = first
        self._seen = seen
        self._lock = threading.Lock()

    def stored(self, owner: str) -> tuple[Mask, int]:
        """The mask of `owner` and its revision; the first example becomes revision 1."""
        draft = self._workspace.load_draft(owner)
        if draft is None:
            return self._first, self._workspace.save_draft(owner, self._first.png(), 1)
        png, revision = draft
        return Mask.from_png(png, "the stored drawing").resized(SIZE), revision

    def save(self, payload: dict) -> dict:
        """Store {token, revision, runs}: {ok, revision}, or {ok: false, stored} when a newer one is there."""
        try:
            owner = self._identity.owner(payload.get("token"))
            png = mask_of(payload.get("runs")).png()
            revision = payload.get("revision")
            if len(png) > LARGEST_DRAFT:
                raise MaskError("The drawing is larger than 2 MB; simplify it.")
            with self._lock:
                before = self._workspace.load_draft(owner)
                if before and isinstance(revision, int) and before[1] >= revision:
                    if before == (png, revision):  # the same again: the first answer was lost
                        return {"ok": True, "revision": revision}
                    newer = "Another window saved a newer drawing."
                    return {"ok": False, "stored": before[1], "error": newer}
                return {"ok": True, "revision": self._workspace.save_draft(owner, png, revision)}
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}

    def load(self, payload: dict) -> dict:
        """The stored mask for {token}, or only its revision when it is not above {since}."""
        try:
            owner = self._identity.owner(payload.get("token"))
            with self._lock:
                mask, revision = self.stored(owner)
            self._seen()
            since = payload.get("since")
            fresh = not isinstance(since, int) or revision > since
            key = hashlib.sha256(owner.encode()).hexdigest()[:12]
            return {"ok": True, "revision": revision, "runs": runs(mask) if fresh else None, "key": key}
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}

    def check(self, payload: dict) -> dict:
        """Read an uploaded file {token, name, data (base64)}; answers {ok, runs, notes} or {ok, error}."""
        try:
            self._identity.owner(payload.get("token"))
            name = Path(str(payload.get("name"))).name[:120] or "the file"
            try:
                data = base64.b64decode(str(payload.get("data")), validate=True)
            except binascii.Error as error:
                raise MaskError(f"{name} did not arrive whole; open it again.") from error
            mask = Mask.from_png(data, name).resized(SIZE)
            return {"ok": True, "runs": runs(mask), "notes": list(mask.notes)}
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}


def server_function(method: Callable[[dict], dict]) -> Callable[[dict], dict]:
    """A plain function around a method: Gradio marks its server functions, and a method cannot be marked."""

    def call(payload: dict) -> dict:
        return method(payload if isinstance(payload, dict) else {})

    call.__name__ = method.__name__
    return call


def scripts() -> str:
    """All scripts of the page, in order, as one text."""
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)


def mask_canvas(
    save: Callable[[dict], dict],
    load: Callable[[dict], dict],
    check: Callable[[dict], dict],
    *,
    size: int = SIZE,
    examples: Sequence[Example] = (),
    view: Sequence[tuple[float, float]] = (),
    elem_id: str = "mask-canvas",
) -> gr.HTML:
    """The drawing area as a component; it begins to work when its prop `token` is set.

    Args:
        save, load, check: see `Drafts`.
        size: side in pixels.
        examples: outlines offered below the canvas.
        view: corners (x, y) in [0,1] of the field of view to show; none: the whole square.
        elem_id: id of the element.

    Returns:
        The component. Props: `token`; `cmd` {id, op: "load", runs}.
    """
    return gr.HTML(
        html_template="<div class='mc'></div>",  # constant: a changed template would wipe the canvas
        js_on_load=scripts()
        + """
        window.dispatchEvent(new Event("siamese-scripts"));
        const canvas = window.SiameseMask.mount(element.querySelector(".mc"), {
            size: props.size, view: props.view, examples: props.examples, server, token: () => props.token});
        const begin = () => { if (props.token) canvas.start(); };
        watch("token", begin);
        watch("cmd", () => canvas.command(props.cmd));
        begin();
        """,
        server_functions=[server_function(f) for f in (save, load, check)],
        apply_default_css=False,
        elem_id=elem_id,
        size=size,
        examples=[{"name": e.name, "runs": runs(e.mask)} for e in examples],
        view=[list(corner) for corner in view],
        token="",
        cmd=None,
    )
