"""One person's saved masks: kept with a title, searched, duplicated; those of an imported dataset as well."""

from __future__ import annotations

import json
import math
import time
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

from siamese.atomic import Entries, read_capped
from siamese.errors import MaskError
from siamese.masks.mask import Mask

LONGEST = 80  # characters of a title
LARGEST_TEXT = 64 * 1024  # bytes of a mask.json
GONE = "This saved mask is no longer there; save the drawing again."


@dataclass(frozen=True)
class Saved:
    """What is known of a saved mask.

    Args:
        name: its folder, with a part nobody can guess.
        title: what the person called it.
        made: seconds since 1970.
        area: the lesion's share of the picture, 0..1.
        width, height: pixels.
        digest: `Mask.digest`.
        collection: "" for the person's own, else where it comes from, e.g. a dataset's name.
    """

    name: str
    title: str
    made: float
    area: float
    width: int
    height: int
    digest: str
    collection: str


class Library:
    """The masks of one person; safe from several threads. `Workspace.library` makes one for each person.

    Args:
        folder: where they lie; `<name>/` with `mask.png` and `mask.json`.
    """

    def __init__(self, folder: Path):
        self._entries: Entries[Saved] = Entries(folder, _read, GONE)

    def add(self, mask: Mask, title: str, collection: str = "") -> Saved:
        """Save a mask: it appears complete or not at all.

        Args:
            mask: at any size.
            title: cleaned and cut at 80 characters; empty becomes "outline <n>", n not yet taken.
            collection: "" for the person's own, else e.g. the dataset's name.

        Raises:
            MachineError: disk full or folder not writable.
        """
        with self._entries.lock:
            height, width = mask.labels.shape
            saved = Saved(
                name="",
                title=_clean(title) or self._next_title(),
                made=time.time(),
                area=mask.area,
                width=width,
                height=height,
                digest=mask.digest,
                collection=_clean(collection),
            )
            return self._store(mask.png(), saved)

    def masks(self) -> list[Saved]:
        """All saved masks, newest first; damaged ones are left out."""
        return sorted(self._entries.all(), key=lambda s: (s.made, s.name), reverse=True)

    def search(self, words: str, limit: int = 200) -> list[Saved]:
        """Masks whose title or collection holds every word, newest first; upper and lower case are the same."""
        wanted = words.casefold().split()
        found = (s for s in self.masks() if all(w in f"{s.title} {s.collection}".casefold() for w in wanted))
        return [saved for saved, _ in zip(found, range(max(0, limit)), strict=False)]

    def get(self, name: str) -> Mask:
        """The mask itself, at the size it was saved at.

        Raises:
            SiameseError: no longer there, or its file is damaged.
        """
        saved = self._entries.get(name)
        return Mask.from_png(self._entries.read(name, "mask.png"), f"the saved mask “{saved.title}”")

    def rename(self, name: str, title: str) -> Saved:
        """Give a mask another title.

        Raises:
            SiameseError: no longer there. MaskError: the title is empty.
        """
        cleaned = _clean(title)
        if not cleaned:
            raise MaskError("The title is empty; type a few letters, such as “flat, at a fold”.")
        with self._entries.lock:
            saved = replace(self._entries.get(name), title=cleaned)
            self._entries.write(name, "mask.json", _json(saved))
            return saved

    def duplicate(self, name: str) -> Saved:
        """Save a mask once more, as the person's own, its title with "copy" behind it.

        Raises:
            SiameseError: no longer there.
        """
        with self._entries.lock:
            saved = self._entries.get(name)
            title = f"{saved.title[: LONGEST - 5]} copy"
            again = replace(saved, title=title, made=time.time(), collection="")
            return self._store(self._entries.read(name, "mask.png"), again)

    @property
    def folder(self) -> Path:
        """Where the entries lie, each in a folder of its name."""
        return self._entries.folder

    def delete(self, name: str) -> None:
        """Remove a mask; a half-deleted one never shows.

        Raises:
            SiameseError: no longer there.
        """
        self._entries.delete(name)

    def _store(self, png: bytes, saved: Saved) -> Saved:
        return replace(saved, name=self._entries.add({"mask.png": png, "mask.json": _json(saved)}))

    def _next_title(self) -> str:
        taken = {saved.title for saved in self.masks()}
        number = 1
        while f"outline {number}" in taken:
            number += 1
        return f"outline {number}"


def _clean(text: str) -> str:
    """One line without control characters, single spaces, at most 80 characters."""
    shown = "".join(" " if unicodedata.category(c).startswith(("C", "Z")) else c for c in str(text)[:1000])
    return " ".join(shown.split())[:LONGEST].strip()


def _json(saved: Saved) -> bytes:
    facts = {key: value for key, value in vars(saved).items() if key != "name"}
    return (json.dumps(facts, ensure_ascii=False, indent=2) + "\n").encode()


def _read(folder: Path) -> Saved:
    """An entry as a Saved; ValueError, KeyError or TypeError when it is damaged."""
    found = json.loads(read_capped(folder / "mask.json", LARGEST_TEXT))
    made, area = float(found["made"]), float(found["area"])
    if not math.isfinite(made) or not 0 <= area <= 1 or not (folder / "mask.png").is_file():
        raise ValueError("incomplete")
    return Saved(
        name=folder.name,
        title=_clean(found["title"]) or "outline",
        made=made,
        area=area,
        width=int(found["width"]),
        height=int(found["height"]),
        digest=str(found["digest"]),
        collection=_clean(found["collection"]),
    )
