"""Files on their way between a page and the workspace, in pieces: zips to fetch, uploads that arrive."""

from __future__ import annotations

import base64
import binascii
import secrets
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from siamese.atomic import private_folder
from siamese.errors import SiameseError, writing
from siamese.workspace import Workspace
from ui.identity import Identity

PIECE = 4 * 1024 * 1024  # bytes of one answer
KEPT = 3600  # seconds a zip waits for its page
LARGEST = 16 * 10**9  # bytes of an upload
LARGEST_PIECE = 2 * 1024 * 1024  # bytes of one piece of it
SPARE = 10**9  # bytes that stay free on the disk


class Outbox:
    """Zips in the cache that a page fetches in pieces; each belongs to whoever asked for it."""

    def __init__(self, workspace: Workspace, identity: Identity):
        self._workspace, self._identity = workspace, identity
        self._lock = threading.Lock()
        self._ready: dict[str, tuple[str, Path]] = {}  # id -> owner, file

    def room(self) -> tuple[str, Path]:
        """A new id, and the file to write; what was not fetched within an hour is forgotten."""
        folder = self._workspace.cache / "packages"
        folder.mkdir(mode=0o700, exist_ok=True)
        for old in folder.glob("*.zip"):
            if time.time() - old.stat().st_mtime > KEPT:
                old.unlink(missing_ok=True)
                with self._lock:
                    self._ready.pop(old.stem, None)
        name = secrets.token_urlsafe(12)
        return name, folder / f"{name}.zip"

    def offer(self, owner: str, name: str, path: Path, file: str) -> dict:
        """Let `owner` fetch it: {ok, id, file, size}."""
        with self._lock:
            self._ready[name] = owner, path
        return {"ok": True, "id": name, "file": file, "size": path.stat().st_size}

    def piece(self, payload: dict) -> dict:
        """The zip {id} from byte {at} on: {ok, data (base64), at, done}; after the last piece it is deleted."""
        owner = self._identity.owner(payload.get("token"))
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


@dataclass
class _Upload:
    owner: str
    id: str
    path: Path
    total: int
    touched: float


class Inbox:
    """Files that a page sends in pieces; each belongs to whoever sends it."""

    def __init__(self, workspace: Workspace, identity: Identity):
        self._workspace, self._identity = workspace, identity
        self._lock = threading.Lock()
        self._uploads: dict[str, _Upload] = {}

    def upload(self, payload: dict) -> dict:
        """One piece {data (base64), at} of a file {name, total}, {id} from the second on: {ok, id, at, done}."""
        owner = self._identity.owner(payload.get("token"))
        at, data = payload.get("at"), _decoded(payload.get("data"))
        one = self._begin(owner, payload) if at == 0 else self._find(owner, payload.get("id"))
        with writing(one.path.parent), one.path.open("ab") as file:
            held = file.tell()
            if isinstance(at, bool) or at != held or held + len(data) > one.total:
                raise SiameseError("The file did not arrive in order; send it again.")
            file.write(data)
        one.touched = time.monotonic()
        arrived = held + len(data)
        return {"ok": True, "id": one.id, "at": arrived, "done": arrived == one.total}

    def take(self, owner: str, name: object) -> Path:
        """The file of a complete upload, the caller's from now on.

        Raises:
            SiameseError: not of this person, or not complete.
        """
        one = self._find(owner, name)
        if one.path.stat().st_size != one.total:
            raise SiameseError("The file has not arrived whole; send it again.")
        with self._lock:
            self._uploads.pop(str(name), None)
        return one.path

    def _begin(self, owner: str, payload: dict) -> _Upload:
        total, given = payload.get("total"), str(payload.get("name") or "")
        if isinstance(total, bool) or not isinstance(total, int) or not 0 < total <= LARGEST:
            raise SiameseError(f"A file of 1 byte to {LARGEST // 10**9} GB was expected.")
        if not given.lower().endswith(".zip"):
            raise SiameseError("A zip file was expected; pack the folder as a zip first.")
        folder = self._workspace.cache / "uploads"
        with writing(folder):
            private_folder(folder)
        self._forget_old(owner)
        free = shutil.disk_usage(folder).free
        if total + SPARE > free:
            raise SiameseError(
                f"The file has {total / 1e9:.1f} GB and the disk of this studio {free / 1e9:.1f} GB free; "
                "make room there first, for example under Your files."
            )
        name = secrets.token_urlsafe(12)
        one = _Upload(owner, name, folder / f"{name}.zip", total, time.monotonic())
        with self._lock:
            self._uploads[name] = one
        return one

    def _find(self, owner: str, name: object) -> _Upload:
        with self._lock:
            one = self._uploads.get(str(name))
        if one is None or one.owner != owner:
            raise SiameseError("This upload is not known any more; send the file again.")
        return one

    def _forget_old(self, owner: str) -> None:
        """One upload a person at a time; abandoned ones of others go after an hour."""
        with self._lock:
            now = time.monotonic()
            old = [k for k, v in self._uploads.items() if v.owner == owner or now - v.touched > KEPT]
            gone = [self._uploads.pop(k) for k in old]
        for one in gone:
            one.path.unlink(missing_ok=True)


def _decoded(data: object) -> bytes:
    try:
        found = base64.b64decode(str(data).encode(), validate=True)
    except (ValueError, binascii.Error) as error:
        raise SiameseError("The file did not arrive whole; send it again.") from error
    if not 0 < len(found) <= LARGEST_PIECE:
        raise SiameseError("The file did not arrive whole; send it again.")
    return found
