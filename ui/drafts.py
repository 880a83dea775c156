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

from siamese.errors import MaskError
from siamese.masks.mask import Mask
from siamese.masks.typical import unusual
from siamese.picture import decode, photograph
from siamese.workspace import Workspace
from ui.identity import Identity
from ui.mask_canvas import SIZE, mask_of, runs

LARGEST_DRAFT = 8 * 1024 * 1024  # bytes
LARGEST_SIDE = 2048  # pixels of a picture to draw on


class Drafts:
    """The drawing of each person, and its server functions; who asks is read from the signed token alone.

    Args:
        workspace: where drafts are stored.
        identity: verifies tokens.
        first: what somebody sees who has not drawn yet.
        seen: called when a page has asked for its draft.
        view: tells the corners (x, y) in [0,1] of the endoscope's field of view; none: the whole picture.
    """

    def __init__(
        self,
        workspace: Workspace,
        identity: Identity,
        first: Mask,
        seen: Callable[[], None],
        view: Callable[[], Sequence[tuple[float, float]]] = list,
    ):
        self._workspace = workspace
        self._identity = identity
        self._first = first
        self._seen = seen
        self._view = view
        self._lock = threading.Lock()

    @property
    def functions(self) -> list[Callable[[dict], dict]]:
        """What the page may call."""
        acts = {
            "save": self._save,
            "load": self._load,
            "check": self._check,
            "export": self._export,
            "background": self._background_set,
            "background_load": self._background,
            "background_remove": self._background_remove,
            "case": self._case,
        }
        return [asked(self._identity, act, name) for name, act in acts.items()]

    def stored(self, owner: str) -> tuple[Mask, int]:
        """The mask of `owner` at its own size, and its revision; the first example becomes revision 1."""
        draft = self._workspace.load_draft(owner)
        if draft is None:
            return self._first, self._workspace.save_draft(owner, self._first.png(), 1)
        png, revision = draft
        return Mask.from_png(png, "the stored drawing"), revision

    def _save(self, owner: str, payload: dict) -> dict:
        """Store {revision, width, height, runs}: {revision, warnings}; {ok: false, stored} where a newer one is."""
        mask = drawn(payload)
        png = mask.png()
        revision = payload.get("revision")
        if len(png) > LARGEST_DRAFT:
            raise MaskError("The drawing is larger than 8 MB; simplify it.")
        with self._lock:
            before = self._workspace.load_draft(owner)
            if before and isinstance(revision, int) and before[1] >= revision:
                if before != (png, revision):
                    return {
                        "ok": False,
                        "stored": before[1],
                        "error": "Another window saved a newer drawing.",
                    }
            else:  # not the same again, whose first answer was lost
                revision = self._workspace.save_draft(owner, png, revision)
        return {"revision": revision, "warnings": self._warnings(mask)}

    def _load(self, owner: str, payload: dict) -> dict:
        """The stored mask, or only its revision when it is not above {since}."""
        with self._lock:
            mask, revision = self.stored(owner)
        self._seen()
        since = payload.get("since")
        fresh = not isinstance(since, int) or revision > since
        key = hashlib.sha256(owner.encode()).hexdigest()[:12]
        found = {"revision": revision, "key": key, "warnings": self._warnings(mask), **drawing(mask)}
        return found if fresh else {**found, "runs": None}

    def _check(self, owner: str, payload: dict) -> dict:
        """Read a file {name, data (base64)} as an outline: {runs, width, height, notes, picture}.

        `picture`: it looks like a photograph, to be drawn on rather than read as an outline.
        """
        name, data = uploaded(payload)
        mask = Mask.from_png(data, name)
        looks = any("threshold" in note for note in mask.notes) and photograph(decode(data))
        if max(mask.labels.shape) > LARGEST_SIDE:
            mask = mask.resized(SIZE)
        return {**drawing(mask), "notes": list(mask.notes), "picture": looks}

    def _export(self, owner: str, payload: dict) -> dict:
        """The drawing {width, height, runs} as PNG of two values: {png (base64)}."""
        return {"png": base64.b64encode(drawn(payload).png()).decode()}

    def _background_set(self, owner: str, payload: dict) -> dict:
        """Store the picture {name, data} to draw on, without whatever else its file holds; as `_background`."""
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
        return self._background(owner, {})

    def _background(self, owner: str, payload: dict) -> dict:
        """The picture that is drawn on: {png (base64) or null, width, height}."""
        found = self._workspace.load_background(owner)
        if found is None:
            return {"png": None}
        high, wide = picture_size(found[0])
        return {"png": base64.b64encode(found[0]).decode(), "width": wide, "height": high}

    def _background_remove(self, owner: str, payload: dict) -> dict:
        """Forget the picture that is drawn on."""
        self._workspace.remove_background(owner)
        return {}

    def _case(self, owner: str, payload: dict) -> dict:
        """Save picture and stored outline as a labelled case called {title}, the outline under Outlines too: {word}."""
        found = self._workspace.load_background(owner)
        mask, _ = self.stored(owner)
        if found is None or picture_size(found[0]) != mask.labels.shape:
            raise MaskError("There is no picture below this outline; open one of your own first.")
        path = self._workspace.save_case(owner, found[0], mask.png(), str(payload.get("title") or "")[:80])
        folder = path.parent.parent.relative_to(self._workspace.root)
        self._workspace.library(owner).add(mask, path.stem, collection=folder.name)
        return {"word": f"saved as {path.stem} in {folder}"}

    def _warnings(self, mask: Mask) -> list[str]:
        return list(unusual(mask.labels, list(self._view())))


def asked(identity: Identity, act: Callable[[str, dict], dict], name: str) -> Callable[[dict], dict]:
    """A function `name` of {token, …} around act(owner, payload), answering {ok: true, …}."""

    def call(payload: dict) -> dict:
        return {"ok": True, **act(identity.owner(payload.get("token")), payload)}

    call.__name__ = name
    return call


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
