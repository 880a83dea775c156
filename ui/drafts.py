"""The drawing of each person: stored at every stroke, with the picture below it; files become drawings here."""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from siamese.data.picture import decode, photograph
from siamese.errors import MaskError, SiameseError
from siamese.masks.mask import Mask
from siamese.masks.typical import unusual
from siamese.workspace import Workspace
from ui.identity import Identity
from ui.mask_canvas import SIZE, mask_of, runs
from ui.services import sentence

LARGEST_DRAFT = 8 * 1024 * 1024  # bytes
LARGEST_SIDE = 2048  # pixels of a picture to draw on


class Drafts:
    """The server functions of the drawing; who asks is read from the signed token alone.

    Args:
        workspace: where drafts are stored.
        identity: verifies tokens.
        first: what somebody sees who has not drawn yet.
        seen: called when a page has asked for its draft.
        view: corners (x, y) in [0,1] of the endoscope's field of view; none: the whole picture.
    """

    def __init__(
        self,
        workspace: Workspace,
        identity: Identity,
        first: Mask,
        seen: Callable[[], None],
        view: Sequence[tuple[float, float]] = (),
    ):
        self._workspace = workspace
        self._identity = identity
        self._first = first
        self._seen = seen
        self._view = list(view)
        self._lock = threading.Lock()

    @property
    def functions(self) -> list[Callable[[dict], dict]]:
        """What the page may call."""
        return [
            self.save,
            self.load,
            self.check,
            self.export,
            self.background,
            self.background_load,
            self.background_remove,
            self.case,
        ]

    def stored(self, owner: str) -> tuple[Mask, int]:
        """The mask of `owner` at its own size, and its revision; the first example becomes revision 1."""
        draft = self._workspace.load_draft(owner)
        if draft is None:
            return self._first, self._workspace.save_draft(owner, self._first.png(), 1)
        png, revision = draft
        return Mask.from_png(png, "the stored drawing"), revision

    def save(self, payload: dict) -> dict:
        """Store {token, revision, width, height, runs}: {ok, revision, warnings}; {ok: false, stored} when a newer
        one is there."""
        try:
            owner = self._identity.owner(payload.get("token"))
            mask = drawn(payload)
            png = mask.png()
            revision = payload.get("revision")
            if len(png) > LARGEST_DRAFT:
                raise MaskError("The drawing is larger than 8 MB; simplify it.")
            with self._lock:
                before = self._workspace.load_draft(owner)
                if before and isinstance(revision, int) and before[1] >= revision:
                    if before != (png, revision):
                        newer = "Another window saved a newer drawing."
                        return {"ok": False, "stored": before[1], "error": newer}
                else:  # not the same again, whose first answer was lost
                    revision = self._workspace.save_draft(owner, png, revision)
            return {"ok": True, "revision": revision, "warnings": self._warnings(mask)}
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
            warnings = self._warnings(mask)
            found = {"ok": True, "revision": revision, "key": key, "warnings": warnings, **drawing(mask)}
            return found if fresh else {**found, "runs": None}
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}

    def check(self, payload: dict) -> dict:
        """Read a file {token, name, data (base64)} as an outline: {ok, runs, width, height, notes, picture}.

        `picture`: it looks like a photograph, to be drawn on rather than read as an outline.
        """
        try:
            self._identity.owner(payload.get("token"))
            name, data = uploaded(payload)
            mask = Mask.from_png(data, name)
            looks = any("threshold" in note for note in mask.notes) and photograph(decode(data))
            if max(mask.labels.shape) > LARGEST_SIDE:
                mask = mask.resized(SIZE)
            return {"ok": True, **drawing(mask), "notes": list(mask.notes), "picture": looks}
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}

    def export(self, payload: dict) -> dict:
        """The drawing {token, width, height, runs} as PNG of two values: {ok, png (base64)}."""
        try:
            self._identity.owner(payload.get("token"))
            return {"ok": True, "png": base64.b64encode(drawn(payload).png()).decode()}
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}

    def background(self, payload: dict) -> dict:
        """Store the picture {token, name, data} to draw on, without whatever else its file holds; as
        `background_load`."""
        try:
            owner = self._identity.owner(payload.get("token"))
            name, data = uploaded(payload)
            try:
                picture = decode(data)
            except MaskError as error:
                raise MaskError(f"{name} {error}") from error
            high, wide = picture.shape[:2]
            if max(high, wide) > LARGEST_SIDE or min(high, wide) < 64:
                raise MaskError(
                    f"{name} has {wide}×{high} pixels; 64 to {LARGEST_SIDE} a side can be drawn on: "
                    f"export it at {LARGEST_SIDE} pixels or less."
                )
            png = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
            self._workspace.save_background(owner, png)
            return self._background(owner)
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}

    def background_load(self, payload: dict) -> dict:
        """The picture that {token} draws on: {ok, png (base64) or null, width, height}."""
        try:
            return self._background(self._identity.owner(payload.get("token")))
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}

    def background_remove(self, payload: dict) -> dict:
        """Forget the picture that {token} draws on."""
        try:
            self._workspace.remove_background(self._identity.owner(payload.get("token")))
            return {"ok": True}
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}

    def case(self, payload: dict) -> dict:
        """Save picture and stored outline of {token} as a labelled case called {title}, the outline under Outlines
        too: {ok, word}."""
        try:
            owner = self._identity.owner(payload.get("token"))
            found = self._workspace.load_background(owner)
            mask, _ = self.stored(owner)
            if found is None or picture_size(found[0]) != mask.labels.shape:
                raise MaskError("There is no picture below this outline; open one of your own first.")
            title = str(payload.get("title") or "")[:80]
            path = self._workspace.save_case(owner, found[0], mask.png(), title)
            folder = path.parent.parent.relative_to(self._workspace.root)
            self._workspace.library(owner).add(mask, path.stem, collection=folder.name)
            return {"ok": True, "word": f"saved as {path.stem} in {folder}"}
        except SiameseError as error:
            return {"ok": False, "error": sentence(error)}

    def _background(self, owner: str) -> dict:
        found = self._workspace.load_background(owner)
        if found is None:
            return {"ok": True, "png": None}
        high, wide = picture_size(found[0])
        return {"ok": True, "png": base64.b64encode(found[0]).decode(), "width": wide, "height": high}

    def _warnings(self, mask: Mask) -> list[str]:
        return list(unusual(mask.labels, self._view))


def drawing(mask: Mask) -> dict:
    """A mask as the page takes it: {width, height, runs}."""
    high, wide = mask.labels.shape
    return {"width": wide, "height": high, "runs": runs(mask)}


def drawn(payload: dict) -> Mask:
    """The inverse of `drawing`; MaskError for anything else."""
    return mask_of(payload.get("runs"), payload.get("width"), payload.get("height"))


def uploaded(payload: dict) -> tuple[str, bytes]:
    """Name (no folders, at most 120 characters) and content of a file the page sent; MaskError when it is not whole."""
    name = Path(str(payload.get("name"))).name[:120] or "the file"
    try:
        return name, base64.b64decode(str(payload.get("data")), validate=True)
    except binascii.Error as error:
        raise MaskError(f"{name} did not arrive whole; open it again.") from error


def picture_size(png: bytes) -> tuple[int, int]:
    """(height, width) of one of our own PNG files, from its header."""
    wide, high = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    return high, wide


def thumb(labels: np.ndarray, side: int = 96) -> str:
    """A small picture of a mask: base64 of a PNG, its longer side `side` pixels."""
    scale = side / max(labels.shape)
    size = tuple(max(1, round(extent * scale)) for extent in labels.shape[::-1])
    share = cv2.resize((labels > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)[..., None]
    image = share * np.float32((233, 180, 86)) + (1 - share) * 42  # sky blue on grey, blue first
    return base64.b64encode(cv2.imencode(".png", image.astype(np.uint8))[1].tobytes()).decode()
