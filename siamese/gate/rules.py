"""Rules: from which score on a picture is flagged or rejected, and how it stands after a person has decided.

`rules.json` of a set holds the thresholds in force. A person's decision beats every rule but one: a file that is not
the picture that was made stays rejected. No torch here; the page reads it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from siamese.atomic import read_capped, write_atomically
from siamese.augment.folder import RULES as FILE
from siamese.augment.folder import SetFolder
from siamese.augment.item import Decision, Scores, Verdict
from siamese.errors import AugmentError
from siamese.sections import Settings, explained

State = Literal["accepted", "flagged", "rejected"]
CHANGED = "the file is not the picture that was made, or cannot be read"


@dataclass(frozen=True)
class Kind:
    """What a rule looks at: a field of Scores, broken below its thresholds or above them, and words for people."""

    score: str
    below: bool
    title: str
    says: str


KINDS: dict[str, Kind] = {
    "mask_fit": Kind("mask_fit", True, "Mask fit", "the lesion is not seen where its mask is: Dice"),
    "copies": Kind("copy", False, "Likeness to a training picture", "may be a copy: likeness"),
    "too_dark": Kind("brightness", True, "Brightness, low", "too dark: brightness"),
    "too_bright": Kind("brightness", False, "Brightness, high", "too bright: brightness"),
    "clipped": Kind("clipped", False, "Black or white pixels", "black or white in large parts: share"),
    "blurred": Kind("sharpness", True, "Sharpness", "blurred: sharpness"),
    "near_duplicate": Kind("nearest", True, "Distance to the nearest other picture", "nearly the same as"),
    "rating": Kind(
        "rating", True, "Taken for real by raters", "raters took it for synthetic: share for real"
    ),
}


class Limits(Settings):
    """Two thresholds on one score."""

    flag: float | None = Field(None, description="beyond it a person looks; none: never", allow_inf_nan=False)
    reject: float | None = Field(
        None, description="beyond it it is left out; none: never", allow_inf_nan=False
    )

    @field_validator("flag", "reject", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if value == "none" else value  # TOML has no null


class Rules(Settings):
    """The thresholds of every score.

    The defaults are for sets whose real pictures are not at hand: percentiles of Kvasir-SEG at 384 px, prepared as the
    shipped model's training pictures; mask fit by polyp-segmenter on val (n 60), the rest on train (n 840).
    """

    mask_fit: Limits = Field(
        Limits(flag=0.227), description="below: 1st percentile of held-out real pictures"
    )
    copies: Limits = Field(Limits(flag=1.0), description="above; 1 is the copy check's own threshold")
    too_dark: Limits = Field(Limits(flag=0.308), description="below: 1st percentile of real pictures")
    too_bright: Limits = Field(Limits(flag=0.546), description="above: 99th percentile of real pictures")
    clipped: Limits = Field(Limits(flag=0.065), description="above: 99th percentile of real pictures")
    blurred: Limits = Field(Limits(flag=30.3), description="below: 1st percentile of real pictures")
    near_duplicate: Limits = Field(
        Limits(flag=0.057), description="below: 1st percentile of real pictures among each other"
    )
    rating: Limits = Field(Limits(), description="below; only pictures that a study showed have one")

    @model_validator(mode="after")
    def _sound(self) -> Rules:
        for name, kind in KINDS.items():
            flag, reject = self.of(name).flag, self.of(name).reject
            if flag is not None and reject is not None and (reject > flag if kind.below else reject < flag):
                side = "above" if kind.below else "below"
                raise ValueError(f"{name} rejects {side} where it flags; exchange the two thresholds")
        if self.copies.flag is None or self.copies.flag > 1:
            raise ValueError(
                "copies.flag may be 1 or stricter; decide the flagged ones yourself instead of raising it"
            )
        return self

    def of(self, name: str) -> Limits:
        """The thresholds of a rule by its name in KINDS."""
        return getattr(self, name)


@dataclass(frozen=True)
class Standing:
    """How a scored picture stands.

    Args:
        verdict: of the rules; reasons in words, one for each rule that is broken.
        copy: the rule `copies` is among them.
        decision: the latest of a person, None where there is none.
        state: what follows from both. flagged: nobody has decided yet.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    copy: bool
    decision: Decision | None
    state: State


def broken(scores: Scores, rules: Rules) -> dict[str, Verdict]:
    """The rules that a picture breaks → flag or reject; a score that could not be measured breaks none."""
    found: dict[str, Verdict] = {}
    for name, kind in KINDS.items():
        value, limits = getattr(scores, kind.score), rules.of(name)
        if value is None or scores.changed:
            continue
        words: tuple[tuple[float | None, Verdict], ...] = ((limits.flag, "flag"), (limits.reject, "reject"))
        for limit, word in words:
            if limit is not None and (value < limit if kind.below else value > limit):
                found[name] = word
    return found


def verdict(scores: Scores, rules: Rules) -> tuple[Verdict, tuple[str, ...]]:
    """What the rules say of a picture, and why in words: no reason where it is accepted."""
    if scores.changed:
        return "reject", (CHANGED,)
    found = broken(scores, rules)
    reasons = tuple(_reason(name, scores, rules.of(name), word) for name, word in found.items())
    if not found:
        return "accept", ()
    return ("reject" if "reject" in found.values() else "flag"), reasons


def _reason(name: str, scores: Scores, limits: Limits, word: Verdict) -> str:
    kind = KINDS[name]
    value, limit = getattr(scores, kind.score), limits.reject if word == "reject" else limits.flag
    says = kind.says
    if name == "copies" and scores.copy_by:
        says = f"may be a copy ({scores.copy_by}): likeness"
    elif name == "near_duplicate":
        says = f"nearly the same as {scores.nearest_id}: distance"
    return f"{says} {value:.3g}, {'at least' if kind.below else 'at most'} {limit:.3g} expected"


def standing(set: SetFolder, rules: Rules | None = None) -> dict[str, Standing]:
    """Id → how it stands, of every scored picture; `unscored` names the others.

    Args:
        rules: None: those in force.
    """
    rules, decisions = rules or read(set), set.decisions()
    return {id: stands(one, rules, decisions.get(id)) for id, one in set.scores().items()}


def stands(scores: Scores, rules: Rules, decision: Decision | None) -> Standing:
    """How one picture stands."""
    word, reasons = verdict(scores, rules)
    by_rule: Mapping[Verdict, State] = {"accept": "accepted", "flag": "flagged", "reject": "rejected"}
    state = by_rule[word]
    if decision is not None and not scores.changed:
        state = "accepted" if decision.word == "accept" else "rejected"
    return Standing(word, reasons, "copies" in broken(scores, rules), decision, state)


def blocked(set: SetFolder) -> tuple[str, ...]:
    """Ids of the pictures flagged as copies of which nobody has decided: none may leave before that."""
    return tuple(id for id, one in standing(set).items() if one.copy and one.state == "flagged")


def unscored(set: SetFolder) -> tuple[str, ...]:
    """Ids of the pictures that are made and that the gate has not seen."""
    scored = set.scores()
    return tuple(id for id in set.made() if id not in scored)


def read(set: SetFolder) -> Rules:
    """The rules in force: `rules.json`, or the defaults.

    Raises:
        AugmentError: the file is damaged.
    """
    path = set.root / FILE
    if not path.is_file():
        return Rules()
    try:
        return _checked(json.loads(read_capped(path)), str(path))
    except (OSError, ValueError, RecursionError) as error:
        raise AugmentError(
            f"{path} is damaged ({error}); remove it, and the gate writes it anew from the real pictures."
        ) from None


def write(set: SetFolder, rules: Rules) -> None:
    """Put rules in force.

    Raises:
        MachineError: disk full or folder not writable.
    """
    write_atomically(set.root / FILE, (json.dumps(rules.model_dump(), indent=1) + "\n").encode())


def changed(rules: Rules, changes: Sequence[str]) -> Rules:
    """Rules with changes such as "rules.mask_fit.flag=0.4" or "blurred.reject=none" applied.

    Raises:
        AugmentError: no such rule or threshold, with the nearest known name; no number.
    """
    values = rules.model_dump()
    for change in changes:
        key, sign, text = change.partition("=")
        name, dot, limit = key.strip().removeprefix("rules.").partition(".")
        if not (sign and dot):
            raise AugmentError(f"--set {change}: expected e.g. --set rules.mask_fit.flag=0.4.")
        try:
            value = tomllib.loads(f"v = {text}")["v"]
        except tomllib.TOMLDecodeError:
            value = text.strip()
        values.setdefault(name, {})[limit] = value
    return _checked(values, "rules")


def _checked(values: dict[str, object], where: str) -> Rules:
    try:
        return Rules.model_validate(values)
    except ValidationError as error:
        raise AugmentError(f"{where}: {explained(error, Rules, 'rules')}") from None
