"""Whoever connects: what is locked or recorded stays as it is, and what was changed all the same is found and named."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import sqlalchemy as sa

from siamese.store import engine, records, tables
from siamese.store.engine import reading, writing
from tests.study.rooms import Room, locked_study, rating_of, vote_through

record = tables.record
SALT = "SELECT r.salt FROM record r WHERE r.seq = 3 AND r.study = record.study"


@pytest.fixture(scope="module")
def study(tmp_path_factory, database) -> Room:
    """Rater 1 gave four votes and rater 2 withdrew after three; no test changes it for good."""
    study = locked_study(tmp_path_factory.mktemp("workspace"), database=database)
    vote_through(study, 1, np.random.default_rng(1), 4)
    vote_through(study, 2, np.random.default_rng(2), 3)
    rating_of(study).withdraw(2, "goes")
    return study


def refused(study: Room, statement: str, why: str) -> None:
    with pytest.raises(sa.exc.DatabaseError, match=why), writing(study.votes) as connection:
        connection.execute(sa.text(statement))


@contextmanager
def unguarded(study: Room, *statements: str) -> Iterator[sa.Connection]:
    """Change rows of the study as somebody who may drop the triggers; undone at the end."""
    with study.votes.connect() as connection:
        connection.begin()
        if study.place.url:
            connection.exec_driver_sql("ALTER TABLE record DISABLE TRIGGER USER")
        else:
            for name in ("update", "delete", "insert"):
                connection.exec_driver_sql(f"DROP TRIGGER record_{name}")
        for statement in statements:
            assert connection.execute(sa.text(f"{statement} AND study = '{study.id}'")).rowcount
        yield connection
        connection.rollback()


def broken(study: Room, connection: sa.Connection, seen: str = "") -> str:
    return records.verify(connection, study.id, seen).broken


def whole(study: Room) -> bool:
    with reading(study.votes) as connection:
        return not broken(study, connection)


@pytest.mark.parametrize(
    "change",
    [
        *(
            f"SET {c.name} = replace({c.name}, 'e', 'x')"
            for c in record.columns
            if isinstance(c.type, sa.String)
        ),
        *(f"SET {name} = {name} + 1" for name in ("seq", "rater", "place", "revision", "at")),
        "SET content = NULL",
        "SET salt = NULL",
        "SET content = NULL, salt = NULL",
        "SET content = NULL, salt = NULL, at = at + 1 WHERE rater = 2",
        "SET content = '{}', salt = NULL WHERE rater = 2",
        "SET kind = kind",
    ],
)
def test_no_record_can_be_changed(study, change):
    refused(study, f"UPDATE record {change}", "append-only")
    assert whole(study)


def test_no_record_can_be_removed_replaced_or_put_between(study):
    refused(study, "DELETE FROM record WHERE seq = 3", "append-only")
    refused(study, "DELETE FROM record", "append-only")
    columns = ", ".join(column.name for column in record.columns)
    others = columns.replace("seq", "seq + 100", 1).replace("client_id", "client_id || 'x'")
    refused(
        study,
        f"INSERT INTO record SELECT {others.replace('revision', 'revision + 9')} FROM record WHERE seq = 4",
        "append-only",
    )
    if study.place.url:
        refused(study, "TRUNCATE record", "append-only")
        again = "INSERT INTO record SELECT * FROM record WHERE seq = 4"
        refused(study, f"{again} ON CONFLICT (study, seq) DO UPDATE SET content = 'x'", "append-only")
    else:
        refused(study, "INSERT OR REPLACE INTO record SELECT * FROM record WHERE seq = 4", "append-only")
        with (
            sqlite3.connect(study.place.file("votes")) as foreign,
            pytest.raises(sqlite3.IntegrityError, match="append-only"),
        ):
            foreign.execute(
                "INSERT OR REPLACE INTO record SELECT * FROM record WHERE seq = 4"
            )  # recursive_triggers is off
        foreign.close()
    assert whole(study)


@pytest.mark.parametrize("table", ["study", "item", "rater", "assignment", "link"])
def test_what_was_locked_stays(study, table):
    column = {"study": "design", "item": "sha256", "rater": "number", "assignment": "items", "link": "rater"}[
        table
    ]
    why = "revoked" if table == "link" else "frozen"
    refused(study, f"DELETE FROM {table}", f"{why}|violates foreign key|FOREIGN KEY")
    refused(study, f"UPDATE {table} SET {column} = {column}", why)
    if study.place.url:
        refused(study, f"TRUNCATE {table} CASCADE", "frozen|append-only|revoked")
    else:
        refused(study, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}", why)


def test_an_order_cannot_grow_once_its_rater_has_begun(study):
    columns = "study, rater, place + 100, phase, block, question, items, repeats"
    more = f"INSERT INTO assignment SELECT {columns} FROM assignment WHERE study = '{study.id}' AND rater = "
    refused(study, more + "1", "frozen")
    with writing(study.votes) as connection:
        assert connection.execute(sa.text(more + "0")).rowcount == 16


def test_a_link_can_be_revoked_once(study):
    with writing(study.votes) as connection:
        assert (
            connection.execute(sa.text("UPDATE link SET revoked_at = 5 WHERE revoked_at IS NULL")).rowcount
            >= 3
        )
    refused(study, "UPDATE link SET revoked_at = NULL", "revoked")


def test_readers_cannot_write(study):
    opened = engine.open_votes(study.place)
    with (
        pytest.raises((sa.exc.DatabaseError, engine.Unreachable), match="readonly|read-only"),
        writing(opened) as connection,
    ):
        records.append(connection, study.id, "audit", None, None, {}, "no")
    with (
        pytest.raises((sa.exc.DatabaseError, engine.Unreachable), match="append-only|readonly|read-only"),
        reading(study.votes) as connection,
    ):
        connection.execute(sa.text("UPDATE record SET at = 1"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE record SET kind = 'audit' WHERE seq = 4", "Record 4 was changed"),
        ("UPDATE record SET rater = 0 WHERE seq = 4", "Record 4 was changed"),
        ("UPDATE record SET rater = NULL WHERE seq = 4", "Record 4 was changed"),
        ("UPDATE record SET place = 5 WHERE seq = 4", "Record 4 was changed"),
        ("UPDATE record SET revision = 2 WHERE seq = 4", "Record 4 was changed"),
        ("UPDATE record SET client_id = 'other' WHERE seq = 4", "Record 4 was changed"),
        ("UPDATE record SET at = at - 1 WHERE seq = 4", "Record 4 was changed"),
        ("UPDATE record SET digest = chain WHERE seq = 4", "Record 4 was changed"),
        ("UPDATE record SET content = replace(content, ':', ': ') WHERE seq = 4", "content of record 4 was changed"),
        (f"UPDATE record SET salt = ({SALT}) WHERE seq = 4", "content of record 4 was changed"),
        ("UPDATE record SET salt = NULL WHERE seq = 4", "content of record 4 was removed although"),
        ("UPDATE record SET salt = NULL, content = NULL WHERE seq = 4", "content of record 4 was removed although"),
        ("UPDATE record SET previous = digest WHERE seq = 4", "Record 4 does not follow record 3"),
        ("UPDATE record SET chain = digest WHERE seq = 4", "Record 4 was changed"),
        ("DELETE FROM record WHERE seq = 1", "Record 1 is missing (record 2 comes next)"),
        ("DELETE FROM record WHERE seq = 4", "Record 4 is missing"),
    ],
)  # fmt: skip
def test_tampering_is_found_and_named(study, change, named):
    assert whole(study)
    with unguarded(study, change) as connection:
        assert named in broken(study, connection)
    assert whole(study)


def test_the_end_of_a_chain_is_missed_by_whoever_knows_its_head(study):
    with reading(study.votes) as connection:
        head = records.head(connection, study.id)
        assert broken(study, connection, head) == ""
    with unguarded(study, "DELETE FROM record WHERE kind = 'withdraw'") as connection:
        assert broken(study, connection) == ""  # the chain alone cannot tell
        assert f"No record leads to the head {head}" in broken(study, connection, head)


def test_swapped_records_are_found(study):
    swap = [f"UPDATE record SET seq = {new} WHERE seq = {old}" for old, new in ((4, -4), (5, 4), (-4, 5))]
    with unguarded(study, *swap) as connection:
        assert "Record 4 does not follow record 3" in broken(study, connection)


def test_a_record_cannot_be_written_anew_without_all_that_follow(study):
    """By somebody who knows the recipe and computes digest and chain of one record again."""
    with unguarded(study) as connection:
        this = (record.c.study == study.id, record.c.seq == 4)
        row = dict(connection.execute(sa.select(record).where(*this)).one()._mapping)
        row["content"] = row["content"].replace(":", ": ")
        row["digest"] = hashlib.sha256(row["salt"] + row["content"].encode()).hexdigest()
        row["chain"] = records._chain(row)
        connection.execute(sa.update(record).where(*this).values(**row))
        assert "Record 5 does not follow record 4" in broken(study, connection)


def test_after_a_withdrawal_contents_can_be_erased_and_nothing_else(study):
    with study.votes.connect() as connection:
        connection.begin()
        assert records.erase(connection, study.id, 2) == 6 and broken(study, connection) == ""
        for change in ("content = '{}'", "at = 1"):
            with pytest.raises(sa.exc.DatabaseError, match="append-only"), connection.begin_nested():
                connection.execute(sa.text(f"UPDATE record SET {change} WHERE rater = 2"))
        connection.rollback()
    refused(
        study,
        f"UPDATE record SET salt = NULL, content = NULL WHERE study = '{study.id}' AND rater = 1",
        "append-only",
    )


def test_two_studies_of_one_database_have_a_chain_each(tmp_path, study):
    toml = (study.folder / "database.toml").read_text() if study.place.url else ""
    other = locked_study(tmp_path, database=toml, name="other")
    vote_through(other, 1, np.random.default_rng(5), 2)
    vote_through(study, 1, np.random.default_rng(5), 1)
    assert whole(study) and whole(other)
    with reading(other.votes) as connection:
        assert records.verify(connection, other.id).count == 4
