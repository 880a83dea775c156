"""What is locked or recorded stays as it is, whoever connects: triggers that refuse every other change.

Allowed are: a record after the last one of its study; erasing content and salt of a rater who has withdrawn; revoking
a link. The triggers guard against mistakes and other programs; the chain tells what somebody did who removed them.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

FROZEN = ("study", "item", "rater", "assignment")
KEPT = (
    "study",
    "seq",
    "kind",
    "rater",
    "place",
    "revision",
    "client_id",
    "at",
    "digest",
    "previous",
    "chain",
)
KEYS = {
    "study": ("id",),
    "item": ("study", "id"),
    "rater": ("study", "number"),
    "assignment": ("study", "rater", "place"),
}
APPENDED = "records are append-only"
LOCKED = "frozen at lock"
ZEROS = "0" * 64


def upgrade() -> None:
    """Create the triggers."""
    (_sqlite if op.get_bind().dialect.name == "sqlite" else _postgresql)()


def _sqlite() -> None:
    same = " AND ".join(f"OLD.{name} IS NEW.{name}" for name in KEPT)
    left = "r.study = OLD.study AND r.rater = OLD.rater AND r.kind = 'withdraw'"
    erased = f"NEW.content IS NULL AND NEW.salt IS NULL AND {same} AND EXISTS (SELECT 1 FROM record r WHERE {left})"
    next_seq = "(SELECT coalesce(max(r.seq), 0) + 1 FROM record r WHERE r.study = NEW.study)"
    last = f"coalesce((SELECT r.chain FROM record r WHERE r.study = NEW.study AND r.seq = NEW.seq - 1), '{ZEROS}')"
    taken = "EXISTS (SELECT 1 FROM record r WHERE r.study = NEW.study AND r.client_id = NEW.client_id)"
    _refuse("record", "UPDATE", f"NOT ({erased})", APPENDED)
    _refuse("record", "DELETE", "1", APPENDED)
    # also what INSERT OR REPLACE would remove, in connections without recursive_triggers
    _refuse(
        "record", "INSERT", f"NEW.seq IS NOT {next_seq} OR NEW.previous IS NOT {last} OR {taken}", APPENDED
    )
    for table in FROZEN:
        key = " AND ".join(f"t.{name} IS NEW.{name}" for name in KEYS[table])
        there = f"EXISTS (SELECT 1 FROM {table} t WHERE {key})"
        begun = "EXISTS (SELECT 1 FROM record r WHERE r.study = NEW.study AND r.rater = NEW.rater)"
        _refuse(table, "UPDATE", "1", LOCKED)
        _refuse(table, "DELETE", "1", LOCKED)
        _refuse(table, "INSERT", f"{there} OR {begun}" if table == "assignment" else there, LOCKED)
    kept = " AND ".join(f"OLD.{name} IS NEW.{name}" for name in ("study", "key_sha256", "rater", "issued_at"))
    _refuse(
        "link",
        "UPDATE",
        f"NOT ({kept} AND OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)",
        "a link can only be revoked",
    )
    _refuse("link", "DELETE", "1", "a link can only be revoked")
    there = "EXISTS (SELECT 1 FROM link t WHERE t.study = NEW.study AND t.key_sha256 = NEW.key_sha256)"
    _refuse("link", "INSERT", there, "a link can only be revoked")


def _refuse(table: str, change: str, when: str, why: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_{change.lower()} BEFORE {change} ON {table} WHEN {when} "
        f"BEGIN SELECT RAISE(ABORT, '{why}'); END"
    )


def _postgresql() -> None:
    same = " AND ".join(f"OLD.{name} IS NOT DISTINCT FROM NEW.{name}" for name in KEPT)
    kept = " AND ".join(f"OLD.{name} = NEW.{name}" for name in ("study", "key_sha256", "rater", "issued_at"))
    _function(
        "siamese_record_change",
        f"""
        IF TG_OP = 'UPDATE' THEN
            IF NEW.content IS NULL AND NEW.salt IS NULL AND {same} AND EXISTS (
                SELECT 1 FROM record r WHERE r.study = OLD.study AND r.rater = OLD.rater AND r.kind = 'withdraw'
            ) THEN RETURN NEW; END IF;
        END IF;
        RAISE EXCEPTION '{APPENDED}';
        """,
    )
    _function(
        "siamese_record_insert",
        f"""
        IF NEW.seq = (SELECT coalesce(max(r.seq), 0) + 1 FROM record r WHERE r.study = NEW.study)
            AND NEW.previous = coalesce(
                (SELECT r.chain FROM record r WHERE r.study = NEW.study AND r.seq = NEW.seq - 1), '{ZEROS}'
            ) THEN RETURN NEW; END IF;
        RAISE EXCEPTION '{APPENDED}';
        """,
    )
    _function("siamese_frozen", f"RAISE EXCEPTION '{LOCKED}';")
    _function(
        "siamese_assignment_insert",
        f"""
        IF EXISTS (SELECT 1 FROM record r WHERE r.study = NEW.study AND r.rater = NEW.rater) THEN
            RAISE EXCEPTION '{LOCKED}';
        END IF;
        RETURN NEW;
        """,
    )
    _function(
        "siamese_link_change",
        f"""
        IF TG_OP = 'UPDATE' THEN
            IF {kept} AND OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL THEN RETURN NEW; END IF;
        END IF;
        RAISE EXCEPTION 'a link can only be revoked';
        """,
    )
    _trigger("record", "UPDATE OR DELETE", "siamese_record_change")
    _trigger("record", "INSERT", "siamese_record_insert")
    _trigger("assignment", "INSERT", "siamese_assignment_insert")
    _trigger("link", "UPDATE OR DELETE", "siamese_link_change")
    _trigger("record", "TRUNCATE", "siamese_record_change", "STATEMENT")
    _trigger("link", "TRUNCATE", "siamese_link_change", "STATEMENT")
    for table in FROZEN:
        _trigger(table, "UPDATE OR DELETE", "siamese_frozen")
        _trigger(table, "TRUNCATE", "siamese_frozen", "STATEMENT")


def _function(name: str, body: str) -> None:
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")


def _trigger(table: str, change: str, function: str, each: str = "ROW") -> None:
    name = f"{table}_{change.replace(' OR ', '_').lower()}"
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {change} ON {table} FOR EACH {each} EXECUTE FUNCTION {function}()"
    )
