"""The tables of the votes half."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "study",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("design", sa.Text, nullable=False),
        sa.Column("design_sha256", sa.String(64), nullable=False),
        sa.Column("locked_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_study"),
    )
    op.create_table(
        "item",
        sa.Column("study", sa.String(32), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("study", "id", name="pk_item"),
        sa.ForeignKeyConstraint(["study"], ["study.id"], name="fk_item_study_study"),
    )
    op.create_table(
        "rater",
        sa.Column("study", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("study", "number", name="pk_rater"),
        sa.ForeignKeyConstraint(["study"], ["study.id"], name="fk_rater_study_study"),
    )
    op.create_table(
        "link",
        sa.Column("study", sa.String(32), nullable=False),
        sa.Column("key_sha256", sa.String(64), nullable=False),
        sa.Column("rater", sa.Integer, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("study", "key_sha256", name="pk_link"),
        sa.ForeignKeyConstraint(
            ["study", "rater"], ["rater.study", "rater.number"], name="fk_link_study_rater"
        ),
    )
    op.create_table(
        "assignment",
        sa.Column("study", sa.String(32), nullable=False),
        sa.Column("rater", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("place", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("block", sa.Integer, nullable=False),
        sa.Column("question", sa.String(40), nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("repeats", sa.Integer),
        sa.PrimaryKeyConstraint("study", "rater", "place", name="pk_assignment"),
        sa.ForeignKeyConstraint(
            ["study", "rater"], ["rater.study", "rater.number"], name="fk_assignment_study_rater"
        ),
    )
    op.create_table(
        "record",
        sa.Column("study", sa.String(32), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("rater", sa.Integer),
        sa.Column("place", sa.Integer),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("salt", sa.LargeBinary),
        sa.Column("content", sa.Text),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("study", "seq", name="pk_record"),
        sa.UniqueConstraint("study", "client_id", name="uq_record_study_client_id"),
        sa.UniqueConstraint(
            "study", "rater", "kind", "place", "revision", name="uq_record_study_rater_kind_place_revision"
        ),
        sa.ForeignKeyConstraint(["study"], ["study.id"], name="fk_record_study_study"),
    )
