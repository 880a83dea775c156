"""The tables of rating studies, in two halves that never share a connection.

`VOTES` is all that the rating pages may see: no arm, no source, no name of a file. `TRUTH` says where each picture
comes from: on SQLite a second file of mode 0600, on PostgreSQL a schema that the role of the pages has no right to.
Times are whole microseconds since 1970 (UTC); ids of items are 32 random hexadecimal characters.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
TRUTH_SCHEMA = "siamese_truth"  # PostgreSQL; on SQLite translated to none, in a file of its own
VERSIONS = {"votes": "0002", "truth": "0001"}  # the newest of `migrations`
VOTES = MetaData(naming_convention=NAMES)
TRUTH = MetaData(naming_convention=NAMES, schema=TRUTH_SCHEMA)


def _id(name: str, **more: bool) -> Column[str]:
    return Column(name, String(32), nullable=False, **more)


study = Table(
    "study",
    VOTES,
    _id("id", primary_key=True),
    Column(
        "design", Text, nullable=False
    ),  # the frozen design without its arms, canonical JSON: `Design.shown`
    Column("design_sha256", String(64), nullable=False),  # of the whole design, arms included
    Column("locked_at", BigInteger, nullable=False),
)

item = Table(  # one prepared picture; its pixels lie in the study's folder, `pictures/<id>.png`
    "item",
    VOTES,
    _id("study", primary_key=True),
    _id("id", primary_key=True),
    Column("sha256", String(64), nullable=False),  # of the file
    ForeignKeyConstraint(["study"], ["study.id"]),
)

rater = Table(
    "rater",
    VOTES,
    _id("study", primary_key=True),
    Column(
        "number", Integer, primary_key=True, autoincrement=False
    ),  # 0: the organiser's rehearsal, never counted
    ForeignKeyConstraint(["study"], ["study.id"]),
)

link = Table(  # a personal link; the newest one that is not revoked opens the pages
    "link",
    VOTES,
    _id("study", primary_key=True),
    Column("key_sha256", String(64), primary_key=True),  # of the secret in the link
    Column("rater", Integer, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    ForeignKeyConstraint(["study", "rater"], ["rater.study", "rater.number"]),
)

assignment = Table(  # the order of every rater, written at lock
    "assignment",
    VOTES,
    _id("study", primary_key=True),
    Column("rater", Integer, primary_key=True, autoincrement=False),
    Column(
        "place", Integer, primary_key=True, autoincrement=False
    ),  # 0, 1, …: the order in which it is shown
    Column("phase", String(16), nullable=False),  # practice, main, repeat, fit
    Column("block", Integer, nullable=False),  # a break stands between blocks
    Column("question", String(40), nullable=False),  # key of a scale (P3), else ""
    Column("items", Text, nullable=False),  # JSON: ids of items, left to right
    Column("repeats", Integer),  # the place this one repeats
    ForeignKeyConstraint(["study", "rater"], ["rater.study", "rater.number"]),
)

record = Table(  # append-only: triggers refuse every change but the erasure of contents after a withdrawal
    "record",
    VOTES,
    _id("study", primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),  # 1, 2, …: a gap breaks the chain
    Column("kind", String(16), nullable=False),  # vote, undo, consent, screen, finish, withdraw, audit
    Column("rater", Integer),  # None: the organiser
    Column("place", Integer),  # of the assignment
    Column("revision", Integer, nullable=False),  # 1, 2, … of one (rater, kind, place)
    Column("client_id", String(64), nullable=False),  # made by the page: the same id twice is one record
    Column("at", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),  # sha256 of salt + content
    Column("salt", LargeBinary),  # None together with `content` once erased
    Column("content", Text),  # canonical JSON
    Column("previous", String(64), nullable=False),  # `chain` of seq − 1; 64 zeros before the first
    Column("chain", String(64), nullable=False),  # sha256 of all above but salt and content
    UniqueConstraint("study", "client_id"),
    UniqueConstraint("study", "rater", "kind", "place", "revision"),  # its index also finds a rater's records
    ForeignKeyConstraint(["study"], ["study.id"]),
)

truth_item = Table(
    "truth_item",
    TRUTH,
    _id("study", primary_key=True),
    _id("item", primary_key=True),
    Column("arm", String(80), nullable=False),
    Column("mask_group", String(64), nullable=False),  # pictures of one mask share it; else one of its own
    Column("source", Text, nullable=False),  # the file it was prepared from
    Column("source_sha256", String(64), nullable=False),
    Column("practice", Boolean, nullable=False),
    Column("facts", Text, nullable=False),  # JSON: what the preparation did, the cues measured
)

truth_arm = Table(
    "truth_arm",
    TRUTH,
    _id("study", primary_key=True),
    Column("name", String(80), primary_key=True),
    Column("kind", String(16), nullable=False),  # real, synthetic, control
    Column(
        "design", Text, nullable=False
    ),  # the whole frozen design: what `Design.shown` leaves out stands here
)
