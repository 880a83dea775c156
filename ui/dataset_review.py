"""Step 4 of a set: how every picture stands, what the rules cost, and what a person decides."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import cv2

from siamese.augment.folder import SetFolder
from siamese.augment.item import REASONS, Decision, Scores
from siamese.counted import counted
from siamese.errors import AugmentError, SiameseError
from siamese.gate import cost, report, rules
from siamese.gate.rules import KINDS, Standing
from ui.dataset_sets import SIDE, Sets, folder_of, jpeg, small
from ui.services import Services

if TYPE_CHECKING:
    import numpy as np

    from siamese.gate.report import Outcome
    from siamese.gate.twin import Twins

MOST = 48  # cells of one answer
SHOWS = ("waiting", "flagged", "rejected", "accepted", "all")
FIGURES = (
    ("mask fit (Dice)", "mask_fit"),
    ("likeness to a training picture (1: threshold)", "copy"),
    ("distance to the nearest other", "nearest"),
    ("share of the picture", "area"),
    ("brightness", "brightness"),
    ("black or white", "clipped"),
    ("sharpness", "sharpness"),
    ("taken for real by raters", "rating"),
)


class Reviews:
    """Server functions; who asks is read from the signed token, and stands beside every decision."""

    def __init__(self, services: Services, sets: Sets):
        self._services, self._sets = services, sets
        self._found: Twins | None = None
        self._lock = threading.Lock()
        self.functions = [self.review, self.decide, self.twin, self.rules, self.set_rule]

    def review(self, payload: dict) -> dict:
        """Cells of {set} from {at} on that are {show}: {ok, counts, blocked, headlines, details, total, at, cells}."""
        folder = self._scored(payload)
        show = payload.get("show") if payload.get("show") in SHOWS else "all"
        stand, scores, found = rules.standing(folder), folder.scores(), report.read(folder)
        counts = {
            word: sum(one.state == word for one in stand.values())
            for word in ("accepted", "flagged", "rejected")
        }
        chosen = [id for id, one in stand.items() if _wanted(one, str(show))]
        most, at = _whole(payload.get("most"), 1, MOST), _whole(payload.get("at"), 0, 10**9)
        at = min(at, max(0, (len(chosen) - 1) // most * most))
        return {
            "ok": True,
            "counts": counts,
            "blocked": sum(one.copy and one.state == "flagged" for one in stand.values()),
            "headlines": _headlines(found),
            "details": _details(found),
            "total": len(chosen),
            "at": at,
            "cells": [_cell(folder, id, stand[id], scores[id]) for id in chosen[at : at + most]],
        }

    def decide(self, payload: dict) -> dict:
        """Write down {word} (accept, reject, "" takes it back) and {reason} for {id} of {set}; on the disk first."""
        folder = self._scored(payload)
        owner = self._services.identity.owner(payload.get("token"))
        id, word, reason = str(payload.get("id")), payload.get("word"), payload.get("reason")
        if id not in folder.scores() or word not in ("accept", "reject", "") or reason not in REASONS:
            raise SiameseError("This picture is not there any more; look at the sheet again.")
        folder.decide(Decision(id, word, reason, owner, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())))
        return {"ok": True}

    def twin(self, payload: dict) -> dict:
        """The real training picture that {id} of {set} is like: {ok, real (base64 of a JPEG), words}."""
        folder = self._scored(payload)
        scores = folder.scores().get(str(payload.get("id")))
        found = self._twins().find(folder, scores.copy_of) if scores is not None and scores.copy_of else None
        if found is None:
            return {"ok": True, "real": "", "words": ""}
        return {"ok": True, "real": _jpeg(found[1]), "words": f"real training picture {found[0]}"}

    def rules(self, payload: dict) -> dict:
        """Every rule with its histogram and what it costs: {ok, rules, lines}."""
        folder = self._scored(payload)
        found = cost.cost(list(folder.scores().values()), folder.items(), rules.read(folder))
        return {
            "ok": True,
            "lines": list(found.sentences()),
            "rules": [_rule(one) for one in found.histograms if one.missing < sum(one.counts) + one.missing],
        }

    def set_rule(self, payload: dict) -> dict:
        """Put another {threshold} or {action} (accept, flag, reject) of the rule {key} of {set} in force."""
        folder, key = self._scored(payload), str(payload.get("key"))
        if key not in KINDS:
            raise SiameseError("There is no such rule.")
        with self._lock:  # a change keeps what the one before it changed
            now = rules.read(folder)
            limits = now.of(key)
            value = payload.get("threshold", _threshold(limits.flag, limits.reject, key))
            action = payload.get("action", "reject" if limits.reject is not None else "flag")
            if (
                action not in ("accept", "flag", "reject")
                or isinstance(value, bool)
                or not isinstance(value, int | float)
            ):
                raise SiameseError("A number was expected.")
            flag, reject = (value if action == word else "none" for word in ("flag", "reject"))
            changes = [f"{key}.flag={flag}", f"{key}.reject={reject}"]
            report.enforce(folder, rules.changed(now, changes))
        return {"ok": True}

    def _twins(self) -> Twins:
        from siamese.gate.twin import Twins

        if self._found is None:
            self._found = Twins(self._services.workspace.root)
        return self._found

    def _scored(self, payload: dict) -> SetFolder:
        folder = folder_of(self._sets.find(payload))
        if not folder.begun or not folder.scores():
            raise AugmentError("The pictures are not measured yet; wait until the set is finished.")
        return folder


def _wanted(one: Standing, show: str) -> bool:
    if show == "waiting":
        return one.state == "flagged"
    if show == "flagged":
        return one.verdict != "accept"
    return show == "all" or one.state == show


def _cell(folder: SetFolder, id: str, one: Standing, scores: Scores) -> dict[str, Any]:
    decision = one.decision
    decided = ""
    if decision is not None:
        because = f" because of {decision.reason}" if decision.reason else ""
        decided = f"{decision.word}ed by {decision.by}{because}, {decision.at.replace('T', ' ')[:16]} UTC"
    values = asdict(scores)
    return {
        "id": id,
        "state": one.state,
        "copy": one.copy,
        "reasons": list(one.reasons),
        "word": decision.word if decision else "",
        "reason": decision.reason if decision else "",
        "decided": decided,
        "picture": small(folder, id),
        "figures": [[words, f"{values[name]:.3g}"] for words, name in FIGURES if values[name] is not None],
    }


def _rule(one: cost.Histogram) -> dict[str, Any]:
    threshold = _threshold(one.flag, one.reject, one.rule)
    action = "reject" if one.reject is not None else "flag" if one.flag is not None else "accept"
    lines = [
        f"{group.title}: {group.flagged + group.rejected} of {group.n}" for group in one.groups if group.n
    ]
    return {
        "key": one.rule,
        "words": one.title,
        "beyond": "below" if one.below else "above",
        "low": one.edges[0],
        "high": one.edges[-1],
        "bins": list(one.counts),
        "threshold": threshold if threshold is not None else one.edges[0 if one.below else -1],
        "action": action,
        "lines": lines,
    }


def _threshold(flag: float | None, reject: float | None, key: str) -> float:
    """The one that the page shows: of the stronger action, else the rule's default, else 0."""
    default = rules.Rules().of(key).flag
    return next((v for v in (reject, flag, default) if v is not None), 0.0)


def _headlines(found: Outcome | None) -> list[str]:
    """What a person must know before deciding: possible copies, what the check would miss, how close to real."""
    if found is None:
        return []
    copies, said = found.copies, []
    if copies is None:
        said.append("Nothing was at hand to compare with: whether there are copies is not known.")
    elif copies.planted:
        words = (
            counted(copies.flagged, "possible copy", "possible copies") if copies.flagged else "No copy found"
        )
        said.append(f"{words}; of {copies.planted} copies planted on purpose, {copies.caught} were caught.")
    else:
        words = (
            counted(copies.flagged, "possible copy", "possible copies") if copies.flagged else "No copy found"
        )
        said.append(f"{words}; none could be planted on purpose, so what the check misses is not known.")
    close = found.closeness
    if close is not None and close.real_pixels is not None:
        said.append(
            f"Diversity: grey levels differ by {close.pixels.value:.0f} (SD) between its pictures, by "
            f"{close.real_pixels.value:.0f} between real ones."
        )
    return said


def _details(found: Outcome | None) -> list[str]:
    """All of it in the gate's own words, with names that stay on this computer."""
    if found is None:
        return []
    said, close = list(found.copies.sentences if found.copies else ()), found.closeness
    if close is not None:
        floor = f"; real pictures among themselves {close.real_pixels.words()}" if close.real_pixels else ""
        said.append(f"Diversity, SD between pictures in grey levels: {close.pixels.words()}{floor}.")
        if close.kid is not None:
            floor = f"; two halves of the real ones {close.floor.words()}" if close.floor else ""
            said.append(f"Closeness to real pictures, KID ({found.segmenter}): {close.kid.words()}{floor}.")
    return [*said, *found.rests, *found.notes]


def _whole(value: object, low: int, high: int) -> int:
    return min(max(value, low), high) if isinstance(value, int) and not isinstance(value, bool) else low


def _jpeg(picture: np.ndarray) -> str:
    """base64 of a picture (H,W,3) uint8 RGB, its shorter side `SIDE`."""
    scale = SIDE / min(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return jpeg(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
