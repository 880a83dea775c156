"""Studies that simulated raters went through: they see a little, lean to one side, and answer by chance otherwise."""

from __future__ import annotations

import math
import secrets
from pathlib import Path

import numpy as np

from siamese.study.design import Primary, Protocol
from siamese.study.report.compose import gathered_of
from siamese.study.report.gather import Gathered
from siamese.study.truth import unblind
from tests.study.rooms import Room, facts, locked_study, rating_of

ARMS = {
    "P1": (("patients", "real"), ("ours", "synthetic"), ("redrawn", "control")),
    "P2": (("patients", "real"), ("ours", "synthetic"), ("other (v2)", "synthetic")),
    "P3": (("patients", "real"), ("ours", "synthetic")),
    "P4": (("patients", "real"), ("ours", "synthetic")),
}
PRIMARY = {
    "P1": Primary(),
    "P2": Primary(kind="difference", margin=0.3),
    "P3": Primary(kind="difference", margin=0.5),
    "P4": Primary(kind="preference"),
}
LOOKS = {
    "patients": 1.0,
    "ours": 0.4,
    "redrawn": 0.6,
    "other (v2)": -0.6,
}  # how real pictures of an arm look on average
ROLES = (("Consultant", "10 to 19"), ("Consultant", "20 or more"), ("Resident", "0 to 4"))


def open_study(tmp_path: Path, protocol: Protocol, raters: int = 3, **settings: object) -> Room:
    """A locked study of a protocol that nobody has rated yet."""
    chosen = {"arms": ARMS[protocol], "primary": PRIMARY[protocol], "raters": raters} | settings
    return locked_study(tmp_path, protocol, **chosen)


def rate(
    study: Room,
    rater: int,
    most: int = 10_000,
    undo: int = -1,
    cues: str = "Vessels end too soon.",
    seconds: float = 0.0,
    turned: int = 0,
) -> int:
    """A rater goes through the study, the same way each time; how many votes were saved.

    Args:
        most: votes at most.
        undo: the vote of this count is taken back and given the other way.
        cues: said on the last page.
        seconds: a vote takes; 0: some seconds.
        turned: so many of the last votes are given the other way.
    """
    rating, rng, saved = rating_of(study), np.random.default_rng(100 + rater), 0
    role, years = ROLES[(rater - 1) % len(ROLES)]
    while True:
        where, fresh = rating.where(rater), secrets.token_hex(16)
        if where.stage == "information":
            rating.consent(rater, {"version": "1", "role": role, "years": years}, fresh)
        elif where.stage == "screen":
            rating.screen(rater, {"px_per_cm": 37.8, "zoom": 1.0}, fresh)
        elif where.stage == "pause":
            rating.resume(rater)
        elif where.stage == "finish":
            rating.finish(rater, {"cues": cues, "seen_before": "no", "comment": ""}, fresh)
        elif where.stage in ("done", "withdrawn") or saved >= most:
            return saved
        else:
            measured = facts(rng)
            measured |= {"ms": round(1000 * seconds)} if seconds else {}
            sign = -1 if where.total - where.done <= turned else 1
            rating.save(rater, where.place, _answer(study, rater, where.items, sign), measured, fresh)
            saved += 1
            if saved == undo:
                rating.undo(rater, where.place, secrets.token_hex(16))
                rating.save(
                    rater,
                    where.place,
                    _answer(study, rater, where.items, -1),
                    measured,
                    secrets.token_hex(16),
                )


def rated(tmp_path: Path, protocol: Protocol, raters: int = 3, **settings: object) -> tuple[Room, Gathered]:
    """A study that every rater finished, unblinded."""
    study = open_study(tmp_path, protocol, raters, **settings)
    for rater in range(1, raters + 1):
        rate(study, rater)
    return study, opened(study)


def opened(study: Room) -> Gathered:
    """Unblind and gather."""
    unblind(study, "A. Analyst", "everybody has finished")
    return gathered_of(study)


def _answer(study: Room, rater: int, items: tuple[str, ...], sign: int = 1) -> dict:
    """The picture's look, its own share, the rater's eye and lean; the same picture looks nearly the same again."""
    looks, all_items = [], list(study.arms)  # ids are drawn anew each time, their order is not
    for item in items:
        own = np.random.default_rng([all_items.index(item), rater])
        common = np.random.default_rng(all_items.index(item)).normal(0, 0.7)
        looks.append(
            sign * (LOOKS[study.arms[item]] - 0.5 + common + own.normal(0, 0.6) + 0.15 * (rater % 3))
        )
    protocol = study.shown.protocol
    if protocol == "P1":
        return {"real": bool(looks[0] > 0), "confidence": int(np.clip(math.ceil(5 * abs(looks[0])), 1, 10))}
    if protocol == "P3":
        return {"level": int(np.clip(round(3.4 + looks[0]), 1, 5))}
    order = [int(n) for n in np.argsort(looks)[::-1]]
    return {"order": order} if protocol == "P2" else {"patient": order[0]}
