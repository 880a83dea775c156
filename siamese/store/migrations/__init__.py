"""Bring both halves of a study to the tables that this version knows; a backup is made where something is there.

One folder of Alembic revisions for each half. There is no way back but the backup.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from siamese.atomic import private_folder
from siamese.errors import StudyError, writing
from siamese.store import engine
from siamese.store.drives import refuse_network
from siamese.store.engine import Half, Place, version_of, version_table
from siamese.store.tables import TRUTH_SCHEMA, VERSIONS

HERE = Path(__file__).parent
_one = threading.Lock()  # `alembic.op` is one for the whole process


def migrate(place: Place, study: str = "") -> Path | None:
    """Create or update the tables of both halves; with PostgreSQL also the rights of the role of the pages.

    Args:
        place: where.
        study: id; its rows are copied to `backups/` first when an older version is found.

    Returns:
        The backup; None when none was needed.

    Raises:
        StudyError: on a network drive, written by a newer version, or not reachable.
    """
    from siamese.store.backup import backup  # it makes databases of its own
    from siamese.store.grants import grant

    found = versions(place)
    for half, version in found.items():
        if version > VERSIONS[half]:
            raise StudyError(
                f"{place} was written by a newer Siamese Studio ({half} {version}); update this one."
            )
    kept = None
    if found["votes"] and found != VERSIONS and study:
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        kept = place.folder / "backups" / f"{stamp}_before_{VERSIONS['votes']}.zip"
        with writing(kept.parent):
            private_folder(kept.parent)
        backup(place, study, kept, pictures=False)
    for half, version in VERSIONS.items():
        upgrade(place, half, version)
    if place.pages:
        grant(place)
    return kept


def versions(place: Place) -> dict[Half, str]:
    """Which migration each half has come to; empty text: none."""
    found: dict[Half, str] = {}
    for half in VERSIONS:
        try:
            with engine.once(place, half) as connection:
                found[half] = version_of(connection, half)
        except engine.NotPrepared:
            found[half] = ""
    return found


def upgrade(place: Place, half: Half, version: str) -> None:
    """Bring one half to a version, in one transaction; nothing happens when it is there."""
    if not place.url:
        refuse_network(place.folder)
        with writing(place.folder):
            os.close(os.open(place.file(half), os.O_CREAT | os.O_RDWR, 0o600))
    with _one, engine.once(place, half, write=True) as connection:
        on_server = connection.dialect.name == "postgresql"
        if on_server:
            connection.execute(
                sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(TRUTH_SCHEMA, 0)))
            )
            if half == "truth":
                connection.execute(sa.schema.CreateSchema(TRUTH_SCHEMA, if_not_exists=True))
        script = ScriptDirectory(str(HERE), version_locations=[str(HERE / half)])
        context = MigrationContext.configure(
            connection,
            opts={
                "fn": lambda revision, _: script._upgrade_revs(
                    version, revision
                ),  # as `alembic upgrade` does
                "version_table": version_table(half),
                "version_table_schema": TRUTH_SCHEMA if half == "truth" and on_server else None,
            },
        )
        with Operations.context(context):
            context.run_migrations()
