"""A rater's order as a kit names it: tokens that nobody can compute, or trace back, without the ids of the items.

A token is an HMAC keyed with the id of the picture, 128 random bits that never leave the study. It needs no secret of
its own that could be lost; two copies of one picture have unrelated tokens, and the import knows what was answered.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass

import sqlalchemy as sa

from siamese.errors import StudyError
from siamese.store import tables
from siamese.store.engine import reading
from siamese.study.studies import Study
from siamese.study.way import Presentation


@dataclass(frozen=True)
class Tokens(Presentation):
    """One presentation and what a kit calls its pictures, left to right."""

    tokens: tuple[str, ...]


def order_of(study: Study, rater: int) -> tuple[Tokens, ...]:
    """The order of a rater, frozen at lock.

    Raises:
        StudyError: not locked, or no such rater.
    """
    if not study.locked:
        raise StudyError(f"{study.name} is not locked yet; `study lock {study.name}` freezes it first.")
    t = tables.assignment.c
    asked = sa.select(tables.assignment).where(t.study == study.id, t.rater == rater).order_by(t.place)
    with reading(study.votes) as connection:
        rows = connection.execute(asked).all()
    if not rows:
        raise StudyError(
            f"There is no rater {rater} in {study.name}; `study status {study.name}` lists them."
        )
    order = []
    for row in rows:
        items = tuple(json.loads(row.items))
        tokens = tuple(token(study.id, rater, row.place, n, item) for n, item in enumerate(items))
        order.append(Tokens(row.place, row.phase, row.block, row.question, items, tokens))
    return tuple(order)


def token(study: str, rater: int, place: int, position: int, item: str) -> str:
    """The name of one picture at one place of one rater, 32 hexadecimal characters."""
    where = f"{study}:{rater}:{place}:{position}".encode()
    return hmac.new(item.encode(), where, hashlib.sha256).hexdigest()[:32]


def kit_id(study: Study, rater: int, order: tuple[Tokens, ...]) -> str:
    """The name of a rater's kit: the same whenever it is made again, another one for every other order."""
    named = [study.id, study.design_sha256, rater, [[one.question, *one.tokens] for one in order]]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]
