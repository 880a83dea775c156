"""The append-only log of a study: every vote, undo, consent and act of the organiser, chained by sha256.

A record's `chain` is the sha256 of its fields and of the `chain` before it. Contents enter by a salted digest, so that
they can be erased after a withdrawal while the chain still verifies. The head stands in every report: whoever keeps it
can tell that nothing before it was changed.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, get_args

import sqlalchemy as sa

from siamese.errors import StudyError
from siamese.store.tables import record as table

Kind = Literal["vote", "undo", "consent", "screen", "finish", "withdraw", "audit"]
KINDS: tuple[Kind, ...] = get_args(Kind)
START = "0" * 64  # `previous` of the first record
LARGEST = 32 * 1024  # bytes of one content
CLIENT_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Record:
    """One line of the log; `content` is None once erased."""

    seq: int
    kind: str
    rater: int | None
    place: int | None
    revision: int
    client_id: str
    at: int
    content: dict | None
    chain: str


@dataclass(frozen=True)
class Verdict:
    """What `verify` found: how many records, the head of the chain, and what is broken (empty: nothing)."""

    count: int
    head: str
    broken: str = ""


def now() -> int:
    """Microseconds since 1970 (UTC)."""
    return time.time_ns() // 1000


def append(
    connection: sa.Connection,
    study: str,
    kind: Kind,
    rater: int | None,
    place: int | None,
    content: Mapping[str, object],
    client_id: str,
    at: int | None = None,
) -> Record:
    """Add a record, or find the one that this client id made before.

    Args:
        connection: in a write transaction (`writing`); nothing counts as saved before it is committed.
        study: id.
        kind: one of KINDS.
        rater: number; None: the organiser.
        place: of the assignment; None where there is none.
        content: what JSON can hold, at most 32 kB.
        client_id: 1 to 64 of A-Z a-z 0-9 _ . : -; the same id twice is one record.
        at: microseconds since 1970; None: now.

    Raises:
        StudyError: a content or a client id that cannot be stored, or an id that belongs to another record.
    """
    if kind not in KINDS or not CLIENT_ID.fullmatch(client_id):
        raise StudyError(
            f"The record {kind!r} with the id {client_id[:70]!r} cannot be stored; reload the page."
        )
    text = _canonical(content)
    take_turn(connection, study)
    if known := find(connection, study, client_id, kind, rater, place):
        return known
    last = connection.execute(_of(study).order_by(table.c.seq.desc()).limit(1)).one_or_none()
    same = (table.c.rater == rater, table.c.kind == kind, table.c.place == place)  # None: IS NULL
    revision = connection.scalar(sa.select(sa.func.count()).where(table.c.study == study, *same))
    salt = secrets.token_bytes(16)
    row = {
        "study": study,
        "seq": last.seq + 1 if last else 1,
        "kind": kind,
        "rater": rater,
        "place": place,
        "revision": (revision or 0) + 1,
        "client_id": client_id,
        "at": now() if at is None else at,
        "digest": hashlib.sha256(salt + text.encode()).hexdigest(),
        "salt": salt,
        "content": text,
        "previous": last.chain if last else START,
    }
    row["chain"] = _chain(row)
    connection.execute(sa.insert(table).values(row))
    return _record(row)


def find(
    connection: sa.Connection, study: str, client_id: str, kind: Kind, rater: int | None, place: int | None
) -> Record | None:
    """The record that a client id made; None when it is new.

    Raises:
        StudyError: the id made another record.
    """
    known = connection.execute(_of(study).where(table.c.client_id == client_id)).one_or_none()
    if known is None:
        return None
    if (known.kind, known.rater, known.place) != (kind, rater, place):
        raise StudyError(f"The id {client_id[:70]} belongs to another record already; reload the page.")
    return _record(known._mapping)


def latest(
    connection: sa.Connection, study: str, rater: int, kind: Kind, count: int = 1, place: int | None = None
) -> list[Record]:
    """The last records of a kind of a rater, newest first; of one place when it is given."""
    asked = _of(study).where(table.c.rater == rater, table.c.kind == kind)
    if place is not None:
        asked = asked.where(table.c.place == place)
    return [
        _record(row) for row in connection.execute(asked.order_by(table.c.seq.desc()).limit(count)).mappings()
    ]


def records(
    connection: sa.Connection, study: str, rater: int | None = None, kinds: tuple[Kind, ...] = KINDS
) -> list[Record]:
    """Records in the order they were written; of one rater when a number is given."""
    asked = _of(study).where(table.c.kind.in_(kinds)).order_by(table.c.seq)
    if rater is not None:
        asked = asked.where(table.c.rater == rater)
    return [_record(row) for row in connection.execute(asked).mappings()]


def head(connection: sa.Connection, study: str) -> str:
    """The chain's last link, 64 hexadecimal characters; zeros before the first record."""
    found = connection.scalar(
        sa.select(table.c.chain).where(table.c.study == study).order_by(table.c.seq.desc()).limit(1)
    )
    return found or START


def verify(connection: sa.Connection, study: str, seen: str = "") -> Verdict:
    """Compute the whole chain again; the first thing that is wrong is named.

    Args:
        connection: `reading` will do.
        study: id.
        seen: a head that a report or a sheet shows; it must be part of the chain. The chain alone cannot tell that
            its last records are missing.
    """
    previous, count, withdrawn = START, 0, withdrawn_raters(connection, study)
    met = seen in ("", START)
    for row in connection.execute(_of(study).order_by(table.c.seq)):
        count += 1
        if broken := _wrong(row, count, previous, withdrawn):
            return Verdict(count, previous, broken)
        previous = row.chain
        met = met or previous == seen
    lost = (
        ""
        if met
        else f"No record leads to the head {seen}: records at the end are missing, or it is another study."
    )
    return Verdict(count, previous, lost)


def erase(connection: sa.Connection, study: str, rater: int) -> int:
    """Erase the contents of a rater who has withdrawn; the chain still verifies.

    Returns:
        How many contents were erased now.

    Raises:
        StudyError: the rater has not withdrawn.
    """
    take_turn(connection, study)
    if rater not in withdrawn_raters(connection, study):
        raise StudyError(
            f"Rater {rater} has not withdrawn; only contents of raters who have withdrawn can be erased."
        )
    theirs = (table.c.study == study, table.c.rater == rater, table.c.content.is_not(None))
    return connection.execute(sa.update(table).where(*theirs).values(content=None, salt=None)).rowcount


def withdrawn_raters(connection: sa.Connection, study: str) -> set[int]:
    """Numbers of the raters who have withdrawn: they leave every figure and every export."""
    return set(
        connection.scalars(sa.select(table.c.rater).where(table.c.study == study, table.c.kind == "withdraw"))
    )


def take_turn(connection: sa.Connection, study: str) -> None:
    """Wait until no other transaction writes into the log of this study; SQLite's `BEGIN IMMEDIATE` has done so."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(study, 0))))


def _wrong(row: sa.Row, count: int, previous: str, withdrawn: set[int]) -> str:
    if row.seq != count:
        return f"Record {count} is missing (record {row.seq} comes next)."
    if row.previous != previous:
        return f"Record {row.seq} does not follow record {row.seq - 1}: one of them was replaced or moved."
    if row.chain != _chain(row._mapping):
        return f"Record {row.seq} was changed after it was written (kind, rater, place, revision, id, time or digest)."
    if row.content is None or row.salt is None:
        if row.content is not None or row.salt is not None or row.rater not in withdrawn:
            return f"The content of record {row.seq} was removed although its rater has not withdrawn."
    elif hashlib.sha256(row.salt + row.content.encode()).hexdigest() != row.digest:
        return f"The content of record {row.seq} was changed after it was written."
    return ""


def _chain(row: Mapping[str, object]) -> str:
    chained = ("study", "seq", "kind", "rater", "place", "revision", "client_id", "at", "digest", "previous")
    text = json.dumps([row[name] for name in chained], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(content: Mapping[str, object]) -> str:
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError) as error:
        raise StudyError(
            f"The answer cannot be stored ({error}); reload the page and answer again."
        ) from error
    if size > LARGEST:
        raise StudyError(f"The answer has {size} bytes; at most {LARGEST} were expected. Shorten the text.")
    return text


def _of(study: str) -> sa.Select:
    return sa.select(table).where(table.c.study == study)


def _record(row: Mapping[str, object]) -> Record:
    known = {field.name: row[field.name] for field in fields(Record)}
    return Record(**known | {"content": None if row["content"] is None else json.loads(row["content"])})
