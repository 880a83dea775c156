"""Downloads: a pair or a slide at once; many pictures as a zip in the cache that the page fetches in pieces."""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from siamese.errors import SiameseError
from siamese.gallery import Gallery
from siamese.tasks import package
from ui.pictures import Answers, file_name
from ui.services import Services

PIECE = 4 * 1024 * 1024  # bytes
KEPT = 3600  # seconds a zip waits for its page


class Downloads(Answers):
    """The server functions; a zip belongs to whoever asked for it."""

    def __init__(self, services: Services):
        super().__init__(services)
        self._lock = threading.Lock()
        self._ready: dict[str, tuple[str, Path]] = {}  # id -> owner, file

    def slide(self, payload: dict) -> dict:
        """The picture {id} with a caption bar: {ok, file, data (base64)}."""
        gallery, name = self.gallery(payload), str(payload.get("id"))
        picture = gallery.get(name)
        data = package.slide(gallery.picture_png(name), picture.facts)
        file = file_name(picture).removesuffix(".png") + "_slide.png"
        return {"ok": True, "file": file, "data": base64.b64encode(data).decode()}

    def pack(self, payload: dict) -> dict:
        """A zip of the pictures {ids} with their outlines, waiting in the cache: {ok, id, file, size, count}."""
        gallery, wanted = self.gallery(payload), payload.get("ids")
        names = [str(name) for name in wanted] if isinstance(wanted, list) else []
        if len(names) > package.MOST:
            raise SiameseError(
                f"{len(names)} pictures are chosen; a zip holds at most {package.MOST}. Narrow the filter."
            )
        folder = self._services.workspace.cache / "packages"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._forget_old(folder)
        name = secrets.token_urlsafe(12)
        path = folder / f"{name}.zip"
        count = package.pack(path, _items(gallery, names))
        with self._lock:
            self._ready[name] = self._services.identity.owner(payload.get("token")), path
        file = f"synthetic_{count}-pictures.zip"
        if count == 1:
            file = file_name(gallery.get(names[0])).removesuffix(".png") + "_pair.zip"
        return {"ok": True, "id": name, "file": file, "size": path.stat().st_size, "count": count}

    def piece(self, payload: dict) -> dict:
        """The zip {id} from byte {at} on: {ok, data (base64), at, done}; after the last piece it is deleted."""
        owner = self._services.identity.owner(payload.get("token"))
        name, at = str(payload.get("id")), payload.get("at")
        with self._lock:
            whose, path = self._ready.get(name, ("", None))
        if path is None or whose != owner or isinstance(at, bool) or not isinstance(at, int) or at < 0:
            raise SiameseError("This zip is no longer there; press the button again.")
        try:
            with path.open("rb") as file:
                file.seek(at)
                data = file.read(PIECE)
                done = at + len(data) >= path.stat().st_size
        except FileNotFoundError as error:
            raise SiameseError("This zip is no longer there; press the button again.") from error
        if done:
            with self._lock:
                self._ready.pop(name, None)
            path.unlink(missing_ok=True)
        return {"ok": True, "data": base64.b64encode(data).decode(), "at": at + len(data), "done": done}

    def _forget_old(self, folder: Path) -> None:
        for old in folder.glob("*.zip"):
            if time.time() - old.stat().st_mtime > KEPT:
                old.unlink(missing_ok=True)
                with self._lock:
                    self._ready.pop(old.stem, None)


def _items(gallery: Gallery, names: list[str]) -> Iterator[package.Item]:
    for name in names:
        picture = gallery.get(name)
        yield package.Item(
            gallery.picture_png(name),
            gallery.mask_png(name),
            picture.facts,
            picture.state,
            picture.reason,
            picture.favourite,
        )
