"""PostgreSQL: what the role of the rating pages may do. It reads the plan, adds records, and cannot reach the truth."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from siamese.errors import StudyError
from siamese.store import engine
from siamese.store.engine import Place, version_table
from siamese.store.tables import TRUTH_SCHEMA, VOTES, record

READS = (*(table.name for table in VOTES.sorted_tables), version_table("votes"))


def grant(place: Place) -> str:
    """Give the role in `place.pages` exactly its rights, and see that it has no more.

    Returns:
        The role's name.

    Raises:
        StudyError: SQLite, no role is named, it does not exist, or it can do more (a superuser, a member of the owner).
    """
    if not place.url:
        raise StudyError(
            f"{place} is SQLite, which has no roles; its truth is a file of its own, readable by you alone."
        )
    role = make_url(place.for_pages().url).username or ""
    engine.open_votes(place).dispose()  # of this version?
    with engine.once(place, "votes", write=True) as connection:
        quoted = connection.dialect.identifier_preparer.quote(role)
        if not connection.scalar(
            sa.text("SELECT count(*) FROM pg_roles WHERE rolname = :role"), {"role": role}
        ):
            raise StudyError(
                f"The role {role} is not there; make it first: CREATE ROLE {quoted} LOGIN PASSWORD '...';"
            )
        tables = ", ".join(connection.dialect.identifier_preparer.quote(name) for name in READS)
        for statement in (
            f"REVOKE ALL ON SCHEMA {TRUTH_SCHEMA} FROM {quoted}",
            f"REVOKE ALL ON ALL TABLES IN SCHEMA {TRUTH_SCHEMA} FROM {quoted}",
            f"REVOKE ALL ON {tables} FROM {quoted}",
            f"GRANT SELECT ON {tables} TO {quoted}",
            f"GRANT INSERT ON {record.name} TO {quoted}",
        ):
            connection.exec_driver_sql(statement)
        refuse_reach(connection, role)
    return role


def open_pages(place: Place) -> sa.Engine:
    """The votes half as the rating pages open it: with PostgreSQL as their own role, which must not reach the truth.

    Raises:
        StudyError: no role of its own, or one with more rights than `grant` gives; else as `open_votes`.
    """
    opened = engine.open_votes(place.for_pages(), write=True)
    if place.url:
        with engine.reading(opened) as connection:
            refuse_reach(connection, make_url(place.pages).username or "")
    return opened


def refuse_reach(connection: sa.Connection, role: str) -> None:
    """Raise a StudyError when a role can read the truth or change what is recorded."""
    asked = sa.text(
        "SELECT can || ' on ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, "
        "unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) can "
        "WHERE c.relkind = 'r' AND has_table_privilege(:role, c.oid, can) AND (n.nspname = :truth "
        "OR n.nspname = current_schema() AND c.relname = ANY(:votes) AND can <> 'SELECT' "
        "AND NOT (c.relname = 'record' AND can = 'INSERT')) ORDER BY 1"
    )
    given = {"role": role, "truth": TRUTH_SCHEMA, "votes": list(READS)}
    if found := connection.scalars(asked, given).all():
        raise StudyError(
            f"The role {role} may do more than the rating pages should ({', '.join(found[:3])}); name a role that is "
            "no superuser, owns nothing here, belongs to no other role, and run `python -m siamese study grant NAME`."
        )
