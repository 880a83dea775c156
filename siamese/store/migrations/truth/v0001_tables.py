"""The tables of the truth half; on SQLite the schema is translated to none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
SCHEMA = "siamese_truth"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "truth_item",
        sa.Column("study", sa.String(32), nullable=False),
        sa.Column("item", sa.String(32), nullable=False),
        sa.Column("arm", sa.String(80), nullable=False),
        sa.Column("mask_group", sa.String(64), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("source_sha256", sa.String(64), nullable=False),
        sa.Column("practice", sa.Boolean, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("study", "item", name="pk_truth_item"),
        schema=SCHEMA,
    )
    op.create_table(
        "truth_arm",
        sa.Column("study", sa.String(32), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("design", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("study", "name", name="pk_truth_arm"),
        schema=SCHEMA,
    )
