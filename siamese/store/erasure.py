"""Erase what a rater said who has withdrawn: from the rows, and from what the database keeps of them on disk."""

from __future__ import annotations

from contextlib import closing

import sqlalchemy as sa

from siamese.errors import StudyError
from siamese.store import records
from siamese.store.engine import writing


def erase(engine: sa.Engine, study: str, rater: int) -> int:
    """Erase the contents of a rater for good; raters may be voting. Older backups, and a server's own logs, keep them.

    Args:
        engine: votes half, opened for writing by the organiser.
        study: id.
        rater: number.

    Returns:
        How many contents were erased now.

    Raises:
        StudyError: the rater has not withdrawn, or somebody reads just now what was erased.
    """
    with writing(engine) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete=ON")  # what is freed is overwritten with zeros
        erased = records.erase(connection, study, rater)
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as connection:
            busy = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise StudyError(
                "The contents are erased, but a file still holds them; run the same command again."
            )
    else:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"VACUUM (FULL) {records.table.name}")  # writes the table anew
    return erased
