"""`manifest.jsonl`: where each pair comes from, what was measured, who decided, and which files are its own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from siamese.augment.item import Decision, Item, Made, Scores, Verdict
from siamese.errors import AugmentError

FILE = "manifest.jsonl"
SUFFIXES = (".png", ".jpg", ".jpeg")
ELSEWHERE = ("checkpoint", "checkpoint_sha256", "seed", "synthetic")  # facts that have a field of their own


@dataclass(frozen=True)
class Row:
    """One pair of an export.

    Args:
        id: neutral, the stem of its files unless a layout wants names of its own. synthetic: is it one?
        split: train, val or test. dataset: which dataset a real one comes from, or lent its mask.
        height, width: of its picture as exported, lossless.
        image_sha256: of the picture's pixels (H,W,3) uint8 RGB as exported; lossy files differ in a few levels.
        mask_sha256: of the exported mask's shape and labels (`siamese.masks.mask.Mask.digest`).
        area: the lesions' share of the picture, 0..1.
        images, masks: paths inside the export; each layout that has single files adds one.
        made: of a synthetic one: checkpoint, its sha256, seed, settings, sha256 of the file as it was sampled.
        mask: of a synthetic one: where its mask comes from and what was done to it.
        gate: of a synthetic one: scores, verdict, reasons, decision.
    """

    id: str
    synthetic: bool
    split: str
    dataset: str
    height: int
    width: int
    image_sha256: str
    mask_sha256: str
    area: float
    images: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    made: Mapping[str, object] = field(default_factory=dict)
    mask: Mapping[str, object] = field(default_factory=dict)
    gate: Mapping[str, object] = field(default_factory=dict)


def line(row: Row) -> str:
    """A row as one JSON line, newline included; keys in the order of its fields."""
    return json.dumps(dataclasses.asdict(row), ensure_ascii=False, allow_nan=False) + "\n"


def read(data: bytes) -> list[Row]:
    """The rows of a manifest.

    Raises:
        AugmentError: a line that is none of ours; it is numbered.
    """
    rows = []
    for number, text in enumerate(data.splitlines(), 1):
        try:
            values = json.loads(text)
            row = Row(**{f.name: values[f.name] for f in dataclasses.fields(Row)})
            if not (isinstance(row.id, str) and isinstance(row.split, str) and isinstance(row.synthetic, bool)):
                raise ValueError("id, split or synthetic is of another kind")
            if not all(isinstance(name, str) for name in (*row.images, *row.masks)):
                raise ValueError("images or masks are no paths")
            rows.append(dataclasses.replace(row, images=tuple(row.images), masks=tuple(row.masks)))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise AugmentError(f"Line {number} of {FILE} is damaged ({error}); export the set again.") from None
    return rows


def pixels_sha256(picture: np.ndarray) -> str:
    """sha256 of a picture's pixels, (H,W,3) uint8 RGB, as the digests that checkpoints carry."""
    return hashlib.sha256(np.ascontiguousarray(picture)).hexdigest()


def made_of(item: Item, made: Made, checkpoint: str, checkpoint_sha256: str) -> dict[str, object]:
    """`Row.made`: what decides the picture's pixels."""
    return {
        "checkpoint": checkpoint,
        "checkpoint_sha256": checkpoint_sha256,
        "seed": item.seed,
        "unit": item.unit,
        "settings": {name: value for name, value in made.facts.items() if name not in ELSEWHERE},
        "file_sha256": made.sha256,
    }


def mask_of(item: Item, source_id: str, stems: bool) -> dict[str, object]:
    """`Row.mask`: the source by its neutral id, by its stem too where the request keeps stems."""
    source = item.source
    found: dict[str, object] = {
        "kind": source.kind,
        "source": source_id,
        "source_sha256": source.sha256,
        "blended": bool(source.partner),
        "edits": [dict(edit) for edit in item.edits],
        "redraws": item.redraws,
    }
    return found | ({"stem": source.stem} if stems else {})


def gate_of(
    scores: Scores, verdict: Verdict, reasons: Iterable[str], decision: Decision | None
) -> dict[str, object]:
    """`Row.gate`: scores, what the rules said, what a person decided; without the person's name."""
    values = dataclasses.asdict(scores)
    values.pop("id")
    word = {"word": decision.word, "reason": decision.reason, "at": decision.at} if decision else None
    return {"scores": values, "verdict": verdict, "reasons": list(reasons), "decision": word}
