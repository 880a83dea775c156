"""One person's synthesized pictures on disk, each with its mask, how it was made, and what was thought of it."""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np

from siamese.atomic import Entries, private_folder, read_capped, write_atomically
from siamese.errors import SiameseError, writing

REASONS = ("texture", "colour", "vessels", "border", "anatomy", "artefact")
State = Literal["new", "accepted", "rejected"]
STATES: tuple[State, ...] = get_args(State)
UNJUDGED = 200  # pictures nobody judged that are kept
GONE = "This picture is no longer there; make it again from its seed."
LARGEST_TEXT = 256 * 1024  # bytes of one JSON file


@dataclass(frozen=True)
class Picture:
    """A stored picture.

    Args:
        name: its folder, with a part nobody can guess.
        facts: how it was made.
        caption: the same in a few words.
        made: seconds since 1970.
        area: the lesion's share of the picture, 0..1.
        state: what was decided.
        reason: one of REASONS when rejected, or None.
        favourite: marked as such.
    """

    name: str
    facts: dict[str, str | int | float]
    caption: str
    made: float
    area: float
    state: State = "new"
    reason: str | None = None
    favourite: bool = False


class Gallery:
    """The pictures of one person; safe from several threads. `Workspace.gallery` makes one for each person.

    Args:
        folder: where they lie; `<name>/` with `picture.png`, `mask.png`, `picture.json`, `judgement.json`.
    """

    def __init__(self, folder: Path):
        self._entries: Entries[Picture] = Entries(folder, _read, GONE)
        self._listed = False

    def add(
        self,
        picture_png: bytes,
        mask_png: bytes,
        facts: dict[str, str | int | float],
        caption: str,
        area: float,
    ) -> Picture:
        """Store a picture with its mask: it appears complete or not at all.

        Pictures that are neither judged nor favourite are removed beyond the newest 200; accepted, rejected and
        favourite ones never are.

        Args:
            picture_png: the synthesized picture, PNG.
            mask_png: the mask it was made from, PNG.
            facts: how it was made; `seed` goes into the name.
            caption: the same in a few words.
            area: the lesion's share of the picture, 0..1.

        Raises:
            MachineError: disk full or folder not writable.
        """
        about = {"caption": caption, "made": time.time(), "area": float(area), "facts": facts}
        files = {"picture.png": picture_png, "mask.png": mask_png, "picture.json": _json(about)}
        with self._entries.lock:
            if not self._listed:
                self._entries.all()  # from here on what lies there is known
                self._listed = True
            made = self.get(self._entries.add(files, f"s{facts.get('seed', '')}"))
            unjudged = sorted((p for p in self._entries.known() if _loose(p)), key=_age, reverse=True)
            for old in unjudged[UNJUDGED:]:
                with suppress(SiameseError):  # deleted by somebody else meanwhile
                    if _loose(self.get(old.name)):  # as it is on the disk now
                        self.delete(old.name)
            return made

    def get(self, name: str) -> Picture:
        """What is known of a picture.

        Raises:
            SiameseError: no longer there.
        """
        return self._entries.get(name)

    def picture_png(self, name: str) -> bytes:
        """The picture, PNG as it was stored.

        Raises:
            SiameseError: no longer there.
        """
        return self._entries.read(name, "picture.png")

    def mask_png(self, name: str) -> bytes:
        """The mask it was made from, PNG as it was stored.

        Raises:
            SiameseError: no longer there.
        """
        return self._entries.read(name, "mask.png")

    def judge(
        self,
        name: str,
        *,
        state: State | None = None,
        reason: str | None = None,
        favourite: bool | None = None,
    ) -> Picture:
        """Decide about a picture; None leaves unchanged.

        Args:
            name: which.
            state: new, accepted or rejected; the first two clear the reason.
            reason: one of REASONS; "" clears it.
            favourite: mark or unmark.

        Raises:
            SiameseError: no longer there, or no such state or reason.
        """
        if state is not None and state not in STATES:
            raise SiameseError(f"“{state!s:.40}” is no decision; one of {', '.join(STATES)} was expected.")
        if reason and reason not in REASONS:
            raise SiameseError(f"“{reason!s:.40}” is no reason; one of {', '.join(REASONS)} was expected.")
        with self._entries.lock:
            before = self.get(name)
            after = replace(
                before,
                state=before.state if state is None else state,
                reason=before.reason if reason is None else reason or None,
                favourite=before.favourite if favourite is None else bool(favourite),
            )
            if after.state != "rejected":
                after = replace(after, reason=None)
            if after != before:
                self._entries.write(name, "judgement.json", _judgement(after))
            return after

    def pictures(self) -> list[Picture]:
        """All pictures, newest first; damaged ones are left out."""
        return sorted(self._entries.all(), key=_age, reverse=True)

    @property
    def folder(self) -> Path:
        """Where the entries lie, each in a folder of its name."""
        return self._entries.folder

    def delete(self, name: str) -> None:
        """Remove a picture with its mask and facts; a half-deleted one never shows.

        Raises:
            SiameseError: no longer there.
        """
        self._entries.delete(name)

    def adopt_kept(self, kept: Path) -> int:
        """Move the pairs of an older version, `kept/<name>/`, in here as accepted; safe to repeat.

        Returns:
            How many were moved; what is no pair stays where it is.
        """
        moved = 0
        for pair in sorted(p for p in kept.iterdir() if not p.name.startswith(".") and p.is_dir()):
            if not (pair / "picture.png").is_file() or not (pair / "mask.png").is_file():
                continue
            with writing(self._entries.folder), self._entries.lock:
                private_folder(self._entries.folder)
                about = _about_kept(pair)
                if not (pair / "picture.json").is_file():
                    write_atomically(pair / "picture.json", _json(about))
                accepted = Picture("", {}, "", 0, 0, state="accepted")
                write_atomically(pair / "judgement.json", _judgement(accepted))
                try:
                    self._entries.adopt(pair, f"s{about['facts'].get('seed', '')}", about["made"])
                    moved += 1
                except FileNotFoundError:  # another process moved it meanwhile
                    continue
        return moved


def _loose(picture: Picture) -> bool:
    return picture.state == "new" and not picture.favourite


def _age(picture: Picture) -> tuple[float, str]:
    return picture.made, picture.name


def _read(folder: Path) -> Picture:
    """An entry as a Picture; ValueError, KeyError or TypeError when it is damaged."""
    about = json.loads(read_capped(folder / "picture.json", LARGEST_TEXT))
    if not (folder / "picture.png").is_file() or not (folder / "mask.png").is_file():
        raise ValueError("incomplete")
    facts = {str(k): v for k, v in about["facts"].items() if isinstance(v, str | int | float)}
    made, area = float(about["made"]), float(about["area"])
    if not math.isfinite(made) or not 0 <= area <= 1:
        raise ValueError("no time or area")
    picture = Picture(folder.name, facts, str(about["caption"]), made, area)
    try:
        said = json.loads(read_capped(folder / "judgement.json", LARGEST_TEXT))
    except FileNotFoundError:
        return picture
    state = said["state"] if said["state"] in STATES else "new"
    reason = said["reason"] if state == "rejected" and said["reason"] in REASONS else None
    return replace(picture, state=state, reason=reason, favourite=said["favourite"] is True)


def _about_kept(pair: Path) -> dict:
    """What `picture.json` says of a pair of an older version, which had `facts.json` and a time in its name."""
    try:
        facts = dict(json.loads(read_capped(pair / "facts.json", LARGEST_TEXT)))
    except (OSError, ValueError, TypeError):
        facts = {}
    stored = np.frombuffer((pair / "mask.png").read_bytes(), np.uint8)
    mask = cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE) if stored.size else None
    words = [f"seed {facts['seed']}"] if "seed" in facts else []
    words += [f"guidance {facts['guidance']}"] if "guidance" in facts else []
    words += [f"{facts['steps']} steps"] if "steps" in facts else []
    return {
        "caption": " · ".join(words) or "kept picture",
        "made": (pair / "picture.png").stat().st_mtime,
        "area": 0.0 if mask is None else float((mask > 0).mean()),
        "facts": facts,
    }


def _judgement(picture: Picture) -> bytes:
    return _json({"state": picture.state, "reason": picture.reason, "favourite": picture.favourite})


def _json(value: dict) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
