"""A set on disk: what was dealt, what is made, scored and decided. Everything is written whole; nothing is rewritten.

set.json           the plan, the checkpoints' digests, counts: frozen when the set is begun
deal.jsonl         one Item a line, in order; frozen too
masks/<id>.png     the mask of each item in its source's aspect: 0 and 255, or the labels of several classes
images/<id>.png    the picture, square, as the model made it, its facts as text chunks
units/<k>.jsonl    one Made a line: unit k is finished when it is there
scores.jsonl       one Scores a line (`siamese.gate`); gate.json, report.md and sheets beside it
rules.json         the thresholds that are in force
decisions.jsonl    one Decision a line, appended; the latest of an id counts
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import cv2

from siamese.atomic import read_capped, write_atomically
from siamese.augment import item as items
from siamese.augment.item import Decision, Item, Made, Scores
from siamese.augment.plan import Plan
from siamese.augment.plan import parse as parse_plan
from siamese.errors import AugmentError, MaskError, writing
from siamese.masks.classes import MOST
from siamese.masks.mask import Mask, decoded, file_bytes

HEAD, DEAL, SCORES, DECISIONS, RULES, GATE = (
    "set.json",
    "deal.jsonl",
    "scores.jsonl",
    "decisions.jsonl",
    "rules.json",
    "gate.json",
)
MASKS, IMAGES, UNITS = "masks", "images", "units"
VERSION = 1
LARGEST = 512 * 1024 * 1024  # bytes of a file of lines
T = TypeVar("T")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of a set: as the plan names it, its own name, sha256 of its weights, side of its pictures."""

    where: str
    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Head:
    """What `set.json` holds.

    Args:
        items, units: how many. masks: how many masks lent themselves.
        redrawn: why masks were drawn again → how often. notes: sentences for the report, e.g. what was left out.
        leaks: what was looked for and not found, in words: stands in the card.
        classes: names of the masks' labels 1..K, () where they are black and white.
        precision: number format of every picture ("bf16"), whichever process computes it.
    """

    plan: Plan
    checkpoints: tuple[Checkpoint, ...]
    items: int
    units: int
    masks: int
    redrawn: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    precision: str = "fp32"
    version: int = VERSION


class SetFolder:
    """The folder of a set. Reading it never changes it."""

    def __init__(self, root: Path):
        self.root = root

    @property
    def begun(self) -> bool:
        """Is there a set, dealt whole? The head is written last."""
        return (self.root / HEAD).is_file()

    def begin(self, head: Head, dealt: Iterable[tuple[Item, Mask]]) -> None:
        """Write masks, deal and head, in this order; what a crash left of an earlier try is written over.

        Raises:
            AugmentError: a set is there already, or other files are.
            MachineError: disk full or folder not writable.
        """
        if self.begun:
            raise AugmentError(f"{self.root} holds a set already; choose another folder.")
        self.check_free()
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            for name in (MASKS, IMAGES, UNITS):
                (self.root / name).mkdir(exist_ok=True)
        lines = []
        for one, mask in dealt:
            write_atomically(self.mask_path(one.id), mask_png(mask), durable=False)
            lines.append(items.line(one))
        write_atomically(self.root / DEAL, "".join(lines).encode())
        text = json.dumps({**dataclasses.asdict(head), "plan": head.plan.model_dump(mode="json")}, indent=1)
        write_atomically(self.root / HEAD, text.encode())

    def check_free(self) -> None:
        """See that nothing but what a set consists of lies in the folder; it may be missing.

        Raises:
            AugmentError: other files, or no folder.
        """
        if self.root.exists() and not self.root.is_dir():
            raise AugmentError(f"{self.root} is a file; choose a folder for the set.")
        strangers = sorted(p.name for p in self.root.iterdir() if not _ours(p.name)) if self.root.is_dir() else []
        if strangers:
            raise AugmentError(
                f"{self.root} holds other files ({', '.join(strangers[:3])}); choose a new or an empty folder. "
                "Nothing was changed."
            )

    def head(self) -> Head:
        """What the set is.

        Raises:
            AugmentError: no set here, damaged, or of a newer version.
        """
        if not self.begun:
            raise AugmentError(
                f"{self.root} holds no set; make one with `python -m siamese synthesize PLAN.toml`."
            )
        try:
            found = json.loads(read_capped(self.root / HEAD))
            if int(found["version"]) > VERSION:
                raise AugmentError(f"{self.root} was made by a newer version of this app; update it.")
            return Head(
                plan=parse_plan(found["plan"], f"plan inside {self.root / HEAD}"),
                checkpoints=tuple(Checkpoint(**values) for values in found["checkpoints"]),
                items=int(found["items"]),
                units=int(found["units"]),
                masks=int(found["masks"]),
                redrawn=dict(found["redrawn"]),
                notes=tuple(found["notes"]),
                leaks=tuple(found["leaks"]),
                classes=tuple(found.get("classes", ())),
                precision=str(found.get("precision", "fp32")),
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise AugmentError(f"{self.root / HEAD} is damaged ({error}); make the set again.") from error

    def items(self) -> list[Item]:
        """What was dealt, in order."""
        return list(self._lines(DEAL, Item))

    def mask_path(self, id: str) -> Path:
        """Where an item's mask lies."""
        return self.root / MASKS / f"{id}.png"

    def image_path(self, id: str) -> Path:
        """Where an item's picture lies, once it is made."""
        return self.root / IMAGES / f"{id}.png"

    def mask(self, one: Item) -> Mask:
        """An item's mask (height, width).

        Raises:
            AugmentError: missing, damaged, or not the one that was dealt.
        """
        try:
            found = read_mask(self.mask_path(one.id))
        except (MaskError, OSError) as error:
            raise AugmentError(
                f"Mask {one.id} of {self.root} cannot be read ({error}); make the set again."
            ) from None
        if found.digest != one.mask_sha256:
            raise AugmentError(
                f"Mask {one.id} of {self.root} was changed after it was dealt; make the set again."
            )
        return found

    def write_unit(self, unit: int, made: Sequence[Made], pictures: Sequence[bytes]) -> None:
        """Store the pictures of a unit, then the line that says so; the same unit again writes the same bytes."""
        for one, data in zip(made, pictures, strict=True):
            write_atomically(self.image_path(one.id), data, durable=False)
        write_atomically(
            self.unit_path(unit), "".join(items.line(one) for one in made).encode(), durable=False
        )

    def unit_path(self, unit: int) -> Path:
        """The file whose presence says that a unit is finished."""
        return self.root / UNITS / f"{unit:06d}.jsonl"

    def finished(self) -> set[int]:
        """Numbers of the finished units."""
        try:
            names = os.listdir(self.root / UNITS)
        except OSError:
            return set()
        return {int(name[:-6]) for name in names if name.endswith(".jsonl") and name[:-6].isdigit()}

    def made(self) -> dict[str, Made]:
        """Id → what is made, of all finished units."""
        return {one.id: one for unit in sorted(self.finished()) for one in self.made_of(unit)}

    def made_of(self, unit: int) -> list[Made]:
        """What is made of one unit.

        Raises:
            AugmentError: not finished, or its file is damaged.
        """
        return list(self._lines(f"{UNITS}/{unit:06d}.jsonl", Made))

    def scores(self) -> dict[str, Scores]:
        """Id → scores; empty before the gate has run."""
        if not (self.root / SCORES).is_file():
            return {}
        return {one.id: one for one in self._lines(SCORES, Scores)}

    def write_scores(self, scores: Iterable[Scores]) -> None:
        """Replace all scores."""
        write_atomically(self.root / SCORES, "".join(items.line(one) for one in scores).encode())

    def decisions(self) -> dict[str, Decision]:
        """Id → the latest decision; those taken back are left out."""
        if not (self.root / DECISIONS).is_file():
            return {}
        latest = {one.id: one for one in self._lines(DECISIONS, Decision, torn=True)}
        return {id: one for id, one in latest.items() if one.word}

    def decide(self, decision: Decision) -> None:
        """Append a decision, on the disk before this returns.

        Raises:
            MachineError: disk full or folder not writable.
        """
        path = self.root / DECISIONS
        with writing(path), path.open("ab") as file:
            if file.tell() and path.read_bytes()[-1:] != b"\n":
                file.write(b"\n")  # a crash tore the last line
            file.write(items.line(decision).encode())
            file.flush()
            os.fsync(file.fileno())

    def _lines(self, name: str, kind: type[T], torn: bool = False) -> Iterator[T]:
        path = self.root / name
        try:
            lines = read_capped(path, LARGEST).splitlines()
        except (OSError, ValueError) as error:
            raise AugmentError(f"{path} cannot be read ({error}); make the set again.") from None
        for number, text in enumerate(lines, start=1):
            try:
                yield items.parsed(kind, text)
            except ValueError as error:
                if torn:
                    continue
                raise AugmentError(
                    f"Line {number} of {path} is damaged ({error}); make the set again."
                ) from None


def mask_png(mask: Mask) -> bytes:
    """A mask as a set keeps it: 0 and 255, or a label picture where there are labels above 1."""
    if int(mask.labels.max()) <= 1:
        return mask.png()
    done, data = cv2.imencode(".png", mask.labels)
    assert done
    return data.tobytes()


def read_mask(path: Path) -> Mask:
    """The mask of a file of `mask_png`.

    Raises:
        MaskError: missing, damaged or not a picture.
    """
    pixels = decoded(file_bytes(path), path.name)
    labelled = pixels.ndim == 2 and 1 < int(pixels.max()) <= MOST
    return Mask(pixels) if labelled else Mask.from_array(pixels)


def _ours(name: str) -> bool:
    known = (HEAD, DEAL, SCORES, DECISIONS, RULES, GATE, MASKS, IMAGES, UNITS, "plan.toml")
    return name in known or name.startswith(".")
