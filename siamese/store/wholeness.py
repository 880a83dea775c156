"""Is a study whole? The database itself, the chain of its log, and the pictures that raters saw."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import sqlalchemy as sa

from siamese.store import engine, records
from siamese.store.engine import Place
from siamese.store.tables import VERSIONS, item

SHOWN = 5  # pictures that are named


@dataclass(frozen=True)
class Wholeness:
    """What was looked at, and what is broken, a sentence each (none: whole)."""

    recorded: int
    head: str
    pictures: int
    broken: tuple[str, ...]


def look(place: Place, study: str, seen: str = "", pictures: bool = True) -> Wholeness:
    """Look at a study; nothing is changed.

    Args:
        place: where.
        study: id.
        seen: a head of the chain that a report or sheet shows; it must be part of the chain.
        pictures: compare the prepared pictures with their digests.

    Raises:
        StudyError: it cannot be opened.
    """
    broken = [] if place.url else [problem for half in VERSIONS for problem in _sqlite(place, half)]
    if broken:
        return Wholeness(0, records.START, 0, tuple(broken))
    engine.open_votes(place).dispose()  # of this version?
    with engine.once(place, "votes") as connection:
        verdict = records.verify(connection, study, seen)
        known = connection.execute(sa.select(item.c.id, item.c.sha256).where(item.c.study == study)).all()
    broken = [verdict.broken] if verdict.broken else []
    if pictures:
        broken += _pictures(place, {row.id: row.sha256 for row in known})
    return Wholeness(verdict.count, verdict.head, len(known) if pictures else 0, tuple(broken))


def _sqlite(place: Place, half: engine.Half) -> list[str]:
    """SQLite's own look at a file; a row of the truth is not read."""
    try:
        with engine.once(place, half) as connection:
            said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    except (sa.exc.DatabaseError, engine.Unreachable) as error:
        said = [str(getattr(error, "orig", error))]
    return [] if said == ["ok"] else [f"{half}.sqlite is damaged ({said[0]}); restore a backup."]


def _pictures(place: Place, known: dict[str, str]) -> list[str]:
    missing, changed = [], []
    for name, digest in known.items():
        path = place.folder / "pictures" / f"{name}.png"
        if not path.is_file():
            missing.append(name)
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            changed.append(name)
    return [
        f"{len(names)} of {len(known)} pictures {what}: {', '.join(names[:SHOWN])}{', …' * (len(names) > SHOWN)}."
        for names, what in ((missing, "missing"), (changed, "not as at lock"))
        if names
    ]
