"""A small locked study written straight into the tables, and raters who go through it: what other tests begin with."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import sqlalchemy as sa

from siamese.store import records, tables
from siamese.store.engine import once, writing
from siamese.store.migrations import migrate
from siamese.study.design import Arm, Design, Protocol
from siamese.study.rating import Rating
from siamese.study.studies import Studies, Study
from siamese.workspace import Workspace
from tests.conftest import draw_case

ARMS = (("patients", "real"), ("ours", "synthetic"))
SIZE = 64


@dataclass(frozen=True)
class Room(Study):
    """A study with what only tests may know: rater → secret of the link, item → arm."""

    keys: dict[int, str] = field(default_factory=dict)
    arms: dict[str, str] = field(default_factory=dict)


def locked_study(
    tmp_path: Path,
    protocol: Protocol = "P1",
    raters: int = 2,
    per_arm: int = 6,
    arms: tuple[tuple[str, str], ...] = ARMS,
    repeats: int = 2,
    practice: int = 2,
    block: int = 5,
    database: str = "",
    name: str = "believable",
    **settings: object,
) -> Room:
    """A locked study of drawn pictures in the workspace `tmp_path`, every picture another.

    Args:
        tmp_path: the workspace.
        protocol: P1 to P4; P2 shows one picture of each arm together, P4 the first arm and the second.
        raters: numbers 1, 2, …; rater 0 is there too.
        per_arm: pictures of each arm.
        arms: (name, kind) each.
        repeats: presentations shown a second time at the end.
        practice: presentations before.
        block: presentations between pauses.
        database: content of a `database.toml`; empty: SQLite.
        settings: more fields of the design.
    """
    design = Design(
        protocol=protocol,
        arms=tuple(Arm(name=arm, kind=kind, source="drawn") for arm, kind in arms),
        per_arm=per_arm,
        raters=raters,
        practice=practice,
        block=block,
        size=SIZE,
        beside=max(2, min(len(arms), 4)),
        **settings,
    )
    study = Studies(Workspace(tmp_path)).new(name, design, database)
    migrate(study.place)
    drawn = {arm: [secrets.token_hex(16) for _ in range(per_arm + practice)] for arm, _ in arms}
    keys = {number: secrets.token_urlsafe(24) for number in range(raters + 1)}
    truth = {item: arm for arm, items in drawn.items() for item in items}
    rng = np.random.default_rng(7)
    with writing(study.votes) as connection:
        row = {
            "id": study.id,
            "design": design.shown(),
            "design_sha256": design.sha256,
            "locked_at": records.now(),
        }
        connection.execute(sa.insert(tables.study).values(row))
        pictures = [
            {"study": study.id, "id": item, "sha256": _picture(study, item)} for item in sorted(truth)
        ]
        connection.execute(sa.insert(tables.item), pictures)
        for number, key in keys.items():
            connection.execute(sa.insert(tables.rater).values(study=study.id, number=number))
            digest = hashlib.sha256(key.encode()).hexdigest()
            link = {"study": study.id, "key_sha256": digest, "rater": number, "issued_at": records.now()}
            connection.execute(sa.insert(tables.link).values(link))
            places = _places(design, drawn, practice, repeats, rng)
            rows = [{"study": study.id, "rater": number, "place": n, **one} for n, one in enumerate(places)]
            connection.execute(sa.insert(tables.assignment), rows)
    with once(study.place, "truth", write=True) as connection:
        rows = [_truth(study.id, item, arm, drawn[arm].index(item), per_arm) for item, arm in truth.items()]
        connection.execute(sa.insert(tables.truth_item), rows)
        kinds = [
            {"study": study.id, "name": arm, "kind": kind, "design": design.json()} for arm, kind in arms
        ]
        connection.execute(sa.insert(tables.truth_arm), kinds)
    study.votes.dispose()  # a fresh start for whoever gets it
    return Room(study.folder, study.place, study.id, keys, truth)


def rating_of(study: Study) -> Rating:
    """A fresh Rating, as a newly started process has one."""
    return Rating(study.votes, study.id)


def vote_through(
    study: Study, rater: int, rng: np.random.Generator, most: int = 10_000, rating: Rating | None = None
) -> int:
    """Consent, screen check, at most `most` votes, the last page when all is answered; how many votes were saved."""
    rating = rating or rating_of(study)
    saved = 0
    while True:
        where = rating.where(rater)
        fresh = secrets.token_hex(8)
        if where.stage == "information":
            rating.consent(rater, {"version": "1", "role": "Consultant", "years": "10 to 19"}, fresh)
        elif where.stage == "screen":
            rating.screen(rater, {"px_per_cm": 38, "zoom": 1.0}, fresh)
        elif where.stage == "pause":
            rating.resume(rater)
        elif where.stage == "finish":
            rating.finish(rater, {"cues": "", "seen_before": "no", "comment": ""}, fresh)
        elif where.stage in ("done", "withdrawn") or saved >= most:
            return saved
        else:
            rating.save(rater, where.place, an_answer(rating, where.items, rng), facts(rng), fresh)
            saved += 1


def an_answer(rating: Rating, items: tuple[str, ...], rng: np.random.Generator) -> dict:
    """Any answer to the study's question."""
    together = len(items)
    return {
        "P1": {"real": bool(rng.integers(2)), "confidence": int(rng.integers(1, 11))},
        "P2": {"order": [int(one) for one in rng.permutation(together)]},
        "P3": {"level": int(rng.integers(1, 6))},
        "P4": {"patient": int(rng.integers(together))},
    }[rating.design.protocol]


def facts(rng: np.random.Generator) -> dict:
    """What a page measures."""
    ms = int(rng.integers(900, 9000))
    return {
        "ms": ms,
        "hidden_ms": 0,
        "css": [454, 454],
        "factor": 1.2,
        "dpr": 1,
        "shown": records.now() - ms * 1000,
    }


def _places(
    design: Design, drawn: dict[str, list[str]], practice: int, repeats: int, rng: np.random.Generator
) -> list[dict]:
    """Practice, then everything in an order drawn by `rng`, then the first ones again."""
    if design.together > 1:
        groups = [list(group) for group in zip(*list(drawn.values())[: design.together], strict=True)]
        groups = [[group[i] for i in rng.permutation(len(group))] for group in groups]
        train, shown = groups[-practice:] if practice else [], groups[: design.per_arm]
    else:
        train = [[items[design.per_arm + n]] for n in range(practice) for items in list(drawn.values())[:1]]
        shown = [[item] for items in drawn.values() for item in items[: design.per_arm]]
    questions = [scale.key for scale in design.texts.scales] if design.protocol == "P3" else [""]
    places = [_place("practice", 0, questions[0], items) for items in train]
    for question in questions:
        for n, index in enumerate(rng.permutation(len(shown))):
            places.append(
                _place("fit" if question == "mask_fit" else "main", n // design.block, question, shown[index])
            )
    blocks, again = len(places), []
    for n in range(repeats):
        first = next(k for k, one in enumerate(places) if one["phase"] == "main") + n
        again.append({**places[first], "phase": "repeat", "block": blocks, "repeats": first})
    places += again
    block, last = -1, None
    for one in places:  # blocks get one number each, in order
        block, last = block + (last != (one["block"], one["question"])), (one["block"], one["question"])
        one["block"] = block
    return places


def _place(phase: str, block: int, question: str, items: list[str]) -> dict:
    return {"phase": phase, "block": block, "question": question, "items": json.dumps(items), "repeats": None}


def _truth(study: str, item: str, arm: str, index: int, per_arm: int) -> dict:
    return {
        "study": study,
        "item": item,
        "arm": arm,
        "mask_group": f"mask{index}",
        "source": f"drawn/{arm}_{index:03d}.png",
        "source_sha256": "0" * 64,
        "practice": index >= per_arm,
        "facts": "{}",
    }


def _picture(study: Study, item: str) -> str:
    study.pictures.mkdir(mode=0o700, exist_ok=True)
    study.masks.mkdir(mode=0o700, exist_ok=True)
    picture, mask = draw_case(int(item[:8], 16), SIZE)
    for folder, pixels in ((study.pictures, picture[..., ::-1]), (study.masks, mask)):
        png = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1].tobytes()
        (folder / f"{item}.png").write_bytes(png)
    return hashlib.sha256((study.pictures / f"{item}.png").read_bytes()).hexdigest()
