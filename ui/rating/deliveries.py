"""Pictures under one-time tokens: decoded and encoded anew at every delivery, without metadata, all of one length."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import sqlalchemy as sa

from siamese.counted import counted
from siamese.errors import StudyError
from siamese.store import tables
from siamese.store.engine import reading

OPEN = 240  # tokens a rater may hold unused; a page takes at most eight at a time


class Deliveries:
    """Mints a token for each time a picture is shown; whoever has it may fetch the picture, once.

    Args:
        pictures: folder of `<item>.png`.
        masks: folder of `<item>.png`, for scales with an outline.
        size: side of every picture, pixels.
    """

    def __init__(self, pictures: Path, masks: Path, size: int):
        self._pictures, self._masks, self._size = pictures, masks, size
        self._open: dict[int, OrderedDict[str, tuple[str, bool]]] = {}
        self._owner: dict[str, int] = {}
        self._turn = threading.Lock()

    def mint(self, rater: int, item: str, outline: bool = False) -> str:
        """A token for one delivery of a picture, or of its mask; the oldest unused one of the rater may expire."""
        token = secrets.token_urlsafe(24)
        with self._turn:
            held = self._open.setdefault(rater, OrderedDict())
            held[token] = item, outline
            self._owner[token] = rater
            if len(held) > OPEN:
                self._owner.pop(held.popitem(last=False)[0])
        return token

    def deliver(self, token: str) -> bytes | None:
        """The PNG behind a token, for the first who asks; None when it is unknown or used.

        Raises:
            StudyError: the picture is gone or was replaced by something else.
        """
        with self._turn:
            rater = self._owner.pop(token, None)
            found = None if rater is None else self._open[rater].pop(token)
        return None if found is None else self._encoded(*found)

    def _encoded(self, item: str, outline: bool) -> bytes:
        folder, kind = (self._masks, cv2.IMREAD_GRAYSCALE) if outline else (self._pictures, cv2.IMREAD_COLOR)
        try:
            stored = np.frombuffer((folder / f"{item}.png").read_bytes(), np.uint8)
            pixels = cv2.imdecode(stored, kind | cv2.IMREAD_IGNORE_ORIENTATION)
        except (OSError, cv2.error):
            pixels = None
        if pixels is None or pixels.shape[:2] != (self._size, self._size):
            raise StudyError("A picture of this study is missing or damaged; tell whoever sent you the link.")
        return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])[
            1
        ].tobytes()  # 0: stored, one length


def check_pictures(engine: sa.Engine, study: str, pictures: Path, masks: Path, outlined: set[str]) -> None:
    """Make sure before the first rater that every picture is there and as it was at lock.

    Args:
        engine: votes half.
        study: id.
        pictures: folder of `<item>.png`.
        masks: folder of the masks.
        outlined: keys of the scales that show an outline.

    Raises:
        StudyError: some are missing or were changed.
    """
    table = tables.item.c
    with reading(engine) as connection:
        expected = connection.execute(sa.select(table.id, table.sha256).where(table.study == study)).all()
        shown = tables.assignment.c
        asked = sa.select(shown["items"]).distinct().where(shown.study == study, shown.question.in_(outlined))
        with_outline = (
            {item for text in connection.scalars(asked) for item in json.loads(text)} if outlined else set()
        )
    wrong = [row.id for row in expected if _digest(pictures / f"{row.id}.png") != row.sha256]
    gone = [item for item in sorted(with_outline) if not (masks / f"{item}.png").is_file()]
    for folder, found, one, many in (
        (pictures, wrong, "is missing or changed since the lock", "are missing or changed since the lock"),
        (masks, gone, "has no mask", "have no mask"),
    ):
        if found:
            said = counted(len(found), one, many)
            raise StudyError(f"{folder}: of {len(expected)} pictures {said}; restore a backup.")


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
