"""One pair of a set, at each stop of its way: dealt, made, scored, decided. Plain values, one JSON line each."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

Verdict = Literal["accept", "flag", "reject"]
Word = Literal["accept", "reject"]
Reason = Literal["", "texture", "colour", "vessels", "border", "anatomy", "artefact", "copy", "other"]
REASONS: tuple[Reason, ...] = get_args(Reason)
T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """Where a mask comes from.

    Args:
        kind: as `plan.Masks.source`. dataset: name of the dataset, "" for the others.
        stem: the case's stem in its dataset, the outline's entry in the library, or the file's name: private where
            the names are a person's own, so it leaves only in the key file.
        partner: stem of the case that the mask was first blended with, "" for none.
        group: what must stay together in a split, e.g. the patient; "" where nothing is known.
        sha256: `Mask.digest` of the source's mask as it was.
    """

    kind: str
    dataset: str
    stem: str
    sha256: str
    partner: str = ""
    group: str = ""


@dataclass(frozen=True)
class Item:
    """A dealt pair: everything that decides its bytes.

    Args:
        id: neutral, unique in the set: "s000001".
        unit: number of the micro-batch that it is computed in; a unit's items share checkpoint and settings.
        checkpoint: index into `Head.checkpoints`.
        seed: of the picture; no two items of a set have the same.
        mask_sha256: `Mask.digest` of `masks/<id>.png`.
        height, width: of that mask, in pixels: the source's aspect.
        source: see Source. edits: `siamese.masks.morph` edits as plain values, () for a real mask; the other mask of
            a blend is left out (`source.partner` says which). redraws: tries before this one.
    """

    id: str
    unit: int
    checkpoint: int
    seed: int
    mask_sha256: str
    height: int
    width: int
    source: Source
    edits: tuple[Mapping[str, object], ...] = ()
    redraws: int = 0


@dataclass(frozen=True)
class Made:
    """A finished picture: `sha256` of the file `images/<id>.png`, `pixels` of its decoded pixels; facts as sampled."""

    id: str
    sha256: str
    pixels: str
    seconds: float
    facts: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """What the gate measured of a picture; None where it could not be.

    Args:
        mask_fit: Dice of the judge's outline with the mask, 0..1; None for an empty mask.
        copy: likeness to the nearest training picture, whole or lesion, over its flips; 1 is the threshold, above it
            the picture is flagged as a copy. copy_of: that picture's sha256 (pixels). copy_by: what found it.
        nearest: distance to the nearest other picture of the set. nearest_id: that one.
        area: lesion's share of the picture. lesions: count. border: share of the picture's border it touches.
        brightness: mean, 0..1. clipped: share of black or white pixels inside the field of view.
        sharpness: variance of the Laplacian of the grey picture inside the field of view.
        rating: share of raters that took it for real, where a study showed it.
        changed: the file is not the picture that was made, or cannot be read: rejected, whatever was decided; the
            other scores say nothing.
    """

    id: str
    mask_fit: float | None
    copy: float | None
    copy_of: str
    copy_by: str
    nearest: float
    nearest_id: str
    area: float
    lesions: int
    border: float
    brightness: float
    clipped: float
    sharpness: float
    rating: float | None = None
    changed: bool = False


@dataclass(frozen=True)
class Decision:
    """What a person decided of a flagged picture; the latest one of an id counts.

    Args:
        word: accept or reject; "" takes the decision back. by: who. at: ISO 8601, UTC.
    """

    id: str
    word: Word | Literal[""]
    reason: Reason
    by: str
    at: str


def line(value: object) -> str:
    """A value as one JSON line, newline included; keys in the order of its fields."""
    assert dataclasses.is_dataclass(value) and not isinstance(value, type)
    return json.dumps(dataclasses.asdict(value), ensure_ascii=False, allow_nan=False) + "\n"


def parsed(kind: type[T], text: str | bytes) -> T:
    """A value of `kind` from its line; unknown keys are ignored, so that newer files can be read.

    Raises:
        ValueError: no such line.
    """
    try:
        values = json.loads(text)
        known = {f.name: values[f.name] for f in dataclasses.fields(kind) if f.name in values}  # type: ignore[arg-type]
        if kind is Item:
            known["source"] = parsed(Source, json.dumps(known["source"]))
            known["edits"] = tuple(known["edits"])
        return kind(**known)
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a line of this file ({error})") from error
